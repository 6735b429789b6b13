"""Clusters that start, grow and merge as the threshold falls: the sweep of `tfce`, compiled.

One sweep over the voxels from the highest to the lowest finds the extent of every cluster at every
height: a voxel starts a cluster, joins one, or merges several (union-find). All compiled functions
are in this module, as numba does not notice that a function changed which another module calls.
"""

from typing import Any, NamedTuple

import numpy as np

from crossfc.compiled import compiled
from crossfc.group.inference.cluster import steps

# Number of voxels that each step of the sweep processes before the next step starts. The first
# step waits for memory, the second is vector arithmetic, the third branches; mixed voxel by voxel,
# they would slow each other down.
BLOCK = 512

# Bits in a digit of the radix sort: three digits hold the 32 bits of a height.
_DIGIT = 11
DIGITS = 1 << _DIGIT

# The 27 voxels of a neighbourhood are the bits of a number, in C order of the steps to them.
STEPS = [(i - 1, j - 1, k - 1) for i, j, k in np.ndindex(3, 3, 3)]


def bits_of(chosen: list[tuple[int, int, int]]) -> int:
    return sum(1 << STEPS.index(step) for step in chosen)


_ITSELF = bits_of([(0, 0, 0)])
_FACES = bits_of(steps(6))
# Voxels that are still in the neighbourhood after a step up or down along j or k.
_J_UP, _J_DOWN = (bits_of([step for step in STEPS if step[1] != end]) for end in (1, -1))
_K_UP, _K_DOWN = (bits_of([step for step in STEPS if step[2] != end]) for end in (1, -1))
# A de Bruijn sequence: multiplied by a power of two below 2^32, its bits 27 to 31 identify the
# power.
_DE_BRUIJN = 0x077CB531


class Geometry(NamedTuple):
    """Positions of the voxels in a volume with empty margins, so that steps need no bounds checks.

    The lines of the volume along k are padded to whole words of 32 voxels.
    """

    position: np.ndarray  # of each voxel in the volume
    step: np.ndarray  # to the 27 voxels of a neighbourhood, in the order of `number_of`
    line: np.ndarray  # steps to the 9 lines of a neighbourhood, in words
    n_words: int
    neighbours: int  # bits of those that count as neighbours
    connectivity: int


class Workspace(NamedTuple):
    """The memory of one thread, reused for every map. Nothing in it is kept from map to map.

    Indices are unsigned, because numba checks signed ones for negative values.
    """

    # Sorted items: each holds the bits of a height, then the voxel's position.
    ordered: np.ndarray
    spare: np.ndarray
    digits: np.ndarray  # how many items have each digit
    # By position: whether the sweep has passed the voxel, and which cluster it joined.
    active: np.ndarray
    cluster: np.ndarray
    # By cluster, in the order in which clusters started. A cluster that was absorbed by another
    # one keeps the values it had then. `gain` is the largest gain of any of its voxels, down to the
    # height `reached`, which is stored to the power H + 1; gains are divided by H + 1 at the end.
    parent: np.ndarray
    extent: np.ndarray
    reached: np.ndarray
    gain: np.ndarray
    # Absorptions in the order in which they happened: which cluster, by which, at which voxel.
    absorbed: np.ndarray
    absorbed_by: np.ndarray
    absorbed_at: np.ndarray
    # The voxels of a block: see `_look`, `_choose` and `_raise`.
    around: np.ndarray
    first: np.ndarray
    second: np.ndarray
    others: np.ndarray
    height: np.ndarray


@compiled
def number_of(bit: int) -> int:
    """Return the number of a step from its bit in a neighbourhood."""
    return ((bit * _DE_BRUIJN) >> 27) & 31


