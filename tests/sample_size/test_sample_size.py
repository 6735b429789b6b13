"""How many people a trial needs: held against statsmodels, published numbers and whole trials."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc import atomic
from crossfc.clinic.change import clinical_change
from crossfc.clinic.power import t_power
from crossfc.fault import Fault
from crossfc.jobs.command import main
from crossfc.sample_size.arguments import CROSSOVER, DESIGNS, PARALLEL, WILLIAMS_3, WILLIAMS_4
from crossfc.sample_size.design import TrialDesign, members
from crossfc.sample_size.power import Variation, design_power
from crossfc.sample_size.simulation import (
    Assumptions,
    change_test,
    closed_form,
    drawn_change,
    people_needed,
    simulated,
)
from crossfc.sample_size.variance import SHIPPED, pilot_of_edge, pilot_of_scale, shipped

power_of = pytest.importorskip("statsmodels.stats.power")


@pytest.fixture(scope="module")
def designs():
    return {name: TrialDesign.of(name) for name in DESIGNS}


def test_a_crossover_has_the_power_of_statsmodels(designs):
    for n, effect in ((8, 1.0), (24, 0.5), (60, 0.3)):
        expected = power_of.TTestPower().power(effect / 1.3, n, 0.05, df=n - 2)
        assumed = Assumptions(effect, Variation(1.3))
        assert closed_form(designs[CROSSOVER], n, assumed) == pytest.approx(expected, abs=1e-9)
        # Periods are orthogonal to treatments in whole Williams designs.
        for name, used in ((WILLIAMS_3, 3), (WILLIAMS_4, 4)):
            whole = 12 * (n // 12 + 1)
            expected = power_of.TTestPower().power(effect / 1.3, whole, 0.01, df=whole - used)
            found = closed_form(designs[name], whole, replace(assumed, alpha=0.01))
            assert found == pytest.approx(expected, abs=1e-9)


def test_two_arms_have_the_power_of_statsmodels_and_of_cohens_table(designs):
    for n, effect in ((20, 0.9), (63, 0.5)):
        of_sizes = (n - n // 2, n // 2)
        expected = power_of.TTestIndPower().power(
            effect, of_sizes[1], 0.05, of_sizes[0] / of_sizes[1]
        )
        assumed = Assumptions(effect, Variation(1.0))
        assert closed_form(designs[PARALLEL], n, assumed) == pytest.approx(expected, abs=1e-9)
    # Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, table 2.4.1, two-sided
    # 0.05: people in each of two samples.
    for effect, power, each in ((0.2, 0.8, 393), (0.5, 0.8, 64), (0.8, 0.8, 26), (0.5, 0.9, 85)):
        found = people_needed(designs[PARALLEL], Assumptions(effect, Variation(1.0)), power)
        assert found / 2 == pytest.approx(each, abs=1)


def test_people_needed_are_the_fewest(designs):
    for name, design in designs.items():
        assumed = Assumptions(0.6, Variation(1.0, 0.5), covariate=name == PARALLEL)
        n = people_needed(design, assumed, 0.85)
        assert n % design.n_orders == 0
        assert closed_form(design, n, assumed) >= 0.85
        assert closed_form(design, n - design.n_orders, assumed) < 0.85


@pytest.mark.parametrize(
    ("name", "n", "effect", "dropouts", "covariate"),
    [
        (CROSSOVER, 10, 1.1, 0.0, False),
        (CROSSOVER, 24, 0.6, 0.2, False),
        (WILLIAMS_3, 18, 0.8, 0.3, False),
        (WILLIAMS_4, 16, 0.7, 0.0, False),
        (PARALLEL, 40, 0.9, 0.2, False),
        (PARALLEL, 30, 0.9, 0.0, True),
    ],
)
def test_simulated_trials_have_the_power_of_the_noncentral_t(
    designs, name, n, effect, dropouts, covariate
):
    assumed = Assumptions(effect, Variation(1.0, 0.4), dropouts, covariate=covariate)
    told = simulated(designs[name], n, assumed, 800, 1)
    # Four standard errors; Welch's test and the slope of a covariate cost a little.
    allowed = 4 * np.sqrt(told.closed_form * (1 - told.closed_form) / 800)
    assert abs(told.power - told.closed_form) < allowed
    assert told.low < told.power < told.high
    assert (told.analysed < n) == (dropouts > 0)


def test_without_an_effect_five_percent_are_found(designs):
    for name in (CROSSOVER, PARALLEL):
        told = simulated(designs[name], 16, Assumptions(0.0, Variation(2.0)), 800, 3)
        assert stats.binomtest(told.found, 800, 0.05).pvalue > 0.001


def test_sessions_vary_and_correlate_as_assumed(designs):
    rng = np.random.default_rng(0)
    assumed = Assumptions(0.7, Variation(1.5, 0.6))
    design = designs[PARALLEL]
    orders = design.dealt(60_000)
    change, baseline = drawn_change(design, orders, assumed, rng)
    after = change + baseline
    treated = members(design, orders)
    assert change[~treated].std() == pytest.approx(1.5, rel=0.01)
    assert change[treated].mean() - change[~treated].mean() == pytest.approx(0.7, abs=0.03)
    assert baseline.std() == pytest.approx(assumed.variation.sd, rel=0.01)
    assert np.corrcoef(baseline[treated], after[treated])[0, 1] == pytest.approx(0.6, abs=0.01)
    for name in (CROSSOVER, WILLIAMS_3, WILLIAMS_4):
        change, _ = drawn_change(designs[name], designs[name].dealt(60_000), assumed, rng)
        assert change.std() == pytest.approx(1.5, rel=0.01)
        assert change.mean() == pytest.approx(0.7, abs=0.03)


def test_the_test_is_that_of_the_tables(designs):
    """As clinical_change makes it of a sheet's scores."""
    design, rng = designs[CROSSOVER], np.random.default_rng(4)
    orders = design.dealt(15)
    change, _ = drawn_change(design, orders, Assumptions(0.5, Variation(1.0)), rng)
    rows = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:02}" for i in range(15)],
            "group": "people",
            "sequence": ["placebo-drug" if code > 0 else "drug-placebo"
                         for code in design.period_columns(orders)],
            "scale": "X",
            "active": 10 + change,
            "control": 10.0,
        }
    )  # fmt: skip
    table, _ = clinical_change(rows, design.sides, ["people"], ["X"])
    assert change_test(design, orders, change).p == pytest.approx(table["adjusted_p"][0])
    design = designs[PARALLEL]
    orders = design.dealt(15)
    first = members(design, orders)
    expected = stats.ttest_ind(change[first], change[~first], equal_var=False).pvalue
    assert change_test(design, orders, change).p == pytest.approx(expected)


