"""Scans of every session, raw and preprocessed: their files, and which repeat runs are used."""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from crossfc import content
from crossfc.bids import label
from crossfc.fault import Fault
from crossfc.jobs import planned
from crossfc.plan.study import Stage
from crossfc.session import layout
from crossfc.session.connectivity import match
from crossfc.trial.session import Session


class Scans(Stage):
    """Scans of every session, raw and preprocessed: their files, and which repeat runs are used."""

    def preprocessed(self, scan: str) -> dict[str, str]:
        """Name fMRIPrep's files of a scan."""
        space, res = self.config["space"], self.config["res"]
        return _preprocessed(scan, self.study.derivatives_dir, space, res)

    @cached_property
    def matches(self) -> match.Matches:
        given = self.config["derivatives"]
        return match.Matches(
            self.study.derivatives_dir,
            self.config["space"],
            self.config["res"],
            given["desc"],
            given["fmriprep_dir"],
            given["components_dir"],
            self.study.cleaned,
        )

    def in_row(self, session: Session, fault: Fault) -> Fault:
        place = f"{self.config['sheets']['sessions']}, row {session.row}"
        return Fault("\n".join(f"{place}: {line}" for line in str(fault).splitlines()))

    @cached_property
    def headers(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _run_faults(self) -> dict[str, Fault | None]:
        return {}

    def fault_of(self, scan: str) -> Fault | None:
        """Check one run of the given derivatives, and keep its header in ``headers``.

        Returns
        -------
        Fault or None
            None if the run can be used.
        """
        from crossfc.session import check

        if scan not in self._run_faults:
            self._run_faults[scan] = None
            strategies = [
                self.study.strategies[choices["strategy"]]
                for choices in self.config["pipelines"].values()
            ]
            try:
                files = self.matches.files(scan)
                self.headers[scan] = check.check_derivative(
                    files,
                    self.matches.sidecars(scan),
                    strategies,
                    cleaned=self.study.cleaned,
                    accept_unoriented=self.config["derivatives"]["accept_unoriented"],
                )
            except Fault as fault:
                self._run_faults[scan] = fault
        return self._run_faults[scan]

    def used_scans(self, participant: str, session: str) -> list[str]:
        """List the runs of a session that can be used: of repeat runs, those without a fault.

        If all repeat runs have faults, all are listed, and `Preprocess.require_sound` or
        `Connectivity.require_sound` reports the faults.
        """
        own = self.study.session(participant, session)
        used = [scan for scan in own.scans if self._fault_of_repeat(own, scan) is None]
        return used or own.scans

    def passed_over(self, participant: str, session: str) -> list[dict[str, str]]:
        """List the repeat runs of a session that are not used, with the reasons."""
        own = self.study.session(participant, session)
        used = self.used_scans(participant, session)
        # The data set's folder is removed from the reasons, so that moving it changes nothing.
        root = (
            self.study.derivatives_dir if self.study.given_derivatives else self.config["bids_dir"]
        )
        folder = f"{root}/"
        return [
            {"scan": scan, "reason": str(self._fault_of_repeat(own, scan)).replace(folder, "")}
            for scan in own.scans
            if scan not in used
        ]

    def _fault_of_repeat(self, session: Session, scan: str) -> str | None:
        """Describe the fault of a run if the session has other runs; None if it has no fault."""
        if (as_planned := planned.repeats()) is not None:
            return as_planned.get(scan)
        if self.study.given_derivatives and len(session.scans) > 1:
            fault = self.fault_of(scan)
            return None if fault is None else str(fault)
        if self.study.entry != "raw" or self.config["twin"] is not None or len(session.scans) == 1:
            return None
        if scan not in self._repeat_faults:
            from crossfc.session import check

            self._repeat_faults[scan] = None
            try:
                oriented = self.study.preprocessing_choices("accept_unoriented")
                check.check_repeat(scan, self.config["bids_dir"], **oriented)
            except Fault as fault:
                self._repeat_faults[scan] = str(fault)
        return self._repeat_faults[scan]

    @cached_property
    def _repeat_faults(self) -> dict[str, str | None]:
        return {}

    def repeats(self) -> dict[str, str | None]:
        """Return why each repeat run is not used; None for those that are used."""
        return {
            scan: self._fault_of_repeat(session, scan)
            for session in self.study.sessions()
            for scan in session.scans
            if len(session.scans) > 1
        }

    def runs(self) -> list[str]:
        """List the runs of all sessions that can be used (see `used_scans`)."""
        return [
            scan
            for s in self.study.sessions()
            for scan in self.used_scans(label(s.participant_id), label(s.session_id))
        ]

    def boldrefs(self) -> dict[str, str]:
        """Return the functional reference image of each scan in template space, where there is one.

        Native preprocessing, fMRIPrep started here, and the twin make these images; given
        derivatives may include them.
        """
        paths = {scan: self.preprocessed(scan)["boldref"] for scan in self.runs()}
        if self.study.entry == "fmriprep" and self.config["twin"] is None:
            return {scan: path for scan, path in paths.items() if Path(path).is_file()}
        return paths

    def raw(self, path: str, row: str) -> str:
        """Return a raw file's path below bids_dir.

        Raises
        ------
        Fault
            If the file does not exist and no rule makes it.
        """
        full = Path(self.config["bids_dir"]) / path
        if self.config["twin"] is None:
            remedy = "correct bids_dir in the config, or the row, or exclude it with a reason"
            content.require(full, f"which {row} needs", remedy)
        return str(full)

    def raw_t1w(self, participant: str) -> str:
        """Return the path of a person's T1w image (see `raw`)."""
        person = self.study.checked_trial().participants[f"sub-{participant}"]
        sheet = self.config["sheets"]["participants"]
        if person.t1w is None:
            raise Fault(
                f"{sheet}: {person.participant_id} has no T1w image, which entry raw needs; fill "
                "the column t1w, or exclude the person with a reason"
            )
        return self.raw(person.t1w, f"{sheet}, {person.participant_id}")

    def scan_path(self, participant: str, session: str, scan: str) -> str:
        """Return the path of the run whose name starts with ``scan`` (see `raw`)."""
        own = self.study.session(participant, session)
        row = f"{self.config['sheets']['sessions']}, row {own.row}"
        return self.raw(self.raw_scan(participant, session, scan), row)

    def sidecars(self, participant: str, session: str, scan: str) -> list[str]:
        """List the JSON files that describe a raw run, by the BIDS inheritance principle.

        They are searched only for the run that is planned, and only in its own folders.
        """
        from crossfc.session.sidecar import sidecar_paths

        path = self.raw_scan(participant, session, scan)
        found = [str(p) for p in sidecar_paths(self.config["bids_dir"], path)]
        if self.config["twin"] is None:
            return found
        made = self.raw_path(path.replace("_bold.nii.gz", "_bold.json"))
        return list(dict.fromkeys([*found, made]))

    def raw_scan(self, participant: str, session: str, scan: str) -> str:
        """Return the name of a run in the sheet, from the start of its file name without echo."""
        for path in self.study.session(participant, session).scans:
            if layout.without_echo(Path(path).name).rsplit("_", 1)[0] == f"sub-{scan}":
                return path
        raise Fault(f"sub-{scan} is no run of sub-{participant} ses-{session} in the sheet")

    def raw_path(self, name: str) -> str:
        """Return a path below bids_dir."""
        return str(Path(self.config["bids_dir"]) / name)


# Rules ask for each kind of file separately, so the names of one run are asked for several times
# in a row.
@lru_cache(maxsize=16)
def _preprocessed(scan: str, folder: Path, space: str, res: str | None) -> dict[str, str]:
    found = layout.preprocessed(scan, folder, space, res)
    return {key: str(path) for key, path in found.items()}
