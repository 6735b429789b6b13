"""Connectivity of a session: its inputs, its output folder, and the choices it depends on."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from crossfc.fault import Fault, raise_all
from crossfc.plan.pattern import SES, SUB, filled, pattern
from crossfc.plan.recording import Recordings
from crossfc.plan.region import Regions
from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.session import layout
from crossfc.session.connectivity.match import PREPROC, names_in
from crossfc.session.connectivity.tissue_map import find_grey_matter
from crossfc.trial.path import LONGEST_NAME
from crossfc.trial.session import Session


class Connectivity(Stage):
    """Connectivity of a session: its inputs, its output folder, and the choices it depends on."""

    def __init__(self, study: Study, scans: Scans, regions: Regions, recordings: Recordings):
        super().__init__(study)
        self._scans = scans
        self._regions = regions
        self._recordings = recordings

    def check(self) -> None:
        """Refuse labels that together make a file name longer than a file system allows."""
        sessions = self.study.sessions()
        if not sessions:
            return
        longest = max(sessions, key=lambda s: len(s.participant_id + s.session_id))
        words = self.config["task"], self.study.study_dir, self.config["space"]
        names: list[Path] = []
        for pipeline in self.study.pipelines:
            found = layout.connectivity(
                longest.participant_id,
                longest.session_id,
                *words,
                pipeline,
                self._regions.seeds(pipeline),
            )
            names += found["maps"]
        scan = max((scan for s in sessions for scan in s.scans), key=len, default=None)
        if scan is not None:
            names += map(Path, self._scans.preprocessed(scan).values())
        name = max(names, key=lambda path: len(path.name))
        # Files are first written under a longer, temporary name.
        if len(name.name) + 40 > LONGEST_NAME:
            raise Fault(
                f"the name {name.name[:60]}… would have {len(name.name)} bytes, of "
                f"{LONGEST_NAME - 40}; shorten the labels it is made of (person, session, task, "
                "space, pipeline, seed)"
            )

    def inputs(self, participant: str, session: str, kind: str) -> list[str]:
        """List one kind of file (bold, mask, confounds) of all repeat runs of a session.

        Sidecars, coregistrations, outliers and components may be fewer than runs; of cleaned runs
        masks and tables too.

        Raises
        ------
        Fault
            If a file does not exist and no rule makes it.
        """
        own = self.study.session(participant, session)
        scans = self._scans.used_scans(participant, session)
        if not self.study.given_derivatives:
            if kind in ("coregistration", "outliers", "components"):
                return []
            return [self._scans.preprocessed(scan)[kind] for scan in scans]
        if kind == "coregistration":
            known = (self._scans.matches.coregistration(scan) for scan in scans)
            return [str(path) for path in known if path is not None]
        if kind == "bold_sidecar":
            paths = [path for scan in scans for path in self._scans.matches.sidecars(scan)]
            return list(dict.fromkeys(map(str, paths)))
        try:
            files = [self._scans.matches.files(scan) for scan in scans]
        except Fault as fault:
            raise self._scans.in_row(own, fault) from None
        kinds = {
            "confounds_sidecar": ["confounds"],
            "confounds": ["motion", "confounds"],
            "components": ["aroma", "mixing", "metrics"],
        }.get(kind, [kind])
        paths = [found[name] for found in files for name in kinds if name in found]
        if kind == "confounds_sidecar":
            # Only strategies with CompCor need the sidecar, and they report if it is missing.
            beside = [path.with_suffix(".json") for path in paths]
            paths = [path for path in beside if path.is_file() or path.is_symlink()]
        return list(map(str, paths))

    def grey_matter(self, participant: str, session: str) -> Path | str:
        """Return the map of grey matter of a session's person in template space, or why not.

        That of native preprocessing, or one that lies beside given derivatives.
        """
        if self.study.preprocessing_tool == "native":
            person = f"sub-{participant}"
            folder, space = self.study.derivatives_dir, self.config["space"]
            return layout.anatomy(person, folder, space)["gm_template"]
        if not self.study.given_derivatives:
            if self.config["twin"] is not None:
                return "this twin has no segmentation"
            return "segmentations of fMRIPrep are read with entry fmriprep only"
        further = self.config["derivatives"]["fmriprep_dir"]
        said = ""
        for root in [self.study.derivatives_dir, *([Path(further)] if further else [])]:
            found = find_grey_matter(
                f"sub-{participant}",
                f"ses-{session}",
                root,
                self.config["space"],
                self.config["res"],
                self._names,
            )
            if isinstance(found, Path):
                return found
            # The folder is left out of the reason, so that moving it changes nothing.
            said = said or found.replace(f"{root}/", "")
        return said

    @cached_property
    def _names(self) -> Callable[[Path], list[str]]:
        return lru_cache(maxsize=4096)(names_in)

    def grey_matter_inputs(self, participant: str, session: str) -> list[str]:
        """List the map of grey matter of a session, where there is one."""
        found = self.grey_matter(participant, session)
        return [] if isinstance(found, str) else [str(found)]

    def grey_matter_absent(self, participant: str, session: str) -> str:
        """Return why a session has no map of grey matter; empty where there is one."""
        found = self.grey_matter(participant, session)
        return found if isinstance(found, str) else ""

    @cached_property
    def _faults_of_weights(self) -> list[str]:
        """Refuse weights by grey matter where nobody has a map of it."""
        asking = [
            name
            for name, own in self.config["pipelines"].items()
            if own["region_weights"] == "grey_matter"
        ]
        if not asking or not self.study.trial:
            return []
        absent = [
            self.grey_matter_absent(s.participant_id[4:], s.session_id[4:])
            for s in self.study.sessions()
        ]
        if not absent or not all(absent):
            return []
        return [
            f"config key pipelines.{asking[0]}.region_weights is grey_matter, and no session has a "
            f"map of it ({absent[0]}); write it with fMRIPrep (anatomical outputs in the space "
            "of the BOLD), or write overlap"
        ]

    def require_sound(self) -> None:
        """Refuse given derivatives that cannot be analysed, before any job runs.

        The files of all people are checked once: their existence, headers, sizes and grids, and
        the rows and columns of tables. Strategies that need recordings are refused where nobody
        has any, and weights by grey matter where nobody has a map of it.

        Raises
        ------
        Fault
            With one sentence per cause.
        """
        faults = self._faults_of_derivatives if self.study.given_derivatives else []
        raise_all([*faults, *self._recordings.faults, *self._faults_of_weights])

    @cached_property
    def _faults_of_derivatives(self) -> list[str]:
        from crossfc.session import check
        from crossfc.session.connectivity import origin

        if not self.study.derivatives_dir.is_dir():
            return [
                f"config key derivatives_dir: {self.study.derivatives_dir} does not exist or is no "
                "folder; correct the path"
            ]
        faults: list[str] = []
        given = self.config["derivatives"]
        folders = {"fmriprep_dir": given["fmriprep_dir"], "components_dir": given["components_dir"]}
        for key, folder in folders.items():
            if folder is not None and not Path(folder).is_dir():
                return [
                    f"config key derivatives.{key}: {folder} does not exist or is no folder; "
                    "correct the path"
                ]
        for root in (self.study.derivatives_dir, given["fmriprep_dir"]):
            try:
                if root is not None:
                    origin.refuse_known_faults(root, given["accept_fmriprep_versions"])
            except Fault as fault:
                faults.append(str(fault))
        for session in self.study.sessions():
            own = [self._scans.fault_of(scan) for scan in session.scans]
            if None not in own:
                faults += [str(self._scans.in_row(session, fault)) for fault in own if fault]
        apart = check.differing_grids(
            [run for run in self._scans.headers.values() if run is not None]
        )
        return faults + ([apart] if apart else [])

    def derivative_choices(self) -> dict[str, Any]:
        """Return the choices that reading derivatives depends on, besides their files."""
        accepted = self.config["derivatives"]["accept_unoriented"]
        chosen: dict[str, Any] = {
            "given": self.study.given_derivatives,
            "accept_unoriented": accepted,
        }
        # What most studies leave out is left out here too.
        if (desc := self.config["derivatives"]["desc"]) != PREPROC:
            chosen |= {"desc": desc, "cleaned": self.study.cleaned}
        return chosen

    def cardiac(self) -> str | None:
        """Return what cardiac traces are, as the config says; None where it is told from them."""
        kind = self.config["physiology"]["cardiac"]
        return None if kind == "automatic" else kind

    def folder_pattern(self) -> str:
        """Return the folder of a session's connectivity, as a pattern with wildcards."""
        return pattern(layout.session_folder(SUB, SES, self.study.study_dir))

    def folders(self) -> list[str]:
        """List the connectivity folders of all sessions; with ready maps there are none."""
        if self.study.entry == "maps":
            return []
        folder = self.folder_pattern()
        return [filled(folder, session) for session in self.study.sessions()]

    def inspection(self, session: Session) -> layout.InspectionFiles:
        """Name what is looked at of a session, as paths below the study's results."""
        own = session.participant_id, session.session_id
        folder = layout.session_folder(*own, "")
        words = self.config["task"], self.config["space"]
        return layout.inspection(*own, *words, self.study.pipelines, folder)

    def volume_tables(self) -> list[str]:
        """List the table of volumes of every session, as paths below the study's results."""
        if not self.study.has_edges:
            return []
        return [str(self.inspection(own)["volumes"]) for own in self.study.sessions()]

    def pipeline_choices(self) -> dict[str, dict[str, Any]]:
        """Return every pipeline with its strategy and seeds in full, sorted by name."""
        return {
            name: choices
            | {
                "strategy": {
                    k: v
                    for k, v in self.study.strategies[choices["strategy"]].items()
                    if k != "methods"
                },
                "seeds": self._regions.seed_rows(name),
            }
            for name, choices in sorted(self.config["pipelines"].items())
        }