def test_who_stays_is_who_the_trial_compares(designs):
    """The short way of drop-outs against the trial's own list of who has all sessions."""
    rng = np.random.default_rng(0)
    for design in designs.values():
        trial, contrast = design.trial, design.trial.contrasts[0]
        names = [
            c.participant.participant_id for c in trial.compared(contrast, trial.kept_sessions())
        ]
        n_sessions = len(design.people[0].weights)
        for _ in range(10):
            left = {name: int(rng.integers(1, n_sessions + 1)) for name in names}
            kept = [
                s
                for name in names
                for s in [s for s in trial.kept_sessions() if s.participant_id == name][
                    : left[name]
                ]
            ]
            expected = {c.participant.participant_id for c in trial.compared(contrast, kept)}
            stays = {
                name
                for name, person in zip(names, design.people, strict=True)
                if left[name] >= person.last_session
            }
            assert stays == expected


def test_drop_outs_are_as_many_as_asked(designs):
    rng = np.random.default_rng(0)
    design = designs[CROSSOVER]  # who leaves has one session of two
    assert all(design.staying(20, 0.25, rng).sum() == 15 for _ in range(5))
    assert designs[WILLIAMS_3].staying(600, 0.5, rng).sum() > 300


def test_power_of_too_few_people_is_none(designs):
    variation = Variation(1.0)
    for design in designs.values():
        orders = design.dealt(2)
        assert design_power(design, orders, np.ones(2, bool), 5.0, variation) == 0
    assert t_power(1.0, 0.5, 0) == 0
    assert t_power(50.0, 0.5, 10) == pytest.approx(1)


# Where variation comes from -----------------------------------------------------------------------


