"""Clinical correlations: exact p, known answers, calibration, and who is left out."""

import warnings
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.coefficient import correlate
from crossfc.clinic.correlation import COLUMNS, POINTS, clinical_correlation
from crossfc.clinic.robust_correlation import percentage_bend, skipped
from crossfc.clinic.shuffle import permutation_p, shuffles_among, shuffles_of, shuffles_within
from crossfc.clinic.studentised import Studentised, nuisance_basis
from crossfc.fault import Fault
from crossfc.trial.left import LEFT_COLUMNS

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
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(session_id="ses-" + table["treatment"]), people


def run(targets, people, **settings):
    settings = {"n_permutations": 300, "random_seed": 1} | settings
    settings = {"groups": ["TRD"], "scales": ["MADRS", "SHAPS"]} | settings
    return clinical_correlation(targets, people, TREATMENTS, **settings)


def delta_of(targets, seed, target):
    part = targets[(targets["seed"] == seed) & (targets["target"] == target)]
    wide = part.pivot(index="participant_id", columns="treatment", values="fisher_z")
    return (wide["ketamine"] - wide["placebo"]).to_numpy()


def given_order(x, y, code):
    """Partial correlation, by the formula of three correlations."""
    if len(set(code)) == 1:
        return np.corrcoef(x, y)[0, 1]
    r_xy, r_xc, r_yc = (np.corrcoef(p)[0, 1] for p in ((x, y), (x, code), (y, code)))
    return (r_xy - r_xc * r_yc) / np.sqrt((1 - r_xc**2) * (1 - r_yc**2))


def studentised(x, y, correlation):
    """Fisher z over its jackknife standard error, with everybody left out by hand."""
    n = len(x)
    each = [np.arctanh(correlation(np.delete(np.arange(n), i))) for i in range(n)]
    error = np.sqrt((n - 1) / n * np.sum((np.array(each) - np.mean(each)) ** 2))
    z = np.arctanh(correlation(np.arange(n)))
    return z, error


def test_every_coefficient_is_that_of_its_definition():
    targets, people = trial(np.random.default_rng(0))
    table, points, left, notes = run(targets, people)
    assert list(table.columns) == COLUMNS and len(table) == 8
    assert table[["seed", "target", "scale"]].values.tolist()[:3] == [
        ["sgACC", "PCC", "MADRS"], ["sgACC", "PCC", "SHAPS"], ["sgACC", "SMG", "MADRS"],
    ]  # fmt: skip
    assert notes == [] and left.empty and list(left.columns) == LEFT_COLUMNS
    nuisance = np.column_stack([np.ones(20), people[["sequence_code", "delta_mean_fd"]].to_numpy()])
    out = np.eye(20) - nuisance @ np.linalg.pinv(nuisance)
    code = people["sequence_code"].to_numpy()
    assert set(table["adjusted_for"]) == {"order of treatments"}
    assert set(table["unadjusted_because"]) == set(table["no_interval_because"]) == {""}
    assert set(table["partial_covariates"]) == {"sequence_code, delta_mean_fd"}
    for row in table.itertuples():
        x = delta_of(targets, row.seed, row.target)
        y = people[f"delta_{row.scale}"].to_numpy()
        assert row.n == row.pearson_n == 20
        assert row.pearson_r == pytest.approx(stats.pearsonr(x, y).statistic)
        assert row.r == pytest.approx(given_order(x, y, code))
        assert row.partial_r == pytest.approx(np.corrcoef(out @ x, out @ y)[0, 1])
        loo = [given_order(*(np.delete(of, i) for of in (x, y, code))) for i in range(20)]
        assert (row.loo_min, row.loo_max) == pytest.approx((min(loo), max(loo)))
        # Robust ones: no order's median is left.
        a, b = (v - np.where(code < 0, np.median(v[code < 0]), np.median(v[code > 0]))
                for v in (x, y))  # fmt: skip
        assert row.spearman_rho == pytest.approx(stats.spearmanr(a, b).statistic)
        assert row.percentage_bend_r == pytest.approx(percentage_bend(a, b)[0])
        assert row.skipped_r == pytest.approx(float(skipped(a, b)))
        here = points[
            (points["seed"] == row.seed)
            & (points["target"] == row.target)
            & (points["scale"] == row.scale)
        ]
        np.testing.assert_allclose(here["delta_fisher_z"], x)
        np.testing.assert_array_equal(here["delta_score"], y)
    assert list(points.columns) == POINTS


