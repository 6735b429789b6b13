"""Arrangements of people under the null hypothesis: sign flips and shuffles, each once.

An arrangement is exact when the null hypothesis says that it is as likely as the one observed
(Winkler et al. 2014, NeuroImage 92:381). Sign flips stand on symmetric errors and serve
intercepts; shuffles stand on exchangeable people and serve effects between people.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from crossfc.fault import Fault

SIGN_FLIPS = "sign flips"
SHUFFLES = "shuffles"


@dataclass(frozen=True)
class Arrangements:
    """A list of distinct arrangements, the identity first.

    Attributes
    ----------
    kind : str
        ``sign flips`` or ``shuffles``.
    table : ndarray, shape (n_arrangements, n_people)
        Sign flips: int8, +1 or -1 per person. Shuffles: int32, the row of the design that each
        person takes.
    exhaustive : bool
        True when these are all distinct arrangements there are.
    possible : int
        How many distinct arrangements there are.
    """

    kind: str
    table: np.ndarray
    exhaustive: bool
    possible: int

    def __len__(self) -> int:
        return len(self.table)


def sign_flips(n_people: int, n_permutations: int, seed: int) -> Arrangements:
    """Flip the sign of whole people.

    Parameters
    ----------
    n_people : int
    n_permutations : int
        How many arrangements besides the identity. All 2**n_people are enumerated instead when
        they are not more than this.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    Arrangements
    """
    _check(n_people, n_permutations)
    possible = 2**n_people
    if possible <= n_permutations:
        codes = np.arange(possible, dtype=np.int64)[:, None]
        bits = (codes >> np.arange(n_people, dtype=np.int64)) & 1
        return Arrangements(SIGN_FLIPS, (1 - 2 * bits).astype(np.int8), True, possible)
    generator = np.random.default_rng(seed)

    def draw(count: int) -> np.ndarray:
        return 1 - 2 * generator.integers(0, 2, size=(count, n_people), dtype=np.int8)

    identity = np.ones(n_people, dtype=np.int8)
    table = _distinct(identity, draw, n_permutations + 1)
    return Arrangements(SIGN_FLIPS, table, False, possible)


def shuffles(
    design: np.ndarray, n_permutations: int, seed: int, blocks: Sequence | None = None
) -> Arrangements:
    """Shuffle whole people over the rows of the design, within exchangeability blocks.

    Two shuffles that give every person an equal row of the design are one arrangement: with two
    groups and no other term it is the labelling that counts, not who sits where in a group.

    Parameters
    ----------
    design : ndarray, shape (n_people, n_columns)
        Effect, nuisance and (where there are) variance groups.
    n_permutations : int
        How many arrangements besides the identity. All distinct ones are enumerated instead
        when they are not more than this.
    seed : int
        Seed of the random numbers.
    blocks : sequence of n_people labels, optional
        Exchangeability blocks (strata, such as sites): people change places within their block.

    Returns
    -------
    Arrangements

    Raises
    ------
    Fault
        If the blocks and the design do not go together.
    """
    design = np.asarray(design, dtype=float)
    n_people = len(design)
    _check(n_people, n_permutations)
    if blocks is None:
        blocks = np.zeros(n_people, dtype=int)
    blocks = np.unique(np.asarray(blocks), return_inverse=True)[1].ravel()
    if len(blocks) != n_people:
        raise Fault(f"{len(blocks)} exchangeability blocks for {n_people} people; give one each")
    members = [np.flatnonzero(blocks == block) for block in range(blocks.max() + 1)]
    kinds = np.unique(np.column_stack([blocks, design]), axis=0, return_inverse=True)[1].ravel()
    possible = math.prod(_multinomial(np.bincount(kinds[rows])) for rows in members)
    if possible == 1:
        raise Fault(
            "no two people can change places: within every exchangeability block all rows of the "
            "design are equal; use fewer blocks or another effect"
        )
    if possible <= n_permutations:
        sequences = np.empty((possible, n_people), dtype=np.int32)
        each = [list(_orders(list(np.sort(kinds[rows])))) for rows in members]
        for number, choice in enumerate(product(*each)):
            for rows, order in zip(members, choice, strict=True):
                sequences[number, rows] = order
        first = np.flatnonzero((sequences == kinds).all(axis=1))[0]
        sequences[[0, first]] = sequences[[first, 0]]
        return Arrangements(SHUFFLES, _rows(sequences, kinds), True, possible)
    generator = np.random.default_rng(seed)

    def draw(count: int) -> np.ndarray:
        drawn = np.empty((count, n_people), dtype=np.int32)
        for rows in members:
            drawn[:, rows] = generator.permuted(np.tile(kinds[rows], (count, 1)), axis=1)
        return drawn

    sequences = _distinct(kinds.astype(np.int32), draw, n_permutations + 1)
    return Arrangements(SHUFFLES, _rows(sequences, kinds), False, possible)


def _check(n_people: int, n_permutations: int) -> None:
    if n_people < 2:
        raise Fault(f"{n_people} people cannot be rearranged; at least two are needed")
    if n_permutations < 1:
        raise Fault(f"n_permutations is {n_permutations}; ask for at least one")


def _multinomial(counts: np.ndarray) -> int:
    counts = [int(count) for count in counts]
    return math.factorial(sum(counts)) // math.prod(math.factorial(count) for count in counts)


def _orders(items: list[int]) -> Iterator[list[int]]:
    """All distinct orders of a multiset, in lexicographic order."""
    items = sorted(items)
    while True:
        yield list(items)
        left = len(items) - 2
        while left >= 0 and items[left] >= items[left + 1]:
            left -= 1
        if left < 0:
            return
        right = len(items) - 1
        while items[right] <= items[left]:
            right -= 1
        items[left], items[right] = items[right], items[left]
        items[left + 1 :] = items[:left:-1]


def _distinct(identity: np.ndarray, draw, wanted: int) -> np.ndarray:
    """The identity and then distinct random draws, in the order in which they came."""
    table = np.empty((wanted, len(identity)), dtype=identity.dtype)
    table[0] = identity
    seen = {identity.tobytes()}
    filled = 1
    while filled < wanted:
        for row in draw(max(64, wanted - filled)).astype(identity.dtype, copy=False):
            key = row.tobytes()
            if key not in seen:
                seen.add(key)
                table[filled] = row
                filled += 1
                if filled == wanted:
                    break
    return table


def _rows(sequences: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Turn sequences of kinds of row into rows, each used once; the identity stays itself."""
    # Stable sorts pair the m-th place that asks for a kind with the m-th row that is of it.
    owners = np.argsort(kinds, kind="stable")
    rows = np.empty(sequences.shape, dtype=np.int32)
    places = np.argsort(sequences, axis=1, kind="stable")
    np.put_along_axis(rows, places, np.broadcast_to(owners, rows.shape).astype(np.int32), axis=1)
    return rows
