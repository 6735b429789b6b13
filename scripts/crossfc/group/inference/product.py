"""Products of arranged columns with data: Σ_i (P u)_i e_i for every arrangement P and column u.

Sign flips, and shuffles of a design with few distinct rows, need no multiplication. People are
divided into groups of five. For each group and a block of voxels, the 32 possible signed (or
partial) sums are tabulated, and an arrangement then looks up one row of the table per group. This
is the method of four Russians (Arlazarov, Dinic, Kronrod and Faradžev 1970), applied to real
numbers: n/5 additions per arrangement, voxel and distinct row of the design, instead of n
multiplications per column. All other products are computed as matrix products.
"""

from typing import TypeAlias

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray, SingleArray
from crossfc.compiled import compiled
from crossfc.group.design.arrangement import Arrangements

_TOGETHER = 5  # people per table: filling 32 rows costs less than it saves, filling 64 does not
# Measured cost of one multiplication and addition in a matrix product, in units of one read from
# the core's cache. It only decides which of two ways with the same result is used.
_MULTIPLY = 0.45

# The people of a table, and their weights.
Members: TypeAlias = tuple[IntArray, FloatArray]


class Products:
    """Sums over people of data weighted by arranged columns, for one batch of arrangements.

    Each thread needs its own instance, as an instance holds its own work space.

    Parameters
    ----------
    columns : ndarray, shape (n_people, n_columns)
    arrangements : Arrangements
        The batch.
    """

    def __init__(self, columns: FloatArray, arrangements: Arrangements) -> None:
        columns = np.asarray(columns, dtype=float)
        self._shape = (len(arrangements), columns.shape[1])
        self._buffer = np.empty((*self._shape, 0), dtype=np.float32)
        self._lookup = _plan(columns, arrangements)
        if self._lookup is None:
            arranged = arrangements.arranged(columns)
            self._matrix = arranged.reshape(-1, columns.shape[0])

    @property
    def looked_up(self) -> bool:
        """True if sums are looked up in tables, False if they are matrix products."""
        return self._lookup is not None

    def __call__(self, data: RealArray) -> SingleArray:
        """Compute the products for some voxels.

        Parameters
        ----------
        data : float32 ndarray, shape (n_people, n_voxels)
            Contiguous.

        Returns
        -------
        float32 ndarray, shape (n_arrangements, n_columns, n_voxels)
            In units of the data; overwritten by the next call.
        """
        width = data.shape[1]
        if self._buffer.shape[2] != width:
            self._buffer = np.empty((*self._shape, width), dtype=np.float32)
        if self._lookup is None:
            np.matmul(self._matrix, data, out=self._buffer.reshape(-1, width))
        else:
            self._lookup(data, self._buffer)
        return self._buffer


class _Lookup:
    """Products looked up in tables.

    A feature is a sum over people that an arrangement changes; it is the sum of one row from each
    of its tables. The products are linear combinations of the features.

    Parameters
    ----------
    members : list of (people, weights) per table
        The people of each table, at most `_TOGETHER`, and their weights.
    signed : bool
        If True, a person's bit chooses between minus and plus; otherwise between out and in.
    index : ndarray, shape (n_arrangements, n_features, n_tables_of_feature)
        Row of the table that each arrangement takes.
    tables : ndarray, shape (n_features, n_tables_of_feature)
        Numbers of the tables of each feature; -1 if a feature has fewer tables.
    mix : ndarray, shape (n_columns, n_features + 1)
        Weights that give the columns from the features and, last, the sum over all people.
    """

    def __init__(
        self,
        members: list[Members],
        signed: bool,
        index: IntArray,
        tables: IntArray,
        mix: FloatArray,
    ) -> None:
        self._people = np.full((len(members), _TOGETHER), -1, dtype=np.int32)
        self._weights = np.zeros((len(members), _TOGETHER), dtype=np.float32)
        for row, (people, weights) in enumerate(members):
            self._people[row, : len(people)] = people
            self._weights[row, : len(people)] = weights
        self._signed = signed
        empty = len(members) * 2**_TOGETHER
        rows = np.where(tables >= 0, index + tables * 2**_TOGETHER, empty)
        missing = -rows.shape[2] % 3
        rows = np.pad(rows, ((0, 0), (0, 0), (0, missing)), constant_values=empty)
        self._rows = np.ascontiguousarray(rows, dtype=np.int32)
        self._mix = np.pad(mix, ((0, 0), (0, mix.shape[1] % 2))).astype(np.float32)
        # Columns of the padded mix: the features that are looked up, the sum over all people and,
        # if needed, one more to make their number even.
        self._sum = mix.shape[1] - 1
        self._space = np.empty((0, 0), dtype=np.float32)

    def __call__(self, data: RealArray, out: SingleArray) -> None:
        width = data.shape[1]
        n_rows = len(self._people) * 2**_TOGETHER
        if self._space.shape[1] != width:
            self._space = np.zeros((n_rows + 1 + self._mix.shape[1], width), dtype=np.float32)
        table, features = self._space[: n_rows + 1], self._space[n_rows + 1 :]
        _tabulate(data, self._people, self._weights, self._signed, table)
        if self._mix[:, self._sum].any():
            np.sum(data, axis=0, out=features[self._sum])
        _look_up(table, self._rows, self._mix, features, out)


