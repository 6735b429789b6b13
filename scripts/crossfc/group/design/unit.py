"""The units that move under the null hypothesis, people or whole blocks, and their arrangements."""

import math

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray
from crossfc.compiled import compiled
from crossfc.fault import Fault


class Unarrangeable(Fault):
    """The remaining people allow no arrangement but the observed one; the input is not at fault."""


class Units:
    """The units that move: people, or whole blocks.

    Units are sorted by span (the units that may change places with each other), then by kind.
    Units of a kind have equal rows of the design.

    Parameters
    ----------
    design : float ndarray, shape (n_people, n_columns)
        Rows among which people change places; equal for all if signs are flipped.
    blocks : ndarray of n_people labels, optional
        Exchangeability blocks.
    whole : bool
        Whole blocks move, not people within them.
    flipped : bool
        Units change their sign, not their place.

    Raises
    ------
    Unarrangeable
        If there is only one unit.
    Fault
        If the blocks do not fit the people.

    Attributes
    ----------
    people : int32 ndarray, shape (n_units, people of the largest unit)
        Members of each unit.
    unit, place : int ndarray, shape (n_people,)
        Person i is ``people[unit[i], place[i]]``.
    kinds : ndarray, shape (n_units,)
        Number of each unit's kind, within its span.
    spans : int ndarray, shape (n_spans, 2)
        First unit of each span, and the unit after its last. Spans with one kind only are left
        out, as a shuffle changes nothing there.
    """

    def __init__(
        self, design: FloatArray, blocks: LabelArray | None, whole: bool, flipped: bool
    ) -> None:
        sets = _sets(len(design), blocks, whole)
        n_units = sum(map(len, sets))
        if n_units < 2:
            what = "exchangeability block" if whole else "people"
            raise Unarrangeable(f"{n_units} {what} cannot be rearranged; at least two are needed")
        self.whole, self._flipped = whole, flipped
        self.people = np.zeros((n_units, max(of.shape[1] for of in sets)), dtype=np.int32)
        self.unit: IntArray
        self.place: IntArray
        self.unit, self.place = np.empty((2, len(design)), dtype=int)
        kinds, spans, end = np.empty(n_units, dtype=int), [], 0
        for people in sets:
            start, end = end, end + len(people)
            rows = design[people].reshape(len(people), -1)
            of_rows = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
            by_kind = np.argsort(of_rows, kind="stable")
            people = people[by_kind]
            self.people[start:end, : people.shape[1]] = people
            self.unit[people] = np.arange(start, end)[:, None]
            self.place[people] = np.arange(people.shape[1])
            kinds[start:end] = of_rows[by_kind]
            if of_rows.max() > 0:
                spans.append((start, end))
        self.spans = np.array(spans, dtype=int).reshape(-1, 2)
        self.kinds = kinds.astype(np.min_scalar_type(kinds.max() + 1))

    def possible(self) -> int:
        """Count the distinct arrangements."""
        ways = [_multinomial(self._counts(*span)) for span in self.spans]
        return math.prod(ways) * int(2**self._n_flips)

    def identity(self, count: int) -> tuple[IntArray, IntArray]:
        """Return arrangements that change nothing, as units taken and whether each is flipped."""
        taken = np.tile(np.arange(len(self.kinds), dtype=np.int32), (count, 1))
        return taken, np.zeros(taken.shape, dtype=np.uint8)

    def drawn(self, count: int, generator: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Draw random arrangements with replacement, each as likely as any other."""
        taken, flipped = self.identity(count)
        if len(self.spans):
            _shuffle(taken, self.spans, generator.random(taken.shape))
        if self._flipped:
            flipped = generator.integers(0, 2, taken.shape, dtype=np.uint8)
        return taken, flipped

    def numbered(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Return the arrangements with given numbers, from 0 (the identity) to `possible` - 1."""
        taken, flipped = self.identity(len(numbers))
        if self._flipped:
            flipped[:] = (numbers[:, None] >> np.arange(self._n_flips)) & 1
            return taken, flipped
        for start, end in self.spans:
            counts = self._counts(start, end)
            numbers, number = np.divmod(numbers, _multinomial(counts))
            taken[:, start:end] = start + _orders(number, counts)
        return taken, flipped

    def _counts(self, start: int, end: int) -> IntArray:
        """Count the units of each kind among those from ``start`` to ``end``."""
        return np.bincount(self.kinds[start:end])

    @property
    def _n_flips(self) -> int:
        return len(self.kinds) if self._flipped else 0


def _sets(n_people: int, blocks: LabelArray | None, whole: bool) -> list[IntArray]:
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
    by_size: dict[int, list[IntArray]] = {}
    for people in members:
        by_size.setdefault(len(people), []).append(people)
    return [np.stack(alike) for alike in by_size.values()]


def _multinomial(counts: IntArray) -> int:
    each = [int(count) for count in counts]
    return math.factorial(sum(each)) // math.prod(math.factorial(count) for count in each)


def _orders(numbers: IntArray, counts: IntArray) -> IntArray:
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
def _shuffle(taken: np.ndarray, spans: np.ndarray, random: np.ndarray) -> None:
    """Shuffle the units of each span in every row (Fisher and Yates 1938; Durstenfeld 1964)."""
    for row in range(taken.shape[0]):
        for span in range(spans.shape[0]):
            start = spans[span, 0]
            for place in range(spans[span, 1] - 1, start, -1):
                other = start + int(random[row, place] * (place - start + 1))
                held = taken[row, place]
                taken[row, place] = taken[row, other]
                taken[row, other] = held
