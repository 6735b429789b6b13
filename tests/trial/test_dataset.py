"""Sheets from data sets: the real ketamine trial, a second real trial, and small ones made here."""

from collections import Counter
from pathlib import Path

import pytest

from crossfc.fault import Fault
from crossfc.trial.dataset import read_dataset
from crossfc.trial.design import load
from crossfc.trial.new_sheets import write_sheets
from crossfc.trial.tree import read_tree
from tests.trial.conftest import shipped, unpack

# The ketamine trial -----------------------------------------------------------------------------


@pytest.mark.parametrize("sheet", ["participants", "sessions"])
def test_ketamine_sheets_are_the_committed_ones(ketamine, root, sheet):
    made = Path(ketamine[0]["sheets"][sheet]).read_bytes()
    assert made == (root / "config" / "ds005917" / f"{sheet}.tsv").read_bytes()


def test_ketamine_counts(ketamine):
    mdd, hc = load(ketamine[0]).counts()
    assert mdd == {
        "group": "MDD",
        "scanned_ketamine": 27,
        "scanned_placebo": 26,
        "both": 24,
        "either": 29,
        "ketamine_first": 12,
        "placebo_first": 12,
    }
    assert hc == {
        "group": "HC",
        "scanned_ketamine": 19,
        "scanned_placebo": 17,
        "both": 17,
        "either": 19,
        "ketamine_first": 8,
        "placebo_first": 9,
    }


def test_ketamine_everyone_who_leaves_is_listed_with_a_reason(ketamine):
    trial = load(ketamine[0])
    assert len(trial.participants) == 58
    left = {row["participant_id"]: (row["analysis"], row["reason"]) for row in trial.left()}
    assert len(left) == len(trial.left()) == 58 - 24 - 17
    no_ketamine = ("paired", "no rest scan under ketamine; stays in the mixed model")
    no_placebo = ("paired", "no rest scan under placebo; stays in the mixed model")
    neither = ("all", "no rest scan in either session")
    bipolar = ("all", "group BP is not part of this study")
    assert left == {
        "sub-MOA103": no_ketamine,
        "sub-MOA111": no_placebo,
        "sub-MOA113": no_ketamine,
        "sub-MOA117": neither,
        "sub-MOA120": neither,
        "sub-MOA121": no_placebo,
        "sub-MOA125": neither,
        "sub-MOA136": no_placebo,
        "sub-MOA138": neither,
        "sub-MOA201": bipolar,
        "sub-MOA202": bipolar,
        "sub-MOA203": bipolar,
        "sub-MOA307": no_placebo,
        "sub-MOA310": neither,
        "sub-MOA311": neither,
        "sub-MOA317": no_placebo,
        "sub-MOA323": neither,
    }


def test_ketamine_details_of_the_sheets(ketamine):
    trial = load(ketamine[0])
    scans = [s for s in trial.sessions if s.scans]
    # Counted with grep in the list of files.
    assert Counter(len(s.scans) for s in scans) == {1: 83, 2: 5, 4: 1}
    repeats = {s.participant_id + s.session_id: s.scans for s in scans if len(s.scans) > 1}
    folder = "sub-MOA102/ses-d2/func/sub-MOA102_ses-d2_task-rest"
    assert repeats["sub-MOA102ses-d2"] == [f"{folder}_run-0{i}_bold.nii.gz" for i in (1, 2)]
    # The order is not on record for these two; nobody's is made up.
    for person in ("sub-MOA117", "sub-MOA138"):
        assert trial.participants[person].sequence is None
    # One infusion of which the day is known has a period, though there is no sequence.
    assert all(
        s.period in (1, 2)
        for s in trial.scanned_sessions()
        if trial.participants[s.participant_id].sequence is not None
    )
    assert {s.session_id: s.treatment for s in trial.sessions} == {
        "ses-d2": "ketamine",
        "ses-p2": "placebo",
    }


@pytest.fixture(scope="module")
def course(ketamine, root, schema, tmp_path_factory):
    """The same data set with all its occasions."""
    out = tmp_path_factory.mktemp("course")
    config = shipped(root, schema, "ds005917_course", ketamine[0]["bids_dir"], out)
    write_sheets(config)
    return config


@pytest.mark.parametrize("sheet", ["participants", "sessions"])
def test_the_course_has_the_committed_sheets(course, root, sheet):
    made = Path(course["sheets"][sheet]).read_bytes()
    assert made == (root / "config/ds005917/course" / f"{sheet}.tsv").read_bytes()


def test_the_course_uses_every_scan_of_patients_and_controls(course):
    trial = load(course)
    # Counted in the list of files: rest scans of the five sessions, of people with MDD and HC.
    assert len(trial.scanned_sessions()) == 227
    counted = {"b0": 55, "day2": 46 + 43, "day10": 42 + 41}
    assert Counter(s.occasion for s in trial.scanned_sessions()) == counted
    assert trial.name == (
        "a two-treatment, two-period crossover of ketamine and placebo, with sessions at b0, day2 "
        "and day10"
    )
    mdd, hc = trial.counts()
    assert (mdd["complete_day2"], hc["complete_day2"]) == (24, 17)
    assert [trial.visit_columns(contrast) for contrast in trial.contrasts] == [
        ["sequence_code"]
    ] * 4


def test_who_leaves_each_contrast_of_the_course_is_named(course):
    trial = load(course)
    for contrast in trial.contrasts:
        there = {p.participant.participant_id for p in trial.compared(contrast)}
        gone = {
            row["participant_id"]: row["reason"]
            for row in trial.left()
            if row["analysis"] in ("all", contrast.name)
        }
        assert there | gone.keys() == set(trial.participants) and not there & gone.keys()
    day2 = {row["participant_id"] for row in trial.left() if row["analysis"] == "day2"}
    assert {"sub-MOA103", "sub-MOA111", "sub-MOA113"} <= day2


