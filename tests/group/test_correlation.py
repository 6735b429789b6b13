"""Clinical correlations: exact p, known answers, calibration, and who is left out."""

import warnings
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.correlation import COLUMNS, LEFT, POINTS, clinical_correlation, correlate
from crossfc.group.resampling import bca_interval, permutation_p, shuffles_among, shuffles_of
from crossfc.group.robust_correlation import percentage_bend, skipped

TREATMENTS = {"active": "ketamine", "control": "placebo"}


def trial(rng, n=20, seeds=("sgACC", "pgACC"), targets=("PCC", "SMG"), group="TRD", scores=None):
    """Sessions and people of a trial with nothing in it; delta z is what the table says."""
    names = [f"sub-{group}{i:02d}" for i in range(n)]
    rows = [
        (name, treatment, seed, target, rng.normal())
        for name in names
        for treatment in ("ketamine", "placebo")
        for seed in seeds
        for target in targets
    ]
    columns = ["participant_id", "treatment", "seed", "target", "fisher_z"]
    people = pd.DataFrame(
        {
            "participant_id": names,
            "group": group,
            "sequence": [("ketamine-placebo", "placebo-ketamine")[i % 2] for i in range(n)],
            "sequence_code": [(-1.0, 1.0)[i % 2] for i in range(n)],
            "delta_mean_fd": rng.normal(0, 0.05, n),
            "delta_MADRS": rng.integers(-20, 8, n).astype(float),
            "delta_SHAPS": rng.normal(0, 4, n),
        }
    )
    return pd.DataFrame(rows, columns=columns), people


def run(targets, people, **settings):
    settings = {"n_permutations": 300, "n_bootstrap": 200, "random_seed": 1} | settings
    settings = {"groups": ["TRD"], "scales": ["MADRS", "SHAPS"]} | settings
    return clinical_correlation(targets, people, TREATMENTS, **settings)


def delta_of(targets, seed, target):
    part = targets[(targets["seed"] == seed) & (targets["target"] == target)]
    wide = part.pivot(index="participant_id", columns="treatment", values="fisher_z")
    return (wide["ketamine"] - wide["placebo"]).to_numpy()


def test_every_coefficient_is_that_of_its_definition():
    targets, people = trial(np.random.default_rng(0))
    table, points, left, notes = run(targets, people)
    assert list(table.columns) == COLUMNS and len(table) == 8
    assert table[["seed", "target", "scale"]].values.tolist()[:3] == [
        ["sgACC", "PCC", "MADRS"], ["sgACC", "PCC", "SHAPS"], ["sgACC", "SMG", "MADRS"],
    ]  # fmt: skip
    assert notes == [] and left.empty and list(left.columns) == LEFT
    nuisance = np.column_stack([np.ones(20), people[["sequence_code", "delta_mean_fd"]].to_numpy()])
    out = np.eye(20) - nuisance @ np.linalg.pinv(nuisance)
    for row in table.itertuples():
        x = delta_of(targets, row.seed, row.target)
        y = people[f"delta_{row.scale}"].to_numpy()
        assert row.n == 20
        assert row.pearson_r == pytest.approx(stats.pearsonr(x, y).statistic)
        assert row.spearman_rho == pytest.approx(stats.spearmanr(x, y).statistic)
        assert row.percentage_bend_r == pytest.approx(percentage_bend(x, y)[0])
        assert row.skipped_r == pytest.approx(float(skipped(x, y)))
        assert row.partial_r == pytest.approx(np.corrcoef(out @ x, out @ y)[0, 1])
        loo = [np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i in range(20)]
        assert (row.loo_min, row.loo_max) == pytest.approx((min(loo), max(loo)))
        here = points[
            (points["seed"] == row.seed)
            & (points["target"] == row.target)
            & (points["scale"] == row.scale)
        ]
        np.testing.assert_allclose(here["delta_fisher_z"], x)
        np.testing.assert_array_equal(here["delta_score"], y)
    assert list(points.columns) == POINTS


def test_permutation_p_is_close_to_that_of_student_where_both_hold():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 1))
    y = 0.4 * x + rng.standard_normal((30, 3))
    found = correlate(x, y, np.zeros((30, 0)), shuffles_of(30, 20_000, 0), 10, 0)
    for j in range(3):
        expected = stats.pearsonr(x[:, 0], y[:, j]).pvalue
        error = np.sqrt(expected * (1 - expected) / 20_000)
        assert found["p_permutation"][0, j] == pytest.approx(expected, abs=4 * error + 0.004)
    assert np.isnan(found["partial_r"]).all()  # nothing to partial out