def test_what_is_shipped_is_computed_from_the_sheets_of_the_trial(root):
    folder = root / "config/ds005917/course"
    people = pd.read_csv(folder / "participants.tsv", sep="\t", index_col="participant_id")
    people = people[(people["group"] == "MDD") & (people["exclude"] == "no")]
    sessions = pd.read_csv(folder / "sessions.tsv", sep="\t")
    sessions = sessions[sessions["exclude"] == "no"]
    assert len(pd.read_csv(SHIPPED, sep="\t")) == 4
    for scale, column in (("MADRS", "MADRS_Total"), ("HAM17", "HAM17_Total")):
        wide = sessions.pivot(index="participant_id", columns="session_id", values=column)
        for day in (2, 10):
            sides = wide[[f"ses-d{day}", f"ses-p{day}"]].join(people["sequence"]).dropna()
            first, second = (sides.iloc[:, k].to_numpy(float) for k in (0, 1))
            groups = [(first - second)[sides["sequence"] == s] for s in sides["sequence"].unique()]
            squares = sum(((own - own.mean()) ** 2).sum() for own in groups)
            pilot = shipped(f"{scale}-day{day}")
            assert pilot.people == len(sides) and pilot.df == len(sides) - 2
            assert pilot.variation.sd_change == pytest.approx(np.sqrt(squares / pilot.df), abs=1e-4)
            expected = np.corrcoef(first, second)[0, 1]
            assert pilot.variation.correlation == pytest.approx(expected, abs=1e-3)


def test_limits_of_a_standard_deviation_cover(designs):
    rng = np.random.default_rng(0)
    pilot = shipped("MADRS-day2")
    covered = upper = 0
    for _ in range(2000):
        sd = pilot.variation.sd_change * rng.standard_normal(pilot.df + 1).std(ddof=1)
        own = replace(pilot, variation=Variation(sd))
        truth = pilot.variation.sd_change
        covered += own.limit(0.025) <= truth <= own.limit(0.975)
        upper += truth <= own.limit(0.8)
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)
    assert upper / 2000 == pytest.approx(0.8, abs=0.035)


@pytest.fixture
def pilot(tmp_path):
    """Results of two groups, and one edge."""
    rng = np.random.default_rng(6)
    people = [f"sub-{i:02}" for i in range(12)]
    group = ["TRD"] * 8 + ["HV"] * 4
    code = np.where(np.arange(12) % 2, -1.0, 1.0)
    control = rng.normal(20, 3, 12)
    active = control + rng.normal(-5, 4, 12) + 3 * code
    table = pd.DataFrame(
        {
            "contrast": "drug", "scale": "MADRS", "group": group, "participant_id": people,
            "sequence": "n/a", "sequence_code": code, "active": active, "control": control,
            "delta": active - control, "used": True, "reason": "",
        }
    )  # fmt: skip
    atomic.write_table(tmp_path / "clinic/scores.tsv", table)
    pairs = tmp_path / "group/primary/pairs"
    sessions = [(p, f"ses-{k}") for p in people for k in (1, 2)]
    edges = pd.DataFrame(sessions, columns=["participant_id", "session_id"])
    edges["fisher_z"] = np.column_stack([active, control]).ravel() / 100
    weights = edges[["participant_id", "session_id"]].assign(weight=[1.0, -1.0] * 12)
    atomic.write_table(pairs / "edges.tsv", edges.assign(seed="sgACC", target="PCC"))
    atomic.write_table(pairs / "sessions.tsv", weights)
    atomic.write_table(pairs / "people.tsv", table[["participant_id", "group", "sequence_code"]])
    return tmp_path


def test_a_pilot_has_the_residuals_of_its_orders(pilot):
    table = pd.read_csv(pilot / "clinic/scores.tsv", sep="\t")
    own = table[table["group"] == "TRD"]
    parts = [part["delta"] - part["delta"].mean() for _, part in own.groupby("sequence_code")]
    expected = np.sqrt(sum((part**2).sum() for part in parts) / 6)
    told = pilot_of_scale(pilot, "MADRS", "TRD", None)
    assert told.variation.sd_change == pytest.approx(expected)
    assert (told.people, told.df) == (8, 6)
    assert told.variation.correlation == pytest.approx(
        np.corrcoef(own["active"], own["control"])[0, 1]
    )
    edge = pilot_of_edge(pilot, "sgACC-PCC", "TRD", None, None)
    assert edge.variation.sd_change == pytest.approx(expected / 100)
    assert edge.variation.correlation == pytest.approx(told.variation.correlation)


