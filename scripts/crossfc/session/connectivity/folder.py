"""Find the files of a session's connectivity for the group level, and check that none is lost."""

from collections.abc import Sequence
from pathlib import Path

from crossfc.fault import Fault
from crossfc.session import layout
from crossfc.session.connectivity.record import read_record
from crossfc.session.layout import ConnectivityFiles


def finished_session(
    participant_id: str,
    session_id: str,
    task: str,
    results_dir: str | Path,
    space: str,
    pipeline: str,
    seeds: Sequence[str],
) -> ConnectivityFiles:
    """Name the files of a finished session, as `crossfc.session.layout.connectivity` does.

    A session that was excluded from this pipeline has only its record; the other files are named
    but do not exist.

    Raises
    ------
    Fault
        If a file is missing. Snakemake only checks that the folder exists, so a file that somebody
        removed from it is noticed here.
    """
    own = participant_id, session_id
    found = layout.connectivity(*own, task, results_dir, space, pipeline, list(seeds))
    for path in [found["qc"], *found["maps"], found["timeseries"], found["relmat"]]:
        if path.is_file():
            if path == found["qc"] and read_record(path).get("exclusion_reasons"):
                break
        else:
            raise Fault(
                f"{path} does not exist, but other results of {participant_id} {session_id} do; "
                f"remove the folder {path.parent}, and run again to have all of it made anew"
            )
    return found
