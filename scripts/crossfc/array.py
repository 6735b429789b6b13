"""Arrays by what they hold, for the signatures of functions; shapes are in the docstrings."""

from types import EllipsisType
from typing import Any, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
SingleArray: TypeAlias = npt.NDArray[np.float32]
RealArray: TypeAlias = npt.NDArray[np.floating[Any]]  # in single or double precision
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
PixelArray: TypeAlias = npt.NDArray[np.uint8]
# Labels of people, such as sites: words or numbers.
LabelArray: TypeAlias = npt.NDArray[Any]


class MapData(Protocol):
    """One map of several people, read in pieces, so that it may be a file on disk.

    Of shape (n_people, n_voxels) or (n_people, n_measures, n_voxels).
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @overload
    def __getitem__(self, person: int, /) -> RealArray: ...

    @overload
    def __getitem__(self, voxels: tuple[EllipsisType, slice], /) -> RealArray: ...