def test_ketamine_scores_give_the_known_change(ketamine):
    from statistics import mean, stdev

    trial = load(ketamine[0])
    pairs = [p for p in trial.compared(trial.contrasts[0]) if p.participant.group == "MDD"]
    change = [
        p.score("MADRS_Total", positive=True) - p.score("MADRS_Total", positive=False)
        for p in pairs
    ]
    assert len(change) == 24
    assert mean(change) == pytest.approx(-6.750, abs=5e-4)
    assert stdev(change) == pytest.approx(9.543, abs=5e-4)


def test_writing_again_changes_nothing(ketamine):
    config, said = ketamine
    paths = [Path(config["sheets"][key]) for key in ("participants", "sessions")]
    written = [line.split(": ")[1] for line in said if line.startswith(str(paths[0].parent))]
    assert written == ["written, 58 rows", "written, 89 rows"]
    # One person of the trial has a T1w in one of the two sessions only.
    (borrowed,) = [line for line in said if "no T1w" in line]
    assert borrowed.startswith("sub-MOA131: no T1w in ses-p2; sub-MOA131/ses-d2/anat/")
    before = [path.stat().st_mtime_ns for path in paths]
    again = [line for line in write_sheets(config)[0] if line.startswith(str(paths[0].parent))]
    assert all("unchanged" in line for line in again)
    assert [path.stat().st_mtime_ns for path in paths] == before


# LSD ------------------------------------------------------------------------------------------

LSD_PEOPLE = ["001", "002", "003", "004", "006", "009", "010", "011", "012", "013", "015", "017",
              "018", "019", "020"]  # fmt: skip


@pytest.fixture(scope="module")
def lsd(shared_data, root, schema, tmp_path_factory):
    archive = shared_data / "ds003059_LSD-placebo_skeleton.tar.gz"
    bids_dir = unpack(archive, tmp_path_factory.mktemp("lsd"))
    config = shipped(root, schema, "ds003059", bids_dir, tmp_path_factory.mktemp("sheets"))
    write_sheets(config)
    return config


def test_lsd_junk_is_there_and_is_not_listed(lsd):
    root = Path(lsd["bids_dir"])
    assert sum(1 for _ in root.rglob("._*")) == 105
    links = [p for p in root.rglob("*.nii.gz") if p.is_symlink() and not p.exists()]
    assert len(links) == 180
    files = read_tree(root, None).files
    assert not [p for p in files if p.name.startswith(".")]
    # 15 T1w, 15 x 2 x 3 runs, 15 x 2 sidecars.
    assert len(files) == 15 + 90 + 30


def test_lsd_by_configuration_alone(lsd):
    trial = load(lsd)
    assert list(trial.participants) == [f"sub-{i}" for i in LSD_PEOPLE]
    assert {p.group for p in trial.participants.values()} == {"HV"}
    assert {p.sequence for p in trial.participants.values()} == {None}
    assert trial.groups == ["HV"]
    (counts,) = trial.counts()
    assert counts == {
        "group": "HV",
        "scanned_LSD": 15,
        "scanned_PLCB": 15,
        "both": 15,
        "either": 15,
        "LSD_first": 0,
        "PLCB_first": 0,
    }
    assert trial.left() == []
    assert trial.scales == {}
    assert [s.session_id for s in trial.sessions] == ["ses-LSD", "ses-PLCB"] * 15
    assert {s.period for s in trial.sessions} == {None}
    for session in trial.sessions:
        # Run 2 is music.
        folder = f"{session.participant_id}/{session.session_id}/func"
        stem = f"{folder}/{session.participant_id}_{session.session_id}_task-rest"
        assert session.scans == [f"{stem}_run-0{i}_bold.nii.gz" for i in (1, 3)]
    for name, person in trial.participants.items():
        assert person.t1w == f"{name}/anat/{name}_T1w.nii.gz"


def test_lsd_all_runs_where_none_is_chosen(lsd):
    mapping = lsd["dataset"] | {"scan": {"runs": None, "entities": {}}}
    _, (_, sessions), _ = read_dataset(lsd | {"dataset": mapping})
    assert {len(str(row["scan"]).split(";")) for row in sessions} == {3}


# Small data sets made here ------------------------------------------------------------------------


PEOPLE = "participant_id\tdx\tage\tfirst\tsecond\nsub-01\tdep\t30\tD\tP\nsub-02\tok\t31\tP\tD\n"
GROUP = {"column": "dx", "values": {"dep": "P", "ok": "C"}}
ORDER = {"columns": ["first", "second"], "values": {"D": "drug", "P": "placebo"}}
BY_COLUMN = {"ses-1": {"column": "first", "period": 1}, "ses-2": {"column": "second", "period": 2}}


def refusal(config):
    with pytest.raises(Fault) as caught:
        write_sheets(config)
    return str(caught.value)


def test_columns_tell_groups_sequences_and_treatments(made):
    config = made(
        people=PEOPLE, group=GROUP, sequence=ORDER, sessions=BY_COLUMN, covariates=["age"]
    )
    write_sheets(config)
    trial = load(config)
    assert [(p.group, p.sequence) for p in trial.participants.values()] == [
        ("P", "drug-placebo"),
        ("C", "placebo-drug"),
    ]
    assert [(s.treatment, s.period) for s in trial.sessions] == [
        ("drug", 1),
        ("placebo", 2),
        ("placebo", 1),
        ("drug", 2),
    ]
    assert trial.participants["sub-02"].covariates == {"age": "31"}


def test_the_sequence_follows_from_sessions_with_periods(made):
    people = PEOPLE.replace("D\tP", "drug\tplacebo").replace("P\tD", "placebo\tdrug")
    config = made(people=people, sessions=BY_COLUMN)
    write_sheets(config)
    config = config
    sequences = [p.sequence for p in load(config).participants.values()]
    assert sequences == ["drug-placebo", "placebo-drug"]
    # The T1w is that of the first period in time, for both the same way.
    assert [p.t1w for p in load(config).participants.values()] == [
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
    ]


def test_the_t1w_of_the_first_period_and_one_without_session_first(made):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    write_sheets(config)
    assert [p.t1w.split("/")[1] for p in load(config).participants.values()] == ["ses-1", "ses-2"]
    made.touch("sub-02/anat/sub-02_T1w.nii.gz", "sub-01/ses-0/anat/sub-01_ses-0_T1w.nii.gz")
    write_sheets(config)
    assert [p.t1w for p in load(config).participants.values()] == [
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-02/anat/sub-02_T1w.nii.gz",
    ]


