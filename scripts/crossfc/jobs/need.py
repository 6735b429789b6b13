"""What a job needs of memory and time: measured, and scaled by the size of its data.

A cluster gives a job what it asks for and ends it beyond. The rules that read scans or maps ask for
what is reckoned here; what fails is tried again with twice, then three times as much.

Measured: the largest resident memory of a rule's script and its CPU time, on one core of a server.
Sizes are of uncompressed 4-byte numbers. The real scan is one person of studyforrest (T1w of
0.7 mm; 156 volumes of 3 mm, and the first 78 of them); the others are twins and random maps.

===================  ================================================  ========  =======
job                  data                                              MB        s
===================  ================================================  ========  =======
normalise_subject    T1w 161 MB (real)                                 2156      134
preprocess_session   in template space 715 MB (2 mm), 357 MB (2 mm)    2270      65
                                                                       1307      45
connectivity_session 715 MB, 357 MB (three pipelines)                  1685      6.5
                                                                       865       3.8
                     211 MB, 106 MB, 91 MB (twin)                      552       2.5
                                                                       298       1.7
                                                                       262       1.5
pair_sessions        48 people, 2 mm (288 maps of 4.6 MB)              247       11.6
                     24 people, 2 mm                                   247       6.6
group_test           48 people, 3 seeds, 235 375 voxels (2 mm),        867       32
                     1000 permutations; 100 permutations               812       14
                     24 people, 250 permutations                       767       14
                     48 people, 69 765 voxels (3 mm), 250              442       5
twin_session         160 volumes of 4 mm                               235       1.5
twin_anatomy         T1w of 26 MB                                      635       6
twin_scan            24 MB (40 volumes)                                408       6
report               the demo: 58 sessions, 27 analyses                307       7
other tables         the demo                                          170       2
===================  ================================================  ========  =======

Two Snakemakes carry the script of a job on a cluster; each takes 152 MB.
"""

import ast
import errno
import gzip
import math
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_CARRIERS_MB = 320
_ROOM = 1.5  # of memory, for data unlike those measured
_SLOW = 4  # a node may be slower, and its file system busy
_SHORTEST = 2  # minutes; starting Python from a busy file system takes its time too
_TEMPLATE_MM3 = 201 * 237 * 193  # of the box that preprocessed scans fill


@dataclass(frozen=True)
class Need:
    """Memory (MB) and CPU time (s): ``base``, and so much per MB of each kind of data."""

    memory: Mapping[str, float]
    seconds: Mapping[str, float]


MEASURED = {
    "normalise_subject": Need({"base": 1260, "scan": 6.4}, {"base": 110, "scan": 0.2}),
    # The person's T1w and its warp are there for short scans too.
    "preprocess_session": Need({"base": 1000, "scan": 1.8}, {"base": 40, "scan": 0.04}),
    "connectivity_session": Need({"base": 100, "scan": 2.25}, {"base": 1, "scan": 0.0085}),
    "pair_sessions": Need({"base": 160, "map": 19}, {"base": 1.5, "maps": 0.008}),
    # data: of all people; maps: of one person; sweeps: maps × permutations.
    "group_test": Need({"base": 350, "data": 1, "maps": 145}, {"base": 11, "sweeps": 0.0075}),
    "twin_session": Need({"base": 190, "scan": 0.5}, {"base": 1, "scan": 0.01}),
    "twin_anatomy": Need({"base": 640}, {"base": 6}),
    "twin_scan": Need({"base": 310, "scan": 4.2}, {"base": 3, "scan": 0.13}),
    "report": Need({"base": 310}, {"base": 10}),
    # What reads tables only: clinical correlations, mixed model, quality, robustness.
    "table": Need({"base": 180}, {"base": 2}),
}


