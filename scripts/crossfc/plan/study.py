"""The study: its configuration, folders, sheets and sessions."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from crossfc import content
from crossfc.fault import Fault, Gathering, raise_all
from crossfc.jobs import planned
from crossfc.trial import command
from crossfc.trial import config as configuration
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import Contrast
from crossfc.trial.design import Compared, Trial, load
from crossfc.trial.estimability import Limit, limits
from crossfc.trial.path import is_file
from crossfc.trial.session import Session
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.strategy import CLEANED, Strategy, read_strategies

if TYPE_CHECKING:
    from crossfc.clinic.contrast import Design
    from crossfc.group.design.options import Baseline


def no_file(key: str, path: str, what: str) -> str:
    """Say that the path of a config key is no file, where crossfc brings one of its own."""
    why = content.stand_in(path) or (
        f"is no file; correct the path, or remove the key for the {what} that crossfc brings"
    )
    return f"config key {key}: {path} {why}"


class Labels(TypedDict):
    """The labels of the groups and treatments by role, as `Configuration` has them."""

    groups: dict[str, str | None]
    treatments: dict[str, str]


class Study:
    """A study: its checked configuration, its folders, its sheets and its sessions.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake merged it.
    home : path
        The folder of the Snakefile. Files that do not exist below the working directory are taken
        from there (the seeds and strategies that come with crossfc).
    configfiles : sequence of path
        The files that the user gave as ``--configfile``, for the commands shown in messages.
    read_sheets : bool
        False if `sheets` is going to write the sheets, as existing ones may be broken.

    Raises
    ------
    Fault
        If the configuration or the sheets are faulty.
    """

    def __init__(
        self,
        config: dict[str, Any],
        home: str | Path,
        configfiles: Sequence[str | Path] = (),
        read_sheets: bool = True,
    ):
        self.home, self.configfiles = Path(home), configfiles
        if set("{}") & set(str(home)):
            raise Fault(
                f"the workflow lies in {home}, and Snakemake takes {{ and }} for a wildcard, also "
                "in its own scripts; move it to a folder without them"
            )
        schema = configuration.load_schema(self.home / "workflow/schemas/config.schema.yaml")
        self.config = configuration.check(config, schema)
        # `sheets` writes to the paths in the config, not over files of that name in crossfc.
        self.sheets_as_given = dict(self.config["sheets"])
        self._find_files()
        self.study_dir = Path(self.config["results_dir"]) / self.config["study"]
        _require_writable(self.study_dir)
        self._check_places()
        brought = {
            f"sheets.{key}": (path, "sheet")
            for key, path in self.config["sheets"].items()
            if key not in ("participants", "sessions")
        }
        brought["strategies"] = (self.config["strategies"], "file")
        raise_all([no_file(key, *own) for key, own in brought.items() if not is_file(own[0])])
        self.trial: Trial | None = None
        self.missing_sheets = [
            path
            for key in ("participants", "sessions")
            if not is_file(path := self.config["sheets"][key])
        ]
        design = [*self.config["sheets"].values(), self.config["strategies"]]
        registered = self.config["preregistration"]
        design += [registered] if registered is not None else []
        design += [rated] if (rated := self.config["exclusion"]["ratings"]) is not None else []
        design += [blinding["file"]] if (blinding := self.config["blinding"]) is not None else []
        with planned.reading(design) as self.texts:
            if read_sheets and not self.missing_sheets:
                self._read_sheets()

    def _read_sheets(self) -> None:
        gathering = Gathering()
        self.trial = gathering.call(load, self.config)
        strategies = gathering.call(self._read_strategies)
        gathering.raise_all()
        assert strategies is not None
        self.strategies = strategies
        self.check()

    def check(self) -> None:
        """Refuse sheets and a configuration that do not fit each other; see `crossfc.plan.Plan`."""

    def _check_places(self) -> None:
        """Refuse inputs inside the folder of results, where a session's folder is replaced."""
        for key in ("bids_dir", "derivatives_dir"):
            path = self.config[key]
            if path and os.path.realpath(path) == os.path.realpath(self.study_dir):
                raise Fault(
                    f"config key {key}: {path} is where the results go (results_dir and study); "
                    "choose another study name or results_dir"
                )
        if self.config["twin"] is not None and self.entry == "maps":
            raise Fault(
                "config key twin: scans are simulated for entry raw or fmriprep, and entry maps "
                "takes ready maps; delete the key twin"
            )
        if self.entry == "raw":
            raw, made = Path(self.config["bids_dir"]), self.derivatives_dir
            if raw.resolve() == made.resolve():
                raise Fault(
                    f"config key derivatives_dir: {made} is bids_dir too, and preprocessed scans "
                    "would come among the raw ones; name another folder, or leave the key out"
                )

    def for_sheets(self) -> Configuration:
        """Return the configuration with which `sheets` writes participants.tsv and sessions.tsv."""
        own = {key: self.sheets_as_given[key] for key in ("participants", "sessions")}
        return {**self.config, "sheets": self.config["sheets"] | own}

    def _find_files(self) -> None:
        """Use the workflow's files where the working directory has none of that name."""

        sheets = self.config["sheets"]
        for key in sheets:
            sheets[key] = self.found(sheets[key])
        self.config["strategies"] = self.found(self.config["strategies"])
        group = self.config["group"]
        group["atlas"] = self.found(group["atlas"])
        group["atlas_names"] = self.found(group["atlas_names"])

    def found(self, path: str) -> str:
        if os.path.lexists(path) or not os.path.exists(self.home / path):
            return path
        return os.path.relpath(self.home / path)

    def _read_strategies(self) -> dict[str, Strategy]:
        path = self.config["strategies"]
        schema = configuration.load_schema(self.home / "workflow/schemas/strategies.schema.yaml")
        strategies = read_strategies(path, schema)
        for name, choices in self.config["pipelines"].items():
            if choices["strategy"] not in strategies:
                raise Fault(
                    f"config key pipelines.{name}.strategy: {path} has no strategy "
                    f"{choices['strategy']}{did_you_mean(choices['strategy'], strategies)}; it has "
                    f"{', '.join(strategies)}"
                )
        return strategies

    @property
    def entry(self) -> str:
        """Where the workflow starts: raw, fmriprep or maps."""
        return str(self.config["entry"])

    @property
    def preprocessing_tool(self) -> str | None:
        """What preprocesses raw scans: native or fmriprep-run; None if the entry is not raw."""
        return self.config["preprocessing"]["tool"] if self.entry == "raw" else None

    @property
    def pipelines(self) -> list[str]:
        """Names of the pipelines, the primary one first."""
        return ["maps"] if self.entry == "maps" else list(self.config["pipelines"])

    @property
    def primary(self) -> str:
        """Name of the primary pipeline."""
        return self.pipelines[0]

    @property
    def derivatives_dir(self) -> Path:
        """Folder of the fMRIPrep-shaped derivatives."""
        given = self.config["derivatives_dir"]
        return Path(given) if given else self.study_dir / "preprocessed"

    @property
    def has_images(self) -> bool:
        """Whether anybody has the scans of a contrast, so that there is more than the clinic."""
        return any(self.compared(contrast) for contrast in self.contrasts())

    @property
    def has_edges(self) -> bool:
        """Whether the edges of every session are known (ready maps come without them)."""
        return self.has_images and self.entry != "maps"

    def require_scans(self, both: bool = True) -> list[str]:
        """Refuse a study of images in which nobody can be analysed; otherwise return an empty list.

        The empty list lets a rule use this check as an input without files.

        Parameters
        ----------
        both : bool
            True if all scans of a contrast are needed, False if any scan is enough.

        Raises
        ------
        Fault
            If nobody has such scans (or ready maps).
        """
        if self.has_images or (self.sessions() and not both):
            return []
        sheet = self.config["sheets"]["sessions"]
        if self.entry == "maps":
            what, remedy = f"nobody has a session {self._needed()}", "correct the sheet"
        elif self.sessions():
            what, remedy = f"nobody has a scan {self._needed()}", "correct the column scan"
        else:
            what = "no session that is used has a scan"
            remedy = "fill the column scan, or let the target sheets do so"
        raise Fault(
            f"{sheet}: {what}, so there is no connectivity to analyse; {remedy}; what needs no "
            "image is made by its target: clinical_change, or report for a page of the clinic alone"
        )

    def _needed(self) -> str:
        """Word the sessions that a person needs to be analysed."""
        contrasts = self.contrasts()
        if (
            len(contrasts) == 1
            and contrasts[0].treatments
            and self.checked_trial().n_occasions == 1
        ):
            return "under both treatments"
        sides = [" and ".join(contrast.sides.values()) for contrast in contrasts]
        return f"of each cell of a contrast ({'; '.join(sides)})"

    def checked_trial(self) -> Trial:
        """Return the trial.

        Raises
        ------
        Fault
            If its sheets have not been written yet.
        """
        if self.trial is None and not self.missing_sheets:
            self._read_sheets()
        if self.trial is None:
            why = content.stand_in(self.missing_sheets[0])
            if why is not None:
                raise Fault(f"{self.missing_sheets[0]} {why}")
            raise Fault(
                f"{self.missing_sheets[0]} does not exist; run "
                f"`{command.snakemake('sheets', self.configfiles)}` to write the sheets from the "
                "data set, or write them by hand"
            )
        return self.trial

    def file(self, *parts: str) -> str:
        """Return a path below the study's results."""
        return str(self.study_dir.joinpath(*parts))

    def sessions(self) -> list[Session]:
        """List the sessions whose connectivity is computed: not excluded, with a scan."""
        return self.checked_trial().scanned_sessions()

    def contrasts(self) -> list[Contrast]:
        """List the contrasts of the trial."""
        return self.checked_trial().contrasts

    def contrast(self, name: str) -> Contrast:
        """Return a contrast by its name."""
        return next(contrast for contrast in self.contrasts() if contrast.name == name)

    def compared(self, contrast: Contrast) -> list[Compared]:
        """List the people with all sessions of a contrast; with ready contrast maps, everybody."""
        if contrast.name not in self._compared:
            self._compared[contrast.name] = self._people_of(contrast)
        return self._compared[contrast.name]

    @cached_property
    def _compared(self) -> dict[str, list[Compared]]:
        return {}

    def _people_of(self, contrast: Contrast) -> list[Compared]:
        trial = self.checked_trial()
        if self.entry != "maps":
            return trial.compared(contrast, self.sessions())
        people = trial.compared(contrast, self.sessions_for_maps())
        if self.config["maps"]["level"] == "session":
            return people
        known = {person.participant.participant_id: person for person in people}
        return [
            known.get(name) or trial.comparing(contrast, person)
            for name, person in sorted(trial.participants.items())
            if trial.has_contrast(person)
        ]

    def session(self, participant: str, session: str) -> Session:
        """Find a session by its labels."""
        found = self._session_by_label.get((f"sub-{participant}", f"ses-{session}"))
        if found is not None:
            return found
        raise Fault(
            f"sub-{participant} ses-{session} has no scan in {self.config['sheets']['sessions']}, "
            "or is excluded there"
        )

    @cached_property
    def _session_by_label(self) -> dict[tuple[str, str], Session]:
        # Sessions are looked up often; searching a list each time would take quadratic time.
        return {(s.participant_id, s.session_id): s for s in self.sessions()}

    @property
    def given_derivatives(self) -> bool:
        """Whether the user provides the derivatives, so that no rule makes them."""
        return self.entry == "fmriprep" and self.config["twin"] is None

    @property
    def cleaned(self) -> bool:
        """Whether another program cleaned the derivatives, as some pipeline's strategy says."""
        own = self.config["pipelines"].values()
        return any(choices["strategy"] == CLEANED for choices in own)

    def preprocessing_choices(self, *names: str) -> dict[str, Any]:
        """Return some keys of the config's ``preprocessing``: those that a job depends on."""
        choices: Mapping[str, Any] = self.config["preprocessing"]
        return {name: choices[name] for name in names}

    def labels(self, contrast: Contrast) -> Labels:
        """Return the labels of groups, and of the two sides of a contrast."""
        return {"groups": self.checked_trial().group_roles, "treatments": contrast.sides}

    def limits(self) -> list[Limit]:
        """List what the sheets do not allow to be estimated; empty without sheets or images."""
        if self.trial is None or not self.sessions_for_maps():
            return []
        compared = {contrast.name: self.compared(contrast) for contrast in self.contrasts()}
        if self.entry == "maps" and self.config["maps"]["level"] == "contrast":
            return []
        return limits(self.trial, compared, self.sessions_for_maps())

    def sessions_for_maps(self) -> list[Session]:
        """List the sessions of which there are maps: with a scan, or in the sheet of ready maps."""
        trial = self.checked_trial()
        return trial.kept_sessions() if self.entry == "maps" else self.sessions()

    def baseline(self, contrast: Contrast) -> "Baseline | None":
        """Return the baseline that is a covariate of a contrast."""
        occasion = self.config["baseline_occasion"]
        if not contrast.baseline or occasion is None:
            return None
        return {"occasion": occasion, "within": contrast.baseline_within}

    def designs(self) -> "list[Design]":
        """Return, for each contrast, its name, the labels and the columns of periods."""
        trial = self.checked_trial()
        return [
            {
                "contrast": contrast.name,
                "n_cells": len(contrast.weights),
                "n_sessions": len(contrast.cells),
                "effect": contrast.effect,
                "arms": trial.arms,
                "order": trial.visit_columns(contrast),
                "baseline": self.baseline(contrast),
                "crossed": list(contrast.treatments or ()),
                # Sides that are occasions and no treatment: of a change over time.
                "occasions": [side for side in contrast.sides if contrast.is_occasion(side)],
                **self.labels(contrast),
            }
            for contrast in trial.contrasts
        ]


class Stage:
    """One stage of a study: what its jobs read, write and depend on.

    Parameters
    ----------
    study : Study
        It is read only when a method is called, as a job may write its sheets first.
    """

    def __init__(self, study: Study):
        self.study = study

    @property
    def config(self) -> Configuration:
        """The configuration of the study, as checked."""
        return self.study.config


def _require_writable(folder: Path) -> None:
    existing = folder
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise Fault(
            f"config key results_dir: {existing} is not a folder that can be written to; choose "
            "another, or change its permissions"
        )
