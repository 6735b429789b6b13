"""Hedges' g_av: against a published example, statsmodels without each person, and closed forms."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special, stats

from crossfc.clinic.effect_size import hedges_g_av
from crossfc.clinic.power import detectable_effect

# Ten people's ratings of two films (Lakens 2013, Frontiers in Psychology 4:863, table 1).
FILM_1 = np.array([9.0, 7, 8, 9, 8, 9, 9, 10, 9, 9])
FILM_2 = np.array([9.0, 6, 7, 8, 7, 9, 8, 8, 8, 7])


def correction(df):
    return special.gamma(df / 2) / (np.sqrt(df / 2) * special.gamma((df - 1) / 2))


def d_of(active, control, columns):
    """d_av by statsmodels: the intercept over the root of the mean residual variance."""
    fits = [sm.OLS(v, columns).fit() for v in (active - control, active, control)]
    return fits[0].params[0] / np.sqrt((fits[1].scale + fits[2].scale) / 2), fits


def by_hand(active, control, columns):
    """g_av and its interval, each person left out in turn."""
    d, (change, first, second) = d_of(active, control, columns)
    df, c = change.df_resid, first.resid @ second.resid / change.df_resid
    v, w = first.scale, second.scale
    m = df * (v + w) ** 2 / (v**2 + w**2 + 2 * c**2)
    g, n = correction(m) * d, len(active)
    each = np.array([
        d_of(*(np.delete(a, i, axis=0) for a in (active, control, columns)))[0] for i in range(n)
    ])  # fmt: skip
    jackknife = np.sqrt((n - 1) / n * np.square(each - each.mean()).sum())
    normal = np.sqrt(2 * change.bse[0] ** 2 / (v + w) + g**2 / (2 * m))
    reach = stats.norm.isf(0.025) * max(jackknife, normal)
    return (g, g - reach, g + reach), bool(jackknife > normal)


def test_the_example_of_lakens():
    found = hedges_g_av(FILM_1, FILM_2)
    assert stats.ttest_rel(FILM_1, FILM_2).statistic == pytest.approx(4.74, abs=0.005)
    r = np.corrcoef(FILM_1, FILM_2)[0, 1]
    v, w = FILM_1.var(ddof=1), FILM_2.var(ddof=1)
    m = 9 * (v + w) ** 2 / (v**2 + w**2 + 2 * r**2 * v * w)
    assert found.g / correction(m) == pytest.approx(1.13, abs=0.005)  # his Cohen's d_av
    assert found == pytest.approx(by_hand(FILM_1, FILM_2, np.ones((10, 1)))[0])


@pytest.mark.parametrize("alone", [False, True])
def test_adjusted_for_order_it_is_that_of_least_squares_without_each_person(alone):
    """Where one person alone changes a lot, the jackknife would be surer than the test is."""
    rng = np.random.default_rng(0)
    code = np.repeat([-1.0, 1.0], [9, 5])
    control = rng.normal(30, 6, 14)
    active = 0.6 * control + rng.normal(7, 4, 14) + 2 * code
    if alone:  # healthy people at the end of a scale, and one who is not
        control, active = rng.normal(0, 0.5, (2, 14))
        active[2] += 15
    expected, by_jackknife = by_hand(active, control, np.column_stack([np.ones(14), code]))
    assert hedges_g_av(active, control, code) == pytest.approx(expected)
    assert by_jackknife is not alone  # each of both standard errors is told once
    unknown = np.append(code, np.nan)
    more = hedges_g_av(np.append(active, 50.0), np.append(control, 0.0), unknown)
    assert more == pytest.approx(expected)
    assert hedges_g_av(control, active, code) == pytest.approx(
        [-expected[0], -expected[2], -expected[1]]
    )


def test_a_baseline_is_in_the_change_and_not_in_the_spread():
    rng = np.random.default_rng(1)
    n = 16
    code, baseline = np.tile([-1.0, 1.0], n // 2), rng.normal(1, 2, n)
    control = rng.normal(20, 5, n)
    active = control - 4 + 1.5 * baseline + rng.normal(0, 2, n)
    found = hedges_g_av(active, control, code, baseline)
    columns = np.column_stack([np.ones(n), code])
    change = sm.OLS(active - control, np.column_stack([columns, baseline])).fit()
    v, w = (sm.OLS(side, columns).fit().scale for side in (active, control))
    first, second = (sm.OLS(side, columns).fit().resid for side in (active, control))
    c = first @ second / (n - 2)
    m = (n - 2) * (v + w) ** 2 / (v**2 + w**2 + 2 * c**2)
    assert found.g == pytest.approx(correction(m) * change.params[0] / np.sqrt((v + w) / 2))
    assert found.low < found.g < found.high


def test_what_cannot_be_told_is_missing():
    rng = np.random.default_rng(2)
    a, b = rng.normal(5, 2, (2, 7))
    few = hedges_g_av(a, b)
    assert np.isfinite(few.g) and np.isnan([few.low, few.high]).all()
    assert np.isnan(hedges_g_av(a[:2], b[:2])).all()
    alike = np.full(9, 3.0)
    assert np.isnan(hedges_g_av(alike, alike - 1)).all()
    assert np.isnan(hedges_g_av(alike + 1e-15 * np.arange(9), alike)).all()
    three = np.array([-1.0, 1, 1])
    assert np.isnan(hedges_g_av(a[:3], b[:3], three)).all()  # one residual degree of freedom
    alone = np.array([-1.0, *[1.0] * 8])  # without the first person there is no order
    x, y = rng.normal(5, 2, (2, 9))
    assert np.isfinite(hedges_g_av(x, y, alone)).all()


def test_it_is_unbiased_and_its_interval_covers():
    """24 normal pairs, r = .6, two orders, effect of .8: 600 data sets, standard error .009."""
    rng = np.random.default_rng(3)
    code = np.tile([-1.0, 1.0], 12)
    found = []
    for _ in range(600):
        person, *own = rng.standard_normal((3, 24))
        active, control = (np.sqrt(0.6) * person + np.sqrt(0.4) * e for e in own)
        found.append(hedges_g_av(active + 0.8 + 0.3 * code, control - 0.3 * code, code))
    g, low, high = np.array(found).T
    assert abs(g.mean() - 0.8) < 3 * g.std() / np.sqrt(600)
    assert 0.935 <= np.mean((low <= 0.8) & (high >= 0.8)) <= 0.985


@pytest.mark.parametrize(("n_1", "n_2"), [(5, 4), (12, 12), (16, 9), (60, 60)])
def test_the_smallest_effect_found_is_that_of_statsmodels(n_1, n_2):
    from statsmodels.stats.power import TTestIndPower

    power = TTestIndPower().solve_power(nobs1=n_1, ratio=n_2 / n_1, alpha=0.05, power=0.8)
    found = detectable_effect(3 * np.sqrt(1 / n_1 + 1 / n_2), n_1 + n_2 - 2)
    assert found == pytest.approx(3 * power, rel=1e-4)


def test_the_smallest_effect_of_three_people_is_found_by_simulation():
    rng = np.random.default_rng(4)
    t = (rng.standard_normal(400_000) + detectable_effect(1.0, 1)) / np.sqrt(
        rng.chisquare(1, 400_000)
    )
    assert np.mean(np.abs(t) > stats.t.isf(0.025, 1)) == pytest.approx(0.8, abs=0.003)
    assert np.isnan(detectable_effect(np.nan, 5)) and np.isnan(detectable_effect(1.0, np.nan))