def memory_mb(job: str, sizes: Mapping[str, float], attempt: int = 1, threads: int = 1) -> int:
    """Reckon the memory to ask for.

    Parameters
    ----------
    job : str
        Name of a rule in `MEASURED`.
    sizes : mapping
        MB of each kind of data that the job's need depends on.
    attempt : int
        1 at first; what failed asks for as many times as much.
    threads : int
        Each may hold what one does.

    Returns
    -------
    int
        MB, in whole hundreds.
    """
    own = _sum(MEASURED[job].memory, sizes) * threads * _ROOM
    return attempt * 100 * math.ceil((_CARRIERS_MB + own) / 100)


def minutes(job: str, sizes: Mapping[str, float], attempt: int = 1, threads: int = 1) -> int:
    """Reckon the time to ask for, in whole minutes; see `memory_mb`."""
    own = _SLOW * _sum(MEASURED[job].seconds, sizes) / threads / 60
    return attempt * max(_SHORTEST, math.ceil(own))


def _sum(needs: Mapping[str, float], sizes: Mapping[str, float]) -> float:
    return sum(each * (1 if kind == "base" else sizes[kind]) for kind, each in needs.items())


def image_mb(paths: str | Iterable[str]) -> float:
    """Return the size of the largest of some images as 4-byte numbers, by their headers.

    Raises
    ------
    FileNotFoundError
        If one is not there yet.
    """
    return max(4e-6 * math.prod(_shape(path)) for path in _listed(paths))


def first_map(paths: Iterable[str]) -> str:
    """Find the first map among files, and among the files of folders.

    Where all is there but no map, that is the first path: its job will say what is wrong.

    Raises
    ------
    FileNotFoundError
        If something is not there yet, before a map is found.
    """
    for path in paths:
        if Path(path).is_dir():
            path = next((str(each) for each in sorted(Path(path).rglob("*boldmap.nii*"))), path)
        if path.endswith((".nii", ".nii.gz", ".img")):
            return path
        if not Path(path).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return next(iter(paths), "")


def resampled_mb(paths: str | Iterable[str], voxel_mm: float) -> float:
    """Return the size (MB) that the longest of some scans has in template space."""
    volumes = max((*_shape(path), 1, 1, 1, 1)[3] for path in _listed(paths))
    return volumes_mb(volumes, voxel_mm)


def volumes_mb(volumes: int, voxel_mm: float) -> float:
    """Return the size (MB) of so many volumes in template space."""
    return 4e-6 * volumes * _TEMPLATE_MM3 / voxel_mm**3


def array_shape(path: str) -> tuple[int, ...]:
    """Read the shape of a NumPy array in a file, where Snakemake runs, which may have no NumPy.

    The header is a Python dictionary after a magic word, a version and a length (NumPy enhancement
    proposal 1).

    Raises
    ------
    FileNotFoundError
        If its folder is not there yet.
    """
    # Snakemake waits for what an error names, if it is an input: the folder.
    Path(path).parent.stat()
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            kind, size = ("<H", 2) if start[6] == 1 else ("<I", 4)
            length = struct.unpack(kind, file.read(size))[0]
            return ast.literal_eval(file.read(length).decode("latin1"))["shape"]
    except (OSError, IndexError, struct.error, SyntaxError, ValueError):
        return (1, 1, 1)  # its job will say what is wrong with it


def _listed(paths: str | Iterable[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _shape(path: str) -> tuple[int, ...]:
    """Read the dimensions of a NIfTI or Analyze image, which takes a thousandth of a second.

    An image that cannot be read counts as one voxel: its job will say what is wrong with it.
    """
    head = path.removesuffix(".img") + ".hdr" if path.endswith(".img") else path
    opened = gzip.open if head.endswith(".gz") else open
    try:
        with opened(head, "rb") as file:
            start = file.read(80)
        order = "<" if start[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
        first = struct.unpack(f"{order}i", start[:4])[0]
        kind, place = ("8q", 16) if first == 540 else ("8h", 40)
        number, *sizes = struct.unpack_from(f"{order}{kind}", start, place)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, struct.error):
        return (1,)
    return tuple(size for size in sizes[:number] if size > 0) or (1,)
