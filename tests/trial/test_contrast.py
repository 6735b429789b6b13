"""Contrasts and designs: cells, weights, columns of periods, who leaves which contrast."""

import itertools

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.trial import config as configuration
from crossfc.trial.contrast import Cell, contrast, side_label
from crossfc.trial.design import load
from crossfc.trial.estimability import limits
from crossfc.trial.recognition import design_name, is_williams
from crossfc.trial.sequence import read_order
from crossfc.trial.visit import visit_columns, visits

SCALES = "scale\tinstrument\tlowest\thighest\tbetter\nMADRS\tMontgomery-Asberg\t0\t60\tlower\n"
THREE = ["placebo", "low", "high"]
ORDERS = list(itertools.permutations(THREE))


@pytest.fixture(scope="module")
def schema(root):
    return configuration.load_schema(root / "workflow/schemas/config.schema.yaml")


@pytest.fixture
def trial(tmp_path, root, schema):
    """Write sheets of people (id, group, sequence) and sessions, and load them."""

    def make(people, sessions, columns="participant_id session_id treatment period", **keys):
        head = "participant_id\tgroup\tsequence"
        rows = {"participants": [head, *("\t".join(row) for row in people)]}
        columns = [*columns.split(), "scan", "MADRS"]
        rows["sessions"] = ["\t".join(columns)]
        for row in sessions:
            person, session, *_ = row
            scan = f"{person}/{session}/func/{person}_{session}_task-rest_bold.nii.gz"
            rows["sessions"].append("\t".join([*row, scan, "20"]))
        for name, lines in rows.items():
            (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n")
        (tmp_path / "scales.tsv").write_text(SCALES)
        sheets = {n: str(tmp_path / f"{n}.tsv") for n in ("participants", "sessions", "scales")}
        sheets |= {n: str(root / "config" / f"{n}.tsv") for n in ("seeds", "targets")}
        config = {"study": "x", "entry": "fmriprep", "derivatives_dir": "d", "sheets": sheets}
        return load(configuration.check(config | {"groups": ["HV"]} | keys, schema))

    return make


def williams(without=()):
    """Six people with three treatments in all orders; people and sessions of a sheet."""
    people, sessions = [], []
    for number, order in enumerate(ORDERS, 1):
        person = f"sub-{number}"
        people.append((person, "HV", "-".join(order)))
        sessions += [
            (person, f"ses-{period}", label, str(period))
            for period, label in enumerate(order, 1)
            if (person, label) not in without
        ]
    return people, sessions


def refusal(made, *given, **keys):
    with pytest.raises(Fault) as caught:
        made(*given, **keys)
    return str(caught.value)


def test_every_other_treatment_is_compared_with_the_reference(trial):
    loaded = trial(*williams(), treatments=THREE)
    assert [c.name for c in loaded.contrasts] == ["low", "high"]
    low = loaded.contrasts[0]
    assert low.weights == ((Cell("low", None), 1), (Cell("placebo", None), -1))
    assert low.sides == {"active": "low", "control": "placebo"} and low.effect == "low"
    assert loaded.visit_columns(low) == ["period_2", "period_3"]
    assert not loaded.arms and not loaded.of_pairs
    assert loaded.name == (
        "a three-treatment, three-period crossover of low, high and placebo, in a Williams design"
    )


def test_columns_of_periods_take_the_effects_of_periods_off(trial):
    """With effects of periods of any size, the intercept of D ~ 1 + P is the planted effect."""
    loaded = trial(*williams(), treatments=THREE)
    planted, period = {"placebo": 0.0, "low": 0.7, "high": 1.9}, (0.0, 3.1, -5.7)
    for own in loaded.contrasts:
        rows, differences = [], []
        for person in loaded.compared(own):
            values = [w * (planted[s.treatment] + period[s.period - 1]) for s, w in person.sessions]
            differences.append(sum(values))
            rows.append([1.0, *person.order.values()])
        # Unbalanced: some orders come more than once.
        rows, differences = (
            np.array(rows)[[0, 0, 0, 1, 2, 3]],
            np.array(differences)[[0, 0, 0, 1, 2, 3]],
        )
        found = np.linalg.lstsq(rows, differences, rcond=None)[0]
        assert found[0] == pytest.approx(planted[own.name])
        assert found[1:] == pytest.approx([3.1, -5.7])


def test_pairs_are_those_of_two_groups_at_most(trial):
    """Their mixed model has two groups, one session under each treatment, and no other session."""
    people = [(f"sub-{n}", group, "drug-placebo") for n, group in enumerate("ABC")]
    sessions = [
        (person, f"ses-{k}", label, str(k))
        for person, _, _ in people
        for k, label in enumerate(("drug", "placebo"), 1)
    ]
    of_two = {"treatments": ["placebo", "drug"]}
    assert trial(people[:2], sessions[:4], **of_two, groups=["A", "B"]).of_pairs
    assert not trial(people, sessions, **of_two, groups=["A", "B", "C"]).of_pairs
    twice = {name: {"drug": 1, "placebo": -1} for name in ("drug", "again")}
    assert not trial(people[:1], sessions[:2], **of_two, groups=["A"], contrasts=twice).of_pairs


def test_two_treatments_in_two_periods_have_the_code_of_the_order(trial):
    people = [
        ("sub-1", "HV", "drug-placebo"),
        ("sub-2", "HV", "placebo-drug"),
        ("sub-3", "HV", "n/a"),
    ]
    sessions = [
        (f"sub-{n}", f"ses-{label}", label, "n/a")
        for n in (1, 2, 3)
        for label in ("drug", "placebo")
    ]
    loaded = trial(people, sessions, treatments=["placebo", "drug"])
    (only,) = loaded.contrasts
    assert only.name == "drug" and loaded.visit_columns(only) == ["sequence_code"]
    codes = [person.order["sequence_code"] for person in loaded.compared(only)]
    assert codes == [-1, 1, None]
    as_before = trial(people, sessions, treatments={"active": "drug", "control": "placebo"})
    assert [p.order for p in as_before.compared(as_before.contrasts[0])] == [
        {"sequence_code": code} for code in codes
    ]


OCCASIONS = "participant_id session_id treatment period occasion"


def course(n=4):
    """A baseline before all, and two days after each of two treatments."""
    people, sessions = [], []
    for i in range(n):
        order = ("drug", "placebo") if i % 2 else ("placebo", "drug")
        people.append((f"sub-{i}", "HV", "-".join(order)))
        sessions.append((f"sub-{i}", "ses-b0", "n/a", "n/a", "b0"))
        sessions += [
            (f"sub-{i}", f"ses-{label[0]}{day}", label, str(period), day)
            for period, label in enumerate(order, 1)
            for day in ("d2", "d10")
        ]
    return people, sessions


CELLS = {
    "fade": {"drug": {"d2": 1, "d10": -1}, "placebo": {"d2": -1, "d10": 1}},
    "both": {"drug": {"d2": 0.5, "d10": 0.5}, "placebo": {"d2": -0.5, "d10": -0.5}},
    "rise": {"drug": {"d2": 1}, "n/a": {"b0": -1}},
}


def test_contrasts_over_occasions(trial):
    loaded = trial(
        *course(), OCCASIONS, treatments=["placebo", "drug"], occasions=["b0", "d2", "d10"],
        main_occasion="d2", contrasts=CELLS | {"early": {"drug": 1, "placebo": -1}},
    )  # fmt: skip
    fade, both, rise, early = loaded.contrasts
    assert early.sides == {"active": "drug d2", "control": "placebo d2"}
    assert both.active == "mean of drug d2 and drug d10" and both.effect == both.active
    assert fade.sides == {"active": "drug d2 + placebo d10", "control": "drug d10 + placebo d2"}
    assert fade.effect == "fade"
    # Two treatments change places in all of them but one, where the baseline has no period.
    assert [loaded.visit_columns(c) for c in (fade, both, early)] == [["sequence_code"]] * 3
    assert loaded.visit_columns(rise) == ["period_2_d2"]
    assert [p.order["period_2_d2"] for p in loaded.compared(rise)] == [0.5, -0.5, 0.5, -0.5]
    weights = {(s.session_id, w) for s, w in loaded.compared(both)[0].sessions}
    assert weights == {("ses-dd2", 0.5), ("ses-dd10", 0.5), ("ses-pd2", -0.5), ("ses-pd10", -0.5)}


def test_who_lacks_a_cell_leaves_that_contrast_by_name(trial):
    loaded = trial(*williams(without={("sub-2", "high")}), treatments=THREE)
    low, high = (loaded.compared(c) for c in loaded.contrasts)
    assert len(low) == 6 and [p.participant.participant_id for p in high] == [
        "sub-1", "sub-3", "sub-4", "sub-5", "sub-6",
    ]  # fmt: skip
    (left,) = loaded.left()
    assert (left["participant_id"], left["analysis"]) == ("sub-2", "high")
    assert left["reason"] == "no rest scan under high; stays in the mixed model"
    (counts,) = loaded.counts()
    assert counts["complete_low"] == 6 and counts["complete_high"] == 5
    assert counts["scanned_high"] == 5 and counts["placebo_first"] == 2


def test_a_treatment_that_was_given_again_is_averaged(trial):
    people = [("sub-1", "HV", "drug-placebo-placebo"), ("sub-2", "HV", "placebo-drug-drug")]
    sessions = [
        (person, f"ses-{k}", label, str(k))
        for person, _, order in people
        for k, label in enumerate(order.split("-"), 1)
    ]
    loaded = trial(people, sessions, treatments=["placebo", "drug"])
    (only,) = loaded.contrasts
    first, second = loaded.compared(only)
    assert [w for _, w in first.sessions] == [1, -0.5, -0.5]
    assert [w for _, w in second.sessions] == [0.5, 0.5, -1]
    assert first.order == {"period_2": -0.5, "period_3": -0.5}
    assert "in which drug and placebo were repeated" in loaded.name
    assert not loaded.of_pairs
    once = [("sub-1", "HV", "drug-placebo"), people[1]]
    said = refusal(trial, once, sessions, treatments=["placebo", "drug"])
    assert "sub-1 received placebo twice (also row 3)" in said


def test_parallel_arms_are_compared_in_place_of_groups(trial):
    people = [(f"sub-{i}", "MDD", "n/a") for i in range(4)]
    sessions = [
        (f"sub-{i}", f"ses-{when}", ("placebo", "drug")[i % 2], "n/a", when)
        for i in range(4) for when in ("before", "after")
    ]  # fmt: skip
    keys = {"groups": ["MDD"], "treatments": ["placebo", "drug"], "occasions": ["before", "after"]}
    loaded = trial(people, sessions, OCCASIONS, **keys)
    assert loaded.arms and loaded.groups == ["drug", "placebo"]
    (only,) = loaded.contrasts
    assert only.name == "time" and only.sides == {"active": "after", "control": "before"}
    assert only.effect == "change from before to after"
    assert loaded.visit_columns(only) == []
    assert [p.participant.group for p in loaded.compared(only)] == ["placebo", "drug"] * 2
    said = refusal(trial, people, sessions, OCCASIONS, **keys | {"occasions": []})
    assert "config key occasions" in said
    more = refusal(trial, people, sessions, OCCASIONS, **keys | {"groups": ["MDD", "HV"]})
    assert more.startswith("config key groups") or "no row" in more
    several = [*people, ("sub-9", "HV", "n/a")]
    said = refusal(trial, several, sessions, OCCASIONS, **keys | {"groups": ["MDD", "HV"]})
    assert "config key groups: nobody had more than one treatment" in said


def test_three_parallel_arms_have_the_reference_last(trial):
    people = [(f"sub-{i}", "MDD", "n/a") for i in range(6)]
    sessions = [
        (f"sub-{i}", f"ses-{when}", THREE[i % 3], "n/a", when)
        for i in range(6) for when in ("before", "after")
    ]  # fmt: skip
    keys = {"groups": ["MDD"], "treatments": THREE, "occasions": ["before", "after"]}
    loaded = trial(people, sessions, OCCASIONS, **keys)
    reference, *others = THREE
    assert loaded.arms and loaded.groups == [*others, reference]
    assert list(loaded.group_roles) == ["patients", "controls", "group_3"]
    assert not loaded.of_pairs


def test_before_and_after_a_single_treatment(trial):
    people = [(f"sub-{i}", "HV", "n/a") for i in range(3)]
    sessions = [
        (f"sub-{i}", f"ses-{when}", treatment, "n/a", when)
        for i in range(3) for when, treatment in (("before", "n/a"), ("after", "drug"))
    ]  # fmt: skip
    loaded = trial(people, sessions, OCCASIONS, treatments=["drug"], occasions=["before", "after"])
    (only,) = loaded.contrasts
    assert only.name == "time" and len(loaded.compared(only)) == 3 and not loaded.arms
    assert loaded.name == "a single-arm study of drug, with sessions at before and after"
    said = refusal(trial, people, sessions, OCCASIONS, treatments=["drug"])
    assert said.startswith("config key occasions: ") and "before, after" in said


@pytest.mark.parametrize(
    ("contrasts", "words"),
    [
        (
            {"x": {"drug": 1, "placebo": -0.5}},
            ["contrasts.x: the weights add up to 0.5"],
        ),
        (
            {"x": {"drgu": 1, "placebo": -1}},
            ["'drgu' is none of", "did you mean drug"],
        ),
        ({"x": {"drug": {"d3": 1}, "placebo": -1}}, ["contrasts.x.drug: 'd3' is none of", "d2"]),
        ({"x": {"drug": 0, "placebo": 0}}, ["all weights are zero"]),
        ({"x y": {"drug": 1, "placebo": -1}}, ["contrasts.x y: the name becomes part of file"]),
        ({"group": {"drug": 1, "placebo": -1}}, ["group names something else"]),
        # Whoever leaves every analysis, and the paired ones, is listed under these words.
        ({"all": {"drug": 1, "placebo": -1}}, ["all names something else"]),
        ({"paired": {"drug": 1, "placebo": -1}}, ["paired names something else"]),
    ],
)
def test_a_faulty_contrast_is_refused_in_one_sentence(trial, contrasts, words):
    said = refusal(
        trial, *course(), OCCASIONS, treatments=["placebo", "drug"],
        occasions=["b0", "d2", "d10"], contrasts=contrasts,
    )  # fmt: skip
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("row", "cells", "words"),
    [
        (1, {"occasion": "d3"}, ["row 3, column \"occasion\": 'd3' is none of the occasions"]),
        (0, {"period": "1"}, ['row 2, column "period": a session before all treatment']),
        (1, {"period": "x"}, ["'x' is no number of a period"]),
        (2, {"occasion": "d2"}, ["sub-0 has two sessions of d2 under placebo (also row 3)"]),
        (3, {"period": "1"}, ["sub-0 has two sessions in period 1"]),
        (1, {"treatment": "drug"}, ["period 1 under drug contradicts the sequence placebo-drug"]),
    ],
)
def test_a_faulty_session_is_refused_in_one_sentence(trial, row, cells, words):
    people, sessions = course()
    names = OCCASIONS.split()
    changed = dict(zip(names, sessions[row], strict=True)) | cells
    sessions[row] = tuple(changed[name] for name in names)
    said = refusal(
        trial, people, sessions, OCCASIONS, treatments=["placebo", "drug"],
        occasions=["b0", "d2", "d10"], contrasts=CELLS,
    )  # fmt: skip
    assert any(all(word in line for word in words) for line in said.splitlines()), said