def test_a_session_without_t1w_uses_the_other_ones_and_that_is_said(made):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    assert not any("no T1w" in sentence for sentence in write_sheets(config)[0])
    root = Path(config["bids_dir"])
    (root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz").unlink()
    chosen = "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"
    assert f"sub-01: no T1w in ses-1; {chosen} serves it too" in write_sheets(config)[0]
    assert load(config).participants["sub-01"].t1w == chosen
    # One without session is everyone's, and there is nothing to say.
    made.touch("sub-01/anat/sub-01_T1w.nii.gz")
    assert not any("no T1w" in sentence for sentence in write_sheets(config)[0])


def test_of_several_t1w_the_first_run_is_taken(made):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    folder = Path(config["bids_dir"]) / "sub-01/ses-1/anat"
    (folder / "sub-01_ses-1_T1w.nii.gz").unlink()
    for run in (10, 2, 11):
        made.touch(f"sub-01/ses-1/anat/sub-01_ses-1_run-{run}_T1w.nii.gz")
    write_sheets(config)
    chosen = load(config).participants["sub-01"].t1w
    assert chosen == "sub-01/ses-1/anat/sub-01_ses-1_run-2_T1w.nii.gz"


def test_only_scans_of_the_study_are_taken(made):
    config = made(scan={"entities": {"acq": "fast"}})
    stem = "sub-01/ses-1/func/sub-01_ses-1"
    made.touch(
        f"{stem}_task-rest_acq-fast_run-01_bold.nii.gz",
        f"{stem}_task-rest_acq-fast_run-02_bold.nii",
        f"{stem}_task-rest_acq-fast_run-03_part-phase_bold.nii.gz",
        f"{stem}_task-rest_acq-fast_run-02_sbref.nii.gz",
        f"{stem}_task-rest_acq-slow_run-02_bold.nii.gz",
        f"{stem}_task-nback_acq-fast_bold.nii.gz",
        f"{stem}_task-rest_acq-fast_bold.json",
        "derivatives/prep/sub-01/ses-1/func/sub-01_ses-1_task-rest_acq-fast_desc-preproc_bold.nii.gz",
        "sourcedata/sub-01/ses-1/func/sub-01_ses-1_task-rest_acq-fast_run-09_bold.nii.gz",
        "sub-01/ses-1/func/task-rest_acq-fast_bold.nii.gz",
        "sub-01_ses-1_task-rest_acq-fast_T1w.nii.gz",
        "sub-01/sub-01_T1w.nii.gz",
    )
    _, (_, sessions), _ = read_dataset(config)
    assert [str(row["scan"]).split(";") for row in sessions] == [
        [
            f"{stem}_task-rest_acq-fast_run-01_bold.nii.gz",
            f"{stem}_task-rest_acq-fast_run-02_bold.nii",
        ]
    ]


def test_runs_that_are_no_numbers_are_not_those_asked_for(made):
    config = made(scan={"runs": [2]})
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-rest"
    made.touch(f"{stem}_run-b_bold.nii.gz", f"{stem}_run-002_bold.nii.gz")
    _, (_, sessions), _ = read_dataset(config)
    assert [row["scan"] for row in sessions] == [f"{stem}_run-002_bold.nii.gz"]


def test_a_listing_takes_the_place_of_the_folders(made, tmp_path):
    config = made(listing="files.txt")
    (tmp_path / "bids" / "files.txt").write_text(
        "./sub-07/ses-1/func/sub-07_ses-1_task-rest_bold.nii.gz\n\n"
        "sub-07/ses-2/func/sub-07_ses-2_task-rest_bold.nii.gz\n"
        "derivatives/sub-08/ses-1/func/sub-08_ses-1_task-rest_bold.nii.gz\n"
        ".git/annex/sub-09\nREADME\n"
    )
    (_, people), (_, sessions), _ = read_dataset(config)
    assert [row["participant_id"] for row in people] == ["sub-07"]
    assert [row["scan"] for row in sessions] == [
        "sub-07/ses-1/func/sub-07_ses-1_task-rest_bold.nii.gz",
        "sub-07/ses-2/func/sub-07_ses-2_task-rest_bold.nii.gz",
    ]


def test_people_outside_the_study_leave_by_name(made):
    people = PEOPLE + "sub-03\tn/a\t1\tD\tP\nsub-04\tbipolar\t1\tX\tP\n"
    config = made(people=people, group=GROUP, sequence=ORDER)
    made.touch("sub-05/ses-1/func/sub-05_ses-1_task-rest_bold.nii.gz")
    write_sheets(config)
    assert {row["participant_id"]: row["reason"] for row in load(config).left()} == {
        "sub-03": 'no entry in column "dx" of the data set',
        "sub-04": "group bipolar is not part of this study",
        "sub-05": "has scans but no row in the data set's participants.tsv",
    }


def test_an_unknown_treatment_excludes_the_session_with_a_reason(made):
    people = PEOPLE.replace("31\tP\tD", "31\tn/a\tD")
    config = made(people=people, group=GROUP, sequence=ORDER, sessions=BY_COLUMN)
    write_sheets(config)
    trial = load(config)
    assert [(r["level"], r["what"], r["reason"]) for r in trial.left()] == [
        ("session", "ses-1", 'no entry in column "first" of the data set'),
        ("participant", "", "no rest scan under placebo; stays in the mixed model"),
    ]
    assert trial.participants["sub-02"].sequence is None


def test_scores_come_from_tables_of_the_data_set(made):
    head = "participant_id\tsession_id\tmadrs\n"
    text = head + "sub-01\tses-1\t11\nsub-01\tses-2\tn/a\nsub-02\tses-9\t3\n"
    config = made(table=text, scales={"MADRS": "madrs"})
    write_sheets(config)
    assert [s.scores for s in load(config).sessions] == [
        {"MADRS": 11.0},
        {"MADRS": None},
        {"MADRS": None},
        {"MADRS": None},
    ]
    twice = made(table=text + "sub-01\tses-1\t12\n", scales={"MADRS": "madrs"})
    assert 'phenotype.tsv, row 5, column "madrs": a second, different score of MADRS' in refusal(
        twice
    )


def test_scores_come_from_sessions_files(made, tmp_path):
    config = made(phenotype=["sub-*/*_sessions.tsv"], scales={"MADRS": "madrs"})
    for person, score in (("sub-01", 11), ("sub-02", 12)):
        path = tmp_path / "bids" / person / f"{person}_sessions.tsv"
        path.write_text(f"session_id\tmadrs\nses-1\t{score}\n")
    write_sheets(config)
    sessions = load(config).sessions
    scores = [s.scores["MADRS"] for s in sessions if s.session_id == "ses-1"]
    assert scores == [11, 12]


def test_exclusions_by_hand_are_kept_and_others_are_not(made, tmp_path):
    more = PEOPLE + "sub-03\tok\t31\tP\tD\n"
    config = made(people=more.replace("ok", "bipolar", 1), group=GROUP, sequence=ORDER)
    write_sheets(config)
    path = tmp_path / "sessions.tsv"
    text = path.read_text()
    lines = text.splitlines()
    assert lines[1].endswith("\tno\tn/a")
    lines[1] = lines[1].removesuffix("no\tn/a") + 'Yes\tfell asleep, "deeply"'
    path.write_text("\n".join(lines) + "\n")
    said, _ = write_sheets(config)
    assert f"{path}: kept the exclusion of sub-01 ses-1" in said
    (session,) = [s for s in load(config).sessions if s.exclude]
    assert (session.session_id, session.reason) == ("ses-1", 'fell asleep, "deeply"')
    before = path.stat().st_mtime_ns
    assert write_sheets(config)[0][-1].endswith("unchanged, 2 rows")
    assert path.stat().st_mtime_ns == before
    # sub-02 was left out by `sheets` for their group, which the mapping now knows.
    (row,) = [p for p in load(config).participants.values() if p.exclude]
    assert row.reason == "group bipolar is not part of this study"
    wider = made(people=more, group=GROUP, sequence=ORDER)
    write_sheets(wider)
    assert not any(p.exclude for p in load(wider).participants.values())
    assert [s.reason for s in load(wider).sessions if s.exclude] == ['fell asleep, "deeply"']


def test_broken_sheets_are_written_anew_and_kept_beside(made, tmp_path):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    write_sheets(config)
    sound = {name: (tmp_path / name).read_bytes() for name in ("participants.tsv", "sessions.tsv")}
    broken = "participant_id,session_id\n"
    (tmp_path / "sessions.tsv").write_text(broken)
    said, _ = write_sheets(config)
    assert {name: (tmp_path / name).read_bytes() for name in sound} == sound
    assert (tmp_path / "sessions.tsv.bak-1").read_text() == broken
    assert any("sessions.tsv, row 1 has no tabs" in line for line in said)
    assert any("exclusions that were written into it are not kept" in line for line in said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"group": GROUP | {"column": "diagnosis"}},
            "has no column diagnosis, which the config key",
        ),
        ({"group": GROUP | {"values": {"dep": "Q"}}}, "dataset.group.values.dep: 'Q' is none of"),
        ({"sessions": {"1": {"treatment": "drug"}}}, "such as ses-1"),
        ({"sessions": {"ses-1": {"treatment": "drugs"}}}, "did you mean drug?"),
        (
            {"sessions": {"ses-1": {}}},
            "ses-1: needs a treatment, the column that tells it, or its period where",
        ),
        (
            {"sessions": {"ses-1": {"period": 1}}, "sequence": {}},
            "ses-1: needs a treatment, the column that tells it, or its period where",
        ),
        ({"sequence": ORDER | {"column": "dx"}}, "both tell the order; remove one"),
        (
            {"sequence": {"column": "dx", "values": {"dep": "drug-placebo"}}},
            "sub-02 has 'ok' in column \"dx\", which is no order of the treatments placebo, drug",
        ),
        (
            {"sequence": {"column": "dx", "values": {"dep": "drug-placbo"}}},
            "dataset.sequence.values.dep: 'drug-placbo' is no order of placebo, drug; write such",
        ),
        ({"sessions": {"ses-1": {"column": "none"}}}, "has no column none"),
        ({"sequence": ORDER | {"values": {"D": "drug"}}}, "sub-01 has 'P' in column \"second\""),
        ({"sequence": ORDER | {"values": {"D": "X"}}}, "dataset.sequence.values.D: 'X' is none of"),
        ({"covariates": ["iq"]}, "has no column iq"),
        ({"phenotype": ["missing.tsv"]}, "missing.tsv does not exist"),
        ({"phenotype": ["/etc/passwd"]}, "is no path below"),
        ({"phenotype": [""]}, "is no path below"),
        ({"phenotype": ["**x/y.tsv"]}, "is no pattern"),
        ({"covariates": ["age", "age"]}, "age stands there twice"),
        ({"covariates": ["group"]}, "group is a column of participants.tsv already"),
        ({"phenotype": ["participants.tsv"]}, "lacks the column session_id"),
        ({"scales": {"MADRS": "madrs"}}, "no table of dataset.phenotype has a column madrs"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(made, keys, said):
    assert said in refusal(made(people=PEOPLE, **{"group": GROUP, "sequence": ORDER} | keys))


@pytest.mark.parametrize("orders", [("AB", "BA"), ("drug-placebo", "placebo-drug")])
def test_one_column_of_orders_tells_the_treatments_of_numbered_sessions(made, orders):
    people = f"participant_id\torder\nsub-01\t{orders[0]}\nsub-02\t{orders[1]}\nsub-03\tn/a\n"
    codes = {"AB": "drug-placebo", "BA": "placebo-drug"}
    scan = "sub-03/ses-1/func/sub-03_ses-1_task-rest_bold.nii.gz"
    made.touch(scan)
    config = made(
        people=people,
        sequence={"column": "order"} | ({"values": codes} if "AB" in orders else {}),
        sessions={"ses-1": {"period": 1}, "ses-2": {"period": 2}},
    )
    write_sheets(config)
    trial = load(config)
    assert {(s.participant_id, s.session_id): (s.treatment, s.period, s.exclude, s.reason)
            for s in trial.sessions} == {
        ("sub-01", "ses-1"): ("drug", 1, False, None),
        ("sub-01", "ses-2"): ("placebo", 2, False, None),
        ("sub-02", "ses-1"): ("placebo", 1, False, None),
        ("sub-02", "ses-2"): ("drug", 2, False, None),
        ("sub-03", "ses-1"): ("n/a", 1, True, 'no entry in column "order" of the data set'),
    }  # fmt: skip
    assert [p.sequence for p in trial.participants.values()] == [
        "drug-placebo", "placebo-drug", None]  # fmt: skip


def test_scores_of_other_sessions_only_are_refused(made):
    text = "participant_id\tsession_id\tmadrs\nsub-01\tbaseline\t11\n"
    said = refusal(made(table=text, scales={"MADRS": "madrs"}))
    assert "no row of ses-1 or ses-2; their session_id is baseline" in said


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (PEOPLE + PEOPLE.splitlines()[1] + "\n", "row 4 repeats sub-01 of row 2"),
        (PEOPLE.replace("sub-01", "01"), "row 2, column \"participant_id\": '01' is no BIDS"),
        (PEOPLE.replace("sub-01", "n/a"), "'n/a' is no BIDS participant"),
        (PEOPLE.replace("participant_id", "id"), "lacks the column participant_id"),
    ],
)
def test_a_table_of_persons_at_fault(made, people, said):
    assert said in refusal(made(people=people))


