"""Native preprocessing and fMRIPrep: what each job reads, writes and depends on."""

import glob
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from crossfc.bids import label
from crossfc.fault import Fault, raise_all
from crossfc.plan.pattern import SCAN, SES, SUB, pattern
from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.session import layout
from crossfc.session.echo import require_echoes
from crossfc.session.preprocess import fieldmap, fmriprep
from crossfc.trial.bold import MULTI_ECHO
from crossfc.trial.image_name import scan_kind


class Preprocess(Stage):
    """Native preprocessing and fMRIPrep: what each job reads, writes and depends on."""

    def __init__(self, study: Study, scans: Scans):
        super().__init__(study)
        self._scans = scans

    def check(self) -> None:
        """Refuse raw runs whose outputs cannot be named, and what fMRIPrep cannot process."""
        if self.study.preprocessing_tool == "fmriprep-run":
            fmriprep.check(dict(self.config))
        if self.study.entry == "raw":
            sheet = self.config["sheets"]["sessions"]
            scans = [
                (f"{sheet}, row {s.row}", scan) for s in self.study.sessions() for scan in s.scans
            ]
            faults = [
                f"{row}: {scan} lies in no session folder, which entry raw needs; lay the data "
                "set out as sub-*/ses-*/func"
                for row, scan in scans
                if len(Path(scan).parts) != 4
            ]
            echoes = [(row, scan) for row, scan in scans if "echo" in scan_kind(scan)]
            if self.study.preprocessing_tool == "native":
                faults += [MULTI_ECHO.format(f"{row}, {scan}") for row, scan in echoes]
            else:
                faults += [
                    f"{row}: {fault}"
                    for row, scan in echoes
                    for fault in _faults(require_echoes, scan, self.config["bids_dir"])
                ]
            raise_all(faults)
        if self.study.entry == "raw" and self.config["twin"] is not None:
            people = dict.fromkeys(
                s.participant_id.removeprefix("sub-") for s in self.study.sessions()
            )
            raise_all(
                [fault for person in people for fault in _faults(self._scans.raw_t1w, person)]
            )

    def versions(self) -> dict[str, str]:
        """Return the tools, besides crossfc, that preprocessed the scans, with their versions."""
        if self.study.preprocessing_tool != "fmriprep-run":
            return {}
        image = self.config["preprocessing"]["fmriprep"]["image"]
        return {"fMRIPrep": fmriprep.version_of(image)}

    def anatomy(self) -> dict[str, str]:
        """Return the anatomical derivatives as patterns over participants."""
        found = layout.anatomy(SUB, self.study.derivatives_dir, self.config["space"])
        return {key: pattern(path) for key, path in found.items()}

    def derivative_pattern(self) -> dict[str, str]:
        """Return fMRIPrep's files as patterns over participants, sessions and scans."""
        found = layout.preprocessed(
            f"{SUB}/{SES}/func/{SCAN}_bold.nii.gz",
            self.study.derivatives_dir,
            self.config["space"],
            self.config["res"],
        )
        return {key: pattern(path) for key, path in found.items()}

    def native_pattern(self) -> dict[str, str]:
        """Return the outputs of native preprocessing for a run: fMRIPrep's files and a picture."""
        scan = f"{SUB}/{SES}/func/{SCAN}_bold.nii.gz"
        figure = pattern(layout.run_figure(scan, self.study.derivatives_dir))
        return self.derivative_pattern() | {"figure": figure}

    def require_sound(self) -> None:
        """Refuse raw scans that native preprocessing cannot process, before any job runs.

        Sidecars, headers and file sizes of all runs and T1w images are checked once, if there is
        native preprocessing. Those of a twin are not checked, as they may not exist yet.

        Raises
        ------
        Fault
            With one sentence per fault, for all people.
        """
        raise_all(self._faults_of_scans)

    def field_map_files(self, participant: str, session: str, scan: str) -> list[str]:
        """List the files of the field map that a run's distortion is corrected by.

        Empty if the run has none, if the config says to use none, and of a twin.
        """
        if self.config["preprocessing"]["field_maps"] != "use" or self.config["twin"] is not None:
            return []
        root = self.config["bids_dir"]
        path = self._scans.raw_scan(participant, session, scan)
        chosen = fieldmap.choose_field_map(root, path)
        return [] if chosen is None else [str(p) for p in fieldmap.files_of(root, chosen)]

    def _unequal_field_maps(self) -> list[str]:
        """List the people of whom some sessions have a field map and others have none.

        What is corrected in one treatment and not in the other differs between treatments.
        """
        if self.config["preprocessing"]["field_maps"] != "use":
            return []
        with_map: dict[str, dict[str, bool]] = {}
        for session in self.study.sessions():
            own = label(session.participant_id), label(session.session_id)
            for scan in self._scans.used_scans(*own):
                has = bool(fieldmap.field_maps_for(self.config["bids_dir"], scan))
                with_map.setdefault(session.participant_id, {})[scan] = has
        sheet = self.config["sheets"]["sessions"]
        return [
            f"{sheet}: {person} has field maps for {_first(scans, True)} and none for "
            f"{_first(scans, False)}, so that sessions which are compared would be corrected "
            "differently; restore the missing field map or its IntendedFor, exclude the session "
            "with a reason, or set preprocessing.field_maps: ignore, which corrects nobody"
            for person, scans in with_map.items()
            if len(set(scans.values())) == 2
        ]

    @cached_property
    def _faults_of_scans(self) -> list[str]:
        from crossfc.session import check

        if self.study.preprocessing_tool != "native" or self.config["twin"] is not None:
            return []
        if not os.path.isdir(folder := self.config["bids_dir"]):
            return [
                f"config key bids_dir: {folder} does not exist or is no folder; correct the path, "
                "or download the data set there"
            ]
        choices = self.study.preprocessing_choices(
            "slice_timing", "accept_unoriented", "field_maps"
        )
        oriented = self.study.preprocessing_choices("accept_unoriented")
        faults: list[str] = []
        people: dict[str, None] = {}
        for session in self.study.sessions():
            people[session.participant_id] = None
            row = f"{self.config['sheets']['sessions']}, row {session.row}"
            own = label(session.participant_id), label(session.session_id)
            for scan in self._scans.used_scans(*own):
                try:
                    path = Path(self._scans.raw(scan, row))
                    stem = glob.escape(path.name.partition("_bold.nii")[0])
                    if any(path.parent.glob(f"{stem}_echo-*_bold.nii*")):
                        raise Fault(MULTI_ECHO.format(f"{row}, {scan} has echoes beside it"))
                    check.check_run(scan, self.config["bids_dir"], **choices)
                except Fault as fault:
                    faults += str(fault).splitlines()
        for person in people:
            try:
                check.check_t1w(self._scans.raw_t1w(person.removeprefix("sub-")), **oriented)
            except Fault as fault:
                faults += str(fault).splitlines()
        try:
            faults += self._unequal_field_maps()
        except Fault as fault:
            faults += str(fault).splitlines()
        return list(dict.fromkeys(faults))

    def registrations(self) -> list[dict[str, str]]:
        """List the pictures and records of native preprocessing, as paths from the results."""
        if self.study.preprocessing_tool != "native":
            return []

        def row(title: str, picture: Path, sidecar: Path) -> dict[str, str]:
            place = {"picture": picture, "sidecar": sidecar}
            return {"title": title} | {
                key: os.path.relpath(path, self.study.study_dir) for key, path in place.items()
            }

        found = []
        for participant in dict.fromkeys(s.participant_id for s in self.study.sessions()):
            files = layout.anatomy(participant, self.study.derivatives_dir, self.config["space"])
            found.append(row(participant, files["figure"], files["quality"]))
        for scan in self._scans.runs():
            figure = layout.run_figure(scan, self.study.derivatives_dir)
            sidecar = Path(self._scans.preprocessed(scan)["bold_sidecar"])
            found.append(row(Path(scan).name.removesuffix(".nii.gz"), figure, sidecar))
        return found

    def reports(self) -> dict[str, list[str]]:
        """Name fMRIPrep's reports on each person, as paths from the results.

        Of given derivatives those that are there, so that a data set without them can move and
        reruns nothing; those of a run that is yet to come are looked for when they are shown.
        """
        people = dict.fromkeys(s.participant_id for s in self.study.sessions())
        if self.study.preprocessing_tool == "fmriprep-run":
            return {person: [f"fmriprep/{person}.html"] for person in people}
        if not self.study.given_derivatives:
            return {}
        folder, found = self.study.derivatives_dir, dict[str, list[str]]()
        for person in people:
            # fMRIPrep 25 may write one per session.
            own = [folder / f"{person}.html", *sorted(folder.glob(f"{person}_ses-*.html"))]
            if there := [path for path in own if path.is_file()]:
                found[person] = [os.path.relpath(path, self.study.study_dir) for path in there]
        return found

    def results(self) -> list[str]:
        """List the preprocessed scans of a study that starts from raw scans."""
        if self.study.entry != "raw":
            return []
        kinds = ("bold", "mask", "confounds")
        scans = [self._scans.preprocessed(scan) for scan in self._scans.runs()]
        head = [str(self.study.derivatives_dir / "dataset_description.json")]
        return head + [files[kind] for files in scans for kind in kinds]


def _first(scans: dict[str, bool], has: bool) -> str:
    found = [scan for scan, own in scans.items() if own is has]
    return found[0] + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def _faults(function: Callable[..., object], *arguments: object) -> list[str]:
    """Return the faults that a call raises, as sentences; none if it raises nothing."""
    try:
        function(*arguments)
    except Fault as fault:
        return [str(fault)]
    return []
