"""REML with Kenward and Roger's tests of nested random effects, against R.

R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2, nlme 3.1-162. `read` and `show` are:

read <- function(n) {
  x <- read.delim(paste0("tests/clinic/data/", n, ".tsv"))
  for (v in setdiff(names(x), c("value", "day", "nitrogen"))) x[[v]] <- factor(x[[v]])
  x
}
tight <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
  optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-14, ftol_abs = 1e-16,
                 xtol_rel = 1e-14, ftol_rel = 1e-16, maxeval = 1e5))
show <- function(m) {
  print(as.data.frame(VarCorr(m))[, c("grp", "vcov")], digits = 12)
  print(summary(m, ddf = "Kenward-Roger")$coefficients[, 1:3], digits = 12)
}
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.reml import Effect, block_reml, reml

DATA = Path(__file__).parent / "data"


def read(name, without=()):
    """Read a data set, without rows that are numbered as in R."""
    table = pd.read_csv(DATA / f"{name}.tsv", sep="\t")
    return table.drop(index=[number - 1 for number in without])


def numbers(*columns):
    """Number the combinations of labels."""
    return pd.factorize(pd.Series(zip(*columns, strict=True)))[0]


def dummies(column, levels):
    return [(column == level).to_numpy(float) for level in levels]


def fitted(values, columns, block, effects):
    """Fit in units of one SD, and return variances, and estimate, error and df of each column."""
    values = np.asarray(values, dtype=float)
    design, scale = np.column_stack([np.ones(len(values)), *columns]), values.std()
    effects = [*effects, Effect(np.arange(len(values)), np.ones(len(values)))]
    found = block_reml(values / scale, design, block, effects).scaled(scale)
    return found.variances, np.array([found.tested(term) for term in np.eye(design.shape[1])])


def of(unit):
    return Effect(unit, np.ones(len(unit)))


def assert_equal(found, variances, terms):
    """Six digits and more: lmer finds its optimum to about 1e-9, of variances to 1e-7 or so."""
    np.testing.assert_allclose(found[0], variances, rtol=2e-7)
    np.testing.assert_allclose(found[1], terms, rtol=1e-7)


def test_a_random_slope():
    """show(lmer(value ~ day + (1 | person) + (0 + day | person), read("sleepstudy"),
    control = tight))
    """
    x = read("sleepstudy")
    person = numbers(x["person"])
    found = fitted(
        x["value"], [x["day"]], person, [of(person), Effect(person, x["day"].to_numpy(float))]
    )
    terms = [
        (251.4051048485, 6.88538131187, 18.1874764247),
        (10.4672859596, 1.55956593500, 18.1874764247),
    ]
    assert_equal(found, (627.5690645335, 35.8581982308, 653.5838158068), terms)


def test_two_nested_effects_of_unbalanced_data():
    """Rows are left out as by Pinheiro and Bates (2000, Mixed-Effects Models in S, ch. 1.3).

    x <- read("machines")[-c(2, 3, 6, 8, 9, 12, 19, 20, 27, 33), ]
    show(lmer(value ~ treatment + (1 | person) + (1 | person:treatment), x, control = tight))
    """
    x = read("machines", (2, 3, 6, 8, 9, 12, 19, 20, 27, 33))
    person = numbers(x["person"])
    effects = [of(person), of(numbers(x["person"], x["treatment"]))]
    found = fitted(x["value"], dummies(x["treatment"], "BC"), person, effects)
    terms = [
        (52.35400009204, 2.49067253022, 8.71020590199),
        (7.96244533579, 2.21482626930, 10.08349102331),
        (13.91822213018, 2.20941910612, 9.98890401633),
    ]
    assert_equal(found, (22.455780717238, 14.233989965935, 0.870868659097), terms)


def test_split_plots_with_missing_ones():
    """x <- read("oats")[-c(5, 18, 30, 31, 44, 60), ]
    show(lmer(value ~ nitrogen + variety + (1 | block) + (1 | block:variety), x, control = tight))
    """
    x = read("oats", (5, 18, 30, 31, 44, 60))
    block = numbers(x["block"])
    columns = [x["nitrogen"], *dummies(x["variety"], ("Marvellous", "Victory"))]
    effects = [of(block), of(numbers(x["block"], x["variety"]))]
    found = fitted(x["value"], columns, block, effects)
    terms = [
        (79.86034135835, 8.17926154538, 11.1555557299),
        (76.33711605027, 7.24212523929, 47.6359254775),
        (7.72149263086, 7.35665498652, 10.3112638638),
        (-5.13647617343, 7.32834161971, 10.1556648696),
    ]
    assert_equal(found, (204.061478912, 112.115413022, 168.765673158), terms)


def test_children_with_missing_visits():
    """x <- read("orthodont")[-c(4, 11, 40, 67, 68, 90), ]
    show(lmer(value ~ group * occasion + (1 | person), x, control = tight))
    """
    x = read("orthodont", (4, 11, 40, 67, 68, 90))
    person = numbers(x["person"])
    male, *ages = dummies(x["group"], ["Male"]) + dummies(x["occasion"], ("y12", "y14", "y8"))
    found = fitted(x["value"], [male, *ages, *(male * age for age in ages)], person, [of(person)])
    terms = [
        (22.228562017801, 0.708894557904, 50.6085763669),
        (1.583937982199, 0.911608646887, 49.1762198431),
        (0.931210229657, 0.661350301457, 70.2693175595),
        (1.881210229657, 0.661350301457, 70.2693175595),
        (-1.046743835982, 0.639222684448, 69.4128042054),
        (1.070842493998, 0.844168425113, 69.8879950820),
        (1.653067971532, 0.851790779908, 69.9863634607),
        (0.109243835982, 0.820079536754, 69.2591058510),
    ]
    assert_equal(found, (3.14458284334, 2.11139845031), terms)


def test_batches_that_are_less_alike_than_chance():
    """lmer stops at zero here; compound symmetry does not, as the mean squares do not:

    print(gls(value ~ 1, read("dyestuff2"), correlation = corCompSymm(form = ~ 1 | person)))
    anova(lm(value ~ person, read("dyestuff2")))
    """
    x = read("dyestuff2")
    batch = numbers(x["person"])
    (between, within), ((mean, error, freedom),) = fitted(x["value"], [], batch, [of(batch)])
    np.testing.assert_allclose(between / (between + within), -0.0970284032212, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(between + within), 3.69106716455, rtol=1e-6)
    # Mean squares of batches and of what is left, 5 and 24 degrees of freedom, five a batch.
    np.testing.assert_allclose(within, 14.94588960, rtol=1e-8)
    np.testing.assert_allclose(between, (8.33632576 - 14.94588960) / 5, rtol=1e-8)
    # The mean is that of six means of batches, whatever they share.
    assert (mean, freedom) == pytest.approx((5.6656, 5))
    assert error == pytest.approx(np.sqrt(8.33632576 / 30), rel=1e-8)


def test_people_and_periods_against_the_likelihood_with_full_matrices():
    """The maximum, its curvature and the tests, from the formulas of the paper with V in full."""
    x = read("pressure").drop(index=[2, 19, 20, 21, 59, 61, 100, 139]).reset_index(drop=True)
    person, period = numbers(x["person"]), numbers(x["person"], x["period"])
    design = np.column_stack([np.ones(len(x)), *dummies(x["treatment"], "BC")])
    y = x["value"].to_numpy(float) / x["value"].std()
    shared = [unit[:, None] == unit for unit in (person, period, np.arange(len(x)))]
    shared = np.array(shared, dtype=float)

    def likelihood(variances):
        covariance = np.einsum("k,kij->ij", variances, shared)
        inverse = np.linalg.inv(covariance)
        information = design.T @ inverse @ design
        rest = y - design @ np.linalg.solve(information, design.T @ inverse @ y)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        return -0.5 * (logs + rest @ inverse @ rest)

    found = block_reml(y, design, person, [of(person), of(period), of(np.arange(len(x)))])
    best = likelihood(found.variances)
    assert best == pytest.approx(found.likelihood, abs=1e-9)
    for k in range(3):
        for step in (-1e-3, 1e-3):
            moved = found.variances + step * np.eye(3)[k]
            assert best - 2e-3 < likelihood(moved) < best

    # Kenward and Roger (1997), section 2, with P = V⁻¹ - V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹.
    inverse = np.linalg.inv(np.einsum("k,kij->ij", found.variances, shared))
    phi = np.linalg.inv(design.T @ inverse @ design)
    projection = inverse - inverse @ design @ phi @ design.T @ inverse
    expected = [[np.trace(projection @ a @ projection @ b) / 2 for a in shared] for b in shared]
    spread, inner = np.linalg.inv(expected), np.zeros((3, 3))
    first = [-design.T @ inverse @ a @ inverse @ design for a in shared]
    for k, a in enumerate(shared):
        for m, b in enumerate(shared):
            both = design.T @ inverse @ a @ inverse @ b @ inverse @ design
            inner += spread[k, m] * (both - first[k] @ phi @ first[m])
    adjusted = phi + 2 * phi @ inner @ phi
    for term in ((0, 1, 0), (0, 0, 1), (0, 1, -1), (1, 0.5, 0.25)):
        weights = np.array(term, dtype=float)
        change = [weights @ phi @ one @ phi @ weights for one in first]
        freedom = 2 * (weights @ phi @ weights) ** 2 / (change @ spread @ change)
        error = np.sqrt(weights @ adjusted @ weights)
        assert found.tested(weights)[1:] == pytest.approx((error, freedom), rel=1e-9)


def test_pairs_are_fitted_alike_in_rows_and_in_blocks():
    """Sums and differences of pairs are independent rows: two algorithms, one likelihood."""
    rng = np.random.default_rng(4)
    common = rng.normal(0, 1.5, (20, 1))
    y = common + rng.normal(0, 1, (20, 2)) + (0.3, 0)
    design = np.column_stack([np.ones(40), np.tile((0.5, -0.5), 20), rng.normal(size=40)])
    sums, differences = [(y[:, 0] + s * y[:, 1]) / np.sqrt(2) for s in (1, -1)]
    pairs = design.reshape(20, 2, 3)
    turned = np.concatenate([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]]) / np.sqrt(2)
    rows = reml(np.concatenate([sums, differences]), turned, np.repeat(np.eye(2), 20, axis=0))
    person = np.repeat(np.arange(20), 2)
    blocks = block_reml(y.ravel(), design, person, [of(person), of(np.arange(40))])
    between, within = blocks.variances
    np.testing.assert_allclose((2 * between + within, within), rows.variances, rtol=1e-8)
    tested = np.array([blocks.tested(term) for term in np.eye(3)])
    theirs = np.column_stack([rows.estimates, rows.errors, rows.freedom])
    np.testing.assert_allclose(tested, theirs, rtol=1e-8)


def test_people_without_variance_within_are_not_fitted():
    person = np.repeat(np.arange(8), 3)
    values = np.repeat(np.random.default_rng(2).normal(size=8), 3)
    effects = [of(person), of(np.arange(24))]
    assert block_reml(values, np.ones((24, 1)), person, effects) is None