def test_a_data_set_that_is_not_there(made, tmp_path):
    config = made()
    assert "config key bids_dir" in refusal(config | {"bids_dir": str(tmp_path / "nowhere")})
    (tmp_path / "empty").mkdir()
    assert "neither a sub-* folder" in refusal(config | {"bids_dir": str(tmp_path / "empty")})
    without = {key: value for key, value in config.items() if key != "dataset"}
    assert "config key dataset: `sheets` needs it" in refusal(without)


# What does not match is never dropped in silence --------------------------------------------------

SCORES = "participant_id\tsession_id\tmadrs\n"


def scores_of(config):
    said, trial = write_sheets(config)
    return said, [s.scores["MADRS"] for s in trial.sessions]


@pytest.mark.parametrize(
    ("person", "session", "said"),
    [
        ("sub-0{}", "ses-{}", None),
        ("0{}", "ses-{}", "taken 01 as sub-01, 02 as sub-02"),
        ("{}", "{}", "taken 1 as sub-01, 1 as ses-1, 2 as ses-2, 2 as sub-02"),
        ("SUB-0{}", "ses-0{}", "SUB-01 as sub-01"),
        ("sub_{}", "Ses-{}", "sub_1 as sub-01"),
        ("{}.0", "{}.0", "1.0 as sub-01"),
        (" 0{} ", " {} ", "01 as sub-01"),
    ],
)
def test_people_and_sessions_as_tables_write_them(made, person, session, said):
    rows = "".join(
        f"{person.format(p)}\t{session.format(s)}\t{10 * p + s}\n" for p in (1, 2) for s in (1, 2)
    )
    notes, scores = scores_of(made(table=SCORES + rows, scales={"MADRS": "madrs"}))
    assert scores == [11, 12, 21, 22]
    found = [line for line in notes if "taken" in line]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_label_that_may_mean_two_people_is_refused(made):
    config = made(table=SCORES + "1\tses-1\t11\n", scales={"MADRS": "madrs"})
    made.touch("sub-001/ses-1/func/sub-001_ses-1_task-rest_bold.nii.gz")
    assert "phenotype.tsv, row 2: '1' may be sub-001 or sub-01; write the whole" in refusal(config)


