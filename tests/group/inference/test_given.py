"""Statistics given a covariate by voxel: equal to plain least squares, voxel by voxel."""

import numpy as np
import pytest

from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.given import Given, HallGiven, HotellingGiven, SlopeGiven
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student

VOXELS = 7
KINDS = ("mean", "slope", "groups", "measures", "group measures")


def design(kind, n, rng):
    """Columns of the effect and the nuisance, and the groups."""
    second = np.arange(n) < n // 3
    code = np.where(np.arange(n) % 2, 1.0, -1.0)
    if kind in ("mean", "measures"):
        return np.ones(n), code[:, None], None
    if kind == "slope":
        score = rng.normal(size=n)
        return score - score.mean(), np.column_stack([np.ones(n), code]), None
    age = rng.normal(size=n)
    nuisance = np.column_stack([np.ones(n), code, age - age.mean()])
    return np.where(second, -0.5, 0.5), nuisance, second


def made(kind, effect, nuisance, groups, n_covariates):
    if kind == "slope":
        return SlopeGiven(effect, nuisance)
    if kind == "groups":
        return HallGiven(effect, nuisance, groups)
    if "measures" in kind:
        return HotellingGiven(effect, nuisance, 2, n_covariates)
    return Given(effect, nuisance, n_covariates)


