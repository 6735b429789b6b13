"""The files of each run of a session, picked from the inputs of its job."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from crossfc.session import sidecar
from crossfc.session.connectivity import match
from crossfc.session.connectivity.repeat import Run
from crossfc.session.physiology.recording import files_of


def root_of(bold: str, scan: str) -> Path:
    """Return the folder of derivatives: as many folders above the BOLD as the sheet names."""
    return Path(bold).parents[len(PurePosixPath(scan).parent.parts)]


def runs_of(
    scans: Sequence[str],
    bolds: Sequence[str],
    sidecars: Iterable[str],
    coregistrations: Iterable[str],
    further: Mapping[str, Sequence[str]],
    recordings: Sequence[str],
    recordings_absent: Mapping[str, Sequence[str]],
    *,
    cleaned: bool = False,
) -> list[Run]:
    """Put together what belongs to each run.

    Parameters
    ----------
    scans : sequence of str
        The runs as the sheet names them.
    bolds : sequence of str
        Their preprocessed series, in the same order.
    sidecars, coregistrations : iterable of str
        Of all runs. Some sidecars may be missing; then the repetition time is read from the header
        alone.
    further : mapping
        Kind of file (`match.KINDS`) to those of all runs.
    recordings : sequence of str
        Of pulse and breathing.
    recordings_absent : mapping
        Scan to sentences on recordings whose content is not here.
    cleaned : bool
        Whether another program cleaned the runs.

    Returns
    -------
    list of Run
    """
    there = set(map(str, sidecars))
    known = {Path(path).name: path for path in coregistrations}
    found = []
    for scan, bold in zip(scans, bolds, strict=True):
        root = root_of(bold, scan)
        own = sidecar.sidecar_paths(root, Path(bold).relative_to(root))
        run: Run = {
            "scan": scan,
            "bold": bold,
            "sidecars": [path for path in own if str(path) in there],
            "coregistration": known.get(match.coregistration(Path(bold).name, known) or ""),
            "cleaned": cleaned,
            "recordings": files_of(scan, recordings),
            "recordings_absent": recordings_absent.get(scan, []),
        }
        for kind, paths in further.items():
            run[kind] = match.belonging(bold, kind, paths)  # type: ignore[literal-required]
        found.append(run)
    return found