def test_scores_that_are_nobodys_are_named_and_all_of_them_refused(made):
    table = SCORES + "sub-01\tses-1\t11\nsub-77\tses-1\t3\nsub-01\tses-9\t5\nsub-02\tses-9\t5\n"
    said, scores = scores_of(made(table=table, scales={"MADRS": "madrs"}))
    assert scores == [11, None, None, None]
    assert any("neither a row in the table of persons nor a folder: sub-77" in x for x in said)
    assert any("they are of no session of the study: ses-9 (2 rows)" in x for x in said)
    nobody = made(table=SCORES + "P1\tses-1\t11\nP2\tses-1\t3\n", scales={"MADRS": "madrs"})
    text = refusal(nobody)
    assert 'column "participant_id": nobody in it (P1, P2) is a person of the data set' in text
    empty = made(table=SCORES + "sub-01\tses-1\tn/a\n", scales={"MADRS": "madrs"})
    assert "column madrs holds no score of any session of the study" in refusal(empty)


def test_scores_out_of_range_are_told_where_the_data_set_holds_them(made, tmp_path):
    table = SCORES + "sub-01\tses-1\t30,5\nsub-02\tses-2\t61\n"
    text = refusal(made(table=table, scales={"MADRS": "madrs"}))
    assert "bids/phenotype.tsv, row 2, column \"madrs\": '30,5' is no number" in text
    assert 'bids/phenotype.tsv, row 3, column "madrs": 61 is outside the range 0 to 60' in text
    assert not (tmp_path / "sessions.tsv").exists() and not (tmp_path / "participants.tsv").exists()
    text = refusal(made(table=table, scales={"MADRSS": "madrs"}))
    assert "scales.tsv has no row for it; did you mean MADRS?" in text


@pytest.mark.parametrize("level", ["sub-01", "sub-01/ses-1", "sub-01/ses-1/func"])
def test_folders_that_are_links_are_gone_into(made, tmp_path, level):
    config = made()
    bids, store = tmp_path / "bids", tmp_path / "store"
    whole = read_dataset(config)
    (bids / level).rename(store)
    (bids / level).symlink_to(store, target_is_directory=True)
    assert read_dataset(config) == whole
    assert len(whole[1][1]) == 4
    (bids / level).unlink()
    (bids / level).symlink_to("nowhere")
    assert f"{level} is a link to nowhere, which is not here; fetch" in refusal(config)
    (bids / level).unlink()
    (bids / level).write_text("")
    assert f"{level} is a file where a folder is due" in refusal(config)


