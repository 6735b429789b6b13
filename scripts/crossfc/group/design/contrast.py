"""Contrasts: the within-person contrast maps that an analysis tests, read from disk."""

from collections.abc import Sequence
from copy import copy
from types import EllipsisType

import numpy as np

from crossfc.array import FloatArray, IntArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design import question as questions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import Question
from crossfc.mapped import PEOPLE, release


def parts(asked: Question, pairs: Pairs) -> dict[str, list[int]]:
    """Name the maps of an analysis, each with the indices of the seeds that it is made of.

    Raises
    ------
    Fault
        If the pairs lack the seeds or the session sums that the question needs.
    """
    seeds = pairs.record["seeds"]
    everything = list(range(len(seeds)))
    if asked.kind == questions.CARRYOVER and pairs.total is None:
        raise Fault("ready contrast maps hold no sum of sessions, so no carry-over")
    if asked.kind in questions.SETS:
        assert pairs.delta.shape[1] % len(seeds) == 0  # as `joined_pairs` makes them
        return {
            seed: list(range(column, pairs.delta.shape[1], len(seeds)))
            for column, seed in enumerate(seeds)
        }
    if asked.kind in questions.OVER_SEEDS:
        return {"pooled": everything}
    if asked.kind in questions.BETWEEN_SEEDS:
        if len(seeds) < 2:
            raise Fault(f"{asked.name} compares seeds, but there is only one")
        return {"subregion": everything}
    return {seed: [column] for column, seed in enumerate(seeds)}


def contrasts(
    asked: Question,
    pairs: Pairs,
    rows: IntArray,
    flip: FloatArray | None = None,
    given: SingleArray | None = None,
) -> "Sequence[Contrast | WithBaseline]":
    """Return the data of each map of `parts`.

    Parameters
    ----------
    asked : Question
    pairs : Pairs
    rows : int ndarray
        Rows of the people who are analysed.
    flip : ndarray, shape (n_analysed,), optional
        +1 or -1 for each of them; their data are multiplied by it.
    given : ndarray, shape (n_people, n_seeds, n_voxels), optional
        The baseline that is a covariate.

    Returns
    -------
    list of Contrast or WithBaseline
    """
    data = pairs.total if asked.kind == questions.CARRYOVER else pairs.delta
    assert data is not None  # `parts` refuses carry-over without sums
    n_seeds = data.shape[1]
    found: list[Contrast]
    if asked.kind in questions.SETS:
        of_seeds = parts(asked, pairs).values()
        found = [Contrast(data, rows, own, np.eye(len(own)), flip) for own in of_seeds]
    elif asked.kind in questions.OVER_SEEDS:
        found = [Contrast(data, rows, range(n_seeds), np.full(n_seeds, 1 / n_seeds), flip)]
    elif asked.kind in questions.BETWEEN_SEEDS:
        found = [Contrast(data, rows, range(n_seeds), seed_contrasts(n_seeds), flip)]
    else:
        found = [Contrast(data, rows, [column], None, flip) for column in range(n_seeds)]
    if given is None:
        return found
    return [WithBaseline(own, own.of(given)) for own in found]


class Contrast:
    """One map of all analysed people, read in pieces: one person, or some voxels of everybody.

    It can be used like an array in three ways: ``shape``, ``[..., part]`` and ``[person]``.

    Parameters
    ----------
    data : ndarray, shape (n_people, n_seeds, n_voxels)
        May be memory-mapped.
    rows : int ndarray
        Rows of the people who are analysed.
    columns : sequence of int
        Indices of the seeds that the map is made of.
    weights : ndarray, shape (n_columns,) or (n_measures, n_columns), or None
        Weights of the seeds in the map, or in each of its measures; None for a single seed.
    flip : ndarray, shape (n_analysed,), or None
        +1 or -1 for each person; the data are multiplied by it.
    """

    def __init__(
        self,
        data: SingleArray,
        rows: IntArray,
        columns: Sequence[int],
        weights: FloatArray | None,
        flip: FloatArray | None,
    ) -> None:
        self._data, self._rows, self._columns = data, np.asarray(rows), np.array(columns)
        self._weights = None if weights is None else weights.astype(np.float32)
        self._flip = None if flip is None else np.asarray(flip, dtype=np.float32)
        measures = () if weights is None else weights.shape[:-1]
        self.shape: tuple[int, ...] = (len(self._rows), *measures, data.shape[-1])

    def of(self, data: SingleArray) -> "Contrast":
        """Return the same map of the same people, made of other data of the same shape."""
        other = copy(self)
        other._data = data
        return other

    def __getitem__(self, key: tuple[EllipsisType, slice] | int) -> SingleArray:
        if isinstance(key, tuple):
            return self._read(np.arange(len(self._rows)), key[-1])
        own: SingleArray = self._read(np.array([key]), slice(None))[0]
        return own

    def _read(self, people: IntArray, part: slice) -> SingleArray:
        read = []
        for first in range(0, len(people), PEOPLE):
            some = people[first : first + PEOPLE]
            values = np.asarray(self._data[self._rows[some][:, None], self._columns, part])
            release(self._data)
            values = values[:, 0] if self._weights is None else np.matmul(self._weights, values)
            if self._flip is not None:
                values *= self._flip[some].reshape(-1, *[1] * (values.ndim - 1))
            read.append(values)
        return np.concatenate(read)


class WithBaseline:
    """One map of all analysed people together with its baseline, as further measures.

    Of shape (n_people, n_measures + n_covariates, n_voxels); it can be used like `Contrast`. The
    differences between seeds have those of the baseline as covariates, as many as there are.

    Parameters
    ----------
    data, baseline : Contrast
    """

    def __init__(self, data: Contrast, baseline: Contrast) -> None:
        self._parts = data, baseline
        measures = (part.shape[1] if len(part.shape) == 3 else 1 for part in self._parts)
        self.shape: tuple[int, ...] = (data.shape[0], sum(measures), data.shape[-1])

    def __getitem__(self, key: tuple[EllipsisType, slice] | int) -> SingleArray:
        read = [part[key] for part in self._parts]
        people = (self.shape[0],) if isinstance(key, tuple) else ()
        return np.concatenate(
            [values.reshape(*people, -1, values.shape[-1]) for values in read], axis=-2
        )


def seed_contrasts(n_seeds: int) -> FloatArray:
    """Return orthonormal contrasts among seeds, each seed against those before it.

    Returns
    -------
    ndarray, shape (n_seeds - 1, n_seeds)
    """
    weights = np.zeros((n_seeds - 1, n_seeds))
    for row in range(n_seeds - 1):
        weights[row, : row + 1] = -1
        weights[row, row + 1] = row + 1
    lengths: FloatArray = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / lengths
