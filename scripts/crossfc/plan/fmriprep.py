"""fMRIPrep in its container: the files of a person that it reads."""

from pathlib import Path

from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.session import layout
from crossfc.session.echo import echoes_of
from crossfc.session.preprocess.fieldmap import field_map_files
from crossfc.session.sidecar import sidecar_paths


class Fmriprep(Stage):
    """The files of a person that fMRIPrep reads: runs, T1w, sidecars and field maps."""

    def __init__(self, study: Study, scans: Scans):
        super().__init__(study)
        self._scans = scans

    def scans(self, participant: str) -> list[str]:
        """List the runs of a person that the sheets use."""
        return [scan for scan in self._scans.runs() if scan.startswith(f"sub-{participant}/")]

    def files(self, participant: str) -> list[str]:
        """List the files of a person that fMRIPrep reads; a change of any of them runs it again."""
        found = []
        for session in self.study.sessions():
            if session.participant_id == f"sub-{participant}":
                label = session.session_id.removeprefix("ses-")
                for scan in self._scans.used_scans(participant, label):
                    own = Path(layout.without_echo(scan)).name.rsplit("_", 1)[0]
                    own = own.removeprefix("sub-")
                    found.append(self._scans.scan_path(participant, label, own))
                    found += self._scans.sidecars(participant, label, own)
                    # One echo in the sheet stands for all, which fMRIPrep combines.
                    folder = self.config["bids_dir"]
                    for path in echoes_of(scan, folder):
                        found.append(str(Path(folder) / path))
                        found += map(str, sidecar_paths(folder, path))
        maps = field_map_files(self.config["bids_dir"], f"sub-{participant}/func/x")
        return list(dict.fromkeys([self._scans.raw_t1w(participant), *found, *map(str, maps)]))

    def t1w(self, participant: str) -> str | None:
        """Return a person's T1w image as it is named in the sheet."""
        return self.study.checked_trial().participants[f"sub-{participant}"].t1w
