"""Clusters: the same as scipy's labels, of one sign each, and the kernels run anywhere."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.group import compiled as compilation
from crossfc.group.cluster import label, largest, neighbours

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


@pytest.mark.parametrize("two_sided", [True, False])
def test_largest_of_many_maps(connectivity, two_sided):
    mask, _ = volume(0)
    rng = np.random.default_rng(1)
    maps = rng.standard_normal((20, np.count_nonzero(mask))).astype(np.float32)
    maps[3] = 0
    before = neighbours(mask, connectivity)
    n_voxels = maps.shape[1]
    parent = np.full(n_voxels, -1, dtype=np.int32)
    listed, extent = np.empty((2, n_voxels), dtype=np.int32)
    found = np.empty(len(maps), dtype=np.int32)
    largest(maps, np.float32(0.5), two_sided, before, parent, listed, extent, found)
    for scores, size in zip(maps, found, strict=True):
        assert size == label(scores, 0.5, before, two_sided)[1].max(initial=0)
    assert found[3] == 0 and (parent == -1).all()


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
        "import numpy as np; from crossfc.group.cluster import label, neighbours;"
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
