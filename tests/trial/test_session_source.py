"""Sessions told by one rule for all: their labels, tables of sessions and scans, and dates."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from crossfc.fault import Fault
from crossfc.trial.design import load
from crossfc.trial.new_sheets import write_sheets
from tests.trial.conftest import shipped

# The ketamine trial with all its occasions, told otherwise than in its config --------------------


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def write(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [columns, *([str(row[c]) for c in columns] for row in rows)]
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def course(ketamine, root, schema, tmp_path):
    """Give a function from the keys of the source to the course's config."""

    def make(bids_dir=ketamine[0]["bids_dir"], sessions=None, **source):
        out = tmp_path / "sheets"
        out.mkdir(exist_ok=True)
        config = shipped(root, schema, "ds005917_course", bids_dir, out)
        blank = {"label": None, "tables": None, "columns": {}, "treatments": {}, "occasions": {}}
        config["dataset"]["sessions"] = sessions or {}
        config["dataset"]["session_source"] = blank | {"order": None} | source
        return config

    return make


@pytest.mark.parametrize("sheet", ["participants", "sessions"])
def test_labels_tell_treatment_and_day(course, root, sheet):
    config = course(
        label="ses-{treatment}{occasion}",
        treatments={"b": "n/a", "d": "ketamine", "p": "placebo"},
        occasions={"0": "b0", "2": "day2", "10": "day10"},
    )
    write_sheets(config)
    committed = root / "config" / "ds005917" / "course" / f"{sheet}.tsv"
    assert Path(config["sheets"][sheet]).read_bytes() == committed.read_bytes()


@pytest.fixture(scope="module")
def by_date(ketamine, root, tmp_path_factory):
    """The same data set with sessions numbered by date, as many labs name them, and tables.

    Its `*_sessions.tsv` have drug, timepoint and acq_time; no infusion stands in participants.tsv.
    Dates are made up from the order of infusions where it is known.
    """
    source, bids_dir = Path(ketamine[0]["bids_dir"]), tmp_path_factory.mktemp("dated") / "bids"
    shutil.copytree(source / "phenotype", bids_dir / "phenotype")
    people = rows_of(source / "participants.tsv")
    order = {p["participant_id"]: (p["infusion_1"], p["infusion_2"]) for p in people}
    write(bids_dir / "participants.tsv", ["participant_id", "group", "age", "sex"], people)
    listing = (source / "files.txt").read_text().splitlines()
    number = {}
    for person in order:
        first, second = order[person] if set(order[person]) == {"d", "p"} else ("d", "p")
        own = ["b0", f"{first}2", f"{first}10", f"{second}2", f"{second}10"]
        number[person] = {f"ses-{label}": f"ses-{n}" for n, label in enumerate(own, 1)}

    def renamed(line):
        person = re.search("sub-[A-Za-z0-9]+", line)
        mapping = number.get(person[0], {}) if person else {}
        return re.sub("ses-[a-z0-9]+", lambda m: mapping.get(m[0], m[0]), line)

    (bids_dir / "files.txt").write_text("".join(f"{renamed(line)}\n" for line in listing))
    table = bids_dir / "phenotype" / "phenotype.tsv"
    table.write_text("".join(f"{renamed(line)}\n" for line in table.read_text().splitlines()))
    meaning = {"b": "n/a", "d": "esketamine", "p": "saline"}
    for person, labels in number.items():
        rows = [
            {
                "session_id": name,
                "drug": meaning[label[4]],
                "timepoint": label[5:],
                "acq_time": f"2012-{n:02d}-03T10:00:00"
                if order[person][0] in ("d", "p")
                else "n/a",
            }
            for n, (label, name) in enumerate(labels.items(), 1)
            if any(line.startswith(f"{person}/{label}/") for line in listing)
        ]
        columns = ["session_id", "drug", "timepoint", "acq_time"]
        write(bids_dir / person / f"{person}_sessions.tsv", columns, rows)
    return bids_dir, number


