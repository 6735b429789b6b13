"""Distinct arrangements of people under the null hypothesis: sign flips, shuffles, or both.

A permutation test is exact when, under the null hypothesis, every arrangement is as likely as the
observed one (Winkler et al. 2014, NeuroImage 92:381). Sign flips assume symmetric errors and
serve intercepts. Shuffles assume exchangeable people and serve effects between people. Where
errors are both symmetric and exchangeable, flips and shuffles together give more arrangements.
People change places within exchangeability blocks, or whole blocks change places and sign
(Winkler et al. 2015, NeuroImage 123:253).

A *unit* is what moves: a person, or a whole block.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.options import SIGN_FLIPS

SHUFFLES = "shuffles"
BOTH = "sign flips and shuffles"

# If fewer than this many arrangements are possible per wanted one, they are numbered and distinct
# numbers are drawn. If more are possible, random arrangements seldom repeat, and it is faster to
# draw the repeated ones again.
_FEW = 16
_CHUNK = 2**18  # table entries that are filled at once


class Unarrangeable(Fault):
    """The remaining people allow no arrangement but the observed one; the input is not at fault."""


@dataclass(frozen=True)
class Arrangements:
    """A list of distinct arrangements, the identity first.

    Under an arrangement, person i gets row ``order[i]`` of the design, times ``signs[i]``.

    Attributes
    ----------
    kind : str
        ``sign flips``, ``shuffles`` or ``sign flips and shuffles``.
    order : int32 ndarray, shape (n_arrangements, n_people), or None
        None for sign flips alone.
    signs : int8 ndarray, shape (n_arrangements, n_people), or None
        +1 or -1; None for shuffles alone.
    exhaustive : bool
        True if the list holds all distinct arrangements.
    possible : int
        Number of distinct arrangements that exist.
    """

    kind: str
    order: np.ndarray | None
    signs: np.ndarray | None
    exhaustive: bool
    possible: int

    def __len__(self) -> int:
        return len(self._table)

    @property
    def n_people(self) -> int:
        """Number of people who are arranged."""
        return self._table.shape[1]

    @property
    def _table(self) -> np.ndarray:
        return self.signs if self.order is None else self.order

    def part(self, rows: slice | np.ndarray) -> "Arrangements":
        """Return a subset of the arrangements; ``exhaustive`` and ``possible`` stay as they are."""
        order = None if self.order is None else self.order[rows]
        signs = None if self.signs is None else self.signs[rows]
        return Arrangements(self.kind, order, signs, self.exhaustive, self.possible)

    def mirrors(self) -> np.ndarray:
        """Find arrangements that are mirror images: equal except that all signs are reversed.

        Returns
        -------
        int ndarray, shape (n_arrangements,)
            For each arrangement, the index of the first one in the list that equals it or is its
            mirror image.
        """
        if self.signs is None:
            return np.arange(len(self))
        keys = self.signs * self.signs[:, :1]
        if self.order is not None:
            keys = np.column_stack([self.order, keys])
        keys = np.ascontiguousarray(keys)
        keys = keys.view(np.dtype((np.void, keys[0].nbytes))).ravel()
        _, first, back = np.unique(keys, return_index=True, return_inverse=True)
        return first[back.ravel()]

    def arranged(self, columns: np.ndarray, dtype: type = np.float32) -> np.ndarray:
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
        columns = np.asarray(columns, dtype=dtype).T
        out = np.empty((len(self), *columns.shape), dtype=dtype)
        for number, column in enumerate(columns):
            out[:, number] = column if self.order is None else column[self.order]
        if self.signs is not None:
            out *= self.signs[:, None]
        return out


def sign_flips(
    n_people: int,
    n_permutations: int,
    seed: int,
    blocks: Sequence | None = None,
    whole: bool = False,
) -> Arrangements:
    """Draw sign flips of people, or of whole exchangeability blocks.

    Parameters
    ----------
    n_people : int
    n_permutations : int
        Number of arrangements besides the identity. If no more than this exist, all are
        enumerated.
    seed : int
        Seed of the random numbers.
    blocks : sequence of n_people labels, optional
        Exchangeability blocks. Flips within them are those of people and need no blocks.
    whole : bool
        All people of a block flip together.

    Returns
    -------
    Arrangements

    Raises
    ------
    Unarrangeable
        If there is only one person or one whole block.
    Fault
        If the blocks do not fit the people.
    """
    design = np.ones((n_people, 1))
    return _arrangements(SIGN_FLIPS, design, n_permutations, seed, blocks, whole)


def shuffles(
    design: np.ndarray,
    n_permutations: int,
    seed: int,
    blocks: Sequence | None = None,
    whole: bool = False,
) -> Arrangements:
    """Draw shuffles, which assign people to other rows of the design.

    Two shuffles that give every person the same design row count as one arrangement. With two
    groups and no other term, for example, only the group of each person counts, not the order
    within a group.

    Parameters
    ----------
    design : ndarray, shape (n_people, n_columns)
        Columns of the effect, the nuisance and (if there are any) the variance groups.
    n_permutations : int
        Number of arrangements besides the identity. If no more than this exist, all are
        enumerated.
    seed : int
        Seed of the random numbers.
    blocks : sequence of n_people labels, optional
        Exchangeability blocks (strata, such as sites): people change places within their block.
    whole : bool
        Instead, whole blocks change places with blocks of the same size; the order of the people
        within a block stays.

    Returns
    -------
    Arrangements

    Raises
    ------
    Unarrangeable
        If no shuffle changes the design.
    Fault
        If the blocks do not fit the people.
    """
    return _arrangements(SHUFFLES, design, n_permutations, seed, blocks, whole)


def count_shuffles(design: np.ndarray, blocks: Sequence | None = None, whole: bool = False) -> int:
    """Count the distinct shuffles that `shuffles` can choose from.

    Parameters
    ----------
    design, blocks, whole
        See `shuffles`.

    Returns
    -------
    int
        Includes the identity; 1 if nobody can change places.

    Raises
    ------
    Fault
        If the blocks do not fit the people.
    """
    try:
        return _Units(SHUFFLES, np.asarray(design, dtype=float), blocks, whole).possible()
    except Unarrangeable:
        return 1


def flips_and_shuffles(
    design: np.ndarray,
    n_permutations: int,
    seed: int,
    blocks: Sequence | None = None,
    whole: bool = False,
) -> Arrangements:
    """Draw arrangements that shuffle people over the rows of the design and flip their signs.

    Two arrangements that give every person the same row with the same sign count as one. So two
    rows that differ only by their sign can replace each other by a shuffle with a flip, and the
    sign of a row of zeros does not count.

    Parameters
    ----------
    design, n_permutations, seed, blocks
        See `shuffles`.
    whole : bool
        Blocks change places and sign as wholes; see `shuffles`.

    Returns
    -------
    Arrangements

    Raises
    ------
    Unarrangeable
        If there is only one person or one whole block.
    Fault
        If the blocks do not fit the people.
    """
    return _arrangements(BOTH, design, n_permutations, seed, blocks, whole)


def _arrangements(
    kind: str,
    design: np.ndarray,
    n_permutations: int,
    seed: int,
    blocks: Sequence | None,
    whole: bool,
) -> Arrangements:
    if n_permutations < 1:
        raise Fault(f"n_permutations is {n_permutations}; ask for at least one")
    units = _Units(kind, np.asarray(design, dtype=float), blocks, whole)
    possible = units.possible()
    if possible == 1:
        raise Unarrangeable(
            "no two exchangeability blocks can change places: blocks of equal size have equal rows "
            "of the design; let people change places within their blocks, or use another effect"
            if whole
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
        for rows in _chunks(np.arange(wanted), len(design)):
            table.fill(rows, *units.numbered(numbers[rows]))
    else:
        table.fill(np.array([0]), *units.identity(1))
        missing = np.arange(1, wanted)
        while missing.size:
            for rows in _chunks(missing, len(design)):
                table.fill(rows, *units.drawn(len(rows), generator))
            # Which of two equal draws is kept makes no difference, so this adds no bias.
            missing = table.repeats()
    return Arrangements(kind, table.order, table.signs, wanted == possible, possible)


def _chunks(rows: np.ndarray, n_people: int) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) * n_people // _CHUNK))


class _Units:
    """The units that move: people, or whole blocks.

    Units are sorted by span (the units that may change places with each other), then by kind.
    Units of a kind have equal rows of the design (up to sign, if people are shuffled and flipped).

    Attributes
    ----------
    people : int32 ndarray, shape (n_units, people of the largest unit)
        Members of each unit.
    unit, place : int ndarray, shape (n_people,)
        Person i is ``people[unit[i], place[i]]``.
    codes : ndarray, shape (n_units,)
        Twice the number of the unit's kind, plus 1 if its rows are the negative of the kind's.
    flips : bool ndarray, shape (n_units,)
        Units whose sign can flip and makes a difference.
    spans : int ndarray, shape (n_spans, 2)
        First unit of each span, and the unit after its last. Spans with one kind only are left
        out, as a shuffle changes nothing there.
    """

    def __init__(self, kind: str, design: np.ndarray, blocks: Sequence | None, whole: bool) -> None:
        sets = _sets(len(design), blocks, whole)
        n_units = sum(map(len, sets))
        if n_units < 2:
            what = "exchangeability block" if whole else "people"
            raise Unarrangeable(f"{n_units} {what} cannot be rearranged; at least two are needed")
        self.people = np.zeros((n_units, max(of.shape[1] for of in sets)), dtype=np.int32)
        self.unit, self.place = np.empty((2, len(design)), dtype=int)
        self.flips = np.zeros(n_units, dtype=bool)
        codes, spans, end = np.empty(n_units, dtype=int), [], 0
        for people in sets:
            start, end = end, end + len(people)
            rows = design[people].reshape(len(people), -1)
            mirrored = np.zeros(len(people), dtype=bool)
            if kind == BOTH:
                first = np.take_along_axis(rows, (rows != 0).argmax(axis=1)[:, None], axis=1)
                mirrored = first[:, 0] < 0
                rows = np.where(first < 0, -rows, rows)
            kinds = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
            by_kind = np.argsort(kinds, kind="stable")
            people = people[by_kind]
            self.people[start:end, : people.shape[1]] = people
            self.unit[people] = np.arange(start, end)[:, None]
            self.place[people] = np.arange(people.shape[1])
            self.flips[start:end] = rows[by_kind].any(axis=1) & (kind != SHUFFLES)
            codes[start:end] = (2 * kinds + mirrored)[by_kind]
            if kinds.max() > 0:
                spans.append((start, end))
        self.spans = np.array(spans, dtype=int).reshape(-1, 2)
        self.codes = codes.astype(np.min_scalar_type(codes.max() + 1))

    def possible(self) -> int:
        """Count the distinct arrangements."""
        ways = [_multinomial(self._counts(*span)) for span in self.spans]
        return math.prod(ways) * 2 ** int(self.flips.sum())

    def identity(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return arrangements that change nothing, as units taken and whether each is flipped."""
        taken = np.tile(np.arange(len(self.codes), dtype=np.int32), (count, 1))
        return taken, np.zeros(taken.shape, dtype=np.uint8)

    def drawn(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw random arrangements with replacement, each as likely as any other."""
        taken, flipped = self.identity(count)
        if len(self.spans):
            _shuffle(taken, self.spans, generator.random(taken.shape))
        size = (count, int(self.flips.sum()))
        flipped[:, self.flips] = generator.integers(0, 2, size, dtype=np.uint8)
        return taken, flipped

    def numbered(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the arrangements with given numbers, from 0 (the identity) to `possible` - 1."""
        taken, flipped = self.identity(len(numbers))
        n_flips = int(self.flips.sum())
        numbers, code = np.divmod(numbers, 2**n_flips)
        flipped[:, self.flips] = (code[:, None] >> np.arange(n_flips)) & 1
        for start, end in self.spans:
            counts = self._counts(start, end)
            numbers, number = np.divmod(numbers, _multinomial(counts))
            taken[:, start:end] = start + _orders(number, counts)
        return taken, flipped

    def _counts(self, start: int, end: int) -> np.ndarray:
        """Count the units of each kind among those from ``start`` to ``end``."""
        return np.bincount(self.codes[start:end] >> 1)


class _Table:
    """Table of arrangements of people, filled row by row from arrangements of units."""

    def __init__(self, kind: str, units: _Units, count: int) -> None:
        n_people = len(units.unit)
        self._units = units
        self._keys = np.empty((count, len(units.codes)), dtype=units.codes.dtype)
        self.order = None if kind == SIGN_FLIPS else np.empty((count, n_people), dtype=np.int32)
        self.signs = None if kind == SHUFFLES else np.empty((count, n_people), dtype=np.int8)

    def fill(self, rows: np.ndarray, taken: np.ndarray, flipped: np.ndarray) -> None:
        """Fill some rows of the table."""
        units = self._units
        flipped = np.take_along_axis(flipped, taken, axis=1)
        self._keys[rows] = units.codes[taken] ^ flipped
        if self.order is not None:
            self.order[rows] = units.people[taken[:, units.unit], units.place]
        if self.signs is not None:
            self.signs[rows] = 1 - 2 * flipped[:, units.unit].astype(np.int8)

    def repeats(self) -> np.ndarray:
        """Find the rows that give the same design as an earlier row."""
        keys = self._keys.view(np.dtype((np.void, self._keys[0].nbytes))).ravel()
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        return np.sort(by_key[1:][keys[1:] == keys[:-1]])


def _sets(n_people: int, blocks: Sequence | None, whole: bool) -> list[np.ndarray]:
    """List the sets of units that may change places with each other.

    Each set is an array of people, shape (units, people per unit).
    """
    if blocks is None:
        if whole:
            raise Fault("there are no exchangeability blocks to move as wholes; name them")
        return [np.arange(n_people)[:, None]]
    labels = np.unique(np.asarray(blocks), return_inverse=True)[1].ravel()
    if len(labels) != n_people:
        raise Fault(f"{len(labels)} exchangeability blocks for {n_people} people; give one each")
    members = [np.flatnonzero(labels == label) for label in range(labels.max(initial=-1) + 1)]
    if not whole:
        return [people[:, None] for people in members]
    by_size: dict[int, list[np.ndarray]] = {}
    for people in members:
        by_size.setdefault(len(people), []).append(people)
    return [np.stack(alike) for alike in by_size.values()]


def _multinomial(counts: np.ndarray) -> int:
    counts = [int(count) for count in counts]
    return math.factorial(sum(counts)) // math.prod(math.factorial(count) for count in counts)


def _orders(numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the orders with given lexicographic numbers, of things of several kinds.

    Parameters
    ----------
    numbers : int ndarray, shape (n,)
    counts : int ndarray, shape (n_kinds,)
        Number of things of each kind.

    Returns
    -------
    int ndarray, shape (n, counts.sum())
        Things are numbered 0, 1, … in the order of their kinds; those of one kind keep this order.
    """
    rows, n_things = np.arange(len(numbers)), int(counts.sum())
    first = np.cumsum(counts) - counts
    left = np.tile(counts, (len(numbers), 1))
    ways = np.full(len(numbers), _multinomial(counts))
    orders = np.empty((len(numbers), n_things), dtype=np.int32)
    for place in range(n_things):
        # Number of ways to continue, for each kind that may be placed here.
        by_kind = ways[:, None] * left // (n_things - place)
        ends = np.cumsum(by_kind, axis=1)
        chosen = (ends <= numbers[:, None]).sum(axis=1)
        ways = by_kind[rows, chosen]
        numbers = numbers - (ends[rows, chosen] - ways)
        orders[:, place] = (first + counts)[chosen] - left[rows, chosen]
        left[rows, chosen] -= 1
    return orders


@compiled
def _shuffle(taken, spans, random):
    """Shuffle the units of each span in every row (Fisher and Yates 1938; Durstenfeld 1964)."""
    for row in range(taken.shape[0]):
        for span in range(spans.shape[0]):
            start = spans[span, 0]
            for place in range(spans[span, 1] - 1, start, -1):
                other = start + int(random[row, place] * (place - start + 1))
                held = taken[row, place]
                taken[row, place] = taken[row, other]
                taken[row, other] = held
