"""Compiled kernels that also run where their machine code cannot be kept."""

from collections.abc import Callable

from numba import njit


def compiled(function: Callable) -> Callable:
    """Compile a numerical kernel with numba; keep the machine code on the disk if possible.

    Where neither NUMBA_CACHE_DIR, nor the folder of the module, nor the user's cache folder can
    be written (a read-only container), numba refuses to cache; the kernel is then compiled
    anew in every process.

    Kernels are handed finite numbers only, so sums and maxima may be reordered to use vector
    instructions.
    """
    options = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as reason:
        if "cannot cache" not in str(reason):
            raise
        return njit(**options)(function)