def test_tables_of_sessions_tell_treatment_occasion_and_by_date_the_period(course, root, by_date):
    bids_dir, number = by_date
    config = course(
        bids_dir,
        sessions={"ses-1": {"treatment": "n/a"}},
        columns={"treatment": "drug", "occasion": "timepoint"},
        treatments={"esketamine": "ketamine", "saline": "placebo"},
        occasions={"0": "b0", "2": "day2", "10": "day10"},
        order="acq_time",
    )
    config["dataset"]["sequence"] = {"values": {}}
    notes, trial = write_sheets(config)
    committed = root / "config" / "ds005917" / "course"
    people = {row["participant_id"]: row for row in rows_of(committed / "participants.tsv")}
    expected = {}
    for row in rows_of(committed / "sessions.tsv"):
        name = number[row["participant_id"]][row["session_id"]]
        scans = re.sub("ses-[a-z0-9]+", name, row.pop("scan"))
        expected[row["participant_id"], name] = row | {"session_id": name, "scan": scans}
    made = {
        (r["participant_id"], r["session_id"]): r for r in rows_of(config["sheets"]["sessions"])
    }
    assert made.keys() == expected.keys()
    # Who had one infusion only keeps no period: dates do not tell which one is missing.
    fewer = re.search(r"fewer than 2, and dates do not tell which: (.*)", "\n".join(notes))
    both = {}
    for (person, _), row in expected.items():
        both.setdefault(person, set()).add(row["treatment"])
    single = {p for p, own in both.items() if len(own - {"n/a"}) == 1}
    for key, row in made.items():
        wanted = expected[key] | ({"period": "n/a"} if key[0] in single else {})
        if people[key[0]]["sequence"] != "n/a" or key[0] in single:
            assert row == wanted
        else:
            assert row == wanted | {"period": row["period"]}
    assert single
    assert fewer
    sequences = {p: trial.participants[p].sequence for p in people}
    assert {p: s for p, s in sequences.items() if p not in single and s} == {
        p: row["sequence"]
        for p, row in people.items()
        if row["sequence"] != "n/a" and p not in single and row["exclude"] == "no"
    }


# Small data sets ---------------------------------------------------------------------------------


def refusal(config):
    with pytest.raises(Fault) as caught:
        write_sheets(config)
    return str(caught.value)


def sheet_of(config):
    notes = write_sheets(config)[0]
    return {
        (s.participant_id, s.session_id): (s.treatment, s.period, s.exclude)
        for s in load(config).sessions
    }, notes


def scans_tables(bids_dir, columns, rows):
    """Write a table of scans for each session: ``rows`` are by (person, session)."""
    for (person, session), cells in rows.items():
        stem = f"sub-{person}/ses-{session}/sub-{person}_ses-{session}"
        own = [dict(zip(["filename", *columns], row, strict=True)) for row in cells]
        write(bids_dir / f"{stem}_scans.tsv", ["filename", *columns], own)


def rest(person, session):
    return f"func/sub-{person}_ses-{session}_task-rest_bold.nii.gz"


@pytest.fixture
def by_scans(made, tmp_path):
    """Two people with drug and placebo in different orders, told by tables of scans."""

    def make(dates=None, drugs=None, **source):
        dates = (
            {("01", "1"): "2020-01-02T09:00:00", ("01", "2"): "2020-02-02T09:00:00"}
            | {("02", "1"): "2020-03-09T09:00:00", ("02", "2"): "2020-03-02T09:00:00"}
            | (dates or {})
        )
        drugs = {("01", "1"): "D", ("01", "2"): "P", ("02", "1"): "D", ("02", "2"): "P"} | (
            drugs or {}
        )
        rows = {
            key: [
                (f"anat/sub-{key[0]}_ses-{key[1]}_T1w.nii.gz", "n/a", dates[key]),
                (rest(*key), drugs[key], dates[key]),
            ]
            for key in dates
        }
        scans_tables(tmp_path / "bids", ["drug", "acq_time"], rows)
        given = {
            "columns": {"treatment": "drug"},
            "treatments": {"D": "drug", "P": "placebo"},
            "order": "acq_time",
        }
        return made(sessions={}, session_source=given | source)

    return make


