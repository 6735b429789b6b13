"""Error rates, bias and coverage of designs beyond two by two: the core of the benchmark.

The whole is `benchmarks/error_rates_designs.py`, whose figures stand in docs/statistics.md. Sheets
become contrasts, columns and models by the functions that the workflow uses.
"""

import importlib
import sys

import numpy as np
import pytest
from scipy import stats

pytestmark = pytest.mark.slow

SETS = 500
LOW, HIGH = stats.binom.ppf([0.025, 0.975], SETS, 0.05) / SETS  # of a true 5 %


@pytest.fixture(scope="module")
def designs(root):
    """The module of the benchmark."""
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        yield importlib.import_module("error_rates_designs")
    finally:
        sys.path.remove(str(root / "benchmarks"))


def holds(hits):
    """By voxel 5 % within the binomial range; clusters are counted in whole voxels, so at most."""
    voxel, cluster = np.mean(hits, axis=0)
    assert LOW <= voxel <= HIGH
    assert cluster <= HIGH


def unbiased(estimates, covered, truth):
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth) < 3 * error
    low, high = stats.binom.ppf([0.005, 0.995], len(covered), 0.95) / len(covered)
    assert low <= np.mean(covered) <= high


@pytest.mark.parametrize("period", [0.0, 0.8, 1.6])
def test_williams_with_drop_outs(designs, tmp_path, period):
    """Three treatments, effects of periods, and a fifth of the people dropping out."""
    rng = np.random.default_rng([18, int(10 * period), 2])
    hits, estimates, covered = [], [], []
    for seed in range(SETS):
        own = designs.williams(tmp_path, 18, 0.2, rng)
        low, high = own.contrasts
        maps = designs.data_of(own, rng, period, 0.0, {"high": 0.7})
        hits.append(
            designs.analysed(own, low, "low_HV", *designs.differences(own, low, maps), seed)
        )
        values, people = designs.differences(own, high, maps)
        order = designs.order_columns(people, high.sides, own.visit_columns(high))
        test = designs.by_order(values[:, 62], order)[0]
        estimates.append(test.estimate)
        covered.append(test.low <= 0.7 <= test.high)
    holds(hits)
    unbiased(estimates, covered, 0.7)


def test_the_baseline_as_a_covariate(designs, tmp_path):
    """Two treatments with a baseline each; two scans of a day have 0.6 of their variance alike."""
    n, rng = 16, np.random.default_rng([16, 6])
    people, sessions = [], []
    for i in range(n):
        order = ("drug", "placebo") if i % 2 else ("placebo", "drug")
        people.append((f"sub-{i:02d}", "HV", "-".join(order)))
        sessions += [
            (f"sub-{i:02d}", f"ses-{label}{when}", label, str(period), when)
            for period, label in enumerate(order, 1)
            for when in ("pre", "post")
        ]
    keys = {"groups": ["HV"], "treatments": ["placebo", "drug"], "occasions": ["pre", "post"]}
    own = designs.trial(tmp_path, people, sessions, baseline_occasion="pre", **keys)
    (contrast,) = own.contrasts
    hits, estimates, covered = [], [], []
    for seed in range(SETS):
        person = dict(zip((p for p, _, _ in people), 2 * designs.noise(rng, n), strict=True))
        day, maps = {}, {}
        for s in own.sessions:
            key = s.participant_id, s.period
            day.setdefault(key, np.sqrt(0.6) * designs.noise(rng, 1)[0])
            value = person[s.participant_id] + day[key] + np.sqrt(0.4) * designs.noise(rng, 1)[0]
            value = value + 0.8 * (s.period - 1) + 0.4 * (s.occasion == "post")
            maps[s.participant_id, s.session_id] = value
        values, table = designs.differences(own, contrast, maps)
        given = designs.baselines_of(own, contrast, maps)
        hits.append(designs.analysed(own, contrast, "drug_HV", values, table, seed, given))
        order = designs.order_columns(table, contrast.sides, own.visit_columns(contrast))
        test = designs.by_order(values[:, 62], order, given[:, 62])[0]
        estimates.append(test.estimate)
        covered.append(test.low <= 0 <= test.high)
    holds(hits)
    unbiased(estimates, covered, 0.0)


@pytest.mark.parametrize("smallest", [1.0, 2.0])
def test_three_groups(designs, tmp_path, smallest):
    """Welch's F of three groups, the smallest of which may vary twice as much."""
    rng = np.random.default_rng([3, int(smallest)])
    own = designs.crossed(tmp_path, (8, 12, 16))
    (contrast,) = own.contrasts
    nothing = {(s.participant_id, s.session_id): 0.0 for s in own.kept_sessions()}
    _, people = designs.differences(own, contrast, nothing)
    scale = np.where(people["group"] == "A", smallest, 1.0)[:, None]
    holds(
        [
            designs.analysed(
                own, contrast, "group_by_drug", scale * designs.noise(rng, 36), people, seed
            )
            for seed in range(SETS)
        ]
    )


def test_two_arms(designs, tmp_path):
    """Two parallel arms before and after; what time does to people is skewed."""
    rng = np.random.default_rng([2, 15])
    people = [(f"sub-{i:02d}", "MDD", "n/a") for i in range(24)]
    sessions = [
        (person, f"ses-{when}", ("drug", "placebo")[i % 2], "n/a", when)
        for i, (person, _, _) in enumerate(people)
        for when in ("pre", "post")
    ]
    keys = {"groups": ["MDD"], "treatments": ["placebo", "drug"], "occasions": ["pre", "post"]}
    own = designs.trial(tmp_path, people, sessions, **keys)
    (contrast,) = own.contrasts
    hits = []
    for seed in range(SETS):
        maps = designs.data_of(own, rng, 0.0, 0.0, {})
        changed = dict(zip((p for p, _, _ in people), designs.noise(rng, 24, 1.5), strict=True))
        for person, when in maps:
            if when == "ses-post":
                maps[person, when] = maps[person, when] + changed[person]
        values, table = designs.differences(own, contrast, maps)
        hits.append(designs.analysed(own, contrast, "group_by_time", values, table, seed))
    holds(hits)
