"""TFCE: the integral itself, as labelling at every height gives it, for any volume and map."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.mass_univariate import _utils as nilearn_utils
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.group.inference.tfce import Enhancer

ORDER = {6: 1, 18: 2, 26: 3}
# Heights are exact in single precision and all arithmetic is double, so that only the rounding
# of sums of some hundred terms is left.
RTOL = 1e-12


def by_definition(heights, mask, connectivity, E, H, two_sided):
    """Label the volume at every height there is, and add up what each threshold gives."""
    structure = ndimage.generate_binary_structure(3, ORDER[connectivity])
    enhanced = np.zeros(mask.shape)
    for sign in (1, -1) if two_sided else (1,):
        volume = np.zeros(mask.shape)
        volume[mask] = sign * heights.astype(np.float64)
        lower = 0.0
        for upper in np.unique(volume[volume > 0]):
            labels, count = ndimage.label(volume >= upper, structure)
            extent = np.bincount(labels.ravel(), minlength=count + 1)
            inside = labels > 0
            width = (upper ** (H + 1) - lower ** (H + 1)) / (H + 1)
            enhanced[inside] += sign * extent[labels[inside]].astype(np.float64) ** E * width
            lower = upper
    return enhanced[mask]


def largest(enhancer, maps):
    out = np.full(len(maps), np.nan)
    enhancer.largest(np.stack(maps), enhancer.workspace(), out)
    return out


def smooth_volume(shape, seed, sigma=1.3):
    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = ndimage.gaussian_filter(noise, sigma)
    return (smooth / smooth.std()).astype(np.float32)


# The kernel holds lines in words of 32 voxels: lines that just fill one, or go on in the next.
small = st.tuples(*[st.integers(1, 5)] * 3)
long = st.tuples(
    st.integers(1, 2), st.integers(1, 3), st.sampled_from([31, 32, 33, 63, 64, 65, 70])
)


@settings(max_examples=300, deadline=None)
@given(
    shape=st.one_of(small, long, long.map(lambda shape: shape[::-1])),
    seed=st.integers(0, 2**32 - 1),
    filled=st.sampled_from([0.2, 0.5, 0.9, 1.0]),
    levels=st.sampled_from([None, 1, 4]),
    connectivity=st.sampled_from([6, 18, 26]),
    powers=st.sampled_from([(0.5, 2), (1, 2), (0.5, 1), (0.7, 1.3), (0, 0), (1, 0), (0.5, 3)]),
    two_sided=st.booleans(),
)
def test_it_is_the_integral(shape, seed, filled, levels, connectivity, powers, two_sided):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < filled
    mask[tuple(rng.integers(shape))] = True
    heights = 2 * rng.standard_normal(np.count_nonzero(mask)).astype(np.float32)
    if levels:  # ties, and zeros of both signs
        heights = np.round(heights * levels) / np.float32(levels)
    expected = by_definition(heights, mask, connectivity, *powers, two_sided)
    enhancer = Enhancer(mask, connectivity, *powers, two_sided=two_sided)
    np.testing.assert_allclose(enhancer.map(heights), expected, rtol=RTOL, atol=0)
    np.testing.assert_allclose(largest(enhancer, [heights]), np.abs(expected).max(), rtol=RTOL)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("sigma", [0, 1.3])
def test_it_is_the_integral_in_a_large_volume(connectivity, two_sided, sigma):
    # Few heights, so that the definition can be computed; blocks, words and merges in plenty.
    volume = np.round(smooth_volume((40, 44, 70), 5, sigma) * 12) / np.float32(12)
    mask = np.random.default_rng(6).random(volume.shape) < 0.9
    mask[10:16, 10:16, 20:40] = False
    heights = volume[mask]
    expected = by_definition(heights, mask, connectivity, 0.5, 2, two_sided)
    enhancer = Enhancer(mask, connectivity, two_sided=two_sided)
    np.testing.assert_allclose(enhancer.map(heights), expected, rtol=RTOL, atol=0)
    np.testing.assert_allclose(largest(enhancer, [heights]), np.abs(expected).max(), rtol=RTOL)


def test_by_hand():
    # 1 2 1: below 1 the extent is 3, from 1 to 2 it is 1.
    enhancer = Enhancer(np.ones((3, 1, 1), dtype=bool), 6)
    shoulder = np.sqrt(3) / 3
    peak = shoulder + (8 - 1) / 3
    expected = [shoulder, peak, shoulder]
    np.testing.assert_allclose(enhancer.map(np.float32([1, 2, 1])), expected, rtol=1e-15)
    # A voxel of the other sign parts its neighbours.
    np.testing.assert_allclose(enhancer.map(np.float32([1, -2, 1])), [1 / 3, -8 / 3, 1 / 3])
    one_sided = Enhancer(np.ones((3, 1, 1), dtype=bool), 6, two_sided=False)
    np.testing.assert_allclose(one_sided.map(np.float32([1, -2, 1])), [1 / 3, 0, 1 / 3])
    below = largest(one_sided, [np.float32([-1, -2, -1]), np.float32([0, -0.0, 0])])
    assert below.tolist() == [0, 0]


def test_voxels_of_one_height_are_one_step():
    mask = np.ones((9, 10, 40), dtype=bool)
    mask[4] = False  # two halves of 1600 voxels
    heights = np.full(np.count_nonzero(mask), 1.7, dtype=np.float32)
    expected = np.sqrt(1600) * np.float64(np.float32(1.7)) ** 3 / 3
    for connectivity in (6, 18, 26):
        np.testing.assert_allclose(Enhancer(mask, connectivity).map(heights), expected, rtol=1e-15)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_the_order_of_equal_heights_does_not_matter(connectivity):
    volume = np.round(smooth_volume((14, 15, 40), 1) * 4) / np.float32(4)
    mask = np.random.default_rng(2).random(volume.shape) < 0.8
    enhanced = np.zeros(mask.shape)
    enhanced[mask] = Enhancer(mask, connectivity).map(volume[mask])
    for axes in ((0,), (1,), (2,), (0, 1, 2)):
        flipped, where = np.flip(volume, axes), np.flip(mask, axes)
        enhancer = Enhancer(where, connectivity)
        turned = np.zeros(mask.shape)
        turned[where] = enhancer.map(flipped[where])
        np.testing.assert_allclose(np.flip(turned, axes), enhanced, rtol=1e-14, atol=0)
    turned = np.zeros(mask.shape).transpose(2, 0, 1)
    where = mask.transpose(2, 0, 1)
    turned[where] = Enhancer(where, connectivity).map(volume.transpose(2, 0, 1)[where])
    np.testing.assert_allclose(turned.transpose(1, 2, 0), enhanced, rtol=1e-14, atol=0)


def test_signs_and_scale():
    volume = smooth_volume((20, 24, 40), 3)
    mask = np.ones(volume.shape, dtype=bool)
    heights = volume.ravel()
    two, one = Enhancer(mask, 26), Enhancer(mask, 26, two_sided=False)
    enhanced = two.map(heights)
    assert (np.sign(enhanced) == np.sign(heights)).all()
    assert (two.map(-heights) == -enhanced).all()
    assert (one.map(heights) == np.maximum(enhanced, 0)).all()
    # h^H dh: twice the height is eight times the integral, and powers of two round alike.
    assert (two.map(4 * heights) == 64 * enhanced).all()
    # Larger in a cluster than alone, for alone the extent would be 1 all the way down.
    assert (np.abs(enhanced) >= np.abs(heights.astype(float)) ** 3 / 3 * (1 - 1e-12)).all()


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_the_largest_of_many_maps(connectivity, two_sided):
    maps = np.stack([smooth_volume((21, 18, 35), seed, seed % 3 * 0.7) for seed in range(7)])
    mask = np.random.default_rng(8).random(maps.shape[1:]) < 0.95
    maps = maps[:, mask] * np.linspace(-2, 2, 7, dtype=np.float32)[:, None]  # one is zero
    enhancer = Enhancer(mask, connectivity, two_sided=two_sided)
    expected = [np.abs(enhancer.map(heights)).max() for heights in maps]
    workspace, out = enhancer.workspace(), np.empty(len(maps))
    enhancer.largest(maps, workspace, out)
    np.testing.assert_allclose(out, expected, rtol=RTOL)
    # The workspace carries nothing over.
    again = np.empty(len(maps))
    enhancer.largest(maps[::-1], workspace, again)
    assert (again[::-1] == out).all()


def test_threads_do_not_disturb_each_other():
    maps = np.stack([smooth_volume((30, 30, 30), seed).ravel() for seed in range(8)])
    enhancer = Enhancer(np.ones((30, 30, 30), dtype=bool), 26)
    expected = largest(enhancer, maps)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda part: largest(enhancer, part), np.split(maps, 4))
            assert (np.concatenate(list(found)) == expected).all()


def test_nilearn_comes_closer_as_its_step_shrinks():
    volume = smooth_volume((16, 17, 18), 4).astype(np.float64)
    exact = Enhancer(np.ones(volume.shape, dtype=bool), 6).map(volume.ravel())
    structure = ndimage.generate_binary_structure(3, 1)
    counts, errors = [60, 120, 240, 480, 960], []
    for count in counts:
        step = np.abs(volume).max() / count
        theirs = nilearn_utils.calculate_tfce(volume[..., None], structure, dh=step)[..., 0]
        # As fslmaths does, nilearn leaves the width of its steps out.
        errors.append(np.abs(theirs.ravel() * step - exact).mean() / np.abs(exact).mean())
    halved = np.divide(errors[:-1], errors[1:])
    assert ((halved > 1.8) & (halved < 2.2)).all(), halved
    assert errors[-1] < 0.01


def test_what_cannot_be_enhanced_is_refused():
    mask = np.ones((2, 2, 2), dtype=bool)
    with pytest.raises(Fault, match="use 6, 18 or 26"):
        Enhancer(mask, 8)
    with pytest.raises(Fault, match="E = -1 and H = 2"):
        Enhancer(mask, 26, E=-1, H=2)
    with pytest.raises(Fault, match="zero or more"):
        Enhancer(mask, 26, H=np.nan)
    with pytest.raises(Fault, match="is empty"):
        Enhancer(~mask, 26)
    with pytest.raises(Fault, match="the mask has 8 voxels"):
        Enhancer(mask, 26).map(np.zeros(7, dtype=np.float32))
    with pytest.raises(Fault, match="the mask has 8 voxels"):
        largest(Enhancer(mask, 26), [np.zeros(9, dtype=np.float32)])