def test_tables_of_scans_tell_treatments_and_dates_their_order(by_scans):
    told, notes = sheet_of(by_scans())
    assert told == {
        ("sub-01", "ses-1"): ("drug", 1, False),
        ("sub-01", "ses-2"): ("placebo", 2, False),
        ("sub-02", "ses-1"): ("drug", 2, False),
        ("sub-02", "ses-2"): ("placebo", 1, False),
    }
    assert not any("no periods" in note for note in notes)


def test_numbers_in_place_of_dates_are_compared_as_numbers(by_scans):
    days = {("01", "1"): "9", ("01", "2"): "10", ("02", "1"): "10", ("02", "2"): "9"}
    told, _ = sheet_of(by_scans(days))
    assert [period for _, period, _ in told.values()] == [1, 2, 2, 1]


def test_dates_with_and_without_time_zone(by_scans):
    told, _ = sheet_of(by_scans({("01", "1"): "2020-02-02T08:59:00Z"}))
    assert [period for _, period, _ in told.values()] == [1, 2, 2, 1]


@pytest.mark.parametrize("date", ["n/a", "2020-02-02T09:00:00"])
def test_a_session_without_date_or_at_the_time_of_another_has_no_period(by_scans, date):
    told, notes = sheet_of(by_scans({("01", "1"): date}))
    assert [period for _, period, _ in told.values()] == [None, None, 2, 1]
    said = "as one of their sessions has no date or the same as another: sub-01"
    assert f"no periods from the column acq_time, {said}" in notes


def test_an_empty_cell_excludes_the_session_by_name(by_scans):
    config = by_scans(drugs={("02", "2"): "n/a"})
    told, notes = sheet_of(config)
    row = rows_of(config["sheets"]["sessions"])[3]
    assert (row["session_id"], row["exclude"]) == ("ses-2", "yes")
    assert row["reason"] == 'no entry in column "drug" of the data set'
    # Of the one session that is left, the dates do not tell the period.
    assert told["sub-02", "ses-1"] == ("drug", None, False)
    assert any("fewer than 2, and dates do not tell which: sub-02" in note for note in notes)


def test_what_is_said_of_other_images_counts_only_where_nothing_is_said_of_the_scan(made, tmp_path):
    other = "func/sub-01_ses-1_task-music_bold.nii.gz"
    anat = "anat/sub-02_ses-1_T1w.nii.gz"
    rows = {
        ("01", "1"): [(other, "placebo"), (rest("01", "1"), "drug")],
        ("01", "2"): [(rest("01", "2"), "placebo")],
        ("02", "1"): [(anat, "drug"), (rest("02", "1"), "n/a")],
        ("02", "2"): [(rest("02", "2"), "placebo")],
    }
    scans_tables(tmp_path / "bids", ["drug"], rows)
    config = made(sessions={}, session_source={"columns": {"treatment": "drug"}})
    told, _ = sheet_of(config)
    assert [treatment for treatment, _, _ in told.values()] == ["drug", "placebo"] * 2


def test_two_scans_of_a_session_that_differ_are_refused(made, tmp_path):
    second = rest("01", "1").replace("_bold", "_run-2_bold")
    rows = {("01", "1"): [(rest("01", "1"), "drug"), (second, "placebo")]}
    scans_tables(tmp_path / "bids", ["drug"], rows)
    said = refusal(made(sessions={}, session_source={"columns": {"treatment": "drug"}}))
    assert (
        "sub-01_ses-1_scans.tsv, row 3, column \"drug\": 'placebo', where " in said
        and "row 2, column \"drug\" has 'drug' for the same session (sub-01 ses-1)" in said
    )


def sessions_tables(bids_dir, text):
    for person in ("01", "02"):
        path = bids_dir / f"sub-{person}" / f"sub-{person}_sessions.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


BOTH = "session_id\tarm\tvisit\nses-1\tdrug\t1\nses-2\tplacebo\t2\n"


def test_a_key_of_a_session_goes_before_its_row(made, tmp_path):
    sessions_tables(tmp_path / "bids", BOTH.replace("ses-1\tdrug", "1\tn/a"))
    source = {"columns": {"treatment": "arm", "period": "visit"}}
    config = made(sessions={"ses-1": {"treatment": "drug"}}, session_source=source)
    told, notes = sheet_of(config)
    assert list(told.values()) == [("drug", 1, False), ("placebo", 2, False)] * 2
    assert any("taken 1 as ses-1" in note for note in notes)
    assert [p.sequence for p in load(config).participants.values()] == ["drug-placebo"] * 2


