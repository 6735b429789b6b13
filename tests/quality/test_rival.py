"""What is left of an effect given the change of a measure: by statsmodels, and planted paths."""

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.order import ALIKE
from crossfc.clinic.student import robust_least_squares
from crossfc.measure import MEASURES, measures_of
from crossfc.quality.measure import comparable, with_measure_changes
from crossfc.quality.rival import COLUMNS, SAME_CHANGE, rival_between, rival_within, rivals

TREATMENTS = {"active": "ketamine", "control": "placebo"}
GROUPS = ["TRD", "HV"]


def design(**changes):
    own = {
        "contrast": "drug",
        "baseline": None,
        "order": ["sequence_code"],
        "treatments": TREATMENTS,
    }
    return own | {"groups": {"patients": "TRD", "controls": "HV"}} | changes


def trial(rng, n_patients=14, n_controls=11):
    """Return the tables of sessions, edges, people and weights of a crossover trial."""
    sessions, edges, people, weights = [], [], [], []
    for group, n in zip(GROUPS, (n_patients, n_controls), strict=True):
        for i in range(n):
            person, code = f"sub-{group}{i:02d}", (-1.0, 1.0)[i % 3 == 0]
            people.append([person, group, "n/a", code])
            for session, weight in (("ses-k", 1.0), ("ses-p", -1.0)):
                fd = rng.gamma(2, 0.1)
                sessions.append([person, session, group, False, fd, rng.normal(60, 5), 40.0])
                weights.append([person, session, weight])
                z = 0.3 + 0.1 * (weight > 0) + 0.4 * fd + rng.normal(0, 0.1)
                edges.append([person, session, "sgACC", "PCC", z])
                edges.append([person, session, "sgACC", "insula", rng.normal(0.2, 0.1)])
    columns = ["participant_id", "session_id"]
    measured = ["group", "excluded", "mean_fd", "tsnr_sgACC", "target_tsnr_PCC"]
    return (
        pd.DataFrame(sessions, columns=[*columns, *measured]),
        pd.DataFrame(edges, columns=[*columns, "seed", "target", "fisher_z"]),
        pd.DataFrame(people, columns=["participant_id", "group", "sequence", "sequence_code"]),
        pd.DataFrame(weights, columns=[*columns, "weight"]),
    )


def changes_of(sessions, edges, person, measure="mean_fd"):
    own = sessions[sessions["participant_id"] == person].set_index("session_id")[measure]
    of = edges[(edges["participant_id"] == person) & (edges["target"] == "PCC")]
    z = of.set_index("session_id")["fisher_z"]
    return z["ses-k"] - z["ses-p"], own["ses-k"] - own["ses-p"]


