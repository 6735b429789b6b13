"""Clusters: the same as scipy's labels, of one sign each, and the kernels run anywhere."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.mass_univariate._utils import calculate_cluster_measures
from scipy import ndimage

from crossfc import compiled as compilation
from crossfc.fault import Fault
from crossfc.group.inference.cluster import label, largest, masses, neighbours

STRUCTURE = {6: 1, 18: 2, 26: 3}


@pytest.fixture(params=[6, 18, 26])
def connectivity(request):
    return request.param


def volume(seed, shape=(9, 8, 7)):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.85
    return mask, rng.standard_normal(shape).astype(np.float32)


def scipy_labels(inside, connectivity):
    structure = ndimage.generate_binary_structure(3, STRUCTURE[connectivity])
    return ndimage.label(inside, structure)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_scipys(connectivity, seed):
    mask, scores = volume(seed)
    before = neighbours(mask, connectivity)
    labels, sizes = label(scores[mask], 0.6, before)
    image = np.zeros(mask.shape, dtype=int)
    image[mask] = labels
    assert (np.diff(sizes) <= 0).all()
    assert sizes.tolist() == np.bincount(labels)[1:].tolist()
    expected = []
    for inside in (mask & (scores > 0.6), mask & (scores < -0.6)):
        theirs, count = scipy_labels(inside, connectivity)
        assert ((image > 0) & (theirs > 0) == inside).all()
        for cluster in range(1, count + 1):
            mine = np.unique(image[theirs == cluster])
            assert len(mine) == 1
            assert np.count_nonzero(image == mine[0]) == np.count_nonzero(theirs == cluster)
            expected.append(np.count_nonzero(theirs == cluster))
    assert sorted(sizes, reverse=True) == sorted(expected, reverse=True)


def beyond(maps, threshold, two_sided):
    """List what lies beyond the threshold, map after map."""
    inside = np.abs(maps) > threshold if two_sided else maps > threshold
    starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    return starts, np.nonzero(inside)[1].astype(np.int32), maps[inside]


def largest_of(maps, threshold, before, two_sided=True, parent=None):
    n_voxels = maps.shape[1]
    parent = np.full(n_voxels, -1, dtype=np.int32) if parent is None else parent
    # Scratch may hold anything.
    extent, mass = np.full(n_voxels, 99, dtype=np.int32), np.full(n_voxels, np.inf)
    found_extent, found_mass = np.full(len(maps), -1, dtype=np.int32), np.full(len(maps), -1.0)
    largest(
        *beyond(maps, threshold, two_sided), before, parent, extent, mass, found_extent, found_mass
    )
    return found_extent, found_mass


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    threshold=st.sampled_from([0.1, 0.5, 1.0, 2.0]),
    connectivity=st.sampled_from([6, 18, 26]),
    two_sided=st.booleans(),
)
def test_extent_and_mass_are_scipys(seed, shape, threshold, connectivity, two_sided):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.8
    mask[tuple(rng.integers(shape))] = True
    maps = rng.standard_normal((4, np.count_nonzero(mask))).astype(np.float32)
    maps[2] = 0
    before = neighbours(mask, connectivity)
    found_extent, found_mass = largest_of(maps, threshold, before, two_sided)
    for heights, extent, mass in zip(maps, found_extent, found_mass, strict=True):
        volume = np.zeros(shape)
        volume[mask] = heights
        theirs = {1: [], -1: []}
        for sign in (1, -1) if two_sided else (1,):
            labels, _ = scipy_labels(sign * volume > threshold, connectivity)
            extents = np.bincount(labels.ravel())[1:]
            weights = np.bincount(labels.ravel(), weights=np.abs(volume).ravel())[1:]
            theirs[sign] = list(zip(extents, weights, strict=True))
        every = theirs[1] + theirs[-1]
        assert extent == max((extent for extent, _ in every), default=0)
        np.testing.assert_allclose(mass, max((mass for _, mass in every), default=0), rtol=1e-12)
        labels, sizes = label(heights, threshold, before, two_sided)
        weighed = masses(labels, heights, len(sizes))
        np.testing.assert_allclose(sorted(zip(sizes, weighed, strict=True)), sorted(every))


def test_the_largest_extent_and_mass_may_be_of_two_clusters():
    mask = np.ones((8, 1, 1), dtype=bool)
    maps = np.float32([[3, 3, 3, 0, -9, -8, 0, 3], [0] * 8, [0, 0, 0, 0, 0, 0, 0, -4]])
    parent = np.full(8, -1, dtype=np.int32)
    extent, mass = largest_of(maps, 1, neighbours(mask, 26), parent=parent)
    assert extent.tolist() == [3, 0, 1] and mass.tolist() == [17, 0, 4]
    assert (parent == -1).all()


def test_mass_is_nilearns_with_the_threshold_left_on():
    # nilearn sums what is beyond the threshold; PALM and this package sum the whole height.
    volume = np.random.default_rng(3).standard_normal((14, 15, 16))
    threshold = 0.8
    structure = ndimage.generate_binary_structure(3, 1)
    size, mass = calculate_cluster_measures(volume[..., None], threshold, structure, True)
    before = neighbours(np.ones(volume.shape, dtype=bool), 6)
    labels, sizes = label(volume.ravel(), threshold, before)
    weighed = masses(labels, volume.ravel(), len(sizes))
    assert sizes[0] == size[0]
    np.testing.assert_allclose((weighed - threshold * sizes).max(), mass[0])


def test_masses_of_no_cluster():
    assert masses(np.zeros(5, dtype=np.int32), np.ones(5), 0).tolist() == []


def test_ties_in_size_keep_the_order_of_the_voxels():
    mask = np.ones((9, 1, 1), dtype=bool)
    scores = np.float32([2, 0, -2, -2, 0, 2, 2, 0, -2])
    labels, sizes = label(scores, 1, neighbours(mask, 6))
    assert labels.tolist() == [3, 0, 1, 1, 0, 2, 2, 0, 4] and sizes.tolist() == [2, 2, 1, 1]


def test_two_signs_never_make_one_cluster():
    mask = np.ones((4, 1, 1), dtype=bool)
    labels, sizes = label(np.float32([2, 2, -2, -2]), 1, neighbours(mask, 26))
    assert labels.tolist() == [1, 1, 2, 2] and sizes.tolist() == [2, 2]
    labels, sizes = label(np.float32([2, 2, -2, 0]), 1, neighbours(mask, 26), two_sided=False)
    assert labels.tolist() == [1, 1, 0, 0] and sizes.tolist() == [2]


def test_other_connectivities_are_refused():
    with pytest.raises(Fault, match="use 6, 18 or 26"):
        neighbours(np.ones((2, 2, 2), dtype=bool), 8)


def test_kernels_run_where_nothing_can_be_cached(monkeypatch):
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    kernel = compilation.compiled(lambda x: x + 1)
    assert kernel(1) == 2


def test_kernels_run_with_an_unwritable_cache_folder(root):
    code = (
        "import numpy as np; from crossfc.group.inference.cluster import label, neighbours;"
        "print(label(np.float32([2, 2]), 1, neighbours(np.ones((2, 1, 1), bool), 6))[1])"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": "/dev/null/none",
        "PYTHONPATH": str(root / "scripts"),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[2]"
