"""Skewness of differences, against scipy's and distributions that are known."""

import numpy as np
import pytest
from scipy import stats

from crossfc.group.inference.skewness import skewness


def test_it_is_scipys_skewness_less_that_of_flipped_residuals():
    rng = np.random.default_rng(0)
    code = np.array([-1.0, 1] * 6)
    columns = np.column_stack([np.ones(12), code])
    data = rng.exponential(size=(12, 30)) + 0.5 * code[:, None]

    def squares(values):
        e = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
        return np.mean(stats.skew(e, axis=0) ** 2)

    e = data - columns @ np.linalg.lstsq(columns, data, rcond=None)[0]
    # Many other flips give the same, up to chance.
    chance = np.mean([squares(e * rng.choice([-1, 1], (12, 1))) for _ in range(20_000)])
    found = skewness(data, columns)
    assert found**2 == pytest.approx(squares(data) - chance, abs=0.06)
    # Multiplied by the order, as for drawing orders again, they are the same differences.
    turned = skewness(code[:, None] * data, code[:, None] * columns, flip=code)
    assert turned == pytest.approx(found)
    # Flat voxels do not count, and the maps of several measures count alike.
    wider = np.column_stack([data, np.zeros(12)])
    assert skewness(wider, columns, flat=np.arange(31) == 30) == pytest.approx(found)
    assert skewness(np.stack([data, data], axis=1), columns) == pytest.approx(found)


@pytest.mark.parametrize(
    ("draw", "low", "high"),
    [
        (lambda rng, size: rng.standard_normal(size), 0, 0.15),
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


def test_opposite_skewness_of_two_groups_does_not_cancel():
    rng = np.random.default_rng(3)
    second = np.arange(60) >= 30
    data = rng.exponential(size=(60, 2000)) * np.where(second, -1, 1)[:, None]
    columns = np.column_stack([np.ones(60), second])
    assert skewness(data, columns) < 0.3
    assert skewness(data, columns, groups=second) > 1
    # One group alone is told as it is by itself.
    data[second] = rng.standard_normal((30, 2000))
    alone = skewness(data[~second], np.ones((30, 1)))
    assert skewness(data, columns, groups=second) == pytest.approx(alone, abs=0.05)


def test_nothing_to_tell_is_nan():
    assert np.isnan(skewness(np.ones((2, 3)), np.ones((2, 1))))
    assert np.isnan(skewness(np.ones((5, 3)), np.ones((5, 1)), flat=np.ones(3, dtype=bool)))


def test_covariates_by_voxel_are_taken_off():
    """The same in every voxel, they are columns of the model."""
    rng = np.random.default_rng(9)
    n = 20
    code, given = np.where(np.arange(n) % 2, 1.0, -1.0), rng.normal(size=n)
    data = rng.gamma(2, size=(n, 300)) + 3 * given[:, None]
    both = np.stack([data, np.tile(given[:, None], 300)], axis=1)
    model = np.column_stack([np.ones(n), code])
    flat = np.zeros(300, bool)
    expected = skewness(data, np.column_stack([model, given]), None, None, flat)
    assert skewness(both, model, None, None, flat, 1) == pytest.approx(expected)
    assert abs(expected - skewness(data, model, None, None, flat)) > 0.05
