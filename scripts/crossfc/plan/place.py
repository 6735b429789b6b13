"""The folders that rules fill; files that crossfc did not make are never overwritten."""

import os
from collections.abc import Callable
from pathlib import Path

from crossfc.fault import raise_all
from crossfc.jobs import claim
from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.plan.twin import Twin
from crossfc.session import layout


class Places(Stage):
    """The folders that rules fill; files that crossfc did not make are never overwritten."""

    def __init__(self, study: Study, scans: Scans, twin: Twin):
        super().__init__(study)
        self._scans = scans
        self._twin = twin

    def made(self) -> dict[str, tuple[Path, str, Callable[[], list[str]]]]:
        """Return the folders, besides the results, that rules fill.

        Returns
        -------
        dict
            For each config key that lets rules fill a folder: the folder, its purpose, and a
            function that lists all files that rules may make in it.
        """
        places: dict[str, tuple[Path, str, Callable[[], list[str]]]] = {}
        if self.config["twin"] is not None:
            raw = self.study.entry == "raw"
            folder = Path(self.config["bids_dir"]) if raw else self.study.derivatives_dir
            files = self._raw_twin_files if raw else self._twin_derivatives
            places["twin"] = folder, claim.TWIN, files
        if self.study.entry == "raw":
            place = self.study.derivatives_dir, claim.PREPROCESSED, self._preprocessed_files
            places["derivatives_dir"] = place
        return places

    def _all_scans(self) -> list[str]:
        return (
            [scan for session in self.study.sessions() for scan in session.scans]
            if self.study.trial
            else []
        )

    def _people(self) -> list[str]:
        sessions = self.study.sessions() if self.study.trial else []
        return list(dict.fromkeys(session.participant_id for session in sessions))

    def _twin_derivatives(self) -> list[str]:
        return [
            path for scan in self._all_scans() for path in self._scans.preprocessed(scan).values()
        ]

    def _raw_twin_files(self) -> list[str]:
        files = [self._scans.raw_path(name) for name in self._twin.raw_head()]
        for person in self._people():
            if t1w := self.study.checked_trial().participants[person].t1w:
                image = self._scans.raw_path(t1w)
                files += [image, image.replace(".nii.gz", ".json")]
        return files + [
            path for scan in self._all_scans() for path in self._twin.raw_files(scan).values()
        ]

    def _preprocessed_files(self) -> list[str]:
        folder, space, res = (
            self.study.derivatives_dir,
            self.config["space"],
            self.config["res"],
        )
        files = [str(folder / "dataset_description.json")]
        files += [
            path for scan in self._all_scans() for path in self._scans.preprocessed(scan).values()
        ]
        if self.study.preprocessing_tool == "native":
            files += [str(layout.run_figure(scan, folder)) for scan in self._all_scans()]
            own = [layout.anatomy(person, folder, space) for person in self._people()]
            return files + [str(path) for named in own for path in named.values()]
        # These files are second names of fMRIPrep's own files. A file that is still the same one
        # is not listed: fMRIPrep may have made it again, and it would then seem to be changed.
        made = [
            path
            for scan in self._all_scans()
            for path in layout.preprocessed(scan, self.study.file("fmriprep"), space, res).values()
        ]
        pairs = zip(files[1:], made, strict=True)
        return files[:1] + [path for path, other in pairs if not _same_file(path, other)]

    def require_own(self) -> None:
        """Refuse to fill folders that hold files from elsewhere (see `crossfc.jobs.claim`).

        Raises
        ------
        Fault
            With one sentence for each folder, and the config key that names it.
        """
        faults = []
        result, study = claim.is_result(self.study.study_dir), self.study.study_dir
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
        for key, (folder, kind, files) in self.made().items():
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
        return "derivatives_dir" if self.study.entry == "fmriprep" else "bids_dir"

    def claim(self, outputs: list[str]) -> None:
        """Claim the folders of a run's output files before its first job.

        Raises
        ------
        Fault
            If a folder cannot be written to.
        """
        claim.make(self.study.study_dir, claim.RESULTS)
        for folder, kind, _ in self.made().values():
            if any(Path(path).is_relative_to(folder) for path in outputs):
                claim.make(folder, kind)


def _same_file(path: str | Path, other: str | Path) -> bool:
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
