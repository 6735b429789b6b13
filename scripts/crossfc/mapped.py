"""Memory-mapped arrays, which are read in pieces and must not stay in memory as a whole."""

import mmap

import numpy as np

PEOPLE = 128  # people read at once; reading a page may also load its neighbours into memory


def release(data: np.ndarray) -> None:
    """Free the memory that reading from a memory-mapped file has used; the file is not changed.

    Parameters
    ----------
    data : ndarray
        Nothing is done if it is not memory-mapped.
    """
    mapped = getattr(data, "_mmap", None)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)
