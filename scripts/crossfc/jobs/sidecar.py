"""The JSON sidecars that a job writes beside its tables and group maps.

What they say is in ``workflow/schemas/outputs.yaml`` and in the record of each analysis. They are
written here, after the results, and not by the functions that make these: words are no results, so
that a better sentence makes no job run again.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from crossfc import atomic
from crossfc.outputs import Output, outputs, sidecar

_RESULT = "result.json"  # as crossfc.group.findings.result names it


def write_sidecars(made: Iterable[str | Path], study_dir: str | Path) -> None:
    """Write the sidecars of the tables and group maps among the outputs of a job.

    Tables that `crossfc.outputs` does not describe get none: they lie outside of the study's
    results, and those of preprocessed scans have sidecars of their own.

    Parameters
    ----------
    made : iterable of path
        Files and folders.
    study_dir : path
        The folder of the study's results, from which tables are named.
    """
    described: list[Output] = []
    for path in _files(made):
        if path.name == _RESULT:
            _describe_maps(path.parent)
        if path.suffix == ".tsv" and path.is_relative_to(study_dir):
            described = described or outputs()
            name = path.relative_to(study_dir).as_posix()
            table = next((own for own in described if own.columns and own.is_at(name)), None)
            if table is not None:
                atomic.write_json(path.with_suffix(".json"), sidecar(table, _columns(path)))


def _files(made: Iterable[str | Path]) -> Iterator[Path]:
    for path in map(Path, made):
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _columns(path: Path) -> list[str]:
    with open(path, encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines, delimiter="\t"), [])


def _describe_maps(folder: Path) -> None:
    # Only here, as they import SciPy, which other jobs do without.
    from crossfc.group.findings.map_sidecar import MAP, map_sidecar, parts_of
    from crossfc.group.findings.result import read_result

    result = read_result(folder)
    for path in sorted(folder.glob(MAP)):
        own = map_sidecar(result, *parts_of(path.name))
        atomic.write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), own)
