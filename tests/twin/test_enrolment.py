"""The sheets of a twin of any design."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.trial.config import check, load_schema
from crossfc.trial.new_sheets import write_sheets
from crossfc.trial.recognition import is_williams
from crossfc.trial.scale import read_scales
from crossfc.twin.enrolment import check_design, enrol, williams

WILLIAMS = {
    "groups": {"controls": "HV"},
    "treatments": ["placebo", "low", "high"],
    "design": {"people": {"HV": 18}, "dropouts": 0.2, "scales": ["TEPS_A"]},
}
ARMS = {
    "groups": ["MDD"],
    "treatments": ["placebo", "drug"],
    "occasions": ["before", "after"],
    "design": {"people": {"MDD": 20}, "orders": [["placebo"], ["drug"]], "scales": ["MADRS"]},
}
BASELINES = {
    "groups": ["MDD", "HV"],
    "treatments": ["placebo", "ketamine"],
    "occasions": ["b0", "baseline", "day2"],
    "design": {"people": {"MDD": 8, "HV": 6}, "before": ["b0"], "scales": ["MADRS"]},
}


@pytest.fixture
def config(root):
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")

    def made(given, **design):
        given = dict(given)
        twin = {"design": given.pop("design") | design}
        sheets = {"participants": "people.tsv", "sessions": "sessions.tsv"}
        base = {"study": "s", "entry": "fmriprep", "derivatives_dir": "d", "sheets": sheets}
        return check(base | given | {"twin": twin}, schema)

    return made


@pytest.fixture
def sheets(config, root):
    def made(given, **design):
        scales = read_scales(root / "config/scales.tsv")
        people, sessions, _ = enrol(config(given, **design), scales)
        own = {row["participant_id"]: [] for row in people.rows}
        for row in sessions.rows:
            own[row["participant_id"]].append(row)
        return people.rows, own

    return made


def test_orders_of_a_williams_design_are_balanced():
    for n in range(3, 8):
        treatments = [f"t{i}" for i in range(n)]
        orders = {tuple(order) for order in williams(treatments)}
        assert len(orders) == (2 * n if n % 2 else n)
        pairs = Counter(p for o in orders for p in zip(o, o[1:], strict=False))
        assert len(pairs) == n * (n - 1) and len(set(pairs.values())) == 1
        assert is_williams(treatments, orders)
    assert sorted(williams(["a", "b"])) == [["a", "b"], ["b", "a"]]
    assert williams(["a"]) == [["a"]]


def test_three_treatments_with_drop_outs(sheets):
    people, own = sheets(WILLIAMS)
    orders = Counter(row["sequence"] for row in people)
    assert len(orders) == 6 and set(orders.values()) == {3}
    assert sum(len(rows) < 3 for rows in own.values()) == 4  # a fifth of 18
    for person in people:
        rows = own[person["participant_id"]]
        given = person["sequence"].split("-")
        assert len(rows) >= 1 and [row["treatment"] for row in rows] == given[: len(rows)]
        assert [row["period"] for row in rows] == list(range(1, len(rows) + 1))
        assert all(10 <= row["TEPS_A"] <= 60 for row in rows) and "MADRS" not in rows[0]
    assert all("occasion" not in row for rows in own.values() for row in rows)


def test_parallel_arms_have_one_treatment_and_no_period(sheets):
    people, own = sheets(ARMS)
    assert {row["sequence"] for row in people} == {None}
    arms = Counter(rows[0]["treatment"] for rows in own.values())
    assert arms == {"placebo": 10, "drug": 10}
    for rows in own.values():
        assert len({row["treatment"] for row in rows}) == 1
        assert [(row["period"], row["occasion"]) for row in rows] == [
            (None, "before"), (None, "after")
        ]  # fmt: skip


def test_baselines_of_every_period_and_one_before_all_treatment(sheets):
    people, own = sheets(BASELINES)
    for group, n in (("MDD", 4), ("HV", 3)):
        orders = Counter(row["sequence"] for row in people if row["group"] == group)
        assert orders == {"placebo-ketamine": n, "ketamine-placebo": n}
    for person in people:
        first, second = person["sequence"].split("-")
        cells = [
            (r["treatment"], r["period"], r["occasion"]) for r in own[person["participant_id"]]
        ]
        assert cells == [
            (None, None, "b0"), (first, 1, "baseline"), (first, 1, "day2"),
            (second, 2, "baseline"), (second, 2, "day2"),
        ]  # fmt: skip


def test_scores_follow_the_treatment_at_its_occasion(sheets):
    people, own = sheets(BASELINES, people={"MDD": 300, "HV": 2})
    means = {}
    for person in people[:300]:
        for row in own[person["participant_id"]]:
            means.setdefault((row["treatment"], row["occasion"]), []).append(row["MADRS"])
    mean = {cell: sum(scores) / len(scores) for cell, scores in means.items()}
    assert mean["ketamine", "day2"] - mean["placebo", "day2"] == pytest.approx(-7, abs=1.5)
    assert mean["ketamine", "baseline"] == pytest.approx(mean["placebo", "baseline"], abs=0.8)


def test_everybody_is_drawn_anew_with_another_seed_only(config, root):
    scales = read_scales(root / "config/scales.tsv")
    one, same, other = (config(WILLIAMS) for _ in range(3))
    other["twin"]["seed"] = 7
    assert enrol(one, scales) == enrol(same, scales) != enrol(other, scales)


@pytest.mark.parametrize(
    ("given", "design", "said"),
    [
        (WILLIAMS, {"people": {"HC": 18, "HV": 3}}, "people: 'HC' is none of the groups HV"),
        (BASELINES, {"people": {"MDD": 8}}, "there is no number of people of HV; write such as"),
        (WILLIAMS, {"orders": [["placebo", "hihg"]]}, "number 1: 'hihg' is none of the treatments"),
        (WILLIAMS, {"orders": "latin"}, "'latin' is no name of orders; write williams"),
        (WILLIAMS, {"orders": [["low"], ["low", "high"]]}, "different numbers of periods"),
        (WILLIAMS, {"orders": [["low", "placebo"]]}, "nobody has high; put every treatment"),
        (BASELINES, {"before": ["b1"]}, "before: 'b1' is none of the occasions b0, baseline, day2"),
        (ARMS, {"before": ["before", "after"]}, "no occasion is left for the periods"),
        (ARMS, {"scales": ["PANSS"]}, "how people score on PANSS is not known"),
    ],
)
def test_what_the_study_does_not_have_is_told(config, given, design, said):
    made = config(given, **design)
    with pytest.raises(Fault) as caught:
        check_design(made, made["twin"]["design"])
    assert said in str(caught.value) and str(caught.value).startswith("config key twin.design.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["williams", "arms", "baselines"])
def test_the_sheets_of_the_examples_are_their_designs(root, tmp_path, name):
    given = yaml.safe_load((root / f"config/twin_{name}.yaml").read_text())
    shipped = {key: root / path for key, path in given["sheets"].items()}
    made = check(given, load_schema(root / "workflow/schemas/config.schema.yaml"))
    made["sheets"] = {key: str(root / path) for key, path in made["sheets"].items()}
    made["sheets"] |= {key: str(tmp_path / f"{key}.tsv") for key in shipped}
    write_sheets(made, enrol)
    for key, path in shipped.items():
        assert Path(made["sheets"][key]).read_text() == path.read_text(), path