def _plan(columns: FloatArray, arrangements: Arrangements) -> _Lookup | None:
    """Plan how to look the products up; None if a matrix product is cheaper."""
    order, signs = arrangements.order, arrangements.signs
    n_people, n_columns = columns.shape
    # Equal rows of a design differ by rounding after the design was made orthogonal.
    kinds, kind = np.unique(columns.round(12), axis=0, return_inverse=True)
    kind = kind.ravel()
    everybody = _groups(np.arange(n_people))
    if order is not None:
        # The last kind needs no lookup: it is the sum over all people minus the other kinds.
        n_features = len(kinds) - 1
        cost = _cost([everybody] * n_features, 1, len(everybody), n_columns, len(order))
        if n_features == 0 or cost > _MULTIPLY * columns.size:
            return None
        assigned = kind[order]
        rows = [_bits(assigned == feature, everybody) for feature in range(n_features)]
        tables = np.tile(np.arange(len(everybody)), (n_features, 1))
        mix = np.column_stack([(kinds[:-1] - kinds[-1]).T, kinds[-1]])
        whole = [(group, np.ones(len(group))) for group in everybody]
        return _Lookup(whole, False, np.stack(rows, axis=1), tables, mix)

    assert signs is not None  # without an order there are signs
    by_kind = [_groups(np.flatnonzero(kind == number)) for number in range(len(kinds))]
    by_column = [everybody] * n_columns
    costs = [
        _cost(groups, 0, sum(map(len, groups)), n_columns, len(signs))
        for groups in (by_kind, by_column)
    ]
    if min(costs) > _MULTIPLY * columns.size:
        return None
    features: list[list[Members]]
    if costs[0] <= costs[1]:
        features = [[(group, np.ones(len(group))) for group in groups] for groups in by_kind]
        mix = kinds.T
    else:
        features = [[(group, columns[group, column]) for group in everybody]
                    for column in range(n_columns)]  # fmt: skip
        mix = np.eye(n_columns)
    most = max(map(len, features))
    members: list[Members] = []
    tables = np.full((len(features), most), -1)
    index = np.zeros((len(signs), len(features), most), dtype=np.int64)
    for feature, own in enumerate(features):
        tables[feature, : len(own)] = len(members) + np.arange(len(own))
        index[:, feature, : len(own)] = _bits(signs > 0, [people for people, _ in own])
        members += own
    return _Lookup(members, True, index, tables, np.column_stack([mix, np.zeros(n_columns)]))


def _cost(
    features: list[list[IntArray]],
    n_sums: int,
    n_tables: int,
    n_columns: int,
    n_arrangements: int,
) -> float:
    """Count the numbers that a lookup reads and writes per arrangement and voxel."""
    looked_up = sum(1 + 3 * -(-len(groups) // 3) for groups in features)
    mixed = 3 * n_columns * -(-(len(features) + n_sums) // 2)
    return float(looked_up + mixed + n_tables * 2 ** (_TOGETHER + 1) / n_arrangements)


def _groups(people: IntArray) -> list[IntArray]:
    """Divide people into as few groups of at most `_TOGETHER` as possible, of nearly equal size."""
    return np.array_split(people, max(1, -(-len(people) // _TOGETHER)))


def _bits(chosen: BoolArray, groups: list[IntArray]) -> IntArray:
    """Compute the table row of each group: bit j is set if person j of the group is chosen."""
    return np.stack([chosen[:, group] @ (1 << np.arange(len(group))) for group in groups], axis=1)


@compiled
def _tabulate(
    data: np.ndarray, people: np.ndarray, weights: np.ndarray, signed: bool, table: np.ndarray
) -> None:
    width = data.shape[1]
    size = 1 << people.shape[1]
    two = np.float32(2)
    for group in range(people.shape[0]):
        base = group * size
        empty = table[base]
        for voxel in range(width):
            empty[voxel] = np.float32(0)
        if signed:
            for member in range(people.shape[1]):
                if people[group, member] >= 0:
                    weight = weights[group, member]
                    of = data[people[group, member]]
                    for voxel in range(width):
                        empty[voxel] -= weight * of[voxel]
        filled = 1
        for member in range(people.shape[1]):
            if people[group, member] < 0:
                break
            weight = weights[group, member] * (two if signed else np.float32(1))
            of = data[people[group, member]]
            for row in range(filled):
                without = table[base + row]
                taken = table[base + filled + row]
                for voxel in range(width):
                    taken[voxel] = without[voxel] + weight * of[voxel]
            filled *= 2


@compiled
def _look_up(
    table: np.ndarray, rows: np.ndarray, mix: np.ndarray, features: np.ndarray, out: np.ndarray
) -> None:
    # Three rows, and two features, are added at a time, which uses vector units best. Rows are
    # padded to a multiple of three with a zero row, features to an even number with weight 0.
    nothing = np.float32(0)
    for number in range(rows.shape[0]):
        for feature in range(rows.shape[1]):
            total = features[feature]
            for place in range(0, rows.shape[2], 3):
                a = table[rows[number, feature, place]]
                b = table[rows[number, feature, place + 1]]
                c = table[rows[number, feature, place + 2]]
                if place == 0:
                    for voxel in range(total.size):
                        total[voxel] = a[voxel] + b[voxel] + c[voxel]
                else:
                    for voxel in range(total.size):
                        total[voxel] += a[voxel] + b[voxel] + c[voxel]
        for column in range(mix.shape[0]):
            product = out[number, column]
            for first in range(0, mix.shape[1], 2):
                one = mix[column, first]
                two = mix[column, first + 1]
                d = features[first]
                e = features[first + 1]
                if first == 0:
                    for voxel in range(product.size):
                        product[voxel] = one * d[voxel] + two * e[voxel]
                elif one != nothing or two != nothing:
                    for voxel in range(product.size):
                        product[voxel] += one * d[voxel] + two * e[voxel]
