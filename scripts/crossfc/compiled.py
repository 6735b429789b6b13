"""Compile numerical kernels with numba, also if the machine code cannot be cached on the disk."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a numerical kernel with numba, and cache the machine code on the disk if possible.

    If neither NUMBA_CACHE_DIR, nor the folder of the module, nor the user's cache folder can be
    written to (a read-only container), numba refuses to cache. The kernel is then compiled in every
    process.

    Kernels must only get finite numbers, because ``fastmath`` assumes this to reorder sums and
    maxima for vector instructions.
    """
    options: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}
    try:
        return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError as reason:
        if "cannot cache" not in str(reason):
            raise
        return njit(**options)(function)  # type: ignore[no-any-return]