def test_an_effect_and_what_is_left_of_it_are_those_of_statsmodels():
    import statsmodels.api as sm

    sessions, edges, people, weights = trial(np.random.default_rng(0))
    pairs = [("sgACC", "PCC"), ("sgACC", "insula"), ("sgACC", "nowhere")]
    table = rivals(sessions, edges, people, weights, design(), pairs)
    assert list(table.columns) == COLUMNS
    of_pcc = ["mean_fd", "tsnr_sgACC", "target_tsnr_PCC"]
    assert table["measure"].tolist() == [m for m in (*of_pcc, *of_pcc[:2]) for _ in range(3)]
    assert table["group"].tolist()[:3] == ["TRD", "HV", "group_by_drug"]
    both = {}
    for group in GROUPS:
        own = people[people["group"] == group]
        d, fd = np.array([changes_of(sessions, edges, p) for p in own["participant_id"]]).T
        both[group] = d, fd, own["sequence_code"].to_numpy()
        row = table[(table["measure"] == "mean_fd") & (table["group"] == group)].iloc[0]
        plain = sm.OLS(d, sm.add_constant(both[group][2])).fit()
        full = sm.OLS(d, np.column_stack([np.ones(len(d)), both[group][2], fd])).fit()
        moved = sm.OLS(fd, sm.add_constant(both[group][2])).fit()
        for name, fit in (("effect", plain), ("change", moved)):
            told = row[[name, f"{name}_low", f"{name}_high", f"{name}_p"]].tolist()
            expected = fit.params[0], *fit.conf_int()[0], fit.pvalues[0]
            assert told == pytest.approx(expected)
        for name, place in (("given", 0), ("slope", 2)):
            fit = robust_least_squares(full.model.exog, d)[place]
            told = row[[name, f"{name}_low", f"{name}_high", f"{name}_p"]].tolist()
            assert told == pytest.approx([full.params[place], fit.low, fit.high, fit.p])
        assert row["n"] == len(d) and row[["left", "because"]].isna().all()
        share = full.params[0] / plain.params[0]
        off_zero = plain.conf_int()[0].prod() > 0
        assert row["share_left"] == pytest.approx(share if off_zero else np.nan, nan_ok=True)
    # Between groups: Welch's variance of each group; the estimate is that of least squares only
    # where the weights are, so it is held against the model with weights of its own.
    d, fd, code = (np.concatenate(v) for v in zip(*both.values(), strict=True))
    first = np.arange(len(d)) < 14
    row = table[(table["measure"] == "mean_fd") & (table["group"] == "group_by_drug")].iloc[0]
    full = sm.OLS(d, np.column_stack([np.ones(len(d)), first, code, fd])).fit()
    assert row["given"] == pytest.approx(full.params[1])
    assert row["given_low"] < row["given"] < row["given_high"] and np.isnan(row["slope"])
    # Of a measure that does not change nothing can be told.
    still = table[table["measure"] == "target_tsnr_PCC"]
    assert still["because"].tolist() == [SAME_CHANGE] * 3 and still["given"].isna().all()
    assert still["effect"].notna().all()


def test_who_lacks_a_measure_or_its_periods_is_named():
    sessions, edges, people, weights = trial(np.random.default_rng(1))
    sessions.loc[0, "mean_fd"] = np.nan
    sessions.loc[5, "excluded"] = True
    people.loc[[3, 20], "sequence_code"] = np.nan
    table = rivals(sessions, edges, people, weights, design(), [("sgACC", "PCC")])
    row = table[(table["measure"] == "mean_fd") & (table["group"] == "TRD")].iloc[0]
    assert row["n"] == 11
    assert row["left"] == (
        "sub-TRD00 (no value); sub-TRD02 (no value); sub-TRD03 (periods not known)"
    )
    unknown = people.assign(sequence_code=np.nan)
    table = rivals(sessions, edges, unknown, weights, design(), [("sgACC", "PCC")])
    assert table["unadjusted_because"].notna().all() and table["n"].max() == 24
    gone = sessions.drop(columns=["tsnr_sgACC", "target_tsnr_PCC"]).assign(mean_fd=np.nan)
    assert rivals(gone, edges, people, weights, design(), [("sgACC", "PCC")]).empty


@pytest.mark.filterwarnings("error")
def test_without_order_the_models_have_no_column_for_it():
    import statsmodels.api as sm
    from scipy import stats

    rng = np.random.default_rng(2)
    d, change = rng.normal(0.1, 0.2, (2, 13))
    for order in (np.full(13, np.nan), np.ones(13), np.empty((13, 0))):
        found = rival_within(d, change, order, TREATMENTS)
        assert found.unadjusted and found.n == 13
        assert found.effect.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
        fit = sm.OLS(d, sm.add_constant(change)).fit()
        robust = fit.get_robustcov_results("HC2")
        told = found.given.estimate, found.given.t, found.slope.t
        assert told == pytest.approx((robust.params[0], *robust.tvalues))
    first = np.arange(13) < 7
    found = rival_between(d, change, first, np.full(13, np.nan), GROUPS, TREATMENTS)
    welch = stats.ttest_ind(d[first], d[~first], equal_var=False)
    assert (found.effect.t, found.effect.p) == pytest.approx((welch.statistic, welch.pvalue))
    # The baseline is one more column of the edge, and none of the measure.
    baseline = rng.normal(size=13)
    code = np.where(np.arange(13) % 2 == 0, -1.0, 1.0)
    found = rival_within(d, change, code, TREATMENTS, baseline)
    full = sm.OLS(d, np.column_stack([np.ones(13), code, baseline, change])).fit()
    assert found.given.estimate == pytest.approx(full.params[0])
    assert found.slope.estimate == pytest.approx(full.params[3])
    moved = sm.OLS(change, sm.add_constant(code)).fit()
    assert found.change.estimate == pytest.approx(moved.params[0])


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_estimated_says_why():
    code = np.array([-1.0, 1, -1, 1])
    d = np.array([0.1, 0.3, 0.2, 0.1])
    few = rival_within(d[:3], d[:3] ** 2, code[:3], TREATMENTS)
    assert "too few for the 3 columns" in few.because and np.isnan(few.given.estimate)
    assert rival_within(np.ones(4), d, code, TREATMENTS).because == ALIKE
    assert rival_within(d, code, code, TREATMENTS).because == SAME_CHANGE
    two = rival_between(d, d**2, np.arange(4) < 1, code, GROUPS, TREATMENTS)
    assert np.isnan(two.effect.p) and two.because
    empty = rival_within(np.empty(0), np.empty(0), np.empty(0), TREATMENTS)
    assert empty.n == 0 and empty.because