def test_a_link_in_a_circle_is_no_endless_way(made, tmp_path):
    config = made()
    (tmp_path / "bids/sub-01/ses-1/func/again").symlink_to(tmp_path / "bids/sub-01")
    assert len(read_dataset(config)[1][1]) == 4


def test_a_task_that_no_scan_has(made):
    config = made() | {"task": "rset"}
    text = refusal(config)
    assert "config key task: no scan of the study's sessions has task-rset" in text
    assert "they have task-rest (4)" in text and "did you mean task-rest?" in text


def test_sessions_without_the_task_are_named(made, tmp_path):
    config = made()
    func = tmp_path / "bids/sub-02/ses-2/func"
    rest = func / "sub-02_ses-2_task-rest_bold.nii.gz"
    rest.rename(func / "sub-02_ses-2_task-nback_bold.nii.gz")
    said, trial = write_sheets(config)
    assert "no scan of task-rest in sub-02 ses-2 (task-nback)" in said
    assert [r["participant_id"] for r in trial.left()] == ["sub-02"]
    (func / "sub-02_ses-2_task-nback_bold.nii.gz").rename(
        func / "sub-02_ses-2_task-Rest_bold.nii.gz"
    )
    assert "has task-Rest where the study has task-rest; rename it" in refusal(config)


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        ({"entities": {"acq": "fast"}}, ["scan.entities.acq: no scan", "acq-fast", "no acq (4)"]),
        ({"runs": [2, 3]}, ["dataset.scan.runs: no scan", "run-2 or run-3", "no run (4)"]),
        ({"entities": {"acquisition": "fast"}}, ["acquisition: BIDS has no such entity"]),
    ],
)
def test_a_choice_of_scans_that_leaves_none(made, scan, said):
    text = refusal(made(scan=scan))
    for words in said:
        assert words in text


def test_sessions_and_columns_of_the_config_that_nobody_has(made):
    day = {"ses-01": {"treatment": "drug"}, "ses-2": {"treatment": "placebo"}}
    text = refusal(made(sessions=day))
    assert "sessions.ses-01: nobody has such a session" in text
    assert "the data set has ses-1 (2 people), ses-2 (2 people); did you mean ses-1?" in text
    group = GROUP | {"values": {"dep": "P", "healthy": "C"}}
    text = refusal(made(people=PEOPLE, group=group, sequence=ORDER))
    assert "nobody is of group C, with healthy in the column dx" in text
    assert "which has dep (1), ok (1)" in text
    people = PEOPLE + "sub-03\tDep\t30\tD\tP\n"
    text = refusal(made(people=people, group=GROUP, sequence=ORDER))
    assert "the column dx has Dep where the key has dep; add Dep to the values" in text
    blank = PEOPLE.replace("D\tP", "n/a\tn/a").replace("P\tD", "n/a\tn/a")
    text = refusal(made(people=blank, group=GROUP, sequence=ORDER))
    assert (
        "no person has an entry in first or second; where the order is not known, write sequence"
        in text
    )
    more = ORDER | {"values": ORDER["values"] | {"X": "placebo"}}
    said, _ = write_sheets(made(people=PEOPLE, group=GROUP, sequence=more))
    assert "nobody has X in the columns first and second" in said
    twice = PEOPLE.replace("D\tP", "D\tD")
    text = refusal(made(people=twice, group=GROUP, sequence=ORDER))
    assert "sub-01 has D in both first and second" in text


def test_columns_need_the_table_that_has_them(made):
    text = refusal(made(group=GROUP))
    assert "participants.tsv does not exist, which has the column dx of dataset.group" in text


def test_sessions_in_no_key_are_named_and_near_ones_refused(made):
    config = made()
    made.touch("sub-01/ses-b0/func/sub-01_ses-b0_task-rest_bold.nii.gz")
    said, _ = write_sheets(config)
    assert "sessions that are not named in the config are not used: ses-b0 (1 people)" in said
    made.touch("sub-03/ses-1/func/sub-03_ses-1_task-rest_bold.nii.gz")
    made.touch("sub-03/ses-02/func/sub-03_ses-02_task-rest_bold.nii.gz")
    assert "sub-03 has ses-02 in place of ses-2; rename the folder, or add" in refusal(config)


def test_people_written_otherwise_in_their_table(made):
    text = refusal(made(people=PEOPLE.replace("sub-02", "sub-2"), group=GROUP, sequence=ORDER))
    assert 'row 3, column "participant_id": sub-2 has no folder; did you mean sub-02' in text


def test_names_that_are_none_are_named(made, tmp_path):
    config = made()
    made.touch(
        "._sub-01",
        "sub-01/.DS_Store",
        "sub-01/ses-1/func/._sub-01_ses-1_task-rest_run-02_bold.nii.gz",
        "sub-01_old/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz",
        "sub-01/ses-1/func/rest.nii.gz",
        "sub-02/ses-2/func/sub-02_ses-2_task-rest_run-02_bold.NII.GZ",
        "sub-02/func/sub-02_task-rest_bold.nii.gz",
        "sub-02/ses-1/bold/sub-02_ses-1_task-rest_run-3_bold.nii.gz",
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-4_bold.img",
    )
    said, trial = write_sheets(config)
    assert [len(s.scans) for s in trial.sessions] == [1, 1, 1, 1]
    (line,) = [x for x in said if "no BIDS names" in x]
    for name in ("sub-01/ses-1/func/rest.nii.gz", "bold.NII.GZ", "sub-01_old"):
        assert name in line
    text = "\n".join(said)
    assert "not used, as they lie in no session folder: sub-02/func/" in text
    assert "not used, as they lie in no folder func: sub-02/ses-1/bold/" in text
    assert "not used, as they are no NIfTI files: sub-02/ses-1/func/" in text
    (tmp_path / "bids/sub-02/ses-2").rename(tmp_path / "bids/sub-02/SES-2")
    assert "SES-2 is no BIDS name; rename the folder to ses-2" in refusal(config)