def test_p_and_interval_are_those_of_the_definition():
    """All arrangements of eight people within their orders, one by one, left out by hand."""
    rng = np.random.default_rng(2)
    code = np.array([-1, 1, 1, -1, -1, 1, -1, 1.0])
    x = rng.standard_normal(8)
    y = 0.9 * x + rng.standard_normal(8) + code

    def of(values):
        return lambda who: given_order(x[who], values[who], code[who])

    z, error = studentised(x, y, of(y))
    t = []
    for first in permutations(np.flatnonzero(code < 0)):
        for second in permutations(np.flatnonzero(code > 0)):
            arranged = y.copy()
            arranged[code < 0], arranged[code > 0] = y[list(first)], y[list(second)]
            shuffled, its_error = studentised(x, arranged, of(arranged))
            t.append(abs(shuffled / its_error))
    t = np.array(t)
    assert len(t) == 576
    by_shuffles, by_student = np.mean(t >= t[0] - 1e-9), 2 * stats.t.sf(t[0], 5)
    arrangements = shuffles_within(code, 1000, 0)
    found = correlate(x[:, None], y[:, None], np.zeros((8, 0)), arrangements, code)
    assert found["p_permutation"][0, 0] == pytest.approx(max(by_shuffles, by_student))
    # The interval holds 0 where p is above 0.05: the 28 farthest of 576 are below it.
    reach = max(np.sort(t)[-28], stats.t.isf(0.025, 5)) * error
    limits = found["ci_low"][0, 0], found["ci_high"][0, 0]
    assert limits == pytest.approx((np.tanh(z - reach), np.tanh(z + reach)))


@pytest.mark.parametrize("ordered", [False, True])
def test_an_interval_holds_zero_exactly_where_p_is_above_5_percent(ordered):
    rng = np.random.default_rng(17)
    code = np.where(np.arange(14) < 5, -1.0, 1.0) * ordered
    x = rng.standard_normal((14, 8))
    y = 0.55 * x[:, :1] + rng.standard_normal((14, 8))
    found = Studentised(x, y, nuisance_basis(code), shuffles_within(code, 499, 0))
    holds = (found.low < 0) & (found.high > 0)
    np.testing.assert_array_equal(holds, found.p > 0.05)
    assert 0.03 < np.mean(~holds) < 0.5


def test_partial_p_is_that_of_freedman_and_lane():
    """Residuals shuffled within orders, the covariates taken out again; all 144 arrangements."""
    rng = np.random.default_rng(3)
    code = np.array([-1, 1, 1, -1, -1, 1, 1.0])
    x, y, motion = rng.standard_normal((3, 7))
    nuisance = np.column_stack([np.ones(7), code, motion])

    def out(values, who):
        part = nuisance[who]
        return values - part @ np.linalg.lstsq(part, values, rcond=None)[0]

    def of(values):
        return lambda who: np.corrcoef(out(x[who], who), out(values[who], who))[0, 1]

    everybody = np.arange(7)
    residual = out(y, everybody)
    t = []
    for first in permutations(np.flatnonzero(code < 0)):
        for second in permutations(np.flatnonzero(code > 0)):
            arranged = residual.copy()
            arranged[code < 0], arranged[code > 0] = residual[list(first)], residual[list(second)]
            z, error = studentised(x, arranged, of(arranged))
            t.append(abs(z / error))
    expected = max(np.mean(np.array(t) >= t[0] - 1e-9), 2 * stats.t.sf(t[0], 7 - 1 - 3))
    shuffles = shuffles_within(code, 1000, 0)
    found = correlate(x[:, None], y[:, None], motion[:, None], shuffles, code)
    assert found["partial_p"][0, 0] == pytest.approx(expected)
    assert found["partial_r"][0, 0] == pytest.approx(of(y)(everybody))