@compiled
def _sort(heights: np.ndarray, position: np.ndarray, work: Workspace) -> Any:
    """Sort the voxels: those above zero by rising height, then those below by rising |height|.

    Returns the number of voxels above zero. The bits of positive floats, read as integers, have
    the same order as the floats, and the sign is the highest bit. An item is the height's bits,
    then the position.
    """
    count, ordered, spare = work.digits, work.ordered, work.spare
    count[:] = 0
    for voxel in range(heights.size):
        item = (np.int64(heights[voxel]) << 32) | position[voxel]
        spare[voxel] = item
        for digit in range(3):
            count[digit, (item >> (32 + _DIGIT * digit)) & (DIGITS - 1)] += 1
    for digit in range(3):
        before = 0
        for value in range(DIGITS):
            here = count[digit, value]
            count[digit, value] = before
            before += here
    n_above = count[2, DIGITS // 2]
    _scatter(spare, ordered, count[0], 32)
    _scatter(ordered, spare, count[1], 32 + _DIGIT)
    _scatter(spare, ordered, count[2], 32 + 2 * _DIGIT)
    return n_above


@compiled
def _scatter(items: np.ndarray, target: np.ndarray, place: np.ndarray, shift: int) -> None:
    for at in range(items.size):
        item = items[at]
        digit = (item >> shift) & (DIGITS - 1)
        target[place[digit]] = item
        place[digit] += 1


@compiled
def _place(item: int) -> int:
    return item & 0xFFFFFFFF


@compiled
def _sweep(
    first: int, last: int, geometry: Geometry, weight: np.ndarray, power: float, work: Workspace
) -> tuple[int, int]:
    """Sweep over the items from ``last - 1`` down to ``first``, all of one sign.

    Returns the number of clusters that were started, and the number that were absorbed by others.
    """
    work.active[:] = 0
    clusters = absorbed = 0
    for start in range(last - 1, first - 1, -BLOCK):
        size = min(BLOCK, start - first + 1)
        _look(start, size, geometry, work)
        _choose(size, geometry, work)
        _raise(start, size, power, work)
        clusters, absorbed = _join(start, size, geometry, weight, work, clusters, absorbed)
    return clusters, absorbed


@compiled
def _look(start: int, size: int, geometry: Geometry, work: Workspace) -> None:
    """Find which voxels around each voxel of a block have been swept; mark each as swept itself.

    A word of `active` holds 32 consecutive voxels of a line in bits 1 to 32, and the voxels before
    and after them in bits 0 and 33. So a voxel and its neighbours on the line are in one word.
    """
    active = work.active
    for turn in range(size):
        place = _place(work.ordered[start - turn])
        word, bit = place >> 5, place & 31
        around = 0
        for line in range(9):
            around |= ((active[np.uintp(word + geometry.line[line])] >> bit) & 7) << (3 * line)
        work.around[turn] = around
        active[word] |= 2 << bit
        if bit == 0:
            active[word - 1] |= 1 << 33
        elif bit == 31:
            active[word + 1] |= 1


@compiled
def _choose(size: int, geometry: Geometry, work: Workspace) -> None:
    """Choose as few neighbours of a voxel as possible so that every cluster around it is touched.

    Neighbours that touch each other, directly or through other voxels around this one, are already
    in the same cluster. The first and second choice, often the same, are stored as numbers of
    steps; a voxel without neighbours chooses itself. Further choices are rare and stored as bits.
    """
    connectivity = geometry.connectivity
    for turn in range(size):
        around = work.around[turn]
        left = around & geometry.neighbours
        pick = left & _FACES if left & _FACES else left
        pick = pick & -pick if pick else _ITSELF
        work.first[turn] = number_of(pick)
        joined = pick
        for _ in range(4):
            joined = _widen(joined, connectivity) & around
        left &= ~joined
        pick = left & -left if left else pick
        work.second[turn] = number_of(pick)
        joined = pick
        for _ in range(2):
            joined = _widen(joined, connectivity) & around
        work.others[turn] = left & ~joined


@compiled
def _widen(voxels: int, connectivity: int) -> int:
    """Add, within a neighbourhood, all voxels that are neighbours of the given ones."""
    k = voxels | (voxels & _K_UP) << 1 | (voxels & _K_DOWN) >> 1
    if connectivity == 26:
        jk = k | (k & _J_UP) << 3 | (k & _J_DOWN) >> 3
        return jk | jk << 9 | jk >> 9
    j = voxels | (voxels & _J_UP) << 3 | (voxels & _J_DOWN) >> 3
    if connectivity == 6:
        return j | k | voxels << 9 | voxels >> 9
    jk = k | (k & _J_UP) << 3 | (k & _J_DOWN) >> 3
    return jk | (j | k) << 9 | (j | k) >> 9


@compiled
def _raised(item: int, power: float) -> float:
    bits = (item >> 32) & 0x7FFFFFFF
    height = np.float64(np.uint32(bits).view(np.float32))
    return height * height * height if power == 3 else height**power


@compiled
def _raise(start: int, size: int, power: float, work: Workspace) -> None:
    """Raise the heights of a block to the power H + 1."""
    for turn in range(size):
        work.height[turn] = _raised(work.ordered[start - turn], power)


@compiled
def _join(
    start: int,
    size: int,
    geometry: Geometry,
    weight: np.ndarray,
    work: Workspace,
    clusters: int,
    absorbed: int,
) -> tuple[int, int]:
    """Let each voxel start a cluster, and join the clusters that it touches to this one."""
    cluster, parent, extent = work.cluster, work.parent, work.extent
    reached, gain = work.reached, work.gain
    for turn in range(size):
        place = _place(work.ordered[start - turn])
        height = work.height[turn]
        # The cluster is always made, and overwritten if not needed: this is faster than a branch.
        cluster[place] = clusters
        parent[clusters] = clusters
        extent[clusters] = 0
        reached[clusters] = height
        gain[clusters] = 0
        mine = _holder(place, work.first[turn], geometry, work)
        theirs = _holder(place, work.second[turn], geometry, work)
        clusters += mine == clusters
        others = work.others[turn]
        while True:
            if theirs != mine:
                if extent[theirs] > extent[mine]:
                    mine, theirs = theirs, mine
                their_gain = gain[theirs] + weight[extent[theirs]] * (reached[theirs] - height)
                gain[mine] += weight[extent[mine]] * (reached[mine] - height)
                gain[mine] = max(gain[mine], their_gain)
                reached[mine] = height
                extent[mine] += extent[theirs]
                parent[theirs] = mine
                work.absorbed[absorbed] = theirs
                work.absorbed_at[absorbed] = place
                work.absorbed_by[absorbed] = mine
                absorbed += 1
            if others == 0:
                break
            pick = others & -others
            others -= pick
            theirs = _holder(place, number_of(pick), geometry, work)
        gain[mine] += weight[extent[mine]] * (reached[mine] - height)
        reached[mine] = height
        extent[mine] += 1
        cluster[place] = mine
    return clusters, absorbed


@compiled
def _holder(place: int, number: int, geometry: Geometry, work: Workspace) -> Any:
    """Find the cluster that now holds the voxel one step away, and shorten the path to it."""
    parent = work.parent
    cluster = work.cluster[np.uintp(place + geometry.step[number])]
    above = parent[cluster]
    root = parent[above]
    while root != above:
        parent[cluster] = root
        cluster = root
        above = parent[cluster]
        root = parent[above]
    return root


@compiled
def largest_gains(
    maps: np.ndarray,
    geometry: Geometry,
    weight: np.ndarray,
    power: float,
    two_sided: bool,
    work: Workspace,
    out: np.ndarray,
) -> None:
    for number in range(maps.shape[0]):
        n_above = _sort(maps[number], geometry.position, work)
        largest = 0.0
        for sign in range(1 + two_sided):
            first, last = (n_above, maps.shape[1]) if sign else (0, n_above)
            clusters, _ = _sweep(first, last, geometry, weight, power, work)
            for cluster in range(clusters):
                if work.parent[cluster] == cluster:
                    rest = weight[work.extent[cluster]] * work.reached[cluster]
                    largest = max(largest, work.gain[cluster] + rest)
        out[number] = largest / power


@compiled
def all_gains(
    heights: np.ndarray,
    geometry: Geometry,
    weight: np.ndarray,
    power: float,
    two_sided: bool,
    work: Workspace,
    enhanced: np.ndarray,
) -> None:
    n_above = _sort(heights, geometry.position, work)
    for sign in range(1 + two_sided):
        first, last = (n_above, heights.size) if sign else (0, n_above)
        clusters, absorbed = _sweep(first, last, geometry, weight, power, work)
        divisor = -power if sign else power
        _walk_back(first, last, weight, power, divisor, work, clusters, absorbed, enhanced)


@compiled
def _walk_back(
    first: int,
    last: int,
    weight: np.ndarray,
    power: float,
    divisor: float,
    work: Workspace,
    clusters: int,
    absorbed: int,
    enhanced: np.ndarray,
) -> None:
    """Undo a sweep from the lowest voxel up; each voxel gets its value when it leaves its cluster.

    `gain` holds the integral from zero to the current height. A cluster that separates from
    another one starts with the other's integral. So each voxel's value is a sum of positive parts.
    """
    extent, reached, gain = work.extent, work.reached, work.gain
    for cluster in range(clusters):
        if work.parent[cluster] == cluster:
            reached[cluster] = 0
            gain[cluster] = 0
    for at in range(first, last):
        item = work.ordered[at]
        place, height = _place(item), _raised(item, power)
        mine = work.cluster[place]
        gain[mine] += weight[extent[mine]] * (height - reached[mine])
        reached[mine] = height
        enhanced[place] = gain[mine] / divisor
        extent[mine] -= 1
        while absorbed > 0 and work.absorbed_at[absorbed - 1] == place:
            absorbed -= 1
            freed, holder = work.absorbed[absorbed], work.absorbed_by[absorbed]
            extent[holder] -= extent[freed]
            reached[freed] = height
            gain[freed] = gain[holder]