def test_occasions_belong_in_the_config_and_in_the_sheet(trial):
    said = refusal(trial, *course(), OCCASIONS, treatments=["placebo", "drug"])
    assert "config key occasions: " in said and "b0, d2, d10" in said
    said = refusal(trial, *williams(), treatments=THREE, occasions=["d2"])
    assert "has no column occasion" in said


def test_orders_are_read_from_labels_that_hold_hyphens():
    known = ["low-dose", "low", "placebo"]
    assert read_order("low-low-dose-placebo", known) == ("low", "low-dose", "placebo")
    assert read_order("low-high", known) is None and read_order(None, known) is None
    assert read_order("low-x-placebo", known, ["x"]) == ("low", "placebo")


def test_designs_are_named():
    def name(*orders, n_periods=None, treatments=THREE):
        orders = [tuple(order) for order in orders]
        return design_name(treatments, n_periods or len(orders[0]), [], orders, arms=False)

    assert is_williams("ABC", [tuple(order) for order in itertools.permutations("ABC")])
    assert is_williams("ABCD", [tuple(order) for order in ("ABDC", "BCAD", "CDBA", "DACB")])
    cyclic = [tuple(order) for order in ("ABC", "BCA", "CAB")]
    assert not is_williams("ABC", cyclic)
    assert name(*cyclic, treatments="ABC").endswith(", in a Latin square")
    assert name(("low", "high"), ("placebo", "low")).endswith("in incomplete blocks")
    two = design_name(["b", "a"], 2, [], [("a", "b")], arms=False)
    assert two == "a two-treatment, two-period crossover of a and b"


