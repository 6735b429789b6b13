"""Correction over a family of analyses against counting by hand and against known error rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.inference.family import joint_p, require_same_arrangements


def within(observed, null):
    """p corrected within an analysis, as inference counts it."""
    return np.array([np.mean(null >= value) for value in np.ravel(observed)])


def by_hand(p_within, nulls):
    """Westfall and Young's min-p, one arrangement after the other."""
    smallest = [
        min(np.mean(null >= null[number]) for null in nulls) for number in range(len(nulls[0]))
    ]
    return [
        np.array([sum(least <= value + 1e-9 for least in smallest) / len(smallest) for value in p])
        for p in p_within
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_analyses=st.integers(1, 4),
    n_arrangements=st.integers(2, 60),
    whole=st.booleans(),
)
def test_joint_p_are_what_counting_gives(seed, n_analyses, n_arrangements, whole):
    rng = np.random.default_rng(seed)
    nulls = rng.gamma(2, size=(n_analyses, n_arrangements)) * rng.gamma(1, size=(n_analyses, 1))
    if whole:  # with many ties
        nulls = np.round(nulls * 2).astype(np.int32)
    observed = [null[0] * np.array([1.0, 0.9, 0.5, 0.0]) for null in nulls]
    p = [within(values, null) for values, null in zip(observed, nulls, strict=True)]
    found = joint_p(p, nulls)
    for values, expected, before in zip(found, by_hand(p, nulls), p, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-12)
        # No smaller than within, and no larger than Bonferroni's.
        assert (values >= before).all() and (values <= n_analyses * before + 1e-12).all()
    # What is written to an image and read again gives the same.
    for values, again in zip(found, joint_p([np.float32(v) for v in p], nulls), strict=True):
        np.testing.assert_allclose(again, values, rtol=1e-6)


def test_one_analysis_keeps_its_p():
    null = np.random.default_rng(0).gumbel(size=500)
    p = within(np.linspace(-1, null[0], 50), null).reshape(5, 10)
    assert np.array_equal(joint_p([p], [null])[0], p)


def test_an_analysis_twice_is_the_analysis_once():
    null = np.random.default_rng(0).gumbel(size=500)
    p = within(np.linspace(-1, null[0], 50), null)
    assert all(np.array_equal(joint, p) for joint in joint_p([p, p], [null, 3 * null + 1]))


def test_under_equal_nulls_it_is_the_maximum_over_analyses():
    rng = np.random.default_rng(1)
    nulls = rng.gumbel(size=(3, 5001))
    nulls[:, 0] = [2, 4, 6]
    observed = np.linspace(0, 6, 40)
    p = within(observed, nulls[2])
    joint = joint_p([within([2], nulls[0]), within([4], nulls[1]), p], nulls)[2]
    expected = within(observed, nulls.max(axis=0))
    # Each analysis has its own sample of one distribution.
    np.testing.assert_allclose(joint, expected, atol=0.02)
    low = expected < 0.05
    np.testing.assert_allclose(joint[low], expected[low], atol=5 / 5001 + 0.15 * 0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_family_wise_error_is_held_over_different_statistics(correlation):
    # Two analyses of different statistic and one that repeats the first but for noise, in 200
    # voxels each; all arrangements are exchangeable with what was observed.
    rng = np.random.default_rng(3)
    false, separate, repeats, level = 0, 0, 3000, 0.05
    for _ in range(repeats):
        shared = rng.standard_normal(120)
        normal = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal(
            (3, 120)
        )
        quantile = stats.norm.sf(normal)
        nulls = [-np.log(quantile[0]), 1 / quantile[1], np.round(-5 * np.log(quantile[2]))]
        p = [within(null[0], null) for null in nulls]
        false += min(joint.item() for joint in joint_p(p, nulls)) <= level
        separate += min(values.item() for values in p) <= level
    spread = np.sqrt(level * (1 - level) / repeats)
    # Counting gives 6 of 120 at most; joint p is coarse where several analyses share a rank.
    assert false / repeats < level + 4 * spread
    assert false / repeats > level - 0.02
    assert separate / repeats > level + 8 * spread  # what the correction is for


def test_p_from_a_tail_are_counted_and_not_made_smaller():
    nulls = np.random.default_rng(4).gumbel(size=(2, 1001))
    nulls[:, 0] = 50
    tiny, one, two = (joint_p([np.array([p]), np.ones(1)], nulls)[0]
                      for p in (1e-6, 1 / 1001, 1.3 / 1001))  # fmt: skip
    assert tiny == one and one >= 1 / 1001
    assert two == joint_p([np.array([2 / 1001]), np.ones(1)], nulls)[0]


def test_nulls_of_different_length_are_refused():
    with pytest.raises(Fault, match=r"\[100, 200\] arrangements.*n_permutations"):
        joint_p([np.ones(1)] * 2, [np.arange(100.0), np.arange(200.0)])


RECORD = {
    "analysis": "drug",
    "arrangement": "sign flips",
    "n_permutations": 5000,
    "n": {"TRD": 12, "HC": 12},
    "arrangement_digest": "0123456789abcdef",
}


def test_the_same_arrangements_pass():
    require_same_arrangements([RECORD, RECORD | {"analysis": "drug-change"}])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"n": {"TRD": 12}}, "people (12 TRD + 12 HC and 12 TRD)"),
        ({"arrangement": "shuffles"}, "kinds of arrangement (sign flips and shuffles)"),
        ({"n_permutations": 1000}, "numbers of permutations (5000 and 1000)"),
        ({}, "people, seeds of the random numbers, exchangeability blocks"),
    ],
)
def test_other_arrangements_are_refused_by_name_and_reason(changed, reason):
    other = RECORD | changed | {"analysis": "group", "arrangement_digest": "fedcba9876543210"}
    with pytest.raises(Fault) as caught:
        require_same_arrangements([RECORD, RECORD, other])
    assert "analyses drug and group" in str(caught.value) and reason in str(caught.value)