def test_p_of_few_people_is_exact():
    """All 720 arrangements of six people, one by one, with scipy and numpy."""
    rng = np.random.default_rng(2)
    targets, people = trial(rng, n=6, seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = [-5.0, -5, 2, -9, 0, 1]  # with a tie
    people["sequence_code"] = np.nan
    row = run(targets, people, scales=["MADRS"], n_permutations=720, covariates=()).table.iloc[0]
    x, y = delta_of(targets, "sgACC", "PCC"), people["delta_MADRS"].to_numpy()

    def share(statistic):
        observed = abs(statistic(y))
        reached = [abs(statistic(y[list(p)])) >= observed - 1e-9 for p in permutations(range(6))]
        assert len(reached) == 720
        return np.mean(reached)

    assert row["spearman_p"] == pytest.approx(share(lambda v: stats.spearmanr(x, v).statistic))
    assert row["percentage_bend_p"] == pytest.approx(share(lambda v: percentage_bend(x, v)[0]))
    assert np.isnan(row["skipped_r"]) and np.isnan(row["skipped_p"])
    assert np.isnan(row["ci_low"]) and row["no_interval_because"] == "fewer than 8 people"
    assert row["unadjusted_because"] == "the order of treatments is not known for anybody"


def test_no_p_is_below_what_the_number_of_shuffles_allows():
    targets, people = trial(np.random.default_rng(3), seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = delta_of(targets, "sgACC", "PCC") * 10
    row = run(targets, people, scales=["MADRS"], n_permutations=99).table.iloc[0]
    assert (row["r"], row["pearson_r"]) == pytest.approx((1, 1))
    for name in ("p_permutation", "spearman_p", "percentage_bend_p", "skipped_p", "partial_p"):
        assert row[name] == pytest.approx(1 / 100)
    assert np.isnan(row["ci_low"]) and row["no_interval_because"] == "all people lie on one line"


def test_sign_is_never_flipped():
    targets, people = trial(np.random.default_rng(4), seeds=["sgACC"], targets=["PCC"])
    people["delta_MADRS"] = -delta_of(targets, "sgACC", "PCC")
    assert run(targets, people, scales=["MADRS"]).table["r"][0] == pytest.approx(-1)


def period_on_both_sides(rng, n=24, first=16, effect=0.6):
    """Nothing goes together but the period, which moves both; more people have one order."""
    targets, people = trial(rng, n, seeds=["sgACC"], targets=["PCC"])
    code = np.where(np.arange(n) < first, -1.0, 1.0)
    people["sequence"] = np.where(code < 0, "ketamine-placebo", "placebo-ketamine")
    people["sequence_code"] = code
    people["delta_MADRS"] = effect * 5 * code + rng.normal(0, 5, n)
    active = targets["treatment"] == "ketamine"
    names = people["participant_id"]
    moved = targets.loc[active, "participant_id"].map(dict(zip(names, effect * code, strict=True)))
    targets["fisher_z"] = rng.normal(0, np.sqrt(0.5), len(targets))
    targets.loc[active, "fisher_z"] += moved
    return targets, people


def test_a_correlation_that_is_the_periods_is_not_told():
    targets, people = period_on_both_sides(np.random.default_rng(18), 40, 20, effect=3.0)
    row = run(targets, people, scales=["MADRS"]).table.iloc[0]
    assert row["pearson_r"] > 0.7 and row["pearson_p"] < 0.01
    assert row["p_permutation"] > 0.05 and row["q_fdr"] == row["p_permutation"]
    assert row["ci_low"] < 0 < row["ci_high"]
    points = run(targets, people, scales=["MADRS"]).points
    columns = ["adjusted_delta_fisher_z", "adjusted_delta_score"]
    assert points[columns].corr().iloc[0, 1] == pytest.approx(row["r"])
    np.testing.assert_allclose(points[columns[1]].mean(), points["delta_score"].mean())


def test_people_of_unknown_order_leave_the_adjusted_correlation_by_name():
    targets, people = trial(np.random.default_rng(19), seeds=["sgACC"], targets=["PCC"])
    people.loc[[2, 9], ["sequence", "sequence_code"]] = ["n/a", np.nan]
    found = run(targets, people, scales=["MADRS"])
    row = found.table.iloc[0]
    assert (row["n"], row["pearson_n"]) == (18, 20)
    keep = ~people.index.isin([2, 9])
    x, y = delta_of(targets, "sgACC", "PCC"), people["delta_MADRS"].to_numpy()
    code = people["sequence_code"].to_numpy()[keep].astype(float)
    assert row["r"] == pytest.approx(given_order(x[keep], y[keep], code))
    assert row["pearson_r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.left["participant_id"].tolist() == ["sub-TRD02", "sub-TRD09"]
    assert "order of treatments is not known" in found.left["reason"][0]
    adjusted = found.points["adjusted_delta_score"].isna()
    assert found.points["participant_id"][adjusted].tolist() == ["sub-TRD02", "sub-TRD09"]


def test_one_order_for_all_is_not_adjusted_and_says_why():
    targets, people = trial(np.random.default_rng(20), seeds=["sgACC"], targets=["PCC"])
    people["sequence"], people["sequence_code"] = "ketamine-placebo", -1.0
    found = run(targets, people, scales=["MADRS"])
    row = found.table.iloc[0]
    assert row["adjusted_for"] == "" and row["unadjusted_because"] == "everybody had ketamine first"
    assert row["r"] == row["pearson_r"] and row["p_permutation"] == row["pearson_p"]
    assert any("not adjusted for the order of treatments, as everybody" in n for n in found.notes)


def test_where_one_person_decides_it_is_said():
    targets, people = trial(np.random.default_rng(21), seeds=["sgACC"], targets=["PCC"])
    people["sequence_code"] = np.nan
    x = delta_of(targets, "sgACC", "PCC")
    rng = np.random.default_rng(22)
    people["delta_MADRS"] = x + rng.normal(0, 0.8, 20)
    people.loc[4, "delta_MADRS"] = -np.sign(x[4]) * 9
    row = run(targets, people, scales=["MADRS"]).table.iloc[0]
    assert row["p_permutation"] > 0.05
    assert (row["n_decisive"], row["decisive_person"]) == (1, "sub-TRD04")
    others = np.delete(np.arange(20), 4)
    without = np.corrcoef(x[others], people["delta_MADRS"][others])[0, 1]
    assert row["decisive_r"] == pytest.approx(without) and row["decisive_p"] < 0.01
    # Without the outlier nobody decides.
    row = run(targets, people.drop(index=4), scales=["MADRS"]).table.iloc[0]
    assert row["n_decisive"] == 0 and row["decisive_person"] == "" and np.isnan(row["decisive_p"])


@pytest.mark.parametrize("order", [False, True])
def test_error_rate_under_heteroscedasticity_and_a_period(order):
    """300 null data sets of 24 people, in which r alone is told significant in .12 to .25."""
    rng = np.random.default_rng(23)
    code = np.where(np.arange(24) < 16, -1.0, 1.0)
    x = rng.standard_normal((24, 300))
    y = rng.standard_normal((24, 300)) * (1 if order else np.abs(x))
    if order:
        x, y = x + 0.6 * code[:, None], y + 0.6 * code[:, None]
    shuffles, all_ways = shuffles_within(code, 399, 0), shuffles_of(24, 399, 0)
    told, plain = [], []
    for j in range(300):
        pair = x[:, [j]], y[:, [j]]
        basis = nuisance_basis(code)
        told.append(Studentised(*pair, basis, shuffles).p[0, 0])
        a, b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in pair)
        plain.append(permutation_p(a, b, all_ways)[0, 0])
    assert np.mean(np.array(plain) <= 0.05) > 0.11
    # Binomial, 300 data sets at 0.05: standard error 0.013.
    assert np.mean(np.array(told) <= 0.05) < 0.09


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


def test_shuffles_within_stay_within_and_so_do_those_of_some():
    blocks = np.array([-1, 1, -1, 1, 1, -1, 1, -1, 1, 1.0])
    few = shuffles_within(blocks[:6], 36, 0)
    assert len(few) == 35 == len({tuple(row) for row in few})
    assert (blocks[few] == blocks[:6]).all() and not (few == np.arange(6)).all(axis=1).any()
    many = shuffles_within(blocks, 4000, 0)
    assert (np.sort(many, axis=1) == np.arange(10)).all() and (blocks[many] == blocks).all()
    who = np.arange(10) != 2
    among = shuffles_among(many, who, 100, blocks)
    assert (np.sort(among, axis=1) == np.arange(9)).all()
    left = blocks[who]
    assert (left[among] == left).all()
    # Each of the 3! arrangements of who is left of the first order is as likely.
    counts = np.unique(among[:, left < 0], axis=0, return_counts=True)[1]
    assert len(counts) == 6 and stats.chisquare(counts).pvalue > 0.001


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
    # Nothing else is adjusted for.
    found = run(targets, people, scales=["MADRS"], order=())
    kept_covariate = "sequence_code" if isinstance(values, str) else "delta_mean_fd"
    x, y, c = (
        delta_of(targets, "sgACC", "PCC"),
        people["delta_MADRS"].to_numpy(),
        people[kept_covariate].to_numpy(),
    )
    r_xy, r_xc, r_yc = (np.corrcoef(p)[0, 1] for p in ((x, y), (x, c), (y, c)))
    expected = (r_xy - r_xc * r_yc) / np.sqrt((1 - r_xc**2) * (1 - r_yc**2))
    assert found.table["partial_r"][0] == pytest.approx(expected)
    assert found.table["partial_covariates"][0] == kept_covariate
    assert len(found.notes) == 2 and said in found.notes[1]


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_degenerate_data_are_na_without_warnings(n):
    targets, people = trial(np.random.default_rng(10), n)
    people["delta_MADRS"] = -3.0
    targets.loc[targets["target"] == "SMG", "fisher_z"] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table, _, _, notes = run(targets, people)
    assert table["target"].unique().tolist() == ["PCC"] and any("SMG" in n for n in notes)
    words = ["adjusted_for", "unadjusted_because", "no_interval_because", "decisive_person"]
    counts = ["seed", "target", "scale", "group", "n", "n_tests", "pearson_n", "n_decisive"]
    constant = table[table["scale"] == "MADRS"]
    numbers = constant.drop(columns=[*counts, *words, "partial_covariates"])
    assert numbers.isna().all(axis=None)
    assert (constant["n_decisive"] == 0).all() and (constant["decisive_person"] == "").all()
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
        found = correlate(x, y, covariate, shuffles)
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
        found = correlate(x, y, covariate, shuffles)
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