def test_a_side_of_a_contrast_in_words():
    a, b = Cell("a", "d2"), Cell("a", "d10")
    assert side_label([(a, 1.0)]) == "a d2"
    assert side_label([(a, 0.5), (b, 0.5)]) == "mean of a d2 and a d10"
    assert side_label([(a, 2.0), (b, 1.0)]) == "2 a d2 + a d10"


def test_periods_that_are_not_known_are_none():
    class Somebody:
        order = None

    class Session:
        treatment, period, occasion = "a", None, None

    own = contrast("x", {Cell("a", None): 1.0, Cell("b", None): -1.0})
    assert visit_columns(own, 3) == ["period_2", "period_3"]
    assert visits(own, Somebody, [(Session, 1.0)], 3) == {"period_2": None, "period_3": None}


def baselines(without=()):
    """Four people with a baseline and a later session under two treatments."""
    people, sessions = [], []
    for number in range(1, 5):
        order = ("drug", "placebo") if number % 2 else ("placebo", "drug")
        people.append((f"sub-{number}", "HV", "-".join(order)))
        sessions += [
            (f"sub-{number}", f"ses-{label}{when}", label, str(period), when)
            for period, label in enumerate(order, 1)
            for when in ("pre", "post")
            if (number, label, when) not in without
        ]
    columns = "participant_id session_id treatment period occasion"
    keys = {"treatments": ["placebo", "drug"], "occasions": ["pre", "post"]}
    return (people, sessions, columns), keys