@pytest.mark.parametrize("covariate", [False, True])
def test_p_of_few_people_is_exact(covariate):
    """All 720 arrangements of six people, one by one, with scipy and numpy."""
    rng = np.random.default_rng(2)
    targets, people = trial(rng, n=6, seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = [-5.0, -5, 2, -9, 0, 1]  # with a tie
    names = ("delta_mean_fd",) if covariate else ()
    row = run(targets, people, scales=["MADRS"], n_permutations=720, covariates=names).table.iloc[0]
    x, y = delta_of(targets, "sgACC", "PCC"), people["delta_MADRS"].to_numpy()

    def share(statistic):
        observed = abs(statistic(y))
        reached = [abs(statistic(y[list(p)])) >= observed - 1e-9 for p in permutations(range(6))]
        assert len(reached) == 720
        return np.mean(reached)

    assert row["p_permutation"] == pytest.approx(share(lambda v: stats.pearsonr(x, v).statistic))
    assert row["spearman_p"] == pytest.approx(share(lambda v: stats.spearmanr(x, v).statistic))
    assert row["percentage_bend_p"] == pytest.approx(share(lambda v: percentage_bend(x, v)[0]))
    assert np.isnan(row["skipped_r"]) and np.isnan(row["skipped_p"])
    if covariate:
        nuisance = np.column_stack([np.ones(6), people["delta_mean_fd"]])
        hat = nuisance @ np.linalg.pinv(nuisance)
        out = np.eye(6) - hat
        fitted, residual = hat @ y, out @ y

        def freedman_lane(order):
            return abs(np.corrcoef(out @ x, out @ (fitted + residual[list(order)]))[0, 1])

        observed = freedman_lane(range(6))
        exact = np.mean([freedman_lane(p) >= observed - 1e-9 for p in permutations(range(6))])
        assert row["partial_p"] == pytest.approx(exact)


def test_no_p_is_below_what_the_number_of_shuffles_allows():
    targets, people = trial(np.random.default_rng(3), seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = delta_of(targets, "sgACC", "PCC") * 10
    row = run(targets, people, scales=["MADRS"], n_permutations=99).table.iloc[0]
    assert row["pearson_r"] == pytest.approx(1)
    for name in ("p_permutation", "spearman_p", "percentage_bend_p", "skipped_p", "partial_p"):
        assert row[name] == pytest.approx(1 / 100)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((1, 1))


def test_sign_is_never_flipped():
    targets, people = trial(np.random.default_rng(4), seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = -delta_of(targets, "sgACC", "PCC")
    assert run(targets, people, scales=["MADRS"]).table["pearson_r"][0] == pytest.approx(-1)


def test_interval_is_the_bca_interval_of_scipy():
    rng = np.random.default_rng(5)
    x = rng.standard_normal(24)
    y = 0.6 * x + rng.exponential(1, 24)
    found = correlate(x[:, None], y[:, None], np.zeros((24, 0)), shuffles_of(24, 9, 0), 40_000, 0)
    expected = stats.bootstrap(
        (x, y),
        lambda a, b, axis: stats.pearsonr(a, b, axis=axis).statistic,
        paired=True,
        n_resamples=40_000,
        method="BCa",
        rng=np.random.default_rng(6),
    ).confidence_interval
    assert found["ci_low"][0, 0] == pytest.approx(expected.low, abs=0.02)
    assert found["ci_high"][0, 0] == pytest.approx(expected.high, abs=0.02)
    # The plain percentiles are another interval, so the test can tell.
    resampled = [np.corrcoef(x[i], y[i])[0, 1] for i in rng.integers(24, size=(4000, 24))]
    assert abs(np.quantile(resampled, 0.025) - expected.low) > 0.03


def test_bca_interval_corrects_bias_and_accelerates_as_scipy_does():
    """A skewed statistic, on scipy's own bootstrap samples: the same interval to rounding."""
    values = np.random.default_rng(16).exponential(1, 15) ** 2
    expected = stats.bootstrap(
        (values,), np.var, n_resamples=3000, method="BCa", rng=np.random.default_rng(17)
    )
    without_one = np.array([np.var(np.delete(values, i)) for i in range(15)])
    found = bca_interval(np.var(values), expected.bootstrap_distribution, without_one)
    assert found == pytest.approx(tuple(expected.confidence_interval), rel=1e-9)


def test_q_is_over_seed_target_and_scale_of_the_group():
    rng = np.random.default_rng(7)
    parts = [trial(rng, 20), trial(rng, 15, group="HV")]
    targets, people = (pd.concat(tables) for tables in zip(*parts, strict=True))
    people.loc[people["group"] == "HV", "delta_SHAPS"] = np.nan
    table, _, left, notes = run(targets, people, groups=["TRD", "HV"])
    assert table.groupby("group", sort=False)["n_tests"].first().to_dict() == {"TRD": 8, "HV": 4}
    for _, part in table.groupby("group"):
        expected = stats.false_discovery_control(part["p_permutation"])
        np.testing.assert_allclose(part["q_fdr"], expected)
    assert left.empty and notes == ["HV: nobody has a change of SHAPS; not tested"]


def test_missing_scores_leave_by_name_and_the_shuffles_stay_shared():
    targets, people = trial(np.random.default_rng(8))
    people.loc[[3, 7], "delta_MADRS"] = np.nan
    gone = (targets["participant_id"] == "sub-TRD05") & (targets["seed"] == "pgACC")
    targets = targets[~(gone & (targets["treatment"] == "placebo"))]
    table, points, left, _ = run(targets, people)
    n = table.set_index(["seed", "target", "scale"])["n"]
    assert n["sgACC", "PCC", "MADRS"] == 18 and n["sgACC", "PCC", "SHAPS"] == 20
    assert n["pgACC", "PCC", "MADRS"] == 17 and n["pgACC", "PCC", "SHAPS"] == 19
    assert left["participant_id"].tolist() == ["sub-TRD03", "sub-TRD07", "sub-TRD05", "sub-TRD05"]
    assert "MADRS" in left["reason"][0] and "pgACC to PCC" in left["reason"][2]
    counted = points.groupby(["seed", "target", "scale"]).size()
    assert (counted.sort_index() == n.sort_index()).all()
    # What is complete is as if nobody were missing anything else.
    whole, *_ = run(*trial(np.random.default_rng(8)))
    index = ["seed", "target", "scale"]
    complete = [("sgACC", "PCC", "SHAPS"), ("sgACC", "SMG", "SHAPS")]
    columns = [c for c in COLUMNS if c not in (*index, "group", "q_fdr")]
    pd.testing.assert_frame_equal(
        table.set_index(index).loc[complete, columns],
        whole.set_index(index).loc[complete, columns],
    )


def test_shuffles_among_some_are_shuffles_of_them():
    who = np.array([True, False, True, True, True, False, True, True, True])
    shuffles = shuffles_of(9, 7000, 0)
    among = shuffles_among(shuffles, who, 1000)
    assert among.shape == (7000, 7)
    assert (np.sort(among, axis=1) == np.arange(7)).all()
    # In the order they have among all.
    names = np.flatnonzero(who)
    expected = [v for v in shuffles[0] if who[v]]
    assert names[among[0]].tolist() == expected
    # Each of 42 beginnings is as likely as the others.
    counts = np.bincount(among[:, 0] * 7 + among[:, 1], minlength=49)
    counts = counts[counts > 0]
    assert len(counts) == 42 and stats.chisquare(counts).pvalue > 0.001
    few = shuffles_among(shuffles, np.arange(9) < 4, 1000)
    assert len(few) == 23 and len({tuple(row) for row in few}) == 23


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("sequence_code", [np.nan] + [1.0] * 19, "not known for everybody"),
        ("sequence_code", [1.0] * 20, "the same for all"),
        ("sequence_code", None, "not known for everybody"),
        ("sequence_code", "delta_mean_fd", "follows from the other"),
    ],
)
def test_a_covariate_that_cannot_be_used_is_dropped_with_a_note(column, values, said):
    targets, people = trial(np.random.default_rng(9), seeds=["sgACC"], targets=["PCC"])
    if values is None:
        people = people.drop(columns=column)
    elif isinstance(values, str):
        people[column] = 2 * people[values] + 1
    else:
        people[column] = values
    found = run(targets, people, scales=["MADRS"])
    kept_covariate = "sequence_code" if isinstance(values, str) else "delta_mean_fd"
    x, y, c = (
        delta_of(targets, "sgACC", "PCC"),
        people["delta_MADRS"].to_numpy(),
        people[kept_covariate].to_numpy(),
    )
    r_xy, r_xc, r_yc = (np.corrcoef(p)[0, 1] for p in ((x, y), (x, c), (y, c)))
    expected = (r_xy - r_xc * r_yc) / np.sqrt((1 - r_xc**2) * (1 - r_yc**2))
    assert found.table["partial_r"][0] == pytest.approx(expected)
    assert len(found.notes) == 1 and said in found.notes[0]


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_degenerate_data_are_na_without_warnings(n):
    targets, people = trial(np.random.default_rng(10), n)
    people["delta_MADRS"] = -3.0
    targets.loc[targets["target"] == "SMG", "fisher_z"] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table, _, _, notes = run(targets, people)
    assert table["target"].unique().tolist() == ["PCC"] and any("SMG" in n for n in notes)
    constant = table[table["scale"] == "MADRS"].drop(
        columns=["seed", "target", "scale", "group", "n", "n_tests"]
    )
    assert constant.isna().all(axis=None)
    varied = table[table["scale"] == "SHAPS"]
    assert varied["p_permutation"].notna().all() == (n >= 4)
    assert set(table["n_tests"]) == {2 if n >= 4 else 0}


def test_same_seed_same_tables_another_seed_other_p():
    targets, people = trial(np.random.default_rng(11))
    first, second = run(targets, people), run(targets, people)
    pd.testing.assert_frame_equal(first.table, second.table)
    other = run(targets, people, random_seed=2)
    assert (first.table["p_permutation"] != other.table["p_permutation"]).any()


def test_chosen_pairs_and_faults():
    targets, people = trial(np.random.default_rng(12))
    table = run(targets, people, pairs=[("pgACC", "SMG")]).table
    assert table[["seed", "target"]].drop_duplicates().values.tolist() == [["pgACC", "SMG"]]
    with pytest.raises(Fault, match="no seed pgACC with target insulaR"):
        run(targets, people, pairs=[("pgACC", "insulaR")])
    with pytest.raises(Fault, match="no column delta_TEPS"):
        run(targets, people, scales=["TEPS"])
    empty = run(targets, people, groups=["HV"])
    assert empty.table.empty and empty.points.empty and len(empty.notes) == 1


def test_p_is_uniform_when_there_is_nothing():
    """400 trials of 12 people with heavy tails, a dependent covariate, and no correlation."""
    rng = np.random.default_rng(13)
    shuffles = shuffles_of(12, 199, 0)
    names = ("p_permutation", "spearman_p", "percentage_bend_p", "skipped_p", "partial_p")
    p = {name: [] for name in names}
    for _ in range(400):
        covariate = rng.standard_normal((12, 1))
        x = rng.standard_t(3, (12, 1)) + covariate
        y = rng.standard_t(3, (12, 1))
        found = correlate(x, y, covariate, shuffles, 2, 0)
        for name in names:
            p[name].append(found[name][0, 0])
    for name in names:
        rejected = np.mean(np.array(p[name]) <= 0.05)
        # Binomial, 400 trials at 0.05: standard error 0.011.
        assert 0.015 < rejected < 0.09, name
        assert stats.kstest(p[name], "uniform").pvalue > 1e-3, name


def test_partial_p_holds_where_both_follow_the_covariate_and_plain_p_does_not():
    rng = np.random.default_rng(14)
    shuffles = shuffles_of(20, 199, 0)
    plain, partial = [], []
    for _ in range(300):
        covariate = rng.standard_normal((20, 1))
        x, y = (covariate + 0.7 * rng.standard_normal((20, 1)) for _ in range(2))
        found = correlate(x, y, covariate, shuffles, 2, 0)
        plain.append(found["p_permutation"][0, 0] <= 0.05)
        partial.append(found["partial_p"][0, 0] <= 0.05)
    assert np.mean(plain) > 0.5
    assert 0.01 < np.mean(partial) < 0.1


def test_permutation_p_works_in_blocks():
    rng = np.random.default_rng(15)
    a, b = (v / np.linalg.norm(v, axis=0) for v in rng.standard_normal((2, 10, 2)))
    shuffles = shuffles_of(10, 2345, 0)
    expected = np.ones((2, 2))
    for order in shuffles:
        expected += np.abs(a.T @ b[order]) >= np.abs(a.T @ b)
    np.testing.assert_allclose(permutation_p(a, b, shuffles), expected / 2346)
