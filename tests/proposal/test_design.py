"""What labels and tables of a data set tell of a design, and what they leave open."""

import pytest

from crossfc.proposal.design import find_design, find_groups
from crossfc.proposal.table import Column, Table
from crossfc.trial.open_entry import OPEN, open_keys, unfilled

SESSIONS = ["ses-1", "ses-2"]


def people(meanings=None, **columns):
    """Make a table of persons; each column is a list of entries, None where one is missing."""
    own = {
        name: Column(
            name,
            {(f"sub-{n}",): value for n, value in enumerate(values, 1) if value is not None},
            (meanings or {}).get(name, {}),
        )
        for name, values in columns.items()
    }
    return Table("participants.tsv", own)


def sessions(pattern="sub-*/sub-*_sessions.tsv", **columns):
    """Make a table of the sessions of people, two each."""
    own = {
        name: Column(
            name, {(f"sub-{n // 2 + 1}", f"ses-{n % 2 + 1}"): v for n, v in enumerate(values)}
        )
        for name, values in columns.items()
    }
    return Table(pattern, own)


def test_groups_are_a_column_by_name_and_healthy_people_come_last():
    table = people(site=["a", "b", "a"], Diagnosis=["HC", "MDD", "MDD"])
    found = find_groups(table)
    assert found.labels == ["MDD", "HC"] and found.column.name == "Diagnosis"
    levels = {"group": {"1": "healthy controls", "2": "depression"}}
    coded = find_groups(people(levels, group=["1", "2", "1"]))
    assert coded.labels == ["2", "1"] and coded.values == {"2": "2", "1": "1"}
    spaced = find_groups(people(group=["major depression", "control"]))
    assert spaced.values == {"major depression": "major_depression", "control": "control"}


@pytest.mark.parametrize(
    "table",
    [
        None,
        people(age=["30", "40"]),
        people(group=[str(n) for n in range(7)]),  # more values than groups can be
        people(treatment_group=["drug", "placebo"]),  # an arm
        people(group=["a b", "a_b"]),  # two values of one label
    ],
)
def test_where_no_column_tells_groups_everybody_is_one(table):
    assert find_groups(table).labels == ["everybody"]


def test_a_column_of_sessions_tells_treatments_and_dates_tell_periods():
    table = sessions(
        drug=["placebo", "LSD", "LSD", "placebo"],
        acq_time=["2024-01-01T10:00:00", "2024-02-01T10:00:00"] * 2,
        score=["1", "2", "3", "4"],
    )
    found = find_design(SESSIONS, people(age=["30", "31"]), [table])
    assert (found.treatments, found.reference) == (["placebo", "LSD"], True)
    assert found.source == {"columns": {"treatment": "drug"}, "order": "acq_time"}
    assert not found.sessions and not found.sequence and not found.occasions


def test_codes_of_treatments_are_told_by_the_json_file():
    table = sessions("phenotype/visits.tsv", Treatment=["d", "p", "p", "d"], period=["1", "2"] * 2)
    table.columns["Treatment"].meanings = {"d": "Ketamine", "p": "Placebo"}
    found = find_design(SESSIONS, None, [table])
    assert found.treatments == ["Placebo", "Ketamine"]
    assert found.source == {
        "columns": {"treatment": "Treatment", "period": "period"},
        "treatments": {"d": "Ketamine", "p": "Placebo"},
        "tables": ["phenotype/visits.tsv"],
    }


def test_a_column_that_may_tell_something_else_needs_a_control():
    for name in ("medication", "condition"):
        table = sessions(**{name: ["eyes open", "eyes closed"] * 2})
        assert not find_design(SESSIONS, people(medication=["yes", "no"]), [table]).treatments
        table = sessions(**{name: ["sham", "stimulation"] * 2})
        assert find_design(SESSIONS, None, [table]).treatments == ["sham", "stimulation"]


def test_what_may_be_before_all_treatment_is_open():
    table = sessions(drug=["baseline", "placebo", "LSD", "none"])
    found = find_design(SESSIONS, None, [table])
    assert found.treatments == ["placebo", "LSD"]
    assert found.source["treatments"] == {
        "LSD": "LSD",
        "baseline": OPEN,
        "none": OPEN,
        "placebo": "placebo",
    }


def test_several_sessions_of_one_treatment_need_occasions():
    told = {"treatment": ["A", "A", "B", "B"]}
    table = sessions(**told, time_point=["day 10", "day 2"] * 2)
    found = find_design(SESSIONS, None, [table])
    assert found.occasions == ["day2", "day10"] and not found.reference
    assert found.source["columns"] == {"treatment": "treatment", "occasion": "time_point"}
    assert found.source["occasions"] == {"day 10": "day10", "day 2": "day2"}
    open_ones = find_design(SESSIONS, None, [sessions(**told)])
    assert open_ones.occasions == [OPEN] and not open_ones.in_order
    assert open_keys(open_ones.source) == ["columns.occasion"]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["ses-LSD", "ses-PLCB"], {"ses-LSD": "LSD", "ses-PLCB": "PLCB"}),
        (["ses-placebo1", "ses-drug1"], {"ses-placebo1": "placebo", "ses-drug1": "drug"}),
        # Which of the others is no treatment only people know.
        (["ses-baseline", "ses-drug", "ses-placebo"], None),
        (["ses-d2", "ses-p2"], None),
        (["ses-saline", "ses-sham"], None),
    ],
)
def test_labels_of_sessions_tell_treatments_only_if_one_is_a_control(labels, told):
    found = find_design(labels, None, [])
    if told is None:
        assert found.sessions == {label: {"treatment": OPEN} for label in labels}
        assert not found.treatments
    else:
        assert {k: own["treatment"] for k, own in found.sessions.items()} == told
        assert found.reference and not found.occasions