def test_the_baseline_of_a_period_is_the_same_contrast_before(trial):
    given, keys = baselines(without=[(3, "drug", "pre")])
    loaded = trial(*given, **keys, baseline_occasion="pre")
    (own,) = loaded.contrasts
    assert own.weights == ((Cell("drug", "post"), 1), (Cell("placebo", "post"), -1))
    assert own.baseline == ((Cell("drug", "pre"), 1), (Cell("placebo", "pre"), -1))
    assert own.baseline_within
    people = loaded.compared(own)
    assert [p.participant.participant_id for p in people] == ["sub-1", "sub-2", "sub-4"]
    assert [(s.session_id, w) for s, w in people[0].baseline] == [
        ("ses-drugpre", 1),
        ("ses-placebopre", -1),
    ]
    (row,) = loaded.left()
    why = "no rest scan under drug pre; stays in the mixed model"
    assert (row["participant_id"], row["reason"]) == ("sub-3", why)
    assert loaded.visit_columns(own) == ["sequence_code"]


def test_the_difference_of_differences_is_a_contrast(trial):
    given, keys = baselines()
    (own,) = trial(*given, **keys, baseline_occasion="pre", baseline="difference").contrasts
    assert dict(own.weights) == {
        Cell("drug", "post"): 1,
        Cell("placebo", "post"): -1,
        Cell("drug", "pre"): -1,
        Cell("placebo", "pre"): 1,
    }
    assert own.baseline == () and own.treatments == ("drug", "placebo")
    (plain,) = trial(*given, **keys, baseline_occasion="pre", baseline="none").contrasts
    assert plain.baseline == () and len(plain.weights) == 2


