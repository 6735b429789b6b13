"""Compile numerical kernels with numba, also if the machine code cannot be cached on the disk."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}


def compiled(function: Kernel) -> Kernel:
    """Compile a numerical kernel with numba, and cache the machine code on the disk if possible.

    If neither NUMBA_CACHE_DIR, nor the folder of the module, nor the user's cache folder can be
    written to (a read-only container), numba refuses to cache. The kernel is then compiled in every
    process.

    Kernels must only get finite numbers, because ``fastmath`` assumes this to reorder sums and
    maxima for vector instructions.
    """
    try:
        return njit(cache=True, **_OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError as reason:
        if "cannot cache" not in str(reason):
            raise
        return njit(**_OPTIONS)(function)  # type: ignore[no-any-return]


def inlined(function: Kernel) -> Kernel:
    """Compile a part of kernels into each of them.

    If a kernel called it instead, the two would be optimised together in the process that compiles
    them, and apart in one that reads them from the cache. Sums would then differ in their last bit
    between the first run and later ones.
    """
    return njit(inline="always", **_OPTIONS)(function)  # type: ignore[no-any-return]
