"""Skewness of differences, against sums over pairs of people and distributions that are known."""

import numpy as np
import pytest

from crossfc.group.skewness import skewness


def over_pairs(values: np.ndarray, columns: np.ndarray, flip: np.ndarray) -> float:
    """The same of one voxel, pair by pair of people, before what chance gives is taken off."""
    e = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    e = e * flip / np.sqrt(np.mean(np.square(e)))
    h = [x**3 - 3 * x for x in e]
    n = len(h)
    return sum(h[i] * h[j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


def test_it_is_the_mean_over_pairs_of_people_and_voxels():
    rng = np.random.default_rng(0)
    code = np.array([-1.0, 1] * 5)
    columns = np.column_stack([code, np.ones(10)])
    data = rng.exponential(size=(10, 40)) * code[:, None]
    expected = np.mean([over_pairs(values, columns, code) for values in data.T])
    # What 10 normal values give, from 400,000 sets of them.
    e = rng.standard_normal((400_000, 10))
    e -= e.mean(axis=1, keepdims=True)
    e /= np.sqrt(np.square(e).mean(axis=1, keepdims=True))
    h = e**3 - 3 * e
    chance = ((h.sum(1) ** 2 - (h**2).sum(1)) / 90).mean()
    found = skewness(data, columns, code)
    assert found == pytest.approx(np.sqrt(expected - chance), rel=0.01)
    # Flat voxels do not count, and the maps of several measures count alike.
    wider = np.column_stack([data, np.zeros(10)])
    assert skewness(wider, columns, code, flat=np.arange(41) == 40) == pytest.approx(found)
    assert skewness(np.stack([data, data], axis=1), columns, code) == pytest.approx(found)


@pytest.mark.parametrize(
    ("draw", "low", "high"),
    [
        (lambda rng, size: rng.standard_normal(size), 0, 0.12),
        (lambda rng, size: rng.standard_t(7, size), 0, 0.4),
        (lambda rng, size: rng.exponential(size=size), 1.2, 2.1),
        (lambda rng, size: -rng.exponential(size=size), 1.2, 2.1),
    ],
)
def test_symmetric_errors_have_none(draw, low, high):
    data = draw(np.random.default_rng(1), (60, 3000))
    assert low <= skewness(data, np.ones((60, 1))) <= high


def test_groups_of_unequal_spread_are_no_skewness():
    rng = np.random.default_rng(2)
    second = np.arange(40) >= 20
    data = rng.standard_normal((40, 2000)) * np.where(second, 5, 1)[:, None]
    columns = np.column_stack([np.ones(40), second])
    assert skewness(data, columns, groups=second) < 0.15


def test_nothing_to_tell_is_nan():
    assert np.isnan(skewness(np.ones((2, 3)), np.ones((2, 1))))
    assert np.isnan(skewness(np.ones((5, 3)), np.ones((5, 1)), flat=np.ones(3, dtype=bool)))