def test_the_baseline_of_arms_is_a_covariate_between_people_only(trial):
    people = [(f"sub-{i}", "MDD", "n/a") for i in range(1, 5)]
    sessions = [
        (f"sub-{i}", f"ses-{when}", ("drug", "placebo")[i % 2], "n/a", when)
        for i in range(1, 5)
        for when in ("pre", "post")
    ]
    columns = "participant_id session_id treatment period occasion"
    keys = {"treatments": ["placebo", "drug"], "occasions": ["pre", "post"], "groups": ["MDD"]}
    (own,) = trial(people, sessions, columns, **keys, baseline_occasion="pre").contrasts
    assert own.baseline == ((Cell("any", "pre"), 1),) and not own.baseline_within


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"baseline": "period"}, "baseline_occasion: it is left out where baseline is period"),
        ({"baseline_occasion": "pro"}, "baseline_occasion: 'pro' is none of the occasions"),
        (
            {"baseline_occasion": "post", "main_occasion": "pre"},
            "post comes later than pre, which the contrast drug uses",
        ),
        (
            {
                "baseline_occasion": "pre",
                "baseline": "difference",
                "contrasts": {
                    "did": {"drug": {"post": 1, "pre": -1}, "placebo": {"post": -1, "pre": 1}}
                },
            },
            "no contrast has a use for pre",
        ),
        (
            {"baseline_occasion": "pre", "contrasts": {"since": {"any": {"post": 1, "pre": -1}}}},
            "no contrast has a use for pre: a change since pre within people contains it already",
        ),
    ],
)
def test_a_baseline_that_does_not_fit_is_refused(trial, keys, said):
    given, own = baselines()
    assert said in refusal(trial, *given, **own | keys)