def run(capsys, *words):
    code = main(["plan-trial", *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command_prints_a_table_a_sentence_and_writes_the_table(pilot, capsys, tmp_path):
    file = tmp_path / "power.tsv"
    code, out, err = run(
        capsys, "--design", "crossover", "--effect", "4", "--pilot", str(pilot), "--scale", "MADRS",
        "--group", "TRD", "--simulations", "200", "--output", str(file),
    )  # fmt: skip
    assert code == 0 and not err
    table = pd.read_csv(file, sep="\t")
    told = pilot_of_scale(pilot, "MADRS", "TRD", None)
    needed = people_needed(TrialDesign.of("crossover"), Assumptions(4, told.variation), 0.8)
    row = table[table["people"] == needed].iloc[0]
    assert f"{needed} people ({needed // 2} in each order) reach a power of 80 %" in out
    found = round(row["power"] * 200)
    assert f"the effect was found in {found} of 200 simulated trials" in out
    assert f"{100 * row['power_noncentral_t']:.1f} %" in out
    assert "known from 8 people only" in out and "it takes " in out
    assert len(table) == 5 and table["people"].is_monotonic_increasing
    code, out, _ = run(
        capsys, "--design", "williams-3", "--effect", "0.8", "--standardised", "--people", "12,20",
        "--simulations", "100",
    )  # fmt: skip
    assert code == 0 and out.count("\n    12 ") + out.count("\n    20 ") == 2
    assert "one comparison of 2 with placebo" in out


CROSS = ("--design", "crossover", "--effect", "4")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (CROSS, "none is given; give one"),
        ((*CROSS, "--standardised", "--sd-change", "2"), "--standardised and --sd-change are"),
        ((*CROSS, "--sd", "2"), "give --correlation"),
        ((*CROSS, "--sd-change", "-2"), "--sd-change is -2; give a number above 0, such as 9.5"),
        ((*CROSS, "--sd-change", "2", "--power", "80"), "--power is 80; give a number between 0"),
        ((*CROSS, "--sd-change", "2", "--dropouts", "1"), "--dropouts is 1; give a share"),
        ((*CROSS, "--sd-change", "2", "--people", "many"), "--people is 'many'; give numbers"),
        ((*CROSS, "--sd-change", "2", "--scale", "X"), "--scale chooses something of a pilot"),
        ((*CROSS, "--sd-change", "2", "--baseline-covariate"), "is for --design parallel"),
        (("--design", "parallel", "--effect", "4", "--sd-change", "2", "--baseline-covariate"),
         "give --correlation"),
        (("--design", "crossover", "--effect", "0", "--standardised"), "--effect is 0; give"),
        (("--design", "crossover", "--effect", "1e-4", "--standardised"), "not even 20000 people"),
        ((*CROSS, "--shipped", "MADRS"), "has no MADRS; did you mean"),
        ((*CROSS, "--pilot", "nowhere", "--scale", "MADRS"), "scores.tsv is not there"),
        ((*CROSS, "--pilot", "nowhere"), "name one outcome of it, with --scale or with --edge"),
    ],
)  # fmt: skip
def test_faults_are_one_sentence(capsys, words, fault):
    code, out, err = run(capsys, *words)
    assert code == 2 and not out
    assert err.startswith("crossfc: ") and err.count("\n") == 1 and fault in err


def test_choices_of_a_pilot_are_named(pilot):
    for ask, said in (
        (lambda: pilot_of_scale(pilot, "MADRS", None, None), "TRD, HV; choose one with --group"),
        (lambda: pilot_of_scale(pilot, "SHAPS", "TRD", None), "--scale: .* has no SHAPS"),
        (lambda: pilot_of_edge(pilot, "sgACC-SMG", "TRD", None, None), "it has sgACC-PCC"),
        (lambda: pilot_of_edge(pilot, "sgACC-PCC", "TRD", None, "gsr"), "it has primary"),
        (lambda: TrialDesign.of("latin"), "use one of crossover"),
    ):
        with pytest.raises(Fault, match=said):
            ask()


def test_other_commands_do_not_wait_for_numpy(root):
    code = "import sys, crossfc.jobs.command; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
