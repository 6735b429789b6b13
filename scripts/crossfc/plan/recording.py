"""Recordings of pulse and breathing beside the raw scans: inputs of their sessions' jobs."""

from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from crossfc import content
from crossfc.bids import label
from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.session.connectivity.match import names_in
from crossfc.session.physiology.recording import recordings_of
from crossfc.session.sidecar import names_of_sidecars, sidecar_paths
from crossfc.trial.strategy import recorded_kinds


class Recordings(Stage):
    """Recordings of pulse and breathing beside the raw scans: inputs of their sessions' jobs."""

    def __init__(self, study: Study, scans: Scans):
        super().__init__(study)
        self._scans = scans
        self._names = lru_cache(maxsize=4096)(names_in)
        self._sidecar_names = lru_cache(maxsize=4096)(names_of_sidecars)

    def _root(self) -> Path | None:
        """Return the raw data set; None for a twin, whose scans have no recordings."""
        folder = self.config["bids_dir"]
        return Path(folder) if folder and self.config["twin"] is None else None

    def _found(self, participant: str, session: str) -> list[tuple[str, Path]]:
        """List the recordings of a session's runs, each with its run."""
        root = self._root()
        if root is None:
            return []
        found = []
        for scan in self._scans.used_scans(participant, session):
            folder = root / PurePosixPath(scan).parent
            found += [(scan, folder / name) for name in recordings_of(scan, self._names(folder))]
        return found

    def inputs(self, participant: str, session: str) -> list[str]:
        """List the recordings of a session's runs and their sidecars, as far as they are here."""
        root, paths = self._root(), []
        for _, path in self._found(participant, session):
            if root is None or content.absence(path) is not None:
                continue
            sidecars = sidecar_paths(root, path.relative_to(root), self._sidecar_names)
            paths += [path, *(own for own in sidecars if content.absence(own) is None)]
        return list(dict.fromkeys(map(str, paths)))

    def absent(self, participant: str, session: str) -> dict[str, list[str]]:
        """Say of each run which recordings are listed there and have no content, and why.

        The data set's folder is left out, so that moving it changes nothing.
        """
        told: dict[str, list[str]] = {}
        for scan, path in self._found(participant, session):
            why = content.absence(path)
            if why is not None:
                sentence = content.refusal(path, why).replace(f"{self.config['bids_dir']}/", "")
                told.setdefault(scan, []).append(sentence)
        return told

    @cached_property
    def faults(self) -> list[str]:
        """Sentences on strategies that need recordings, where no session has any."""
        needing = {
            name: choices["strategy"]
            for name, choices in self.config["pipelines"].items()
            if recorded_kinds(self.study.strategies[choices["strategy"]])
        }
        if not needing or any(
            self.inputs(label(s.participant_id), label(s.session_id)) for s in self.study.sessions()
        ):
            return []
        where = f"beside the raw scans in bids_dir ({self.config['bids_dir']})"
        if self.config["twin"] is not None:
            where = "of a twin"
        return [
            f"config key pipelines.{name}.strategy: {strategy} needs recordings of pulse or "
            f"breathing, and there is no *_physio.tsv.gz {where}; choose another strategy, or name "
            "the data set that has them in bids_dir"
            for name, strategy in needing.items()
        ]