def test_labels_with_a_treatment_and_a_day():
    labels = ["ses-b0", "ses-ketamine2", "ses-ketamine10", "ses-placebo2", "ses-placebo10"]
    found = find_design(labels, None, [])
    assert found.treatments == ["placebo", "ketamine"] and found.occasions == ["2", "10"]
    assert found.sessions["ses-ketamine10"] == {"treatment": "ketamine", "occasion": "10"}
    assert found.sessions["ses-b0"] == {"treatment": OPEN, "occasion": OPEN}


def test_numbered_columns_of_persons_tell_the_order():
    levels = {"infusion_1": {"d": "Ketamine", "p": "Placebo"}}
    levels["infusion_2"] = levels["infusion_1"]
    table = people(levels, infusion_1=["d", "p", None], infusion_2=["p", "d", None],
                   rating_1=["1", "2", "3"], rating_2=["1", "2", "3"])  # fmt: skip
    found = find_design(["ses-d2", "ses-p2"], table, [])
    assert found.sequence == {
        "columns": ["infusion_1", "infusion_2"],
        "values": {"d": "Ketamine", "p": "Placebo"},
    }
    assert found.treatments == ["Placebo", "Ketamine"]
    assert open_keys(found.sessions) == ["ses-d2.treatment", "ses-p2.treatment"]
    # Sessions that are numbered as the periods are need no more.
    numbered = find_design(["ses-01", "ses-02"], table, [])
    assert numbered.sessions == {"ses-01": {"period": 1}, "ses-02": {"period": 2}}
    assert open_keys(find_design(["ses-1", "ses-2", "ses-3"], table, []).sessions)


@pytest.mark.parametrize(
    ("values", "sequence", "treatments"),
    [
        (["AB", "BA"], {"column": "order", "values": {"AB": "A-B", "BA": "B-A"}}, ["A", "B"]),
        (["drug-placebo", "placebo-drug"], {"column": "order"}, ["placebo", "drug"]),
        (
            ["drug then placebo", "placebo then drug"],
            {
                "column": "order",
                "values": {
                    "drug then placebo": "drug-placebo",
                    "placebo then drug": "placebo-drug",
                },
            },
            ["placebo", "drug"],
        ),
        (["1", "2"], {"column": "order", "values": {"1": OPEN, "2": OPEN}}, []),
    ],
)
def test_one_column_of_persons_tells_the_order(values, sequence, treatments):
    found = find_design(SESSIONS, people(order=values), [])
    assert found.sequence == sequence and found.treatments == treatments
    periods = {"ses-1": {"period": 1}, "ses-2": {"period": 2}}
    assert (found.sessions == periods) == bool(treatments)


def test_orders_are_in_the_treatments_that_are_known_from_elsewhere():
    found = find_design(["ses-LSD", "ses-PLCB"], people(sequence=["lsd-plcb", "PLCB-LSD"]), [])
    assert found.sequence["values"] == {"PLCB-LSD": "PLCB-LSD", "lsd-plcb": "LSD-PLCB"}
    other = find_design(["ses-LSD", "ses-PLCB"], people(sequence=["LSD-placebo"] * 2 + ["x-y"]), [])
    assert set(other.sequence["values"].values()) == {OPEN}


@pytest.mark.parametrize(
    ("labels", "occasions"),
    [
        (["ses-post", "ses-pre"], ["pre", "post"]),
        (["ses-1", "ses-2", "ses-10"], ["1", "2", "10"]),
        (["ses-baseline", "ses-week4", "ses-week12"], ["baseline", "week4", "week12"]),
        (["ses-end", "ses-start"], None),
        (["ses-day2", "ses-week1"], None),
        (["ses-baseline", "ses-pre", "ses-week1"], None),
    ],
)
def test_arms_are_a_column_of_persons_and_sessions_are_occasions(labels, occasions):
    found = find_design(labels, people(arm=["drug", "placebo", "drug"]), [])
    assert found.treatments == ["placebo", "drug"] and found.in_order == (occasions is not None)
    assert found.occasions == occasions or not found.in_order
    assert found.sessions[labels[0]] == {"column": "arm", "occasion": labels[0][4:]}


def test_what_is_open_is_one_sentence():
    config = {"task": OPEN, "dataset": {"sessions": {"ses-1": {"treatment": OPEN}}}, "space": "x"}
    (said,) = unfilled(config)
    assert said.startswith("config keys task, dataset.sessions.ses-1.treatment: still hold ???;")
    assert unfilled({"groups": ["?"]}) == []