def test_a_trend_over_doses_is_the_slope_of_least_squares(trial):
    doses = {"placebo": 0, "low": 0.2, "high": 1.0}
    loaded = trial(*williams(), treatments=THREE, contrasts={"trend": {"doses": doses}})
    (own,) = loaded.contrasts
    weights = {cell.treatment: weight for cell, weight in own.weights}
    values = {"placebo": 3.1, "low": 4.0, "high": 7.7}
    slope = np.polyfit([doses[t] for t in values], list(values.values()), 1)[0]
    assert sum(weights[t] * values[t] for t in values) == pytest.approx(slope)
    assert own.effect == "trend" and loaded.visit_columns(own) == ["period_2", "period_3"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"doses": {"placebo": 0, "lo": 1}}, "'lo' is none of the treatments placebo, low, high"),
        ({"doses": {"placebo": 1, "low": 1}}, "all doses are the same"),
        ({"doses": 3}, "write the dose of each treatment"),
        ({"doses": {}}, "write the dose of each treatment"),
        ({"doses": {"placebo": 0, "low": 1}, "high": 1}, "a trend over doses has no other weights"),
    ],
)
def test_doses_that_have_no_trend_are_refused(trial, given, said):
    keys = {"treatments": THREE, "contrasts": {"trend": given}}
    assert said in refusal(trial, *williams(), **keys)


def test_a_set_has_contrasts_that_do_not_follow_from_each_other(trial):
    (own,) = trial(*williams(), treatments=THREE, sets={"dose": ["low", "high"]}).sets
    assert own.labels == ["low − placebo", "high − placebo"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["low", "hi"], "'hi' is none of the contrasts low, high, between"),
        (["low"], "a set has two contrasts or more"),
        (["low", "high", "between"], "between follows from the contrasts before it"),
    ],
)
def test_sets_that_cannot_be_tested_are_refused(trial, named, said):
    contrasts = {
        "low": {"low": 1, "placebo": -1},
        "high": {"high": 1, "placebo": -1},
        "between": {"high": 1, "low": -1},
    }
    keys = {"treatments": THREE, "contrasts": contrasts, "sets": {"dose": named}}
    assert said in refusal(trial, *williams(), **keys)


def test_a_set_is_not_called_like_a_contrast(trial):
    keys = {"treatments": THREE, "sets": {"low": ["low", "high"]}}
    assert "a contrast is called low too" in refusal(trial, *williams(), **keys)


def said_of(loaded):
    usable = loaded.scanned_sessions()
    found = limits(loaded, {c.name: loaded.compared(c) for c in loaded.contrasts}, usable)
    return [str(limit) for limit in found]