def test_a_scan_in_the_folder_of_another(made):
    config = made()
    made.touch("sub-01/ses-1/func/sub-02_ses-1_task-rest_run-02_bold.nii.gz")
    assert "is of sub-02 by its name, in a folder of sub-01; rename or move it" in refusal(config)


def test_a_data_set_without_session_folders(made, tmp_path):
    config = made()
    for person in ("sub-01", "sub-02"):
        for session in ("ses-1", "ses-2"):
            (tmp_path / "bids" / person / session).rename(tmp_path / "bids" / person / session[4:])
    made.touch("sub-01/func/sub-01_task-rest_bold.nii.gz")
    assert "the data set has no session folders" in refusal(config)


def test_a_listing_without_a_path_of_a_data_set(made, tmp_path):
    config = made(listing="files.txt")
    (tmp_path / "bids/files.txt").write_text("/data/ds/sub-01/ses-1/func/x_bold.nii.gz\n")
    assert "files.txt has no path such as sub-01/ses-1/func/…; its first line is" in refusal(config)


def test_a_folder_above_the_data_set(made, tmp_path):
    config = made()
    (tmp_path / "up").mkdir()
    (tmp_path / "bids").rename(tmp_path / "up/bids")
    text = refusal(config | {"bids_dir": str(tmp_path / "up")})
    assert f"name the root of a BIDS data set; did you mean {tmp_path}/up/bids?" in text


def test_who_has_no_t1w_is_named_and_a_table_without_scores(made, tmp_path):
    config = made(table="participant_id\tsession_id\tx\n", scales={"MADRS": "madrs"})
    for path in (tmp_path / "bids/sub-02").rglob("*T1w.nii.gz"):
        path.unlink()
    assert "no table of dataset.phenotype has a column madrs" in refusal(config)
    mapping = config["dataset"] | {"scales": {}, "phenotype": []}
    said, _ = write_sheets(config | {"dataset": mapping})
    assert "no T1w image, which entry raw needs: sub-02" in said


def test_empty_folders_are_named(made, tmp_path):
    config = made()
    (tmp_path / "bids/sub-03").mkdir()
    assert any("the folders of sub-03 are empty" in line for line in write_sheets(config)[0])


# Repeats ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "remedy"),
    [
        ("dir-AP", "dir-PA", "{dir: AP}"),
        ("rec-norm", "rec-nonorm", "{rec: nonorm}"),
        ("acq-mb", "acq-sb", "{acq: mb}"),
        ("acq-mb", "", "{acq: mb}"),
        ("ce-none", "ce-gad", "{ce: gad}"),
        ("dir-AP_run-1", "dir-PA_run-02", "{dir: AP}"),
    ],
)
def test_scans_that_are_no_repeats(made, tmp_path, first, second, remedy):
    config = made()
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-rest"
    (tmp_path / f"bids/{stem}_bold.nii.gz").unlink()
    made.touch(*(f"{stem}_{x}_bold.nii.gz".replace("__", "_") for x in (first, second)))
    text = refusal(config)
    assert "the scans of sub-01 ses-1 are no repeats of one another" in text
    assert "repeats differ in run only" in text
    assert text.endswith(f"dataset.scan.entities: {remedy}")


def test_the_remedy_for_no_repeats_works(made, tmp_path):
    for path in ("sub-01/ses-1", "sub-01/ses-2", "sub-02/ses-1", "sub-02/ses-2"):
        for acq in ("mb", "sb"):
            made.touch(f"{path}/func/{path.replace('/', '_')}_task-rest_acq-{acq}_bold.nii.gz")
    config = made(scan={"entities": {"acq": "mb"}})
    assert all("acq-mb" in s.scans[0] for s in write_sheets(config)[1].sessions)
    without = made(scan={"entities": {"acq": None}})
    assert not any("acq" in s.scans[0] for s in write_sheets(without)[1].sessions)


@pytest.mark.parametrize(("first", "second"), [("run-1", "run-01"), ("run-1", "")])
def test_one_run_twice(made, tmp_path, first, second):
    config = made()
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-rest"
    (tmp_path / f"bids/{stem}_bold.nii.gz").unlink()
    made.touch(*(f"{stem}_{x}_bold.nii.gz".replace("__", "_") for x in (first, second)))
    assert "are both run 1 of sub-01 ses-1; remove one" in refusal(config)


def test_raw_echoes_are_refused_and_those_of_fmriprep_are_one_scan(made, tmp_path):
    config = made()
    for path in ("sub-01/ses-1", "sub-01/ses-2"):
        name = f"{path}/func/{path.replace('/', '_')}_task-rest"
        (tmp_path / f"bids/{name}_bold.nii.gz").unlink()
        made.touch(*(f"{name}_run-{r}_echo-{e}_bold.nii.gz" for e in (2, 1, 3) for r in (1, 2)))
    text = refusal(config)
    assert text.startswith("sub-01 ses-1, sub-01 ses-2: scans of several echoes")
    said, trial = write_sheets(config | {"entry": "fmriprep"})
    assert [Path(s).name.partition("ses-1_")[2] for s in trial.sessions[0].scans] == [
        "task-rest_run-1_echo-1_bold.nii.gz",
        "task-rest_run-2_echo-1_bold.nii.gz",
    ]
    assert any("the first stands in the sheet for all: sub-01 ses-1" in line for line in said)


def test_scans_that_another_program_cleaned_are_found_by_their_desc(made, tmp_path):
    config = made() | {"entry": "fmriprep", "derivatives_dir": str(tmp_path / "bids")}
    for path in sorted((tmp_path / "bids").glob("sub-*/ses-*/func/*_bold.nii.gz")):
        path.rename(path.with_name(path.name.replace("_bold", "_space-MNI_desc-denoised_bold")))
    assert "no session of" in refusal(config)
    config["derivatives"] = config["derivatives"] | {"desc": "denoised"}
    _, trial = write_sheets(config)
    assert Path(trial.sessions[0].scans[0]).name == "sub-01_ses-1_task-rest_bold.nii.gz"