def data_of(kind, n, rng, n_covariates):
    p = 2 if "measures" in kind else 1
    data = rng.normal(size=(n, p + n_covariates, VOXELS))
    data[:, :p] += 0.7 * data[:, p:].sum(axis=1, keepdims=True) + 0.4
    data[: n // 3, 0] *= 2.5
    return data


def plain(kind, y, x, nuisance, b, groups):
    """One voxel by least squares: the statistic, for data y (n, p) and covariates b (n, m)."""
    model = np.column_stack([x, nuisance, b])
    n, k = model.shape
    inverse = np.linalg.inv(model.T @ model)
    coefficients = inverse @ model.T @ y
    rest = y - model @ coefficients
    if "measures" in kind:
        reduced = y - model[:, 1:] @ np.linalg.lstsq(model[:, 1:], y, rcond=None)[0]
        whole, error = reduced.T @ reduced, rest.T @ rest
        share = 1 - np.linalg.det(error) / np.linalg.det(whole)
        p = y.shape[1]
        return share / (1 - share) * (n - k - p + 1) / p
    rest, slope = rest[:, 0], coefficients[0, 0]
    if kind == "mean":
        return slope / np.sqrt(rest @ rest / (n - k) * inverse[0, 0])
    pull = (inverse @ model.T)[0]
    leverage = np.einsum("ij,jk,ik->i", model, inverse, model)
    if kind == "slope":
        return slope / np.sqrt(np.sum(pull**2 * rest**2 / (1 - leverage)))
    variance, cumulant, weight = np.empty(n), 0.0, np.empty(n)
    for group in (True, False):
        own = groups == group
        df = np.sum(1 - leverage[own])
        weight[own] = df / (rest[own] @ rest[own])
        factor = own.sum() / (df * (df - 1)) if df >= 2 else 0.0
        cumulant += factor * np.sum(pull[own] ** 3) * np.sum(rest[own] ** 3)
    variance = np.linalg.inv(model.T @ (weight[:, None] * model))[0, 0]
    t, k = slope / np.sqrt(variance), cumulant / variance**1.5
    return t + k / 6 + k * t**2 / 3 + k**2 * t**3 / 27


@pytest.mark.parametrize("n", [10, 21])
@pytest.mark.parametrize(
    ("kind", "flips"),
    [(kind, flips) for kind in KINDS for flips in (True, False) if flips or kind != "slope"],
)
def test_equal_to_least_squares_in_every_voxel(kind, n, flips):
    rng = np.random.default_rng(3)
    m = 2 if "measures" in kind else 1
    effect, nuisance, groups = design(kind, n, rng)
    data = data_of(kind, n, rng, m)
    statistic = made(kind, effect, nuisance, groups, m)
    p = statistic.measures
    fit = statistic.fit(data, np.empty(data.shape, statistic.work_type))
    y, b = data[:, :p], data[:, p:]
    for voxel in range(VOXELS):
        expected = plain(kind, y[..., voxel], effect, nuisance, b[..., voxel], groups)
        assert fit.statistic[voxel] == pytest.approx(expected, rel=1e-9)
    drawn = sign_flips(n, 30, 1) if flips else shuffles(statistic.design, 30, 1)
    out = np.empty((len(drawn), VOXELS), np.float32)
    statistic.batch(drawn)(fit.work, out)
    found = statistic.to_statistic(out)
    tolerance = 1e-6 if n == 10 else 2e-4
    for row in range(len(drawn)):
        for voxel in range(VOXELS):
            reduced = np.column_stack([nuisance, b[..., voxel]])
            own = y[..., voxel]
            rest = own - reduced @ np.linalg.lstsq(reduced, own, rcond=None)[0]
            given, of = b[..., voxel], (effect, nuisance, groups)
            if flips:
                rest = rest * drawn.signs[row][:, None]
            else:
                # People get other rows of the design, and keep data and covariates.
                given = given - nuisance @ np.linalg.lstsq(nuisance, given, rcond=None)[0]
                of = tuple(None if column is None else column[drawn.order[row]] for column in of)
            expected = plain(kind, rest, *of[:2], given, of[2])
            assert found[row, voxel] == pytest.approx(expected, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_a_covariate_that_says_nothing_changes_only_a_degree_of_freedom(kind):
    """Zero baselines, as where a voxel has none: the model is that without them."""
    rng, n = np.random.default_rng(4), 20
    effect, nuisance, groups = design(kind, n, rng)
    m = 2 if "measures" in kind else 1
    data = data_of(kind, n, rng, m)
    own = made(kind, effect, nuisance, groups, m)
    p = own.measures
    data[:, p:] = 0
    fit = own.fit(data)
    if "measures" in kind:
        other = Hotelling(effect, nuisance, 2)
        scale = own.df_error / other.df_error
    else:
        other = {"mean": Student, "slope": Slope}.get(kind, Hall)(
            effect, nuisance, *([groups] if kind == "groups" else [])
        )
        scale = np.sqrt(own.df / other.df) if kind == "mean" else 1
    expected = other.fit(data[:, :p] if p > 1 else data[:, 0])
    assert fit.statistic == pytest.approx(scale * expected.statistic, rel=1e-9)
    assert fit.effect == pytest.approx(expected.effect, rel=1e-9)
    assert own.df == other.df - m


@pytest.mark.parametrize("kind", KINDS)
def test_few_covariates_in_many_units_do_not_matter(kind):
    """The statistic is the same for covariates times a number, or plus the nuisance."""
    rng, n = np.random.default_rng(5), 18
    effect, nuisance, groups = design(kind, n, rng)
    m = 2 if "measures" in kind else 1
    data = data_of(kind, n, rng, m)
    statistic = made(kind, effect, nuisance, groups, m)
    first = statistic.fit(data).statistic
    data[:, statistic.measures :] *= 1e4
    data[:, statistic.measures :] += nuisance[:, -1][:, None, None]
    assert statistic.fit(data).statistic == pytest.approx(first, rel=1e-7)


@pytest.mark.parametrize("n", [9, 16])
def test_inference_on_maps(n):
    """p of a voxel is the share of arrangements whose statistic reaches its own."""
    rng = np.random.default_rng(6)
    effect, nuisance, _ = design("mean", n, rng)
    data = data_of("mean", n, rng, 1)
    statistic = Given(effect, nuisance)
    drawn = sign_flips(n, 99, 2)
    mask = np.ones((VOXELS, 1, 1), bool)
    found = infer([data], statistic, drawn, mask, cluster_forming_p=0.05, tfce=True, tail=False)
    values = np.empty((len(drawn), VOXELS))
    for row, voxel in np.ndindex(values.shape):
        reduced = np.column_stack([nuisance, data[:, 1, voxel]])
        own = data[:, :1, voxel]
        rest = own - reduced @ np.linalg.lstsq(reduced, own, rcond=None)[0]
        rest = rest * drawn.signs[row][:, None]
        values[row, voxel] = plain("mean", rest, effect, nuisance, data[:, 1:, voxel], None)
    observed = np.abs(found.statistic[0])
    expected = np.mean(np.abs(values) >= observed * (1 - 1e-6), axis=0)
    assert found.p_uncorrected[0] == pytest.approx(expected)
    largest = np.abs(values).max(axis=1)
    expected = np.mean(largest[:, None] >= observed * (1 - 1e-6), axis=0)
    assert found.p_voxel[0] == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_covariate_that_is_the_same_everywhere_is_a_column_of_the_model(kind):
    """Every number is that of the statistic with the covariate among its nuisance columns."""
    rng, n = np.random.default_rng(7), 19
    effect, nuisance, groups = design(kind, n, rng)
    m = 2 if "measures" in kind else 1
    data = data_of(kind, n, rng, m)
    own = made(kind, effect, nuisance, groups, m)
    p = own.measures
    data[:, p:] = rng.normal(size=(n, m, 1))
    wider = np.column_stack([nuisance, data[:, p:, 0]])
    if "measures" in kind:
        other = Hotelling(effect, wider, 2)
    else:
        other = {"mean": Student, "slope": Slope}.get(kind, Hall)(
            effect, wider, *([groups] if kind == "groups" else [])
        )
    y = data[:, :p] if p > 1 else data[:, 0]
    fit, expected = own.fit(data), other.fit(y)
    for name in ("statistic", "effect", "standard_error", "t"):
        np.testing.assert_allclose(getattr(fit, name), getattr(expected, name), rtol=1e-8)
    if kind != "slope":  # whose degrees of freedom are those without covariates
        np.testing.assert_allclose(fit.degrees_of_freedom, expected.degrees_of_freedom, rtol=1e-8)
    if kind == "groups":
        variances, df, counts = own.group_variances(data)
        expected_variances, expected_df, expected_counts = other.group_variances(y)
        np.testing.assert_allclose(variances, expected_variances, rtol=1e-8)
        np.testing.assert_allclose(df, np.tile(expected_df[:, None], VOXELS), rtol=1e-8)
        np.testing.assert_array_equal(counts, expected_counts)
        for found, wanted in zip(own.estimate_error(data), other.estimate_error(y), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-8)
    if p == 1:
        np.testing.assert_allclose(own.effect_variances(data), other.effect_variance, rtol=1e-8)
    drawn = sign_flips(n, 40, 1)
    scores = np.empty((2, len(drawn), VOXELS), np.float32)
    own.batch(drawn)(fit.work, scores[0])
    other.batch(drawn)(expected.work, scores[1])
    np.testing.assert_allclose(
        own.to_statistic(scores[0]), other.to_statistic(scores[1]), rtol=1e-3, atol=1e-4
    )
