"""The test of a mean over voxels: held against least squares and all sign flips, done by hand."""

from itertools import product

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.order import group_difference
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import question
from crossfc.group.region_mean import mean_test, region_mean
from tests.group.analysis_options import analysis_options

GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "pgACC", "dACC"]
FLIPS = analysis_options(permutations=5000, drug_arrangement="sign flips", tail=False)


@pytest.fixture
def pairs():
    """Nine patients and seven controls, a period effect, an effect in the first three voxels."""
    rng = np.random.default_rng(5)
    n = 16
    code = np.where(np.arange(n) % 2, 1.0, -1.0)
    delta = rng.standard_normal((n, 3, 8)) + 0.8 * code[:, None, None]
    delta[:9, 0, :3] += 1.2
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{k:02}" for k in range(n)],
            "group": ["TRD"] * 9 + ["HV"] * 7,
            "sequence": ["placebo-ketamine" if c > 0 else "ketamine-placebo" for c in code],
            "sequence_code": code,
            "delta_MADRS": rng.integers(-12, 3, n).astype(float),
        }
    )
    record = {
        "seeds": SEEDS, "groups": GROUPS, "treatments": TREATMENTS, "contrast": "drug",
        "effect": "ketamine", "order": ["sequence_code"], "arms": False, "level": "session",
    }  # fmt: skip
    mask = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4))
    return Pairs(record, people, delta.astype(np.float32), None, mask)


def asked(name):
    return question(name, GROUPS, TREATMENTS)


def by_hand(y, code):
    """Least squares of y on 1 and the order: intercept, its error, t."""
    x = np.column_stack([np.ones(len(y)), code])
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ beta
    error = np.sqrt(residual @ residual / (len(y) - 2) * np.linalg.inv(x.T @ x)[0, 0])
    return beta[0], error, beta[0] / error


def test_a_mean_is_the_intercept_and_its_p_that_of_all_sign_flips(pairs):
    found = mean_test(asked("drug_TRD"), pairs, np.arange(3), [0], FLIPS)
    y = pairs.delta[:9, 0, :3].mean(axis=1, dtype=float)
    code = pairs.people["sequence_code"].to_numpy()[:9]
    effect, error, t = by_hand(y, code)
    reach = stats.t.ppf(0.975, 7) * error
    assert (found.n, found.df, found.statistic, found.unit) == (9, 7, "t", "Fisher z")
    assert found.estimate == pytest.approx(effect, rel=1e-5)
    assert found.value == pytest.approx(t, rel=1e-5)
    assert (found.low, found.high) == pytest.approx((effect - reach, effect + reach), rel=1e-5)
    # Freedman and Lane: the residuals without the effect are flipped.
    x = code[:, None]
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    flipped = [abs(by_hand(np.array(s) * rest, code)[2]) for s in product((1, -1), repeat=9)]
    reached = np.array(flipped) >= abs(t) * (1 - 1e-6)
    assert found.p == pytest.approx(reached.mean())
    assert found.adjusted_for == "sequence_code"


def test_a_difference_of_groups_is_welchs(pairs):
    found = mean_test(asked("group_by_drug"), pairs, np.arange(8), [0], FLIPS)
    y, code = pairs.delta[:, 0].mean(axis=1, dtype=float), pairs.people["sequence_code"].to_numpy()
    x = np.column_stack([np.repeat([0.5, -0.5], [9, 7]), np.ones(16), code])
    assert found.estimate == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0][0], rel=1e-5)
    # As scores are compared.
    told = group_difference(y, np.arange(16) < 9, x[:, 1:])[0]
    numbers = found.estimate, found.low, found.high, found.value, found.df
    assert numbers == pytest.approx((told.estimate, told.low, told.high, told.t, told.df), rel=1e-5)
    assert 0 < found.p < 1


def test_the_pooled_and_the_differences_between_seeds_have_all_seeds(pairs):
    pooled = mean_test(asked("drug_TRD_pooled"), pairs, np.arange(8), range(3), FLIPS)
    y = pairs.delta[:9].mean(axis=(1, 2), dtype=float)
    effect = by_hand(y, pairs.people["sequence_code"].to_numpy()[:9])[0]
    assert pooled.estimate == pytest.approx(effect, rel=1e-5)
    apart = mean_test(asked("drug_TRD_by_subregion"), pairs, np.arange(8), range(3), FLIPS)
    assert apart.statistic == "F" and np.isnan(apart.low) and 0 < apart.p <= 1


def test_a_slope_is_per_point_of_the_score(pairs):
    found = mean_test(asked("change_MADRS"), pairs, np.arange(8), [1], FLIPS)
    y = pairs.delta[:9, 1].mean(axis=1, dtype=float)
    own = pairs.people.iloc[:9]
    x = np.column_stack([own["delta_MADRS"], np.ones(9), own["sequence_code"]])
    assert found.estimate == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0][0], rel=1e-4)
    assert found.unit == "Fisher z per point"


def test_people_who_are_left_out_are_out(pairs):
    keep = np.arange(16) != 0
    found = mean_test(asked("drug_TRD"), pairs, np.arange(3), [0], FLIPS, keep)
    y = pairs.delta[1:9, 0, :3].mean(axis=1, dtype=float)
    effect = by_hand(y, pairs.people["sequence_code"].to_numpy()[1:9])[0]
    assert (found.n, found.estimate) == (8, pytest.approx(effect, rel=1e-5))


def test_too_few_people_are_told(pairs):
    found = mean_test(asked("drug_TRD"), pairs, np.arange(3), [0], FLIPS, np.arange(16) < 2)
    assert np.isnan(found.p) and "drug_TRD" in found.because and found.n == 2


def test_the_mean_is_over_the_voxels_of_each_seed(pairs):
    own = region_mean(pairs, np.array([1, 5]), [2, 0])
    assert own.record["seeds"] == ["dACC", "sgACC"] and pairs.record["seeds"] == SEEDS
    expected = pairs.delta[:, [2, 0]][..., [1, 5]].mean(axis=-1)
    np.testing.assert_allclose(own.delta[..., 0], expected, rtol=1e-6)


def test_voxels_count_by_their_weights(pairs):
    weights = np.array([1.0, 0.25])
    own = region_mean(pairs, np.array([1, 5]), [2], weights=weights)
    wanted = (pairs.delta[:, 2, 1] + 0.25 * pairs.delta[:, 2, 5]) / 1.25
    np.testing.assert_allclose(own.delta[:, 0, 0], wanted, rtol=1e-6)
