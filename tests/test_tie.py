"""Equal changes are ties, and signed ranks are exact with ties and zeros among them."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from crossfc.clinic.coefficient import correlate
from crossfc.clinic.rank import wilcoxon_p
from crossfc.clinic.robust_correlation import bend, kept
from crossfc.clinic.score import paired_scores
from crossfc.tie import difference, rank_sum_p, rounded, signed_rank_p


def enumerated(differences):
    """P of signed ranks by trying all flips of what is not zero."""
    left = differences[differences != 0]
    ranks = stats.rankdata(np.abs(left))
    sums = np.array(list(product([0, 1], repeat=len(left)))) @ ranks
    far = np.abs(sums - ranks.sum() / 2)
    return np.mean(far >= abs(ranks[left > 0].sum() - ranks.sum() / 2) - 1e-9)


@pytest.mark.parametrize(
    ("active", "control"),
    [
        ([0.3, 0.5, 0.7], [0.1, 0.3, 0.5]),
        ([100000.3, 0.3], [100000.1, 0.1]),
        ([0.1 + 0.2, 0.5], [0.1, 0.3]),  # sums in the sheet, with their rounding
        ([4 / 3, 7 / 3, 17 / 3], [1.0, 2.0, 16 / 3]),  # means of items
    ],
)
def test_equal_changes_are_equal_numbers(active, control):
    assert len(set(np.subtract(active, control))) > 1
    assert len(set(difference(active, control))) == 1
    assert set(difference(control, active)) == {-difference(active, control)[0]}


def test_rounding_leaves_what_is_no_tie():
    values = np.random.default_rng(0).normal(size=200)
    np.testing.assert_array_equal(rounded(values), values)
    np.testing.assert_array_equal(rounded([np.nan, 1 / 3, 0.0]), [np.nan, 1 / 3, 0.0])
    assert rounded(np.array([])).size == 0
    np.testing.assert_array_equal(difference([1.5, np.nan], [1.25, 2.0]), [0.25, np.nan])


def test_signed_ranks_are_exact_with_ties_and_zeros():
    rng = np.random.default_rng(1)
    for _ in range(60):
        n = rng.integers(3, 12)
        changes = difference(rng.integers(0, 9, n) / 10, rng.integers(0, 9, n) / 10)
        if changes.any():
            assert wilcoxon_p(changes) == pytest.approx(enumerated(changes), abs=1e-12)


def test_decimals_do_not_change_signed_ranks():
    rng = np.random.default_rng(2)
    for _ in range(20):
        active, control = rng.integers(0, 20, (2, 9))
        whole = wilcoxon_p(active - control)
        assert wilcoxon_p(active / 10 - control / 10) == pytest.approx(whole, nan_ok=True)


def test_signed_ranks_without_ties_are_those_of_scipy():
    changes = np.random.default_rng(3).normal(0.3, 1, 45)
    assert signed_rank_p(changes) == pytest.approx(stats.wilcoxon(changes, method="exact").pvalue)
    many = np.random.default_rng(4).normal(0.05, 1, 420)
    approximate = stats.wilcoxon(many, method="asymptotic").pvalue
    assert signed_rank_p(many) == pytest.approx(approximate)


def test_the_table_of_scores_holds_rounded_changes():
    import pandas as pd

    rows = {"participant_id": ["a", "b"], "group": "TRD", "sequence": "n/a", "scale": "X"}
    scores = pd.DataFrame(rows | {"active": [0.3, 0.5], "control": [0.1, 0.3]})
    assert paired_scores(scores, ["TRD"], ["X"])["delta"].tolist() == [0.2, 0.2]


def test_correlations_do_not_depend_on_the_unit_of_a_scale():
    """Tenths of whole points have the ties of whole points: ranks, bending, skipping."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(16, 1))
    active, control = rng.integers(0, 6, (2, 16, 1))
    shuffles = rng.permuted(np.tile(np.arange(16), (200, 1)), axis=1)
    rest = np.empty((16, 0)), shuffles
    whole = correlate(x, (active - control).astype(float), *rest)
    tenth = correlate(x, active / 10 - control / 10, *rest)
    for name in whole:
        if not name.startswith("partial"):
            np.testing.assert_allclose(tenth[name], whole[name], rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(bend(active / 10 - control / 10), bend(active - control), rtol=1e-9)
    points = x[:, 0], (active / 10 - control / 10)[:, 0]
    np.testing.assert_array_equal(kept(*points), kept(x[:, 0], 1.0 * (active - control)[:, 0]))


def test_rank_sum_is_exact_with_ties():
    rng = np.random.default_rng(5)
    for n_first, n_second in ((1, 4), (3, 3), (4, 5)):
        values = rng.integers(0, 4, n_first + n_second).astype(float)
        ranks = stats.rankdata(values)
        far = [
            abs(ranks[list(chosen)].mean() - ranks.mean())
            for chosen in combinations(range(len(values)), n_first)
        ]
        expected = np.mean(np.array(far) >= far[0] - 1e-9)
        assert rank_sum_p(values[:n_first], values[n_first:]) == pytest.approx(expected)


def test_rank_sum_is_that_of_scipy_without_ties_and_normal_with_many():
    rng = np.random.default_rng(6)
    few, many = rng.standard_normal(20), np.round(rng.standard_normal(260), 1)
    exact = stats.mannwhitneyu(few[:7], few[7:], method="exact").pvalue
    assert rank_sum_p(few[:7], few[7:]) == pytest.approx(exact)
    near = stats.mannwhitneyu(many[:90], many[90:], use_continuity=False, method="asymptotic")
    assert rank_sum_p(many[:90], many[90:]) == pytest.approx(near.pvalue)
