"""Robust correlations: against published numbers and straightforward definitions."""

import math

import numpy as np
import pytest
from scipy import stats

from crossfc.clinic.robust_correlation import bend, kept, percentage_bend, skipped


def contaminated():
    """The example of pingouin's tests, whose numbers come from R and the MATLAB toolbox.

    https://github.com/raphaelvallat/pingouin, tests/test_correlation.py: Pearson 0.1761221,
    percentage bend 0.4842686 with p 0.006693313 (0.4848 bending half), two bivariate outliers and
    without them Spearman 0.5123 and Pearson 0.5254.
    """
    state = np.random.RandomState(123)
    x, y = state.multivariate_normal([4, 6], [(1, 0.6), (0.6, 1)], 30).T
    x[3], y[5] = 12, -8
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0.1761221, abs=1e-7)
    return x, y


def percentage_bend_by_definition(x, y, beta=0.2):
    """Wilcox (1994), one number at a time."""

    def bent(values):
        ordered = sorted(values)
        n = len(ordered)
        median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
        omega = sorted(abs(v - median) for v in values)[math.floor((1 - beta) * n) - 1]
        below = sum((v - median) / omega < -1 for v in values)
        above = sum((v - median) / omega > 1 for v in values)
        middle = sum(v for v in values if abs((v - median) / omega) <= 1)
        phi = (omega * (above - below) + middle) / (n - below - above)
        return [max(-1.0, min(1.0, (v - phi) / omega)) for v in values]

    a, b = bent(x), bent(y)
    cross = sum(p * q for p, q in zip(a, b, strict=True))
    return cross / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b))


def kept_by_definition(x, y):
    """Wilcox's projection method (outpro), medians as centre, marginals scaled by the MAD."""

    def standardised(v):
        centred = np.asarray(v) - np.median(v)
        return centred / np.median(np.abs(centred))

    points = np.column_stack([standardised(x), standardised(y)])
    n = len(points)
    out = np.zeros(n, dtype=bool)
    for direction in points:
        if not np.any(direction):
            continue
        length = np.hypot(*direction)
        d = [abs(float(p @ direction)) / length for p in points]
        s = sorted(d)
        j = int(n / 4 + 5 / 12)
        g = n / 4 + 5 / 12 - j
        low = (1 - g) * s[j - 1] + g * s[j]
        k = n - j + 1
        high = (1 - g) * s[k - 1] + g * s[k - 2]
        limit = np.median(d) + math.sqrt(stats.chi2.ppf(0.975, 2)) * (high - low)
        out |= np.array(d) > limit
    return ~out


def test_percentage_bend_is_the_published_number():
    x, y = contaminated()
    r, p = percentage_bend(x, y)
    assert r == pytest.approx(0.4842686, abs=1e-7)
    assert p == pytest.approx(0.006693313, abs=1e-9)
    assert round(percentage_bend(x, y, bending=0.5)[0], 4) == 0.4848


@pytest.mark.parametrize("n", [5, 11, 24, 35])
@pytest.mark.parametrize("beta", [0.1, 0.2])
def test_percentage_bend_is_the_definition(n, beta):
    x, y = np.random.default_rng(n).standard_t(2, (2, n))
    expected = percentage_bend_by_definition(list(x), list(y), beta)
    assert percentage_bend(x, y, beta)[0] == pytest.approx(expected, abs=1e-12)


def test_percentage_bend_does_not_mind_how_far_an_outlier_is():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(24)
    y = x + rng.standard_normal(24)
    x[np.argmax(x)] = 10
    near = percentage_bend(x, y)
    x[np.argmax(x)] = 1e6
    assert percentage_bend(x, y) == pytest.approx(near)


def test_bend_of_a_variable_that_most_share_is_nothing():
    values = np.column_stack([np.r_[np.zeros(20), 1.0, 2.0], np.arange(22.0)])
    bent = bend(values)
    assert np.isnan(bent[:, 0]).all() and np.isfinite(bent[:, 1]).all()
    assert np.isnan(percentage_bend(values[:, 0], values[:, 1])).all()


def test_skipped_leaves_out_the_planted_outliers():
    x, y = contaminated()
    keep = kept(x, y)
    assert np.flatnonzero(~keep).tolist() == [3, 5]
    assert round(float(skipped(x, y)), 4) == 0.5254
    assert round(stats.spearmanr(x[keep], y[keep]).statistic, 4) == 0.5123


@pytest.mark.parametrize("n", [10, 17, 24, 31])
def test_skipped_is_the_definition(n):
    rng = np.random.default_rng(n)
    x = rng.standard_t(2, n)
    versions = rng.standard_t(2, (40, n)) * 30 + 7
    versions[0, :] = x * 3  # a person at the centre of both gives a line without direction
    versions[20:] = np.rint(versions[20:] / 5)  # scores; their median may be a half
    keep = kept(x, versions)
    np.testing.assert_array_equal(kept(x, versions[20:]), keep[20:])
    found = skipped(x, versions)
    left_out = 0
    for y, who, r in zip(versions, keep, found, strict=True):
        expected = kept_by_definition(x, y)
        np.testing.assert_array_equal(who, expected)
        assert r == pytest.approx(np.corrcoef(x[expected], y[expected])[0, 1], abs=1e-12)
        left_out += (~expected).sum()
    assert left_out > 10


def test_skipped_does_not_depend_on_units():
    x, y = contaminated()
    np.testing.assert_array_equal(kept(x * 1e-3 + 5, y * 1e4 - 2), kept(x, y))


def test_skipped_of_few_people_or_of_nothing_is_not_a_number():
    rng = np.random.default_rng(1)
    assert np.isnan(skipped(*rng.standard_normal((2, 9))))
    tied = np.r_[np.zeros(12), 1.0, 2.0]
    assert np.isnan(skipped(tied, rng.standard_normal(14)))
    assert np.isnan(skipped(rng.standard_normal(14), tied))
