"""The plan of a study: which files each job reads and writes. The rules ask, this answers.

Only names and sheets are looked at. Whether a scan exists, and whether the header of a raw one can
be used, is asked when a job that needs it is planned: the clinical arm runs without any image.
"""

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from crossfc import content
from crossfc.bids import label as _label
from crossfc.fault import Fault, raise_all
from crossfc.group import question
from crossfc.jobs import claim, planned
from crossfc.session import fmriprep, layout, match
from crossfc.trial import command, regions
from crossfc.trial import config as configuration
from crossfc.trial.covariate import determined, without_values
from crossfc.trial.design import Pair, Session, Trial, load
from crossfc.trial.path import LONGEST_NAME, is_file, told
from crossfc.trial.person import scan_kind
from crossfc.trial.sheet import did_you_mean, read_sheet
from crossfc.trial.strategy import read_strategies
from crossfc.trial.tree import MULTI_ECHO

_SUB, _SES, _SCAN = "sub-PARTICIPANT", "ses-SESSION", "sub-SCAN"


class Plan:
    """Paths and parameters of every job of one study.

    Parameters
    ----------
    config : dict
        The configuration as Snakemake merged it.
    home : path
        The folder of the Snakefile; files that are not found below the working directory are
        taken from there (the seeds and strategies that crossfc ships).
    configfiles : sequence of path
        The files that the user gave as ``--configfile``, for the commands that sentences tell.
    read_sheets : bool
        False where `sheets` is to write them: those that lie there may be broken.

    Raises
    ------
    Fault
        If the configuration or the sheets are at fault.
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
        # `sheets` writes where the config says, not over what crossfc ships under that name.
        self.sheets_as_given = dict(self.config["sheets"])
        self._find_files()
        self.study_dir = Path(self.config["results_dir"]) / self.config["study"]
        _require_writable(self.study_dir)
        self._check_places()
        raise_all(
            [
                f"config key sheets.{key}: {path} "
                + (
                    content.stand_in(path)
                    or "is no file; correct the path, or remove the key for the sheet that crossfc "
                    "brings"
                )
                for key, path in self.config["sheets"].items()
                if key not in ("participants", "sessions") and not is_file(path)
            ]
        )
        self.trial: Trial | None = None
        self._checked_maps: list[str] | None = None
        self.missing_sheets = [
            path
            for key in ("participants", "sessions")
            if not is_file(path := self.config["sheets"][key])
        ]
        design = (*self.config["sheets"].values(), self.config["strategies"])
        with planned.reading(design) as self.texts:
            if read_sheets and not self.missing_sheets:
                self._read_sheets()

    def _read_sheets(self) -> None:
        self.trial = load(self.config)
        self.strategies = self._strategies()
        self._check_clinical()
        self._check_group()
        self._check_names()
        self._check_raw()

    def for_sheets(self) -> dict[str, Any]:
        """Give the configuration by which `sheets` writes participants.tsv and sessions.tsv."""
        own = {key: self.sheets_as_given[key] for key in ("participants", "sessions")}
        return self.config | {"sheets": self.config["sheets"] | own}

    def _find_files(self) -> None:
        """Take files from the workflow's folder where the working directory has none."""

        sheets = self.config["sheets"]
        for key in sheets:
            sheets[key] = self._found(sheets[key])
        self.config["strategies"] = self._found(self.config["strategies"])
        for key in ("atlas", "atlas_names"):
            self.config["group"][key] = self._found(self.config["group"][key])

    def _found(self, path: str) -> str:
        if os.path.lexists(path) or not os.path.exists(self.home / path):
            return path
        return os.path.relpath(self.home / path)

    def _placed(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"file": self._found(row["file"])} if row["file"] else row

    def _bare(self, row: dict[str, Any]) -> dict[str, Any]:
        """Give a region as computations need it: a better citation is for the report only."""
        words = ("citation", "provenance")
        return {key: value for key, value in self._placed(row).items() if key not in words}

    def _strategies(self) -> dict[str, Any]:
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

    def _check_clinical(self) -> None:
        """Refuse words of the config key ``clinical`` that the sheets do not have."""
        trial, clinical = self.checked_trial(), self.config["clinical"]
        known = {
            "groups": trial.groups,
            "seed": self.seeds(self.primary),
            "target": regions.names(trial.targets),
            "scales": list(trial.scales),
        }
        named = [("clinical.groups", "groups", group) for group in clinical["groups"] or ()]
        for i, hypothesis in enumerate(clinical["hypotheses"], 1):
            place = f"clinical.hypotheses, number {i}"
            named += [(place, kind, hypothesis[kind]) for kind in ("seed", "target")]
            named += [(place, "scales", scale) for scale in hypothesis.get("scales", ())]
        raise_all(
            [
                f"config key {place}: {word!r} is none of {', '.join(known[kind])}"
                f"{did_you_mean(word, known[kind])}; correct it"
                for place, kind, word in named
                if word not in known[kind]
            ]
        )

    def _check_places(self) -> None:
        """Refuse inputs that lie where results are written: a session's folder is made anew."""
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

    def made_places(self) -> dict[str, tuple[Path, str, Callable[[], list[str]]]]:
        """Give the folders besides the results that rules fill, by the config key that does it.

        Returns
        -------
        dict
            Key to the folder, what it is for, and a function that lists all files that rules may
            make in it.
        """
        places: dict[str, tuple[Path, str, Callable[[], list[str]]]] = {}
        if self.config["twin"] is not None:
            raw = self.entry == "raw"
            folder = Path(self.config["bids_dir"]) if raw else self.derivatives_dir
            files = self._raw_twin_files if raw else self._twin_derivatives
            places["twin"] = folder, claim.TWIN, files
        if self.entry == "raw":
            place = self.derivatives_dir, claim.PREPROCESSED, self._preprocessed_files
            places["derivatives_dir"] = place
        return places

    def _scans(self) -> list[str]:
        return [scan for session in self.sessions() for scan in session.scans] if self.trial else []

    def _people(self) -> list[str]:
        sessions = self.sessions() if self.trial else []
        return list(dict.fromkeys(session.participant_id for session in sessions))

    def _twin_derivatives(self) -> list[str]:
        return [path for scan in self._scans() for path in self.preprocessed(scan).values()]

    def _raw_twin_files(self) -> list[str]:
        files = [self.raw_path(name) for name in self.raw_twin_head()]
        for person in self._people():
            if t1w := self.checked_trial().participants[person].t1w:
                image = self.raw_path(t1w)
                files += [image, image.replace(".nii.gz", ".json")]
        return files + [path for scan in self._scans() for path in self.raw_twin(scan).values()]

    def _preprocessed_files(self) -> list[str]:
        folder, space, res = self.derivatives_dir, self.config["space"], self.config["res"]
        files = [str(folder / "dataset_description.json")]
        files += [path for scan in self._scans() for path in self.preprocessed(scan).values()]
        if self.preprocessing_tool == "native":
            files += [str(layout.run_figure(scan, folder)) for scan in self._scans()]
            own = [layout.anatomy(person, folder, space) for person in self._people()]
            return files + [str(path) for named in own for path in named.values()]
        # Second names of fMRIPrep's own files, which fMRIPrep may have made anew.
        made = [
            path
            for scan in self._scans()
            for path in layout.preprocessed(scan, self.file("fmriprep"), space, res).values()
        ]
        pairs = zip(files[1:], made, strict=True)
        return files[:1] + [path for path, other in pairs if not _same_file(path, other)]

    def require_own_places(self) -> None:
        """Refuse to fill folders that hold what others made (see `crossfc.jobs.claim`).

        Raises
        ------
        Fault
            One sentence for each folder, with the config key that names it.
        """
        faults = []
        result, study = claim.is_result(self.study_dir), self.study_dir
        kind = claim.kind_of(study)
        foreign = claim.first_file(study) if not (result or kind) else None
        if (study / "dataset_description.json").exists() and not result:
            foreign = "dataset_description.json"
        if kind not in (None, claim.RESULTS):
            foreign = kind
        if foreign:
            faults.append(
                f"config key study: {study}, where the results would go, holds what is none of "
                f"crossfc's results ({foreign}); choose another study name or results_dir"
            )
        for key, (folder, kind, files) in self.made_places().items():
            fault = claim.fault(folder, kind, files() if claim.kind_of(folder) else ())
            if fault and key == "twin":
                faults.append(
                    f"config key twin: simulated scans would be written over what is no twin's: "
                    f"{fault}; for a study of real scans delete the key twin, for a twin name a "
                    f"new folder as {self._place_of_twin} or move that away"
                )
            elif fault:
                faults.append(
                    f"config key derivatives_dir: preprocessed scans would be written over "
                    f"others: {fault}; name a new folder, or move that away"
                )
        raise_all(faults)

    @property
    def _place_of_twin(self) -> str:
        return "derivatives_dir" if self.entry == "fmriprep" else "bids_dir"

    def claim_places(self, outputs: list[str]) -> None:
        """Claim the folders that files of a run go into, before its first job.

        Raises
        ------
        Fault
            If one cannot be written to.
        """
        claim.make(self.study_dir, claim.RESULTS)
        for folder, kind, _ in self.made_places().values():
            if any(Path(path).is_relative_to(folder) for path in outputs):
                claim.make(folder, kind)

    def _check_group(self) -> None:
        """Refuse an exchange of blocks that are not named, and an atlas that is not there."""
        group = self.config["group"]
        for key in ("atlas", "atlas_names"):
            why = content.stand_in(group[key])
            if why is not None:
                raise Fault(f"config key group.{key}: {group[key]} {why}")
            if not is_file(group[key]):
                raise Fault(
                    f"config key group.{key}: {group[key]} is no file; correct the path, or remove "
                    "the key for the atlas that crossfc brings"
                )
        read_sheet(group["atlas_names"], ("index", "name"))
        trial = self.checked_trial()
        compared = any(
            name.startswith(question.GROUP) for name in group["analyses"] or [question.GROUP]
        )
        if compared and len(trial.groups) > 1 and trial.covariate_types:
            people = [trial.person_row(pair.participant) for pair in self.paired()]
            sheet = self.config["sheets"]["participants"]
            raise_all(without_values(people, trial.covariate_types, trial.groups, sheet))
            if name := determined(people, trial.covariate_types):
                raise Fault(
                    f"config key covariates: {name} follows from the group and the other "
                    "covariates among the people with both sessions (such as a site that has one "
                    "group only), so that no model can tell them apart; leave it out"
                )
        if group["block_exchange"] == "whole" and group["blocks"] is None:
            raise Fault(
                "config key group.block_exchange: whole blocks are to be exchanged, but "
                "group.blocks names no column of them; name one, or write within"
            )

    def _check_names(self) -> None:
        """Refuse labels that together make a file name longer than a file system allows."""
        sessions = self.sessions()
        if not sessions:
            return
        longest = max(sessions, key=lambda s: len(s.participant_id + s.session_id))
        words = self.config["task"], self.study_dir, self.config["space"]
        names: list[Path] = []
        for pipeline in self.pipelines:
            found = layout.connectivity(
                longest.participant_id, longest.session_id, *words, pipeline, self.seeds(pipeline)
            )
            names += found["maps"]
        scan = max((scan for s in sessions for scan in s.scans), key=len, default=None)
        if scan is not None:
            names += map(Path, self.preprocessed(scan).values())
        name = max(names, key=lambda path: len(path.name))
        # Files are written to a temporary name first, which is longer.
        if len(name.name) + 40 > LONGEST_NAME:
            raise Fault(
                f"the name {name.name[:60]}… would have {len(name.name)} bytes, of "
                f"{LONGEST_NAME - 40}; shorten the labels it is made of (person, session, task, "
                "space, pipeline, seed)"
            )

    def _check_raw(self) -> None:
        """Refuse raw runs that preprocessing has no names for, and what fMRIPrep cannot do."""
        if self.preprocessing_tool == "fmriprep-run":
            fmriprep.check(self.config)
        if self.entry == "raw":
            sheet = self.config["sheets"]["sessions"]
            scans = [(f"{sheet}, row {s.row}", scan) for s in self.sessions() for scan in s.scans]
            faults = [
                f"{row}: {scan} lies in no session folder, which entry raw needs; lay the data "
                "set out as sub-*/ses-*/func"
                for row, scan in scans
                if len(Path(scan).parts) != 4
            ]
            raise_all(
                faults
                + [
                    MULTI_ECHO.format(f"{row}, {scan}")
                    for row, scan in scans
                    if "echo" in scan_kind(scan)
                ]
            )
        if self.entry == "raw" and self.config["twin"] is not None:
            people = dict.fromkeys(s.participant_id.removeprefix("sub-") for s in self.sessions())
            raise_all([fault for person in people for fault in _faults(self.raw_t1w, person)])

    # The study ---------------------------------------------------------------------------------

    @property
    def entry(self) -> str:
        """Where the way begins: raw, fmriprep or maps."""
        return self.config["entry"]

    @property
    def preprocessing_tool(self) -> str | None:
        """What preprocesses raw scans: native or fmriprep-run; None where the entry is not raw."""
        return self.config["preprocessing"]["tool"] if self.entry == "raw" else None

    def preprocessing_versions(self) -> dict[str, str]:
        """Give the tools besides crossfc that preprocessed the scans, with their versions."""
        if self.preprocessing_tool != "fmriprep-run":
            return {}
        image = self.config["preprocessing"]["fmriprep"]["image"]
        return {"fMRIPrep": fmriprep.version_of(image)}

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
        """Whether anybody has a pair of scans, so that there is more than the clinical arm."""
        return bool(self.paired())

    @property
    def has_edges(self) -> bool:
        """Whether the edges of every session are known (ready maps come without them)."""
        return self.has_images and self.entry != "maps"

    def require_scans(self, both: bool = True) -> list[str]:
        """Give no file, or refuse a study of images in which nobody can be analysed.

        Parameters
        ----------
        both : bool
            Whether scans under both treatments are due, or any scan will do.

        Raises
        ------
        Fault
            If nobody has such scans (or ready maps).
        """
        if self.has_images or (self.sessions() and not both):
            return []
        sheet = self.config["sheets"]["sessions"]
        if self.entry == "maps":
            what, remedy = "nobody has a session under both treatments", "correct the sheet"
        elif self.sessions():
            what, remedy = "nobody has a scan under both treatments", "correct the column scan"
        else:
            what = "no session that is used has a scan"
            remedy = "fill the column scan, or let the target sheets do so"
        raise Fault(
            f"{sheet}: {what}, so there is no connectivity to analyse; {remedy}; what needs no "
            "image is made by its target: clinical_change, or report for a page of the clinic alone"
        )

    def checked_trial(self) -> Trial:
        """Give the trial.

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
        """Give a path below the study's results."""
        return str(self.study_dir.joinpath(*parts))

    # Sessions ----------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """Give the sessions whose connectivity is made: kept, with a scan."""
        return self.checked_trial().scanned_sessions()

    def paired(self) -> list[Pair]:
        """Give the people with both sessions; with ready contrast maps, everybody."""
        trial = self.checked_trial()
        if self.entry != "maps":
            return trial.pairs(self.sessions())
        pairs = trial.pairs(trial.kept_sessions())
        if self.config["maps"]["level"] == "session":
            return pairs
        known = {pair.participant.participant_id: pair for pair in pairs}
        return [
            known.get(name, Pair(person, None, None))
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
        # Asked several times for every session; a search each time would grow with its square.
        return {(s.participant_id, s.session_id): s for s in self.sessions()}

    def preprocessed(self, scan: str) -> dict[str, str]:
        """Name fMRIPrep's files of a scan."""
        space, res = self.config["space"], self.config["res"]
        return _preprocessed(scan, self.derivatives_dir, space, res)

    def preprocessed_inputs(self, participant: str, session: str, kind: str) -> list[str]:
        """List one kind of file (bold, mask, confounds) over the repeat runs of a session.

        Raises
        ------
        Fault
            If one does not exist and no rule makes it.
        """
        own = self.session(participant, session)
        scans = self.used_scans(participant, session)
        if not self.given_derivatives:
            return [self.preprocessed(scan)[kind] for scan in scans]
        if kind == "bold_sidecar":
            paths = [path for scan in scans for path in self._matches.sidecars(scan)]
            return list(dict.fromkeys(map(str, paths)))
        tables = "confounds" if kind == "confounds_sidecar" else kind
        try:
            paths = [self._matches.files(scan)[tables] for scan in scans]
        except Fault as fault:
            raise self._in_row(own, fault) from None
        if kind == "confounds_sidecar":
            # Only strategies with CompCor need it, and say so themselves.
            beside = [path.with_suffix(".json") for path in paths]
            paths = [path for path in beside if path.is_file() or path.is_symlink()]
        return list(map(str, paths))

    @property
    def given_derivatives(self) -> bool:
        """Whether the derivatives are the user's, and not made by a rule."""
        return self.entry == "fmriprep" and self.config["twin"] is None

    @cached_property
    def _matches(self) -> match.Matches:
        return match.Matches(self.derivatives_dir, self.config["space"], self.config["res"])

    def _in_row(self, session: Session, fault: Fault) -> Fault:
        place = f"{self.config['sheets']['sessions']}, row {session.row}"
        return Fault("\n".join(f"{place}: {line}" for line in str(fault).splitlines()))

    def require_sound_derivatives(self) -> None:
        """Refuse given derivatives that cannot be analysed, before any job.

        Files, headers, sizes, grids, and the rows and columns of tables are looked at, of all
        people, once.

        Raises
        ------
        Fault
            One sentence per cause.
        """
        if self.given_derivatives:
            raise_all(self._faults_of_derivatives)

    @cached_property
    def _faults_of_derivatives(self) -> list[str]:
        from crossfc.session import check, origin

        if not self.derivatives_dir.is_dir():
            return [
                f"config key derivatives_dir: {self.derivatives_dir} does not exist or is no "
                "folder; correct the path"
            ]
        faults: list[str] = []
        try:
            accepted = self.config["derivatives"]["accept_fmriprep_versions"]
            origin.refuse_known_faults(self.derivatives_dir, accepted)
        except Fault as fault:
            faults.append(str(fault))
        for session in self.sessions():
            own = [self._fault_of(scan) for scan in session.scans]
            if all(own):
                faults += [str(self._in_row(session, fault)) for fault in own]
        apart = check.differing_grids([run for run in self._headers.values() if run is not None])
        return faults + ([apart] if apart else [])

    @cached_property
    def _headers(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _run_faults(self) -> dict[str, Fault | None]:
        return {}

    def _fault_of(self, scan: str) -> Fault | None:
        """Look at one run of the given derivatives; keep its header."""
        from crossfc.session import check

        if scan not in self._run_faults:
            self._run_faults[scan] = None
            strategies = [
                self.strategies[choices["strategy"]]
                for choices in self.config["pipelines"].values()
            ]
            try:
                files = self._matches.files(scan)
                self._headers[scan] = check.check_derivative(
                    files["bold"],
                    files["mask"],
                    files["confounds"],
                    self._matches.sidecars(scan),
                    strategies,
                    accept_unoriented=self.config["derivatives"]["accept_unoriented"],
                )
            except Fault as fault:
                self._run_faults[scan] = fault
        return self._run_faults[scan]

    def derivative_choices(self) -> dict[str, Any]:
        """Give what reading derivatives depends on besides their files."""
        accepted = self.config["derivatives"]["accept_unoriented"]
        return {"given": self.given_derivatives, "accept_unoriented": accepted}

    def used_scans(self, participant: str, session: str) -> list[str]:
        """List the runs of a session that can be used: all, or of repeats those not at fault.

        Where all repeats are at fault, all are listed, and `require_sound_scans` or
        `require_sound_derivatives` tells why.
        """
        own = self.session(participant, session)
        used = [scan for scan in own.scans if self._fault_of_repeat(own, scan) is None]
        return used or own.scans

    def passed_over(self, participant: str, session: str) -> list[dict[str, str]]:
        """List the repeats of a session that are not used, with the reason."""
        own = self.session(participant, session)
        used = self.used_scans(participant, session)
        # Names of files without their folder: a moved data set changes nothing.
        root = self.derivatives_dir if self.given_derivatives else self.config["bids_dir"]
        folder = f"{root}/"
        return [
            {"scan": scan, "reason": self._fault_of_repeat(own, scan).replace(folder, "")}
            for scan in own.scans
            if scan not in used
        ]

    def _fault_of_repeat(self, session: Session, scan: str) -> str | None:
        """Say what is wrong with a run where there are others in its place."""
        if self.given_derivatives and len(session.scans) > 1:
            fault = self._fault_of(scan)
            return None if fault is None else str(fault)
        if self.entry != "raw" or self.config["twin"] is not None or len(session.scans) == 1:
            return None
        if scan not in self._repeat_faults:
            from crossfc.session import check

            self._repeat_faults[scan] = None
            try:
                oriented = self.preprocessing("accept_unoriented")
                check.check_repeat(scan, self.config["bids_dir"], **oriented)
            except Fault as fault:
                self._repeat_faults[scan] = str(fault)
        return self._repeat_faults[scan]

    @cached_property
    def _repeat_faults(self) -> dict[str, str | None]:
        return {}

    def runs(self) -> list[str]:
        """List the runs of all sessions that can be used (see `used_scans`)."""
        return [
            scan
            for s in self.sessions()
            for scan in self.used_scans(_label(s.participant_id), _label(s.session_id))
        ]

    def boldrefs(self) -> dict[str, str]:
        """Give the functional reference image of each scan in template space, where there is one.

        Native preprocessing, fMRIPrep here and the twin make them; of other people's derivatives
        they are taken where they lie.
        """
        paths = {scan: self.preprocessed(scan)["boldref"] for scan in self.runs()}
        if self.entry == "fmriprep" and self.config["twin"] is None:
            return {scan: path for scan, path in paths.items() if Path(path).is_file()}
        return paths

    def raw(self, path: str, row: str) -> str:
        """Give a raw file's path below bids_dir.

        Raises
        ------
        Fault
            If it does not exist and no rule makes it.
        """
        full = Path(self.config["bids_dir"]) / path
        if self.config["twin"] is None:
            remedy = "correct bids_dir in the config, or the row, or exclude it with a reason"
            content.require(full, f"which {row} needs", remedy)
        return str(full)

    def raw_t1w(self, participant: str) -> str:
        """Give the path of a person's T1w image (see `raw`)."""
        person = self.checked_trial().participants[f"sub-{participant}"]
        sheet = self.config["sheets"]["participants"]
        if person.t1w is None:
            raise Fault(
                f"{sheet}: {person.participant_id} has no T1w image, which entry raw needs; fill "
                "the column t1w, or exclude the person with a reason"
            )
        return self.raw(person.t1w, f"{sheet}, {person.participant_id}")

    def scan_path(self, participant: str, session: str, scan: str) -> str:
        """Give the path of the run whose name starts as ``scan`` says (see `raw`)."""
        own = self.session(participant, session)
        row = f"{self.config['sheets']['sessions']}, row {own.row}"
        return self.raw(self.raw_scan(participant, session, scan), row)

    def anatomy(self) -> dict[str, str]:
        """Name the anatomical derivatives as a pattern over participants."""
        found = layout.anatomy(_SUB, self.derivatives_dir, self.config["space"])
        return {key: _pattern(path) for key, path in found.items()}

    def preprocessed_pattern(self) -> dict[str, str]:
        """Name fMRIPrep's files as a pattern over participants, sessions and scans."""
        found = layout.preprocessed(
            f"{_SUB}/{_SES}/func/{_SCAN}_bold.nii.gz",
            self.derivatives_dir,
            self.config["space"],
            self.config["res"],
        )
        return {key: _pattern(path) for key, path in found.items()}

    def native_pattern(self) -> dict[str, str]:
        """Name what native preprocessing writes of a run: fMRIPrep's files and a picture."""
        scan = f"{_SUB}/{_SES}/func/{_SCAN}_bold.nii.gz"
        figure = _pattern(layout.run_figure(scan, self.derivatives_dir))
        return self.preprocessed_pattern() | {"figure": figure}

    def session_pattern(self) -> str:
        """Name the folder of a session's connectivity, as a pattern."""
        return _pattern(layout.carpet(_SUB, _SES, self.config["task"], self.study_dir).parent)

    def session_folders(self) -> list[str]:
        """List the folders of all sessions' connectivity; with ready maps there are none."""
        if self.entry == "maps":
            return []
        pattern = self.session_pattern()
        return [_filled(pattern, session) for session in self.sessions()]

    def carpets(self) -> list[str]:
        """List the carpet plots of all sessions, below the study's results."""
        pattern = _pattern(layout.carpet(_SUB, _SES, self.config["task"], ""))
        return [_filled(pattern, session) for session in self.sessions()]

    def pipeline_choices(self) -> dict[str, dict[str, Any]]:
        """Give every pipeline with its strategy and seeds spelt out, in the order of names."""
        return {
            name: choices
            | {
                "strategy": {
                    k: v for k, v in self.strategies[choices["strategy"]].items() if k != "methods"
                },
                "seeds": self.seed_rows(name),
            }
            for name, choices in sorted(self.config["pipelines"].items())
        }

    def seed_rows(self, pipeline: str) -> list[dict[str, Any]]:
        """Give the rows of a pipeline's seed set: where the seeds are, without their citations."""
        return self._seeds[self._seed_set(pipeline)]

    def _seed_set(self, pipeline: str) -> str:
        first = next(iter(self.config["pipelines"].values()))
        return self.config["pipelines"].get(pipeline, first)["seed_set"]

    @cached_property
    def _seeds(self) -> dict[str, list[dict[str, Any]]]:
        sets = self.checked_trial().seed_sets
        return {name: [self._bare(row.as_dict("seed")) for row in sets[name]] for name in sets}

    def seeds(self, pipeline: str) -> list[str]:
        """Give the names of a pipeline's seeds."""
        return list(dict.fromkeys(row["seed"] for row in self.seed_rows(pipeline)))

    def region_files(self, pipelines: list[str]) -> list[str]:
        """List the images that seeds (of these pipelines) and targets are taken from.

        Raises
        ------
        Fault
            If one does not exist.
        """
        rows = [row for name in pipelines for row in self.seed_rows(name)] + self.target_rows()
        files = list(dict.fromkeys(row["file"] for row in rows if row["file"]))
        sheets = f"{self.config['sheets']['seeds']} or {self.config['sheets']['targets']}"
        for path in files:
            content.require(path, f"which the column file of {sheets} names", "correct the path")
        return files

    def sidecars(self, participant: str, session: str, scan: str) -> list[str]:
        """List the JSON files that describe a raw run, by BIDS inheritance.

        Looked up for the run that is planned, below its own folders only.
        """
        from crossfc.session.sidecar import sidecar_paths

        path = self.raw_scan(participant, session, scan)
        found = [str(p) for p in sidecar_paths(self.config["bids_dir"], path)]
        if self.config["twin"] is None:
            return found
        made = self.raw_path(path.replace("_bold.nii.gz", "_bold.json"))
        return list(dict.fromkeys([*found, made]))

    def require_sound_scans(self) -> None:
        """Refuse raw scans that native preprocessing cannot take, before any job.

        Sidecars, headers and file sizes of all runs and T1w images are looked at, once; those of a
        twin are not, as they may not be made yet.

        Raises
        ------
        Fault
            One sentence per fault, of all people.
        """
        raise_all(self._faults_of_scans)

    @cached_property
    def _faults_of_scans(self) -> list[str]:
        from crossfc.session import check

        if self.config["twin"] is not None:
            return []
        choices = self.preprocessing("slice_timing", "accept_unoriented", "field_maps")
        oriented = self.preprocessing("accept_unoriented")
        faults: list[str] = []
        people: dict[str, None] = {}
        for session in self.sessions():
            people[session.participant_id] = None
            row = f"{self.config['sheets']['sessions']}, row {session.row}"
            own = _label(session.participant_id), _label(session.session_id)
            for scan in self.used_scans(*own):
                try:
                    path = Path(self.raw(scan, row))
                    stem = glob.escape(path.name.partition("_bold.nii")[0])
                    if any(path.parent.glob(f"{stem}_echo-*_bold.nii*")):
                        raise Fault(MULTI_ECHO.format(f"{row}, {scan} has echoes beside it"))
                    check.check_run(scan, self.config["bids_dir"], **choices)
                except Fault as fault:
                    faults += str(fault).splitlines()
        for person in people:
            try:
                check.check_t1w(self.raw_t1w(person.removeprefix("sub-")), **oriented)
            except Fault as fault:
                faults += str(fault).splitlines()
        return list(dict.fromkeys(faults))

    def preprocessing(self, *names: str) -> dict[str, Any]:
        """Give some keys of the config's ``preprocessing``: those that one job depends on."""
        return {name: self.config["preprocessing"][name] for name in names}

    def target_rows(self) -> list[dict[str, Any]]:
        """Give the rows of the targets: where they are, without their citations."""
        return self._targets

    @cached_property
    def _targets(self) -> list[dict[str, Any]]:
        return [self._bare(row.as_dict("target")) for row in self.checked_trial().targets]

    # The group ---------------------------------------------------------------------------------

    def ready_maps(self, pipeline: str) -> list[str]:
        """List the ready maps: person by person, active then control, by seed."""
        if self.entry != "maps":
            return []
        found, faults = [], []
        for pair in self.paired():
            try:
                found += self._ready_maps(pair, pipeline)
            except Fault as fault:
                faults.append(str(fault))
        raise_all(faults)
        return found

    def require_sound_maps(self, pipeline: str) -> None:
        """Refuse ready maps that cannot be analysed, before any job.

        Headers, sizes and grids of all are looked at, once, and the values of the first person's.

        Raises
        ------
        Fault
            One sentence per cause.
        """
        if self.entry == "maps":
            raise_all(self._faults_of_maps(pipeline))

    def _faults_of_maps(self, pipeline: str) -> list[str]:
        if self._checked_maps is None:
            from crossfc.group import kind

            paths, maps = self.ready_maps(pipeline), self.config["maps"]
            first = paths[: len(paths) // max(len(self.paired()), 1)]
            self._checked_maps = kind.faults_of_maps(
                paths, first, maps["kind"], maps["accept_unoriented"], maps["zero_is_missing"]
            )
        return self._checked_maps

    def pairs_with_edges(self, pipeline: str) -> str:
        """Give the folder of a pipeline's pairs, for what needs the edges of every session.

        Raises
        ------
        Fault
            If they are not known.
        """
        if not self.has_edges:
            why = (
                "ready maps (entry maps) come without"
                if self.entry == "maps"
                else "nobody has, as nobody has scans under both treatments"
            )
            raise Fault(
                "correlations at chosen regions, the mixed model and the quality of sessions need "
                f"the connectivity of regions in every session, which {why}; ask for another "
                "target, such as group, clinical_change or report"
            )
        return self.file("group", pipeline, "pairs")

    def people(self) -> list[dict[str, Any]]:
        """Give the paired people, and no paths: a moved data set reruns nothing.

        Scores, covariates and blocks are no part of a pair: those analyses get them that use them
        (`people_of`, `scored_people`).

        Returns
        -------
        list of dict
            participant_id, group, sequence, sequence_code, and ``sessions`` (active, then control).
        """
        words = ("participant_id", "group", "sequence", "sequence_code")
        rows = []
        for pair in self.paired():
            row = self.checked_trial().person_row(pair.participant)
            own = [s.session_id for s in (pair.active, pair.control) if s]
            rows.append({word: row[word] for word in words} | {"sessions": own})
        return rows

    def people_of(self, analysis: str) -> list[dict[str, Any]]:
        """Give what an analysis needs to know of the paired people besides their maps.

        Returns
        -------
        list of dict
            participant_id with the scores of the analysis' scale, the covariates of a comparison
            of groups and the blocks, of the people of its group; empty where it needs none.
        """
        asked = self._question(analysis)
        columns = list(self._covariates_of(analysis))
        if blocks := self.config["group"]["blocks"]:
            columns.append(blocks)
        groups = None if asked.group is None else [asked.group]
        return self._people_with(columns, [asked.scale] if asked.scale else [], groups)

    def scored_people(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """Give the scores of the paired people of some groups under both treatments."""
        return self._people_with([], list(self.checked_trial().scales), groups)

    def _people_with(
        self, columns: list[str], scales: list[str], groups: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        if not columns and not scales:
            return []
        rows = []
        for pair in self.paired():
            if groups is not None and pair.participant.group not in groups:
                continue
            known = self.checked_trial().person_row(pair.participant)
            row = {column: known[column] for column in ("participant_id", *dict.fromkeys(columns))}
            for scale in scales:
                for role, session in (("active", pair.active), ("control", pair.control)):
                    row[f"score_{scale}_{role}"] = session and session.scores.get(scale)
            rows.append(row)
        return rows

    def _covariates_of(self, analysis: str) -> dict[str, str]:
        """Covariates are between people: they enter where people of two groups are compared."""
        return self.checked_trial().covariate_types if analysis.startswith(question.GROUP) else {}

    def _ready_maps(self, pair: Pair, pipeline: str) -> list[str]:
        maps, sheets = self.config["maps"], self.config["sheets"]
        person = pair.participant.participant_id
        wanted = [
            {"session_id": s.session_id, "treatment": s.treatment, "row": s.row}
            for s in (pair.active, pair.control)
            if s and maps["level"] == "session"
        ] or [{}]
        paths, faults = [], []
        for session in wanted:
            for seed in self.seeds(pipeline):
                try:
                    name = maps["pattern"].format(participant_id=person, seed=seed, **session)
                except (KeyError, IndexError, ValueError, AttributeError) as error:
                    raise Fault(
                        f"config key maps.pattern: {maps['pattern']!r} cannot be filled in for "
                        f"maps of level {maps['level']} ({error}); use {{participant_id}}, "
                        "{seed} and, per session, {session_id} or {treatment}"
                    ) from None
                path = self.derivatives_dir / name
                row = f"{sheets['sessions']}, row {session['row']}" if session else person
                remedy = (
                    "correct derivatives_dir or maps.pattern in the config, or exclude it with a "
                    "reason"
                )
                why = content.absence(path)
                if why is not None:
                    faults.append(content.refusal(path, why, f"which {row} needs", remedy))
                paths.append(str(path))
        raise_all(faults)
        return paths

    def test_choices(self, analysis: str) -> dict[str, Any]:
        """Give what a group analysis depends on besides its name and the pairs."""
        names = ["permutations", "seed", "blocks", "block_exchange"]
        names += ["cluster_forming_p", "connectivity", "tfce", "tail"]
        own = {name: self.config["group"][name] for name in names}
        if analysis.startswith(f"{question.DRUG}_"):
            own["drug_arrangement"] = self.config["group"]["drug_arrangement"]
        covariates = self._covariates_of(analysis)
        return own | {"covariates": covariates, "people": self.people_of(analysis)}

    def correlated_groups(self) -> list[str]:
        """Give the groups in which changes are correlated, in the order of the trial."""
        groups = self.checked_trial().groups
        wanted = self.config["clinical"]["groups"] or groups[:1]
        return [group for group in groups if group in wanted]

    def correlation_choices(self) -> dict[str, Any]:
        """Give what correlations depend on besides the edges and the people.

        Hypotheses stated beforehand change what the report shows, not what is computed.
        """
        own = {name: self.config["clinical"][name] for name in ("permutations", "seed")}
        return own | {"groups": self.correlated_groups()}

    def pair_choices(self, pipeline: str) -> dict[str, Any]:
        """Give what pairing depends on besides the maps."""
        maps = self.config["maps"]
        ready = self.entry == "maps"
        return self.labels() | {
            "pipeline": pipeline,
            "primary": pipeline == self.primary,
            "limits": self.config["exclusion"],
            "fwhm_mm": maps["fwhm_mm"] if ready else self.config["pipelines"][pipeline]["fwhm_mm"],
            "mask_seeds": maps["mask_seeds"] if ready else True,
            "level": maps["level"] if ready else "session",
            "zero_is_missing": maps["zero_is_missing"] if ready else False,
            "accept_unoriented": maps["accept_unoriented"] if ready else False,
            "ready_maps": ready,
            "maps_kind": maps["kind"] if ready else None,
        }

    def labels(self) -> dict[str, Any]:
        """Give the labels of groups and treatments."""
        return {key: self.config[key] for key in ("groups", "treatments")}

    def design(self) -> dict[str, Any]:
        """Give the words of the design: groups, treatments, scales."""
        return self.labels() | {"scales": list(self.checked_trial().scales)}

    def analyses(self) -> list[str]:
        """List the analyses to run.

        Raises
        ------
        Fault
            If the config asks for one that this trial does not allow.
        """
        first = question.group_labels(self.config["groups"])[0]
        patients = [p for p in self.paired() if p.participant.group == first]
        scored = [
            scale
            for scale in self.checked_trial().scales
            if sum(_scored(pair, scale) for pair in patients) > 3
        ]
        known = question.names(
            self.config["groups"],
            scored,
            n_seeds=len(self.seeds(self.primary)),
            sequence_known=any(p.participant.sequence for p in self.paired()),
            has_total=self.entry != "maps" or self.config["maps"]["level"] == "session",
        )
        wanted = self.config["group"]["analyses"]
        for name in wanted or ():
            if name not in known:
                raise Fault(
                    f"config key group.analyses: this trial has no analysis {name}"
                    f"{did_you_mean(name, known)}; it has {', '.join(known)}"
                )
        # In the order in which they are told, whichever they are named in.
        return [name for name in known if name in (wanted or known)]

    def families(self) -> list[list[str]]:
        """List the analyses that are corrected together.

        Raises
        ------
        Fault
            If one of them is not run.
        """
        known = self.analyses()
        families = self.config["group"]["families"]
        for number, family in enumerate(families, 1):
            place = f"config key group.families, number {number}"
            for name in family:
                if name not in known:
                    raise Fault(
                        f"{place}: {name} is none of the analyses that are "
                        f"run{did_you_mean(name, known)}; they are {', '.join(known)}"
                    )
            self._check_family(place, family)
        return families

    def _check_family(self, place: str, family: list[str]) -> None:
        """Refuse a family whose analyses are not of the same people under the same arrangements.

        Raises
        ------
        Fault
            Also where people lack the score of one scale: who is analysed follows from the sheets.
        """
        asked = [self._question(name) for name in family]
        first = asked[0]
        for other in asked[1:]:
            # What moves under the null hypothesis: signs, orders of treatments, or people.
            kinds = [q.kind if q.kind in (question.CARRYOVER, question.CHANGE) else ""
                     for q in (first, other)]  # fmt: skip
            groups = [q.group or "all groups" for q in (first, other)]
            if kinds[0] != kinds[1]:
                why = "people are rearranged in different ways"
            elif groups[0] != groups[1]:
                why = f"they are of different people ({groups[0]} and {groups[1]})"
            else:
                continue
            raise Fault(
                f"{place}: {first.name} and {other.name} cannot be corrected as one family, as "
                f"{why}; put analyses of the same people and kind together, such as "
                f"{question.GROUP} and its kin, or {question.CHANGE}_<scale> of several scales"
            )
        if first.kind == question.CHANGE:
            own = [pair for pair in self.paired() if pair.participant.group == first.group]
            scored = {q.scale: {p.participant.participant_id for p in own if _scored(p, q.scale)}
                      for q in asked}  # fmt: skip
            everywhere = set.intersection(*scored.values())
            for scale, people in scored.items():
                if only := sorted(people - everywhere):
                    lacking = [other for other in scored if not set(only) <= scored[other]]
                    has, whom = ("has", "that person") if len(only) == 1 else ("have", "them")
                    raise Fault(
                        f"{place}: the analyses are of different people: {', '.join(only)} "
                        f"{has} a change of {scale} but not of {' or '.join(lacking)}; exclude "
                        f"{whom}, or take the scale out of the family"
                    )

    def _question(self, analysis: str) -> question.Question:
        return question.question(analysis, self.config["groups"], self.config["treatments"])

    def group_data_mb(self) -> int:
        """Give the memory that an analysis may fill with data."""
        return int(1000 * self.config["group"]["memory_gb"])

    # The twin ----------------------------------------------------------------------------------

    def truth(self) -> dict[str, Any]:
        """Plan the truth of the digital twin."""
        from crossfc.trial import twin_truth

        trial, labels = self.checked_trial(), self.config["groups"]
        people = [
            {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]
        sessions = [
            {
                "participant_id": s.participant_id,
                "session_id": s.session_id,
                "treatment": s.treatment,
                "period": s.period,
                "scan": ";".join(s.scans),
            }
            | s.scores
            for s in self.sessions()
        ]
        return twin_truth.plan(
            people,
            sessions,
            self.seed_rows(self.primary),
            self.target_rows(),
            groups=(labels["patients"], labels["controls"]),
            treatments=(self.config["treatments"]["active"], self.config["treatments"]["control"]),
            strengths=self.config["twin"]["strengths"],
            seed=self.config["twin"]["seed"],
        )

    @staticmethod
    def session_truth(truth: dict[str, Any], participant: str, session: str) -> dict[str, Any]:
        """Give what is planted in one session."""
        return truth["sessions"][f"sub-{participant}"][f"ses-{session}"]

    def raw_scan(self, participant: str, session: str, scan: str) -> str:
        """Give the name of a run in the sheet from the start of its file name."""
        for path in self.session(participant, session).scans:
            if Path(path).name.rsplit("_", 1)[0] == f"sub-{scan}":
                return path
        raise Fault(f"sub-{scan} is no run of sub-{participant} ses-{session} in the sheet")

    def raw_path(self, name: str) -> str:
        """Give a path below bids_dir."""
        return str(Path(self.config["bids_dir"]) / name)

    def raw_twin_head(self) -> list[str]:
        """List the files at the root of a raw twin."""
        sidecar = f"task-{self.config['task']}_bold.json"
        return ["dataset_description.json", "README", "participants.tsv", sidecar]

    def raw_twin(self, scan: str) -> dict[str, str]:
        """Name the files of a raw simulated run."""
        paths = layout.raw_twin(scan, self.config["bids_dir"])
        return {key: str(path) for key, path in paths.items()}

    def raw_twin_pattern(self) -> dict[str, str]:
        """Name the files of a raw simulated run, as patterns."""
        found = self.raw_twin(f"{_SUB}/{_SES}/func/{_SCAN}_bold.nii.gz")
        return {key: _pattern(path) for key, path in found.items()}

    def twin_scans(self) -> list[str]:
        """List the files that the twin consists of."""
        sessions = self.sessions()
        if self.entry == "fmriprep":
            return [self.preprocessed(scan)["bold"] for s in sessions for scan in s.scans]
        root = Path(self.config["bids_dir"])
        people = {s.participant_id for s in sessions}
        anatomies = [str(root / self.checked_trial().participants[p].t1w) for p in sorted(people)]
        return anatomies + [str(root / scan) for s in sessions for scan in s.scans]

    # The report --------------------------------------------------------------------------------

    def templates(self) -> list[Path]:
        """List the templates of the page."""
        return sorted((self.home / "workflow" / "report").glob("*.j2"))

    def choices(self) -> dict[str, Any]:
        """Give the part of the configuration that results depend on.

        Where things lie, and with how much they are done, says nothing about results; a moved data
        set reruns no report.
        """
        places = {"bids_dir", "derivatives_dir", "results_dir", "sheets", "dataset"}
        means = {"threads", "memory_gb"}
        group = {k: v for k, v in self.config["group"].items() if k not in means}
        for key in ("atlas", "atlas_names"):
            group[key] = told(group[key], self.home)
        found = {k: v for k, v in self.config.items() if k not in places} | {"group": group}
        found["strategies"] = told(found["strategies"], self.home)
        found["preprocessing"] = dict(found["preprocessing"])
        del found["preprocessing"]["fmriprep"]
        if self.preprocessing_tool == "fmriprep-run":
            found["preprocessing"]["fmriprep"] = fmriprep.description(self.config)
        return found

    def report(self) -> dict[str, Any]:
        """Give what the page is made from: where the results are, and plain structures."""
        folders = {"clinical_dir": "clinical", "trial_dir": "trial"}
        if self.has_images:
            folders["group_dir"] = "group"
        if self.has_edges:
            folders |= {"quality_dir": "quality", "robustness": "robustness.tsv"}
        if self.config["twin"]:
            folders["truth"] = "truth.json"
        by_fmriprep = self.preprocessing_tool == "fmriprep-run"
        trial = self.checked_trial()
        seeds = trial.seed_sets[self._seed_set(self.primary)]
        return {
            # To the reader of the page it does not matter who started fMRIPrep.
            "config": self.choices() | ({"entry": "fmriprep"} if by_fmriprep else {}),
            "analyses": self.analyses() if self.has_images else [],
            "pipelines": self.pipelines,
            "scales": self.scale_rows(),
            "seeds": [self._placed(row.as_dict("seed")) for row in seeds if self.has_images],
            # Ready maps and the clinical arm alone use no targets.
            "targets": [
                self._placed(row.as_dict("target")) for row in trial.targets if self.has_edges
            ],
            "strategies": self.strategies,
            "covariates": self._people_with(list(trial.covariate_types), []),
            "hypotheses": self.config["clinical"]["hypotheses"],
            "carpets": self.carpets() if self.has_edges else [],
            "registrations": self.registrations(),
            "folders": folders,
        }

    def job_labels(self) -> list[str]:
        """List the jobs of this study that are of no person, by their logs, without extension."""
        found = ["sheets", "trial", "truth", "twin_dataset", "derivative_dataset", "fmriprep_image"]
        found += ["report", "provenance"]
        if scored := bool(self.checked_trial().scales):
            found.append("clinical_change")
        if self.has_edges:
            found += ["quality_group", "robustness", f"mixed_model/{self.primary}"]
            found += ["clinical_correlation"] if scored else []
        if self.has_images:
            for pipeline in self.pipelines:
                found.append(f"pair_sessions/{pipeline}")
                found += [f"group_test/{pipeline}_{name}" for name in self.analyses()]
                found += [f"group_family/{pipeline}"] if self.families() else []
        return found

    def registrations(self) -> list[dict[str, str]]:
        """List the pictures and records of native preprocessing, as seen from the results."""
        if self.preprocessing_tool != "native":
            return []

        def row(title: str, picture: Path, sidecar: Path) -> dict[str, str]:
            place = {"picture": picture, "sidecar": sidecar}
            return {"title": title} | {
                key: os.path.relpath(path, self.study_dir) for key, path in place.items()
            }

        found = []
        for participant in dict.fromkeys(s.participant_id for s in self.sessions()):
            files = layout.anatomy(participant, self.derivatives_dir, self.config["space"])
            found.append(row(participant, files["figure"], files["quality"]))
        for scan in self.runs():
            figure = layout.run_figure(scan, self.derivatives_dir)
            sidecar = Path(self.preprocessed(scan)["bold_sidecar"])
            found.append(row(Path(scan).name.removesuffix(".nii.gz"), figure, sidecar))
        return found

    def participant_rows(self) -> list[dict[str, Any]]:
        """Give the people of the study as the results' participants.tsv has them."""
        trial = self.checked_trial()
        return [
            {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
            | p.covariates
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]

    def session_rows(self) -> list[dict[str, Any]]:
        """Give one plain row per session with a scan: who, group, treatment, period."""
        trial = self.checked_trial()
        return [
            {
                "participant_id": s.participant_id,
                "group": trial.participants[s.participant_id].group,
                "sequence": trial.participants[s.participant_id].sequence,
                "session_id": s.session_id,
                "treatment": s.treatment,
                "period": s.period,
            }
            for s in self.sessions()
        ]

    def score_rows(self) -> list[dict[str, Any]]:
        """Give one row per person and scale: both scores, and whether the pair is complete."""
        trial = self.checked_trial()
        kept: dict[str, dict[str, Session]] = {}
        for session in trial.kept_sessions():
            kept.setdefault(session.participant_id, {})[session.treatment] = session
        rows = []
        for scale in trial.scales:
            for person in trial.participants.values():
                if not trial.included(person.participant_id):
                    continue
                own = kept.get(person.participant_id, {})
                scores = {
                    role: own[label].scores.get(scale) if label in own else None
                    for role, label in trial.treatments.items()
                }
                absent = [trial.treatments[role] for role, v in scores.items() if v is None]
                rows.append(
                    {
                        "scale": scale,
                        "group": person.group,
                        "participant_id": person.participant_id,
                        "sequence": person.sequence,
                        **scores,
                        "used": not absent,
                        "reason": f"no score under {' and '.join(absent)}" if absent else None,
                    }
                )
        return rows

    def scale_rows(self) -> list[dict[str, Any]]:
        """Give the scales as plain rows."""
        return [asdict(scale) for scale in self.checked_trial().scales.values()]


def _faults(function: Callable[..., object], *arguments: object) -> list[str]:
    """Give what a call refuses, as sentences."""
    try:
        function(*arguments)
    except Fault as fault:
        return [str(fault)]
    return []


def _scored(pair: Pair, scale: str) -> bool:
    return all(s and s.scores.get(scale) is not None for s in (pair.active, pair.control))


def _pattern(path: str | Path) -> str:
    """Turn a path with placeholder labels into a pattern with wildcards."""
    return (
        str(path)
        .replace(_SUB, "sub-{participant}")
        .replace(_SES, "ses-{session}")
        .replace(_SCAN, "sub-{scan}")
    )


def _filled(pattern: str, session: Session) -> str:
    """Fill in the labels of a session."""
    person = session.participant_id.removeprefix("sub-")
    own = session.session_id.removeprefix("ses-")
    return pattern.replace("{participant}", person).replace("{session}", own)


# Each kind of file is asked for by itself, so a run's names are asked for several times running.
@lru_cache(maxsize=16)
def _preprocessed(scan: str, folder: Path, space: str, res: str | None) -> dict[str, str]:
    found = layout.preprocessed(scan, folder, space, res)
    return {key: str(path) for key, path in found.items()}


def _same_file(path: str | Path, other: str | Path) -> bool:
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def _require_writable(folder: Path) -> None:
    existing = folder
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise Fault(
            f"config key results_dir: {existing} is not a folder that can be written to; choose "
            "another, or change its permissions"
        )