def test_kinds_of_scans_that_differ_over_the_study_are_named(made, tmp_path):
    config = made()
    for session in ("ses-1", "ses-2"):
        folder = tmp_path / f"bids/sub-02/{session}/func"
        (folder / f"sub-02_{session}_task-rest_bold.nii.gz").rename(
            folder / f"sub-02_{session}_task-rest_acq-sb_bold.nii.gz"
        )
    said, _ = write_sheets(config)
    assert (
        "the scans of the study differ in acq: acq-sb in sub-02 ses-1, sub-02 ses-2; no acq in "
        "sub-01 ses-1, sub-01 ses-2" in said
    )


def test_fmripreps_output_as_the_data_set(made, tmp_path):
    config = made() | {"entry": "fmriprep"}
    for path in (tmp_path / "bids").rglob("*_bold.nii.gz"):
        for space in ("T1w", "MNI152NLin2009cAsym_res-2"):
            name = path.name.replace("_bold", f"_space-{space}_desc-preproc_bold")
            path.with_name(name).write_bytes(b"")
        path.unlink()
    _, trial = write_sheets(config)
    assert trial.sessions[0].scans == ["sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz"]


# The sheets that lie there ------------------------------------------------------------------------


def test_what_people_changed_is_kept_beside_and_told(made, tmp_path):
    table = SCORES + "sub-01\tses-1\t11\nsub-01\tses-2\t12\n"
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER, table=table,
                  scales={"MADRS": "madrs"}, covariates=["age"])  # fmt: skip
    write_sheets(config)
    path = tmp_path / "sessions.tsv"
    edited = path.read_text().replace("\t11\tno", "\t10\tno") + "sub-01\tses-9\tdrug" + "\tn/a" * 5
    path.write_text(edited + "\n")
    said, trial = write_sheets(config)
    assert trial.sessions[0].scores == {"MADRS": 11}
    assert (tmp_path / "sessions.tsv.bak-1").read_text() == edited + "\n"
    text = "\n".join(said)
    assert f"{path}: what lay there is kept as {path}.bak-1" in text
    assert "cells that differ (1): sub-01 ses-1 MADRS 10 → 11" in text
    assert "rows no longer there (1): sub-01 ses-9" in text
    # A second time, another name: no copy is ever written over.
    path.write_text("rubbish\n")
    write_sheets(config)
    assert (tmp_path / "sessions.tsv.bak-1").read_text() == edited + "\n"
    assert (tmp_path / "sessions.tsv.bak-2").read_text() == "rubbish\n"
    assert not (tmp_path / "participants.tsv.bak-1").exists()


def test_columns_that_people_added_are_kept(made, tmp_path):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    write_sheets(config)
    for name, column, values in (
        ("participants.tsv", "site", ["A", "B"]),
        ("sessions.tsv", "SHAPS", ["20", "21", "22", "23"]),
        ("sessions.tsv", "MARDS", ["20", "21", "22", "23"]),
    ):
        lines = (tmp_path / name).read_text().splitlines()
        cells = [column, *values]
        (tmp_path / name).write_text(
            "".join(f"{x}\t{v}\n" for x, v in zip(lines, cells, strict=True))
        )
    said, trial = write_sheets(config)
    assert [p.covariates["site"] for p in trial.participants.values()] == ["A", "B"]
    assert [s.scores for s in trial.sessions] == [{"SHAPS": v} for v in (20, 21, 22, 23)]
    assert any("kept the column site" in line for line in said)
    assert any("columns no longer there (1): MARDS" in line for line in said)
    assert write_sheets(config)[0][-1].endswith("unchanged, 4 rows")


def test_exclusions_of_a_broken_sheet_are_kept(made, tmp_path):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    write_sheets(config)
    path = tmp_path / "sessions.tsv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].removesuffix("no\tn/a") + "yes\tfell asleep"
    lines[2] = lines[2].removesuffix("no\tn/a") + "Y\t"
    lines[3] += "\ttoo many"
    path.write_text("\n".join(lines) + "\n")
    said, trial = write_sheets(config)
    assert [(s.exclude, s.reason) for s in trial.sessions] == [
        (True, "fell asleep"),
        (True, "excluded by hand; no reason was written"),
        (False, None),
        (False, None),
    ]
    assert any("exclusions that were written into row 4 are not kept" in line for line in said)


def test_what_would_be_no_trial_is_not_written(made, tmp_path):
    # Two sessions under one treatment: known only when all is put together.
    config = made(sessions={"ses-1": {"treatment": "drug"}, "ses-2": {"treatment": "drug"}})
    (tmp_path / "participants.tsv").write_text("mine")
    text = refusal(config)
    assert text.startswith("nothing was written, as it would be no sound trial:\n")
    assert f'the new {tmp_path}/sessions.tsv, row 3 (sub-01 ses-2), column "treatment"' in text
    assert (tmp_path / "participants.tsv").read_text() == "mine"
    assert not (tmp_path / "sessions.tsv").exists()


def test_both_sheets_or_none(made, tmp_path, monkeypatch):
    import os

    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    before = {name: f"old {name}" for name in ("participants.tsv", "sessions.tsv")}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    replace = os.replace

    def full(source, target):
        if Path(target).name == "sessions.tsv":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert "cannot be written (No space left on device), both are as they were" in refusal(config)
    monkeypatch.undo()
    assert {p.name: p.read_text() for p in tmp_path.iterdir() if p.is_file()} == before


def test_sheets_that_would_be_the_data_sets_own_tables(made, tmp_path):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    own = tmp_path / "bids/participants.tsv"
    text = refusal(config | {"sheets": config["sheets"] | {"participants": str(own)}})
    assert "config key sheets.participants" in text and "would write over" in text
    assert own.read_text() == PEOPLE


def test_scales_are_needed_only_where_scores_are(made, tmp_path):
    (tmp_path / "broken.tsv").write_text("rubbish")
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    config["sheets"] = config["sheets"] | {"scales": str(tmp_path / "broken.tsv")}
    write_sheets(config)
    asked = config["dataset"] | {"scales": {"MADRS": "madrs"}}
    assert "broken.tsv" in refusal(config | {"dataset": asked})
