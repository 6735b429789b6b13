"""Sheets from data sets: the real ketamine trial, a second real trial, and small ones made here."""

import tarfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.trial import config as configuration
from crossfc.trial.dataset import read_dataset, write_sheets
from crossfc.trial.design import load
from crossfc.trial.tree import list_files


@pytest.fixture(scope="module")
def schema(root):
    return configuration.load_schema(root / "workflow/schemas/config.schema.yaml")


def shipped(root, schema, name, bids_dir, out):
    """Give a shipped configuration, with its sheets in another folder."""
    config = yaml.safe_load((root / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    config = configuration.check(config, schema) | {"bids_dir": str(bids_dir)}
    for key in ("participants", "sessions"):
        config["sheets"][key] = str(out / f"{key}.tsv")
    for key in ("scales", "seeds", "targets"):
        config["sheets"][key] = str(root / config["sheets"][key])
    return config


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    (bids_dir,) = folder.iterdir()
    return bids_dir


# The ketamine trial -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ketamine(shared_data, root, schema, tmp_path_factory):
    archive = shared_data / "ds005917_v1.0.1_metadata.tar.gz"
    bids_dir = unpack(archive, tmp_path_factory.mktemp("ketamine"))
    config = shipped(root, schema, "ds005917", bids_dir, tmp_path_factory.mktemp("sheets"))
    return config, write_sheets(config)


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


def test_ketamine_scores_give_the_known_change(ketamine):
    from statistics import mean, stdev

    pairs = [p for p in load(ketamine[0]).pairs() if p.participant.group == "MDD"]
    change = [p.active.scores["MADRS_Total"] - p.control.scores["MADRS_Total"] for p in pairs]
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
    again = [line for line in write_sheets(config) if line != borrowed]
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
    files = list_files(root, None)
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
    _, (_, sessions) = read_dataset(lsd | {"dataset": mapping})
    assert {len(str(row["scan"]).split(";")) for row in sessions} == {3}


# Small data sets made here ------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path, root, schema):
    """Make a BIDS data set of empty files; give a function from dataset keys to a config."""
    bids_dir = tmp_path / "bids"

    def touch(*paths):
        for path in paths:
            (bids_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (bids_dir / path).write_bytes(b"")

    def make(people=None, table=None, **dataset):
        for person in ("01", "02"):
            for session in ("1", "2"):
                stem = f"sub-{person}/ses-{session}"
                touch(f"{stem}/func/sub-{person}_ses-{session}_task-rest_bold.nii.gz")
                touch(f"{stem}/anat/sub-{person}_ses-{session}_T1w.nii.gz")
        if people is not None:
            (bids_dir / "participants.tsv").write_text(people, encoding="utf-8")
        if table is not None:
            (bids_dir / "phenotype.tsv").write_text(table, encoding="utf-8")
            dataset |= {"phenotype": ["phenotype.tsv"]}
        mapping = {
            "group": {},
            "sessions": {"ses-1": {"treatment": "drug"}, "ses-2": {"treatment": "placebo"}},
            "sequence": {},
        }
        sheets = {key: str(tmp_path / f"{key}.tsv") for key in ("participants", "sessions")}
        sheets |= {
            key: str(root / "config" / f"{key}.tsv") for key in ("scales", "seeds", "targets")
        }
        config = {
            "study": "made",
            "entry": "raw",
            "bids_dir": str(bids_dir),
            "sheets": sheets,
            "groups": {"patients": "P", "controls": "C"},
            "treatments": {"active": "drug", "control": "placebo"},
            "dataset": mapping | dataset,
        }
        return configuration.check(config, schema)

    make.touch = touch
    return make


def of_patients(config):
    """Leave the comparison group out, of which a data set has nobody."""
    return config | {"groups": {"patients": "P", "controls": None}}


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
    config = of_patients(config)
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
    assert not any("no T1w" in sentence for sentence in write_sheets(config))
    root = Path(config["bids_dir"])
    (root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz").unlink()
    chosen = "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"
    assert f"sub-01: no T1w in ses-1; {chosen} serves it too" in write_sheets(config)
    assert load(config).participants["sub-01"].t1w == chosen
    # One without session is everyone's, and there is nothing to say.
    made.touch("sub-01/anat/sub-01_T1w.nii.gz")
    assert not any("no T1w" in sentence for sentence in write_sheets(config))


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
        f"{stem}_task-rest_acq-fast_run-02_echo-2_bold.nii.gz",
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
    _, (_, sessions) = read_dataset(config)
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
    _, (_, sessions) = read_dataset(config)
    assert [row["scan"] for row in sessions] == [f"{stem}_run-002_bold.nii.gz"]


def test_a_listing_takes_the_place_of_the_folders(made, tmp_path):
    config = made(listing="files.txt")
    (tmp_path / "bids" / "files.txt").write_text(
        "./sub-07/ses-1/func/sub-07_ses-1_task-rest_bold.nii.gz\n\n"
        "derivatives/sub-08/ses-1/func/sub-08_ses-1_task-rest_bold.nii.gz\n"
        ".git/annex/sub-09\nREADME\n"
    )
    (_, people), (_, sessions) = read_dataset(config)
    assert [row["participant_id"] for row in people] == ["sub-07"]
    assert [row["scan"] for row in sessions] == [
        "sub-07/ses-1/func/sub-07_ses-1_task-rest_bold.nii.gz"
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
    assert [s.scores for s in load(of_patients(config)).sessions] == [
        {"MADRS": 11.0},
        {"MADRS": None},
        {"MADRS": None},
        {"MADRS": None},
    ]
    twice = made(table=text + "sub-01\tses-1\t12\n", scales={"MADRS": "madrs"})
    assert "phenotype.tsv, row 5: a second, different score of MADRS" in refusal(twice)


def test_scores_come_from_sessions_files(made, tmp_path):
    config = made(phenotype=["sub-*/*_sessions.tsv"], scales={"MADRS": "madrs"})
    for person, score in (("sub-01", 11), ("sub-02", 12)):
        path = tmp_path / "bids" / person / f"{person}_sessions.tsv"
        path.write_text(f"session_id\tmadrs\nses-1\t{score}\n")
    write_sheets(config)
    sessions = load(of_patients(config)).sessions
    scores = [s.scores["MADRS"] for s in sessions if s.session_id == "ses-1"]
    assert scores == [11, 12]


def test_exclusions_by_hand_are_kept_and_others_are_not(made, tmp_path):
    config = made(people=PEOPLE.replace("ok", "bipolar"), group=GROUP, sequence=ORDER)
    write_sheets(config)
    path = tmp_path / "sessions.tsv"
    text = path.read_text()
    lines = text.splitlines()
    assert lines[1].endswith("\tno\tn/a")
    lines[1] = lines[1].removesuffix("no\tn/a") + 'Yes\tfell asleep, "deeply"'
    path.write_text("\n".join(lines) + "\n")
    said = write_sheets(config)
    assert f"{path}: kept the exclusion of sub-01 ses-1" in said
    (session,) = [s for s in load(of_patients(config)).sessions if s.exclude]
    assert (session.session_id, session.reason) == ("ses-1", 'fell asleep, "deeply"')
    before = path.stat().st_mtime_ns
    assert write_sheets(config)[-1].endswith("unchanged, 2 rows")
    assert path.stat().st_mtime_ns == before
    # sub-02 was left out by `sheets` for their group, which the mapping now knows.
    (row,) = [p for p in load(of_patients(config)).participants.values() if p.exclude]
    assert row.reason == "group bipolar is not part of this study"
    wider = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    write_sheets(wider)
    assert not any(p.exclude for p in load(wider).participants.values())
    assert [s.reason for s in load(wider).sessions if s.exclude] == ['fell asleep, "deeply"']


def test_a_fault_in_one_sheet_leaves_both_as_they_were(made, tmp_path):
    config = made(people=PEOPLE, group=GROUP, sequence=ORDER)
    (tmp_path / "sessions.tsv").write_text("participant_id,session_id\n")
    assert "sessions.tsv, row 1 has no tabs" in refusal(config)
    assert not (tmp_path / "participants.tsv").exists()


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
        ({"sessions": {"ses-1": {}}}, "ses-1: needs a treatment or the column that tells it"),
        ({"sessions": {"ses-1": {"column": "none"}}}, "has no column none"),
        ({"sequence": ORDER | {"values": {"D": "drug"}}}, "sub-01 has 'P' in column \"second\""),
        ({"sequence": ORDER | {"values": {"D": "X"}}}, "dataset.sequence.values.D: 'X' is none of"),
        ({"covariates": ["iq"]}, "has no column iq"),
        ({"phenotype": ["missing.tsv"]}, "missing.tsv does not exist"),
        ({"phenotype": ["/etc/passwd"]}, "is no path below"),
        ({"phenotype": [""]}, "is no path below"),
        ({"phenotype": ["participants.tsv"]}, "lacks the column session_id"),
        ({"scales": {"MADRS": "madrs"}}, "no table of dataset.phenotype has a column madrs"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(made, keys, said):
    assert said in refusal(made(people=PEOPLE, **{"group": GROUP, "sequence": ORDER} | keys))


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
