"""What was written of a session to be looked at, as pages read it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc.bids import parse_name
from crossfc.report.carpet import CarpetView
from crossfc.session import layout
from crossfc.session.connectivity.record import SessionRecord, read_record
from crossfc.table import read_table


@dataclass
class Inspection:
    """One session: its files, its records by pipeline, and its table of volumes."""

    participant_id: str
    session_id: str
    files: layout.InspectionFiles
    records: dict[str, SessionRecord]
    volumes: pd.DataFrame

    @property
    def title(self) -> str:
        """Person and session."""
        return f"{self.participant_id} {self.session_id}"

    def carpet(
        self, pipeline: str, choices: Mapping[str, Any], address: Callable[[Path], str]
    ) -> CarpetView:
        """Return what the carpets of a pipeline are drawn from.

        Parameters
        ----------
        pipeline : str
        choices : mapping
            The pipeline's part of the config.
        address : callable
            Returns the address of a picture on the page.
        """
        after = self.files["pipelines"][pipeline]["carpet"]
        return CarpetView(
            self.volumes,
            pipeline,
            self.records[pipeline]["repetition_time"],
            address(self.files["carpet"]),
            address(after) if after.is_file() else None,
            choices.get("censor_fd_mm"),
        )


def read_inspection(volumes: str | os.PathLike[str], pipelines: Sequence[str]) -> Inspection | None:
    """Read what is looked at of a session.

    Parameters
    ----------
    volumes : path
        Its table of volumes, whose name says whose it is.
    pipelines : sequence of str

    Returns
    -------
    Inspection or None
        None if there is no such table, as its session was not analysed.
    """
    path = Path(volumes)
    if not path.is_file():
        return None
    own, _, _ = parse_name(path.name)
    names = f"sub-{own['sub']}", f"ses-{own['ses']}"
    words = own["task"], own["space"]
    root = path.parents[3]
    records = {
        pipeline: read_record(
            layout.connectivity(*names, words[0], root, words[1], pipeline, [])["qc"]
        )
        for pipeline in pipelines
    }
    files = layout.inspection(*names, *words, pipelines, path.parent)
    return Inspection(*names, files, records, read_table(path))
