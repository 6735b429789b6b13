"""Equivalence of maps: by brute force, and how often it is wrong at its bounds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.equivalence import Shifted, equivalence
from crossfc.group.inference.given import Given
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.statistic import Student

SHAPE = (3, 2, 2)
MASK = np.ones(SHAPE, dtype=bool)
N_VOXELS = MASK.sum()


def t_of(effect, nuisance, y):
    design = np.column_stack([effect, nuisance])
    b, *_ = np.linalg.lstsq(design, y)
    df = len(y) - np.linalg.matrix_rank(design)
    variance = ((y - design @ b) ** 2).sum(axis=0) / df
    return b[0] / np.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0])


def by_counting(maps, effect, nuisance, bound, arrangements):
    """Freedman and Lane (1983): residuals of the shifted data on the nuisance are rearranged."""
    observed, largest = [], []
    hat = nuisance @ np.linalg.pinv(nuisance) if nuisance.size else np.zeros((len(effect),) * 2)
    sides = [sign * y + bound * effect[:, None] for sign in (1, -1) for y in maps]
    observed = np.stack([t_of(effect, nuisance, y) for y in sides])
    for number in range(len(arrangements)):
        found = []
        for y in sides:
            e = y - hat @ y
            if arrangements.signs is not None:
                found.append(t_of(effect, nuisance, arrangements.signs[number][:, None] * e))
            else:
                # A person gets another row of the design.
                row = arrangements.order[number]
                found.append(t_of(effect[row], nuisance[row], y))
        largest.append(np.max(found))
    p = np.mean(np.array(largest)[:, None, None] >= observed - 1e-4 * np.abs(observed), axis=0)
    above, below = np.split(p, 2)
    return np.maximum(above, below)


@pytest.mark.parametrize("with_period", [False, True])
def test_p_are_what_counting_gives_under_sign_flips(with_period):
    rng = np.random.default_rng(1)
    n = 10
    effect = np.ones(n)
    nuisance = np.where(np.arange(n) % 3, -1.0, 1.0)[:, None][:, : int(with_period)]
    maps = [rng.normal(mean, 0.5, (n, N_VOXELS)) for mean in (0.05, -0.4)]
    arrangements = sign_flips(n, 120, 3)
    told = equivalence(maps, Student(effect, nuisance), arrangements, MASK, 0.7)
    counted = by_counting(maps, effect, nuisance, 0.7, arrangements)
    assert np.allclose(told, counted) and (told < 0.05).any() and (told > 0.2).any()


def test_p_are_what_counting_gives_where_orders_are_drawn_again():
    rng = np.random.default_rng(2)
    n = 9
    flip = np.where(np.arange(n) % 2, -1.0, 1.0)
    effect, nuisance = flip.copy(), np.ones((n, 1))
    data = rng.normal(0.1, 0.4, (n, N_VOXELS)) * flip[:, None]
    arrangements = shuffles(np.column_stack([effect, nuisance]), 1000, 0)
    assert arrangements.exhaustive
    told = equivalence([data], Student(effect, nuisance), arrangements, MASK, 0.8)
    assert np.allclose(told, by_counting([data], effect, nuisance, 0.8, arrangements))


def test_a_covariate_by_voxel_is_not_shifted():
    rng = np.random.default_rng(3)
    data = rng.normal(size=(6, 2, 5))
    moved = Shifted(data, -1, np.arange(6.0))
    assert np.allclose(moved[..., 1:3][:, 0], -data[:, 0, 1:3] + np.arange(6)[:, None])
    assert np.allclose(moved[..., 1:3][:, 1], data[:, 1, 1:3])
    assert np.allclose(moved[4][0], -data[4, 0] + 4) and np.allclose(moved[4][1], data[4, 1])
    wide = rng.normal(0, 0.2, (14, 2, N_VOXELS))
    statistic = Given(np.ones(14), np.empty((14, 0)))
    p = equivalence([wide], statistic, sign_flips(14, 199, 0), MASK, 1.0)
    assert (p < 0.05).all()


def test_groups_are_compared_by_the_statistic_of_the_analysis():
    """Equal groups are equivalent, and groups that differ by the bound are not."""
    rng = np.random.default_rng(4)
    first = np.arange(24) < 12
    effect = np.where(first, 0.5, -0.5)
    data = rng.normal(0, 0.3, (24, N_VOXELS)) + np.where(first, 0.0, 0.0)[:, None]
    data[:, 0] += np.where(first, 1.0, 0.0)
    statistic = Hall(effect, np.ones((24, 1)), ~first)
    p = equivalence([data], statistic, sign_flips(24, 199, 0), MASK, 1.0)[0]
    assert (p[1:] < 0.05).all() and p[0] > 0.05
    assert np.array_equal(equivalence([-data], statistic, sign_flips(24, 199, 0), MASK, 1.0)[0], p)


def test_with_one_voxel_it_is_about_students_t():
    """Two one-sided t-tests; over both sides, so twice the larger p at most."""
    rng = np.random.default_rng(6)
    mask = np.ones((1, 1, 1), dtype=bool)
    for n, bound in itertools.product((12, 20), (0.3, 0.6)):
        y = rng.normal(0.1, 0.6, (n, 1))
        error = y.std(ddof=1) / np.sqrt(n)
        one = stats.t.sf((bound - abs(y.mean())) / error, n - 1)
        told = equivalence([y], Student(np.ones(n), np.empty((n, 0))), sign_flips(n, 4999, 1),
                           mask, bound)[0, 0]  # fmt: skip
        assert 0.8 * one - 0.02 < told < 2.2 * one + 0.02


@pytest.mark.slow
def test_no_voxel_at_the_bounds_is_called_equivalent_in_more_than_five_percent():
    """Half of the voxels have an effect of the bound, half of the bound below zero."""
    rng = np.random.default_rng(7)
    n, bound = 12, 0.5
    true = np.where(np.arange(N_VOXELS) % 2, bound, -bound)
    statistic = Student(np.ones(n), np.where(np.arange(n) % 2, -1.0, 1.0)[:, None])
    hits = []
    for k in range(400):
        data = true + rng.normal(0, 0.25, (n, N_VOXELS))
        p = equivalence([data], statistic, sign_flips(n, 199, k), MASK, bound)
        hits.append((p < 0.05).any())
    # The standard error of a true 5 % is .011.
    assert np.mean(hits) < 0.05 + 2 * 0.011
