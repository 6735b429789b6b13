"""Mapped files: arrays on the disk that are read in pieces and held in memory by none."""

import mmap

import numpy as np

PEOPLE = 128  # people read at once; a touched page may bring its neighbourhood into memory


def release(data: np.ndarray) -> None:
    """Let go of the memory that reading from a mapped file has filled; the file stays.

    Parameters
    ----------
    data : array
        Nothing is done if it is not mapped.
    """
    mapped = getattr(data, "_mmap", None)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)
