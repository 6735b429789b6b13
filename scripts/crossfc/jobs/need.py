"""The memory and time that a job requests: measured values, scaled by the size of its data.

SLURM kills a job that exceeds the memory or time it requested. The rules that read scans or maps
request the amounts computed here; a job that fails is tried again with twice, then three times as
much.

The table shows the largest resident memory of a rule's script and its CPU time, measured on one
core of a server. Sizes are of uncompressed 4-byte numbers. The real scan is of one person of
studyforrest (T1w of 0.7 mm; 156 volumes of 3 mm, and the first 78 of them); the other data are
twins and random maps.

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
sensitivity          24 of 48 people, 3 seeds, 232 376 voxels (2 mm),  1138      72
                     200 repeats; a comparison of all 48               1310      93
                     12 of 24 people, 28 324 voxels (4 mm)             302       11
twin_session         160 volumes of 4 mm                               235       1.5
twin_anatomy         T1w of 26 MB                                      635       6
twin_scan            24 MB (40 volumes)                                408       6
report               the demo: 58 sessions, 30 maps of 4 mm            434       16
                     its viewer of 60 maps of 2 mm, more by            100       13
quality_pages        the demo: 58 sessions, three pipelines            228       5
other tables         the demo                                          170       2
===================  ================================================  ========  =======

On a cluster two processes of Snakemake run around the script of a job; each takes 152 MB.
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
_ROOM = 1.5  # safety factor for memory, as data may differ from those measured
_SLOW = 4  # safety factor for time: a node may be slower, and its file system busy
_SHORTEST = 2  # minutes; even starting Python takes time on a busy file system
_TEMPLATE_MM3 = 201 * 237 * 193  # volume of the grid of preprocessed scans


@dataclass(frozen=True)
class Need:
    """Memory (MB) and CPU time (s): a ``base``, and an amount per MB of each kind of data."""

    memory: Mapping[str, float]
    seconds: Mapping[str, float]


MEASURED = {
    "normalise_subject": Need({"base": 1260, "scan": 6.4}, {"base": 110, "scan": 0.2}),
    # The base includes the T1w and its deformation, which also short scans need.
    "preprocess_session": Need({"base": 1000, "scan": 1.8}, {"base": 40, "scan": 0.04}),
    "connectivity_session": Need({"base": 100, "scan": 2.25}, {"base": 1, "scan": 0.0085}),
    "pair_sessions": Need({"base": 160, "map": 19}, {"base": 1.5, "maps": 0.008}),
    # data: size of all people's maps; maps: of one person's; sweeps: maps × permutations.
    "group_test": Need({"base": 350, "data": 1, "maps": 145}, {"base": 11, "sweeps": 0.0075}),
    # Besides: planted and repeats are maps × analyses, and that × repeats.
    "sensitivity": Need(
        {"base": 300, "data": 3, "maps": 145}, {"base": 11, "planted": 15, "repeats": 0.09}
    ),
    "twin_session": Need({"base": 190, "scan": 0.5}, {"base": 1, "scan": 0.01}),
    "twin_anatomy": Need({"base": 640}, {"base": 6}),
    "twin_scan": Need({"base": 310, "scan": 4.2}, {"base": 3, "scan": 0.13}),
    "report": Need({"base": 540}, {"base": 40}),
    "quality_pages": Need({"base": 230}, {"base": 5}),
    # Jobs that only read tables: clinical correlations, mixed model, quality, robustness.
    "table": Need({"base": 180}, {"base": 2}),
}


def memory_mb(job: str, sizes: Mapping[str, float], attempt: int = 1, threads: int = 1) -> int:
    """Compute the memory that a job requests.

    Parameters
    ----------
    job : str
        Name of a rule in `MEASURED`.
    sizes : mapping
        Size (MB) of each kind of data on which the need of the job depends.
    attempt : int
        Number of the attempt, from 1; the amount is multiplied by it.
    threads : int
        Number of threads; each may need as much memory as a single one.

    Returns
    -------
    int
        MB, in whole hundreds.
    """
    own = _sum(MEASURED[job].memory, sizes) * threads * _ROOM
    return attempt * 100 * math.ceil((_CARRIERS_MB + own) / 100)


def minutes(job: str, sizes: Mapping[str, float], attempt: int = 1, threads: int = 1) -> int:
    """Compute the time that a job requests, in whole minutes; parameters as in `memory_mb`."""
    own = _SLOW * _sum(MEASURED[job].seconds, sizes) / threads / 60
    return attempt * max(_SHORTEST, math.ceil(own))


def _sum(needs: Mapping[str, float], sizes: Mapping[str, float]) -> float:
    return sum(each * (1 if kind == "base" else sizes[kind]) for kind, each in needs.items())


def image_mb(paths: str | Iterable[str]) -> float:
    """Return the size (MB) of the largest of some images as 4-byte numbers, from their headers.

    Raises
    ------
    FileNotFoundError
        If an image does not exist yet.
    """
    return max(4e-6 * math.prod(_shape(path)) for path in _listed(paths))


def first_map(paths: Iterable[str]) -> str:
    """Return the first map among files and folders.

    If everything exists but there is no map, return the first path; the job will report the fault.

    Raises
    ------
    FileNotFoundError
        If a path does not exist yet and no map was found before it.
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
    """Return the size (MB) of the longest of some scans after interpolation to template space."""
    volumes = max((*_shape(path), 1, 1, 1, 1)[3] for path in _listed(paths))
    return volumes_mb(volumes, voxel_mm)


def volumes_mb(volumes: int, voxel_mm: float) -> float:
    """Return the size (MB) of a number of volumes in template space, as 4-byte numbers."""
    return 4e-6 * volumes * _TEMPLATE_MM3 / voxel_mm**3


def array_shape(path: str) -> tuple[int, ...]:
    """Read the shape of an array in a ``.npy`` file, without NumPy.

    Snakemake's own environment may have no NumPy. The header is a Python dictionary after a magic
    word, a version and a length (NumPy enhancement proposal 1).

    Returns
    -------
    tuple of int
        (1, 1, 1) if the file cannot be read; the job will report the fault.

    Raises
    ------
    FileNotFoundError
        If the folder of the file does not exist yet.
    """
    # The folder is the input; if an error names an input, Snakemake waits until it exists.
    Path(path).parent.stat()
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            kind, size = ("<H", 2) if start[6] == 1 else ("<I", 4)
            length = struct.unpack(kind, file.read(size))[0]
            shape: tuple[int, ...] = ast.literal_eval(file.read(length).decode("latin1"))["shape"]
            return shape
    except (OSError, IndexError, struct.error, SyntaxError, ValueError):
        return (1, 1, 1)  # the job will report what is wrong with the file


def _listed(paths: str | Iterable[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _shape(path: str) -> tuple[int, ...]:
    """Read the dimensions of a NIfTI or Analyze image from its header (about a millisecond).

    An image that cannot be read counts as one voxel; the job will report what is wrong with it.
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
