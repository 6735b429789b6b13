"""The folder that a session's connectivity was written to: read by the group, whole or not."""

import json
from collections.abc import Sequence
from pathlib import Path

from crossfc.fault import Fault
from crossfc.session import layout


def finished_session(
    participant_id: str,
    session_id: str,
    task: str,
    results_dir: str | Path,
    space: str,
    pipeline: str,
    seeds: Sequence[str],
) -> dict[str, Path | list[Path]]:
    """Name the files of a finished session, as `crossfc.session.layout.connectivity` does.

    A session that left this pipeline has its record only; the other files are named, but are not
    there.

    Raises
    ------
    Fault
        If one does not exist. Snakemake sees the folder only, so a file that somebody took out of
        it is found missing here.
    """
    own = participant_id, session_id
    found = layout.connectivity(*own, task, results_dir, space, pipeline, list(seeds))
    for path in [found["qc"], *found["maps"], found["timeseries"], found["relmat"]]:
        if path.is_file():
            if path == found["qc"] and _left(path):
                break
        else:
            raise Fault(
                f"{path} does not exist, but other results of {participant_id} {session_id} do; "
                f"remove the folder {path.parent}, and run again to have all of it made anew"
            )
    return found


def _left(record: Path) -> bool:
    """Return whether a session left its pipeline, so that nothing but the record was written."""
    return bool(json.loads(record.read_text(encoding="utf-8")).get("exclusion_reasons"))