def test_arms_are_compared_and_not_taken_for_changes():
    sessions, edges, people, weights = trial(np.random.default_rng(3))
    one = weights[weights["session_id"] == "ses-k"]
    found = rivals(sessions, edges, people, one, design(order=[]), [("sgACC", "PCC")])
    assert set(found["group"]) == {"group_by_drug"}
    assert found["unadjusted_because"].isna().all()


def test_measures_of_regions_are_found_by_their_columns():
    columns = [
        "tsnr_median",
        "tsnr_sgACC",
        "target_tsnr_PCC",
        "heart_rate",
        "mean_fd",
        "coverage_a",
    ]
    found = {measure.name: measure for measure in measures_of(columns)}
    assert list(found) == ["mean_fd", "tsnr_median", "heart_rate", "coverage_a", "tsnr_sgACC",
                           "target_tsnr_PCC"]  # fmt: skip
    assert found["tsnr_sgACC"].label == "tSNR of the seed sgACC"
    assert found["mean_fd"].title == "mean FD (mm)"
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


def test_shares_of_motion_over_different_ranges_are_not_subtracted():
    table = pd.DataFrame(
        {
            "participant_id": ["a", "a", "b", "b"],
            "respiratory_motion": [0.2, 0.3, 0.1, 0.4],
            "respiratory_motion_axis": "y (phase encoding)",
            "respiratory_motion_to_hz": [0.5, 0.3, 0.5, 0.5],
        }
    )
    assert comparable(table)["respiratory_motion"].isna().tolist() == [True, True, False, False]
    assert table["respiratory_motion"].notna().all()


# Planted paths ------------------------------------------------------------------------------------

TWINS = 400
PEOPLE = 24