def test_what_can_be_estimated_needs_no_words(trial):
    assert said_of(trial(*williams(), treatments=THREE)) == []


def test_an_empty_cell_and_nobody_in_all_cells_are_said(trial):
    given, keys = baselines({(n, label, "post") for n in (1, 2, 3, 4) for label in ["drug"]})
    keys["contrasts"] = {"early": {"drug": {"pre": 1}, "placebo": {"pre": -1}}}
    keys["contrasts"]["late"] = {"drug": {"post": 1}, "placebo": {"post": -1}}
    (said,) = said_of(trial(*given, **keys))
    assert said == "contrast late cannot be estimated: nobody has a scan under drug post"
    without = {(f"sub-{n}", "low" if n < 4 else "high") for n in range(1, 7)}
    keys = {"treatments": THREE, "contrasts": {"between": {"high": 1, "low": -1}}}
    (said,) = said_of(trial(*williams(without), **keys))
    assert said == (
        "contrast between cannot be estimated: nobody has all of its sessions (a scan under high "
        "and under low)"
    )


def test_a_group_without_anybody_is_said(trial):
    people, sessions = williams({("sub-1", "low"), ("sub-2", "low")})
    people = [(p, "MDD" if p in ("sub-1", "sub-2") else "HV", order) for p, _, order in people]
    said = said_of(trial(people, sessions, treatments=THREE, groups=["MDD", "HV"]))
    assert said[0] == "contrast low cannot be estimated in MDD: nobody of it has all sessions"


def test_effects_of_periods_and_time_that_cannot_be_told_apart_are_said(trial):
    people = [(f"sub-{n}", "HV", "drug-placebo") for n in (1, 2, 3)]
    sessions = [
        (f"sub-{n}", f"ses-{label}", label, "n/a")
        for n in (1, 2, 3)
        for label in ("drug", "placebo")
    ]
    (said,) = said_of(trial(people, sessions, treatments=["placebo", "drug"]))
    assert said == (
        "contrast drug in HV: everybody had the same order of treatments, so the effects of "
        "treatment and period cannot be told apart"
    )
    unknown = [(p, group, "n/a") for p, group, _ in people]
    (said,) = said_of(trial(unknown, sessions, treatments=["placebo", "drug"]))
    assert said.startswith("contrast drug in HV: the order of treatments is not known for anybody")
    arm = [(f"sub-{n}", f"ses-{w}", "drug", "n/a", w) for n in (1, 2) for w in ("pre", "post")]
    columns = "participant_id session_id treatment period occasion"
    keys = {"treatments": ["drug"], "occasions": ["pre", "post"]}
    people = [(f"sub-{n}", "HV", "n/a") for n in (1, 2)]
    (said,) = said_of(trial(people, arm, columns, **keys))
    assert said.endswith("so the effects of treatment and time cannot be told apart")


def test_an_occasion_before_all_treatment_is_no_baseline_of_a_period(trial):
    (people, sessions, columns), keys = baselines()
    sessions = [(p, s, t, k, "day2" if w == "post" else w) for p, s, t, k, w in sessions]
    sessions = [row for row in sessions if row[-1] == "day2"]
    sessions += [(person, "ses-b0", "n/a", "n/a", "b0") for person, _, _ in people]
    keys |= {"occasions": ["b0", "day2"], "baseline_occasion": "b0"}
    said = refusal(trial, people, sessions, columns, **keys)
    assert "baseline_occasion: no session under a treatment is at b0" in said


def test_contrasts_over_time_are_known(trial):
    given, keys = baselines()
    keys["contrasts"] = {
        "plain": {"drug": {"post": 1}, "placebo": {"post": -1}},
        "fading": {"drug": {"pre": 1, "post": -1}, "placebo": {"pre": -1, "post": 1}},
        "rise": {"drug": {"post": 1, "pre": -1}},
        "since": {"any": {"post": 1, "pre": -1}},
    }
    loaded = trial(*given, **keys)
    assert [c.over_time for c in loaded.contrasts] == [False, False, True, True]
    said = said_of(loaded)
    assert [s.split(" in ")[0] for s in said] == ["contrast rise", "contrast since"]
    assert all("treatment and time cannot be told apart" in s for s in said)