def test_sessions_without_treatment_in_any_row_are_none_of_the_study(made, tmp_path):
    made.touch("sub-01/ses-screening/func/sub-01_ses-screening_task-rest_bold.nii.gz")
    sessions_tables(tmp_path / "bids", BOTH + "ses-screening\tn/a\tn/a\n")
    told, notes = sheet_of(made(sessions={}, session_source={"columns": {"treatment": "arm"}}))
    assert {session for _, session in told} == {"ses-1", "ses-2"}
    assert (
        "sessions that are not named in the config are not used: ses-screening (1 people)" in notes
    )


FAULTS = [
    ({}, "tells nothing; add label, columns or order"),
    ({"label": "ses-{day}{treatment}"}, "{day} is none of {treatment}, {occasion} and {period}"),
    ({"label": "{treatment}*"}, "does not begin with ses-"),
    ({"label": "ses-{period}"}, "tells no treatment; add {treatment} to the label"),
    ({"label": "ses-{treatment}{treatment}"}, "{treatment} stands there twice"),
    ({"label": "ses-{treatment}", "columns": {"treatment": "arm"}}, "both tell the treatment"),
    ({"label": "ses-{treatment}{occasion}"}, "the config key occasions has none; add them"),
    (
        {"label": "ses-{treatment}"},
        "no session is named like ses-{treatment}; the data set has ses",
    ),
    (
        {"columns": {"treatment": "arms"}},
        "has a column arms; they have session_id, arm, visit; did",
    ),
    (
        {"columns": {"treatment": "visit"}},
        "'1' is no treatment (2 such rows); add it to the config",
    ),
    (
        {"columns": {"treatment": "arm", "period": "arm"}},
        "'drug' is no period (2 such rows); write",
    ),
    ({"columns": {"treatment": "arm", "period": "visit"}, "order": "visit"}, "order does so too"),
    ({"columns": {"treatment": "arm"}, "order": "arm"}, "'drug' is no date; write it as BIDS does"),
    ({"columns": {"treatment": "arm"}, "tables": ["x.tsv"]}, "session_source.tables: "),
    (
        {"columns": {"treatment": "arm"}, "treatments": {"drug": "drugs"}},
        "session_source.treatments.drug: 'drugs' is none of the treatments placebo, drug",
    ),
]


@pytest.mark.parametrize(("source", "said"), FAULTS)
def test_a_source_that_does_not_fit_is_refused(made, tmp_path, source, said):
    sessions_tables(tmp_path / "bids", BOTH)
    assert said in refusal(made(sessions={}, session_source=source))


def test_dates_and_numbers_are_not_mixed(by_scans):
    said = refusal(by_scans({("02", "2"): "3"}))
    assert "'3' is a number where " in said
    assert "has the date '2020-01-02T09:00:00'; write all of one kind" in said


def test_a_data_set_without_such_tables(made):
    said = refusal(made(sessions={}, session_source={"columns": {"treatment": "arm"}}))
    assert "has neither sub-*/sub-*_sessions.tsv nor sub-*/ses-*/sub-*_ses-*_scans.tsv" in said


def test_a_label_that_can_be_read_in_two_ways_is_refused(made):
    source = {"label": "ses-{treatment}*{period}", "treatments": {"1": "drug", "11": "placebo"}}
    made.touch("sub-01/ses-112/func/sub-01_ses-112_task-rest_bold.nii.gz")
    said = refusal(made(sessions={}, session_source=source))
    assert "ses-112 can be read as 2 + 1 and as 2 + 11" in said


def test_a_session_named_otherwise_needs_what_its_label_does_not_tell(made):
    made.touch("sub-01/ses-drug/func/sub-01_ses-drug_task-rest_bold.nii.gz")
    source = {"label": "ses-{treatment}"}
    said = refusal(made(sessions={"ses-2": {"period": 2}}, session_source=source))
    assert (
        "dataset.sessions.ses-2: is not named like ses-{treatment}, so that it needs treat" in said
    )
