"""Arrangements of people under the null hypothesis: sign flips, shuffles and both, each once.

An arrangement is exact when the null hypothesis says that it is as likely as the one observed
(Winkler et al. 2014, NeuroImage 92:381). Sign flips stand on symmetric errors and serve
intercepts; shuffles stand on exchangeable people and serve effects between people; where errors
are both, the two together give more arrangements. People change places within exchangeability
blocks, or whole blocks change places and sign (Winkler et al. 2015, NeuroImage 123:253).

What moves (a person, or a whole block) is called a unit here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossfc.compiled import compiled
from crossfc.fault import Fault

SIGN_FLIPS = "sign flips"
SHUFFLES = "shuffles"
BOTH = "sign flips and shuffles"

# Below this many possible arrangements per one that is wanted they are numbered and their numbers
# are drawn; above it so few random ones repeat that it is faster to draw the repeats again.
_FEW = 16
_CHUNK = 2**18  # entries of the table made at once


class Unarrangeable(Fault):
    """The people who are left have no other arrangement, though nothing is wrong with the input."""


@dataclass(frozen=True)
class Arrangements:
    """A list of distinct arrangements, the identity first.

    An arrangement gives person i row ``order[i]`` of the design, times ``signs[i]``.

    Attributes
    ----------
    kind : str
        ``sign flips``, ``shuffles`` or ``sign flips and shuffles``.
    order : int32 ndarray, shape (n_arrangements, n_people), or None
        None for sign flips alone.
    signs : int8 ndarray, shape (n_arrangements, n_people), or None
        +1 or -1; None for shuffles alone.
    exhaustive : bool
        True when these are all distinct arrangements there are.
    possible : int
        How many distinct arrangements there are.
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
        """How many people are arranged."""
        return self._table.shape[1]

    @property
    def _table(self) -> np.ndarray:
        return self.signs if self.order is None else self.order

    def part(self, rows: slice | np.ndarray) -> "Arrangements":
        """Return some of the arrangements; ``exhaustive`` and ``possible`` stay those of all."""
        order = None if self.order is None else self.order[rows]
        signs = None if self.signs is None else self.signs[rows]
        return Arrangements(self.kind, order, signs, self.exhaustive, self.possible)

    def mirrors(self) -> np.ndarray:
        """Find arrangements that are mirror images: the same but for all signs.

        Returns
        -------
        int ndarray, shape (n_arrangements,)
            Number of the first arrangement in the list that is the same or its mirror image.
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
        """Arrange columns of a design.

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
    """Flip the sign of people, or of whole exchangeability blocks.

    Parameters
    ----------
    n_people : int
    n_permutations : int
        How many arrangements besides the identity. Where there are no more than this, all are
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
    """Shuffle people over the rows of the design.

    Two shuffles that give every person an equal row of the design are one arrangement: with two
    groups and no other term it is the labelling that counts, not who sits where in a group.

    Parameters
    ----------
    design : ndarray, shape (n_people, n_columns)
        Effect, nuisance and (where there are) variance groups.
    n_permutations : int
        How many arrangements besides the identity. Where there are no more than this, all are
        enumerated.
    seed : int
        Seed of the random numbers.
    blocks : sequence of n_people labels, optional
        Exchangeability blocks (strata, such as sites): people change places within their block.
    whole : bool
        Blocks change places as wholes instead, with blocks of their own size; the order of the
        people in a block stays.

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
        With the identity; 1 where nobody can change places.

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
    """Shuffle people over the rows of the design and flip their signs.

    Two arrangements that give every person an equal row with an equal sign are one. A row and
    its negative can stand for each other, and the sign of a row of zeros does not count.

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
            # Which of two equal draws stays cannot favour any arrangement.
            missing = table.repeats()
    return Arrangements(kind, table.order, table.signs, wanted == possible, possible)


def _chunks(rows: np.ndarray, n_people: int) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) * n_people // _CHUNK))


class _Units:
    """What moves: people, or whole blocks.

    Units are sorted by who may change places with whom, and then by kind. Units of a kind have
    equal rows of the design (up to sign, where people are shuffled and flipped).

    Attributes
    ----------
    people : int32 ndarray, shape (n_units, people of the largest unit)
    unit, place : int ndarray, shape (n_people,)
        ``people[unit[i], place[i]]`` is person i.
    codes : ndarray, shape (n_units,)
        Twice the number of the kind, and one more if the rows are minus those of the kind.
    flips : bool ndarray, shape (n_units,)
        Whose sign can flip and counts.
    spans : int ndarray, shape (n_spans, 2)
        First unit, and unit after the last, of those that may change places; only where they are
        of more than one kind.
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
        """Return arrangements that change nothing: units taken, and whether each is flipped."""
        taken = np.tile(np.arange(len(self.codes), dtype=np.int32), (count, 1))
        return taken, np.zeros(taken.shape, dtype=np.uint8)

    def drawn(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw arrangements at random, each as likely as any other, with replacement."""
        taken, flipped = self.identity(count)
        if len(self.spans):
            _shuffle(taken, self.spans, generator.random(taken.shape))
        size = (count, int(self.flips.sum()))
        flipped[:, self.flips] = generator.integers(0, 2, size, dtype=np.uint8)
        return taken, flipped

    def numbered(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return arrangements by number, from 0 for the identity to `possible` - 1."""
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
        """How many units of each kind there are, of those that may change places."""
        return np.bincount(self.codes[start:end] >> 1)


class _Table:
    """Arrangements of people, filled row by row from those of units."""

    def __init__(self, kind: str, units: _Units, count: int) -> None:
        n_people = len(units.unit)
        self._units = units
        self._keys = np.empty((count, len(units.codes)), dtype=units.codes.dtype)
        self.order = None if kind == SIGN_FLIPS else np.empty((count, n_people), dtype=np.int32)
        self.signs = None if kind == SHUFFLES else np.empty((count, n_people), dtype=np.int8)

    def fill(self, rows: np.ndarray, taken: np.ndarray, flipped: np.ndarray) -> None:
        """Set some rows."""
        units = self._units
        flipped = np.take_along_axis(flipped, taken, axis=1)
        self._keys[rows] = units.codes[taken] ^ flipped
        if self.order is not None:
            self.order[rows] = units.people[taken[:, units.unit], units.place]
        if self.signs is not None:
            self.signs[rows] = 1 - 2 * flipped[:, units.unit].astype(np.int8)

    def repeats(self) -> np.ndarray:
        """Find the rows that give the same design as a row before them."""
        keys = self._keys.view(np.dtype((np.void, self._keys[0].nbytes))).ravel()
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        return np.sort(by_key[1:][keys[1:] == keys[:-1]])


def _sets(n_people: int, blocks: Sequence | None, whole: bool) -> list[np.ndarray]:
    """Sets of units that may change places among themselves: people, shape (units, people)."""
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
    """Return orders of things of several kinds by number, lexicographically.

    Parameters
    ----------
    numbers : int ndarray, shape (n,)
    counts : int ndarray, shape (n_kinds,)
        How many things of each kind there are.

    Returns
    -------
    int ndarray, shape (n, counts.sum())
        Things sorted by kind are 0, 1, …; those of a kind keep their order.
    """
    rows, n_things = np.arange(len(numbers)), int(counts.sum())
    first = np.cumsum(counts) - counts
    left = np.tile(counts, (len(numbers), 1))
    ways = np.full(len(numbers), _multinomial(counts))
    orders = np.empty((len(numbers), n_things), dtype=np.int32)
    for place in range(n_things):
        # Ways to go on after a thing of each kind is put here.
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