def twin(rng, *, on_measure, direct, slope):
    """Simulate a crossover: drug → measure → connectivity, and drug → connectivity beside it.

    Every person has two sessions, in one of two orders. The measure and connectivity have levels
    of the person, effects of the period, and noise of the session.
    """
    code = np.where(np.arange(PEOPLE) % 2 == 0, -1.0, 1.0)  # -1: active first
    values = []
    level = rng.normal(0, 1, (2, PEOPLE))
    for drug in (1, 0):
        second = (code > 0) == (drug == 1)
        measure = 15 + level[0] + on_measure * drug + 0.8 * second + rng.normal(0, 1, PEOPLE)
        noise = rng.normal(0, 0.1, PEOPLE)
        z = 0.3 + 0.2 * level[1] + direct * drug + slope * measure - 0.1 * second + noise
        values.append((measure, z))
    (m_active, z_active), (m_control, z_control) = values
    return z_active - z_control, m_active - m_control, code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on_measure", "direct", "slope"),
    [
        # Drug → breathing (breaths a minute) → connectivity: nothing is left.
        (2.0, 0.0, 0.05),
        # Drug → connectivity, and breathing beside it, which the drug changes too.
        (2.0, 0.15, 0.0),
        # Both ways at once, against each other: the whole effect is zero.
        (2.0, -0.1, 0.05),
        # Motion (in tenths of a mm) that the drug lowers, and an effect of its own.
        (-1.0, 0.1, 0.04),
        # Nothing at all.
        (0.0, 0.0, 0.0),
    ],
)
def test_what_is_left_is_what_was_planted_beside_the_measure(on_measure, direct, slope):
    rng = np.random.default_rng(7)
    covers = {"given": 0, "effect": 0, "slope": 0, "change": 0}
    given_off_zero = effect_off_zero = 0
    estimates = []
    for _ in range(TWINS):
        delta, change, code = twin(rng, on_measure=on_measure, direct=direct, slope=slope)
        found = rival_within(delta, change, code, TREATMENTS)
        truth = {"given": direct, "effect": direct + slope * on_measure, "slope": slope}
        for name, value in (truth | {"change": on_measure}).items():
            test = getattr(found, name)
            covers[name] += test.low <= value <= test.high
        given_off_zero += found.given.p < 0.05
        effect_off_zero += found.effect.p < 0.05
        estimates.append(found.given.estimate)
    # 95 % of 400, give or take three standard errors of a share (1.1 % each).
    assert all(0.917 <= share / TWINS <= 0.983 for share in covers.values()), covers
    assert np.mean(estimates) == pytest.approx(direct, abs=3 * np.std(estimates) / TWINS**0.5)
    if direct == 0 and slope:
        # The effect is there without the measure, and vanishes given it.
        assert effect_off_zero > 0.8 * TWINS and given_off_zero / TWINS <= 0.083
    if direct and not slope:
        assert given_off_zero > 0.5 * TWINS


@pytest.mark.slow
def test_between_groups_too_what_is_left_is_what_was_planted():
    rng = np.random.default_rng(8)
    covered = found_anyway = 0
    first = np.arange(2 * PEOPLE) < PEOPLE
    for _ in range(TWINS):
        # The drug changes breathing in patients only, and connectivity through it alone.
        patients = twin(rng, on_measure=2.0, direct=0.0, slope=0.05)
        controls = twin(rng, on_measure=0.0, direct=0.0, slope=0.05)
        delta, change, code = (np.concatenate(v) for v in zip(patients, controls, strict=True))
        found = rival_between(delta, change, first, code, GROUPS, TREATMENTS)
        covered += found.given.low <= 0 <= found.given.high
        found_anyway += found.effect.p < 0.05
    assert 0.917 <= covered / TWINS <= 0.983 and found_anyway > 0.5 * TWINS


def test_people_carry_the_changes_of_measures_of_whole_scans_for_maps():
    sessions, _, people, _ = trial(np.random.default_rng(5), 4, 3)
    names = list(people["participant_id"])
    sessions = sessions.assign(
        head_pitch=np.arange(len(sessions)) ** 2.0, heart_rate=None, deep_breaths=1.0
    )
    sessions.loc[sessions["participant_id"] == names[1], "head_pitch"] = [2.0, np.nan]
    # A contrast of one session against half of two others weighs them so.
    third = sessions[sessions["session_id"] == "ses-p"].assign(session_id="ses-q", head_pitch=7.0)
    sessions = pd.concat([sessions, third])
    own = {"sessions": ["ses-k", "ses-p", "ses-q"], "weights": [1.0, -0.5, -0.5]}
    rows = [{"participant_id": name, **own} for name in reversed(names)]
    found = with_measure_changes(rows, sessions)
    assert rows[0] == {"participant_id": names[-1], **own}  # not changed
    # Nobody has a heart rate; of mean FD the table of people has both sides.
    assert set(found[0]) - set(rows[0]) == {"delta_head_pitch", "delta_deep_breaths"}
    for row in found:
        of_person = sessions[sessions["participant_id"] == row["participant_id"]]
        pitch = of_person.set_index("session_id")["head_pitch"]
        expected = pitch["ses-k"] - (pitch["ses-p"] + pitch["ses-q"]) / 2
        assert row["delta_head_pitch"] == pytest.approx(expected, nan_ok=True)
        assert row["delta_deep_breaths"] == 0
    without = [row for row in found if np.isnan(row["delta_head_pitch"])]
    assert [row["participant_id"] for row in without] == [names[1]]
    assert with_measure_changes([], sessions) == []
