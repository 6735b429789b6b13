"""Distinct arrangements of people under the null hypothesis: sign flips, or shuffles.

A permutation test is exact when, under the null hypothesis, every arrangement is as likely as the
observed one (Winkler et al. 2014, NeuroImage 92:381). Sign flips assume symmetric errors and
serve intercepts. Shuffles assume exchangeable people and serve effects between people. People
change places within exchangeability blocks, or whole blocks change places or sign (Winkler et al.
2015, NeuroImage 123:253).

All functions take the same last arguments. ``n_permutations`` is the number of arrangements besides
the identity; if no more than this exist, all are enumerated. ``seed`` is that of the random
numbers. ``blocks`` are a label per person (strata, such as sites). With ``whole``, a block moves as
one, and the order of the people within it stays.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray, RealArray
from crossfc.fault import Fault
from crossfc.group.design.options import SIGN_FLIPS
from crossfc.group.design.unit import Unarrangeable, Units

SHUFFLES = "shuffles"

# If fewer than this many arrangements are possible per wanted one, they are numbered and distinct
# numbers are drawn. If more are possible, random arrangements seldom repeat, and it is faster to
# draw the repeated ones again.
_FEW = 16
_CHUNK = 2**18  # table entries that are filled at once


@dataclass(frozen=True)
class Arrangements:
    """A list of distinct arrangements, the identity first.

    Under an arrangement, person i gets row ``order[i]`` of the design, times ``signs[i]``.

    Attributes
    ----------
    kind : str
        ``sign flips`` or ``shuffles``.
    order : int32 ndarray, shape (n_arrangements, n_people), or None
        None for sign flips.
    signs : int8 ndarray, shape (n_arrangements, n_people), or None
        +1 or -1; None for shuffles.
    exhaustive : bool
        True if the list holds all distinct arrangements.
    possible : int
        Number of distinct arrangements that exist.
    """

    kind: str
    order: IntArray | None
    signs: IntArray | None
    exhaustive: bool
    possible: int

    def __len__(self) -> int:
        return len(self._table)

    @property
    def n_people(self) -> int:
        """Number of people who are arranged."""
        return int(self._table.shape[1])

    @property
    def _table(self) -> IntArray:
        table = self.signs if self.order is None else self.order
        assert table is not None  # there is one of the two
        return table

    def part(self, rows: slice | IntArray) -> "Arrangements":
        """Return a subset of the arrangements; ``exhaustive`` and ``possible`` stay as they are."""
        order = None if self.order is None else self.order[rows]
        signs = None if self.signs is None else self.signs[rows]
        return Arrangements(self.kind, order, signs, self.exhaustive, self.possible)

    def mirrors(self) -> IntArray:
        """Find arrangements that are mirror images: equal except that all signs are reversed.

        Returns
        -------
        int ndarray, shape (n_arrangements,)
            For each arrangement, the index of the first one in the list that equals it or is its
            mirror image.
        """
        if self.signs is None:
            return np.arange(len(self))
        keys = np.ascontiguousarray(self.signs * self.signs[:, :1])
        words = keys.view(np.dtype((np.void, keys[0].nbytes))).ravel()
        _, first, back = np.unique(words, return_index=True, return_inverse=True)
        return first[back.ravel()]

    def arranged(
        self, columns: FloatArray, dtype: type[np.floating[Any]] = np.float32
    ) -> RealArray:
        """Apply every arrangement to the columns of a design.

        Parameters
        ----------
        columns : ndarray, shape (n_people, n_columns)
        dtype : type
            Of the result.

        Returns
        -------
        ndarray, shape (n_arrangements, n_columns, n_people)
        """
        turned: RealArray = np.asarray(columns, dtype=dtype).T
        out: RealArray = np.empty((len(self), *turned.shape), dtype=dtype)
        for number, column in enumerate(turned):
            out[:, number] = column if self.order is None else column[self.order]
        if self.signs is not None:
            out *= self.signs[:, None]
        return out


def sign_flips(
    n_people: int,
    n_permutations: int,
    seed: int,
    blocks: LabelArray | None = None,
    whole: bool = False,
) -> Arrangements:
    """Draw sign flips of people, or of whole blocks; flips within blocks need no blocks.

    Raises
    ------
    Unarrangeable
        If there is only one person or one whole block.
    Fault
        If the blocks do not fit the people.
    """
    units = Units(np.zeros((n_people, 1)), blocks, whole, flipped=True)
    return _arrangements(SIGN_FLIPS, units, n_permutations, seed)


def shuffles(
    design: FloatArray,
    n_permutations: int,
    seed: int,
    blocks: LabelArray | None = None,
    whole: bool = False,
) -> Arrangements:
    """Draw shuffles, which assign people to other rows of the design.

    Two shuffles that give every person the same design row count as one arrangement. With two
    groups and no other term, for example, only the group of each person counts, not the order
    within a group. Whole blocks change places with blocks of the same size.

    Parameters
    ----------
    design : ndarray, shape (n_people, n_columns)
        Columns of the effect, the nuisance and (if there are any) the variance groups.

    Raises
    ------
    Unarrangeable
        If no shuffle changes the design.
    Fault
        If the blocks do not fit the people.
    """
    units = Units(np.asarray(design, dtype=float), blocks, whole, flipped=False)
    return _arrangements(SHUFFLES, units, n_permutations, seed)


def count_shuffles(
    design: FloatArray, blocks: LabelArray | None = None, whole: bool = False
) -> int:
    """Count the distinct shuffles that `shuffles` can choose from, the identity included.

    Returns
    -------
    int
        1 if nobody can change places.

    Raises
    ------
    Fault
        If the blocks do not fit the people.
    """
    try:
        units = Units(np.asarray(design, dtype=float), blocks, whole, flipped=False)
    except Unarrangeable:
        return 1
    return units.possible()


def _arrangements(kind: str, units: Units, n_permutations: int, seed: int) -> Arrangements:
    if n_permutations < 1:
        raise Fault(f"n_permutations is {n_permutations}; ask for at least one")
    possible, n_people = units.possible(), len(units.unit)
    if possible == 1:
        raise Unarrangeable(
            "no two exchangeability blocks can change places: blocks of equal size have equal rows "
            "of the design; let people change places within their blocks, or use another effect"
            if units.whole
            else "no two people can change places: within every exchangeability block all rows of "
            "the design are equal; use fewer blocks or another effect"
        )
    wanted = min(possible, n_permutations + 1)
    table = _Table(kind, units, wanted)
    generator = np.random.default_rng(seed)
    if possible <= _FEW * wanted:
        numbers = np.arange(wanted)
        if wanted < possible:
            numbers[1:] = 1 + generator.choice(possible - 1, wanted - 1, replace=False)
        for rows in _chunks(np.arange(wanted), n_people):
            table.fill(rows, *units.numbered(numbers[rows]))
    else:
        table.fill(np.array([0]), *units.identity(1))
        missing: IntArray = np.arange(1, wanted)
        while missing.size:
            for rows in _chunks(missing, n_people):
                table.fill(rows, *units.drawn(len(rows), generator))
            # Which of two equal draws is kept makes no difference, so this adds no bias.
            missing = table.repeats()
    return Arrangements(kind, table.order, table.signs, wanted == possible, possible)


def _chunks(rows: IntArray, n_people: int) -> list[IntArray]:
    return np.array_split(rows, -(-len(rows) * n_people // _CHUNK))


class _Table:
    """Table of arrangements of people, filled row by row from arrangements of units."""

    def __init__(self, kind: str, units: Units, count: int) -> None:
        n_people = len(units.unit)
        self._units = units
        self._keys = np.empty((count, len(units.kinds)), dtype=units.kinds.dtype)
        self.order = None if kind == SIGN_FLIPS else np.empty((count, n_people), dtype=np.int32)
        self.signs = None if kind == SHUFFLES else np.empty((count, n_people), dtype=np.int8)

    def fill(self, rows: IntArray, taken: IntArray, flipped: IntArray) -> None:
        """Fill some rows of the table."""
        units = self._units
        if self.signs is not None:
            self._keys[rows] = flipped
            self.signs[rows] = 1 - 2 * flipped[:, units.unit].astype(np.int8)
        if self.order is not None:
            self._keys[rows] = units.kinds[taken]
            self.order[rows] = units.people[taken[:, units.unit], units.place]

    def repeats(self) -> IntArray:
        """Find the rows that give the same design as an earlier row."""
        keys = self._keys.view(np.dtype((np.void, self._keys[0].nbytes))).ravel()
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        return np.sort(by_key[1:][keys[1:] == keys[:-1]])
