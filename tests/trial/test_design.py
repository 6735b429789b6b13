"""The design: a small valid trial, spoilt one cell at a time, and what a sound one says."""

from pathlib import Path

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.trial import config as configuration
from crossfc.trial.design import load
from crossfc.trial.scale import read_scales

PEOPLE = """\
participant_id	group	sequence	age	sex	exclude	reason
sub-01	TRD	ketamine-placebo	31	F	no	n/a
sub-02	TRD	placebo-ketamine	40	M	no	n/a
sub-03	HV	placebo-ketamine	28	F	no	n/a
sub-04	HV	ketamine-placebo	n/a	M	no	n/a
"""
SESSIONS = """\
participant_id	session_id	treatment	period	scan	MADRS	exclude	reason
sub-01	ses-1	ketamine	1	sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz	12	no	n/a
sub-01	ses-2	placebo	2	sub-01/ses-2/func/sub-01_ses-2_task-rest_bold.nii.gz	30	no	n/a
sub-02	ses-1	placebo	1	sub-02/ses-1/func/sub-02_ses-1_task-rest_bold.nii.gz	28	no	n/a
sub-02	ses-2	ketamine	2	sub-02/ses-2/func/sub-02_ses-2_task-rest_bold.nii.gz	10	no	n/a
sub-03	ses-1	placebo	1	sub-03/ses-1/func/sub-03_ses-1_task-rest_bold.nii.gz	1	no	n/a
sub-03	ses-2	ketamine	2	sub-03/ses-2/func/sub-03_ses-2_task-rest_bold.nii.gz	0	no	n/a
sub-04	ses-1	ketamine	1	sub-04/ses-1/func/sub-04_ses-1_task-rest_bold.nii.gz	2	no	n/a
sub-04	ses-2	placebo	2	sub-04/ses-2/func/sub-04_ses-2_task-rest_bold.nii.gz	n/a	no	n/a
"""
SCALES = """\
scale	instrument	lowest	highest	better	construct
MADRS	Montgomery-Asberg	0	60	lower	depression
SHAPS	Snaith-Hamilton	14	56	lower	anhedonia
"""


@pytest.fixture(scope="module")
def schema(root):
    return configuration.load_schema(root / "workflow/schemas/config.schema.yaml")


@pytest.fixture
def trial(tmp_path, root, schema):
    """Write the small trial, spoilt as told, and load it."""

    def make(people=PEOPLE, sessions=SESSIONS, scales=SCALES, **keys):
        for name, text in (("participants", people), ("sessions", sessions), ("scales", scales)):
            (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
        sheets = {n: str(tmp_path / f"{n}.tsv") for n in ("participants", "sessions", "scales")}
        sheets |= {n: str(root / "config" / f"{n}.tsv") for n in ("seeds", "targets")}
        config = {
            "study": "small",
            "entry": "fmriprep",
            "derivatives_dir": "derivatives",
            "sheets": sheets,
            "groups": {"patients": "TRD", "controls": "HV"},
            "treatments": {"active": "ketamine", "control": "placebo"},
        }
        return load(configuration.check(config | keys, schema))

    return make


def pairs(trial):
    """The people with the sessions of the only contrast."""
    (contrast,) = trial.contrasts
    return trial.compared(contrast)


def cell(text, row, column, value):
    """Change one cell; rows are counted as a spreadsheet does."""
    lines = [line.split("\t") for line in text.splitlines()]
    lines[row - 1][lines[0].index(column)] = value
    return "\n".join("\t".join(line) for line in lines) + "\n"


def test_the_small_trial_is_sound(trial):
    loaded = trial(covariates=["age", "sex"])
    assert loaded.counts() == [
        {
            "group": group,
            "scanned_ketamine": 2,
            "scanned_placebo": 2,
            "both": 2,
            "either": 2,
            "ketamine_first": 1,
            "placebo_first": 1,
        }
        for group in ("TRD", "HV")
    ]
    assert loaded.left() == []
    assert list(loaded.scales) == ["MADRS"]
    assert [p.participant.participant_id for p in pairs(loaded)] == [
        "sub-01",
        "sub-02",
        "sub-03",
        "sub-04",
    ]
    for person in pairs(loaded):
        assert [(s.treatment, w) for s, w in person.sessions] == [("ketamine", 1), ("placebo", -1)]
    assert [p.order["sequence_code"] for p in pairs(loaded)] == [
        -1,
        1,
        1,
        -1,
    ]
    assert loaded.person_row(loaded.participants["sub-01"]) == {
        "participant_id": "sub-01",
        "group": "TRD",
        "sequence": "ketamine-placebo",
        "age": 31.0,
        "sex": "F",
    }
    assert loaded.person_row(loaded.participants["sub-04"])["age"] is None
    assert loaded.sessions[-1].scores == {"MADRS": None}


def test_the_smallest_change_of_a_scale_is_optional(trial):
    stated = SCALES.replace("construct", "construct\tsmallest_change")
    stated = stated.replace("depression", "depression\t1.9").replace("anhedonia", "anhedonia\tn/a")
    assert trial(scales=stated).scales["MADRS"].smallest_change == 1.9
    assert trial().scales["MADRS"].smallest_change is None
    for wrong in ("-2", "0", "61", "two"):
        with pytest.raises(Fault) as caught:
            trial(scales=stated.replace("1.9", wrong))
        said = str(caught.value)
        assert "scales.tsv, row 2" in said and 'column "smallest_change"' in said
        assert f"{wrong!r} is no number of points above 0 and up to 60" in said


SCAN_1 = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz"
SCAN_2 = "sub-02/ses-1/func/sub-02_ses-1_task-rest_bold.nii.gz"
# Sheet, row, column, new value; then words the one sentence must hold, and what it must point to.
SPOILT = {
    "same treatment twice": ("sessions", 3, "treatment", "ketamine", ["ketamine twice", "row 2"]),
    "period twice": ("sessions", 3, "period", "1", ["two sessions in period 1", "row 2"]),
    "period against sequence": (
        "participants",
        2,
        "sequence",
        "placebo-ketamine",
        ["sessions.tsv, row 2", 'column "period"', "contradicts the sequence", "participants.tsv"],
    ),
    "score too high": ("sessions", 2, "MADRS", "61", ["0 to 60"]),
    "score too low": ("sessions", 2, "MADRS", "-1", ["0 to 60"]),
    "score a word": ("sessions", 2, "MADRS", "twelve", ["'twelve' is no number"]),
    "score infinite": ("sessions", 2, "MADRS", "inf", ["'inf' is no number"]),
    "score with an underscore": ("sessions", 2, "MADRS", "1_2", ["'1_2' is no number"]),
    "score with a comma": ("sessions", 2, "MADRS", "12,5", ["'12,5' is no number"]),
    "unknown treatment": ("sessions", 2, "treatment", "ketamin", ["did you mean ketamine?"]),
    "no treatment": ("sessions", 2, "treatment", "n/a", ["neither ketamine nor placebo"]),
    "unknown person": ("sessions", 2, "participant_id", "sub-09", ["no row in the sheet of"]),
    "malformed session": ("sessions", 2, "session_id", "day 2", ["no BIDS session"]),
    "period 3": ("sessions", 2, "period", "3", ["'3' is neither 1 nor 2"]),
    "exclude a session without a reason": ("sessions", 2, "exclude", "yes", ['column "reason"']),
    "exclude a person without a reason": ("participants", 2, "exclude", "yes", ['column "reason"']),
    "exclude perhaps": ("sessions", 2, "exclude", "perhaps", ["neither yes nor no"]),
    "unknown group": ("participants", 2, "group", "TDR", ["(TRD, HV)", "did you mean TRD?"]),
    "unknown sequence": ("participants", 2, "sequence", "AB", ["neither ketamine-placebo nor"]),
    "malformed person": ("participants", 2, "participant_id", "01", ["no BIDS participant"]),
    "person with an accent": (
        "participants",
        2,
        "participant_id",
        "sub-é",
        ["no BIDS participant"],
    ),
    "scan of another person": ("sessions", 2, "scan", SCAN_2, ["sub-02 in a row of sub-01"]),
    "scan that is none": ("sessions", 2, "scan", "rest.nii.gz", ["no BIDS file name"]),
    "scan that is a T1w": ("sessions", 2, "scan", "sub-01_T1w.nii.gz", ["*_bold.nii.gz"]),
    "scan from the root": ("sessions", 2, "scan", "/" + SCAN_2, ["below the data set"]),
    "scan from elsewhere": ("sessions", 2, "scan", "../" + SCAN_2, ["below the data set"]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_every_refusal_names_file_row_and_column(trial, name):
    which, row, column, value, words = SPOILT[name]
    sheets = {"participants": PEOPLE, "sessions": SESSIONS}
    sheets[which] = cell(sheets[which], row, column, value)
    with pytest.raises(Fault) as caught:
        trial(people=sheets["participants"], sessions=sheets["sessions"])
    lines = str(caught.value).splitlines()
    sentence = next((line for line in lines if all(w in line for w in words)), None)
    assert sentence is not None, lines
    if "against" not in name:
        where = {"same treatment twice": 3, "period twice": 3}.get(name, row)
        if "without a reason" not in name:
            assert f'{which}.tsv, row {where}, column "{column}"' in sentence
        else:
            assert f"{which}.tsv, row {where}" in sentence
    # The remedy comes after the place and the problem.
    assert any(
        word in sentence
        for word in ("correct", "write", "remove", "add", "did you mean", "exclude", "name one")
    )


def test_a_repeated_row_is_refused(trial):
    line = SESSIONS.splitlines()[1]
    with pytest.raises(Fault, match="sessions.tsv, row 10 repeats sub-01 ses-1 of row 2"):
        trial(sessions=SESSIONS + line + "\n")
    line = PEOPLE.splitlines()[1]
    with pytest.raises(Fault, match="participants.tsv, row 6 repeats sub-01"):
        trial(people=PEOPLE + line + "\n")


def test_a_scan_belongs_to_one_row(trial):
    first = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz"
    twice = cell(SESSIONS, 2, "scan", f"{first};{first}")
    with pytest.raises(Fault, match="is the scan of row 2 already"):
        trial(sessions=twice)


@pytest.mark.parametrize("which", ["people", "sessions"])
def test_unknown_columns_and_commas(trial, which):
    text = {"people": PEOPLE, "sessions": SESSIONS}[which]
    with pytest.raises(Fault, match=r"row 1 has no tabs; save it as tab-separated"):
        trial(**{which: text.replace("\t", ",")})
    with pytest.raises(Fault, match="row 3 has .* cells where the header has"):
        lines = text.splitlines()
        trial(**{which: "\n".join([*lines[:2], lines[2] + "\t", *lines[3:]])})


@pytest.mark.parametrize("column", ["exlude", "Exclude", "excluded"])
def test_a_misspelt_exclusion_excludes_nobody_unseen(trial, column):
    """Other columns of the participants may be anything, so this one was taken for a covariate."""
    with pytest.raises(
        Fault, match=f'column "{column}" is no column.*did you mean exclude. rename'
    ):
        trial(people=PEOPLE.replace("exclude", column))


def test_a_score_column_needs_a_scale(trial):
    with pytest.raises(Fault) as caught:
        trial(sessions=SESSIONS.replace("MADRS", "MADRSS"))
    said = str(caught.value)
    assert 'sessions.tsv, row 1, column "MADRSS" is unknown' in said
    assert "did you mean MADRS?" in said and "scales.tsv" in said


def test_a_byte_order_mark_is_accepted(trial):
    assert len(pairs(trial(people="\ufeff" + PEOPLE, sessions="\ufeff" + SESSIONS))) == 4


def test_all_faults_are_said_at_once(trial):
    sessions = cell(cell(SESSIONS, 2, "MADRS", "99"), 5, "treatment", "saline")
    with pytest.raises(Fault) as caught:
        trial(people=cell(PEOPLE, 4, "group", "X"), sessions=sessions)
    assert len(str(caught.value).splitlines()) == 3


def test_missing_sheets_are_named_with_the_target_that_writes_them(trial, tmp_path):
    trial()
    sheets = {n: str(tmp_path / f"{n}.tsv") for n in ("participants", "scales")}
    with pytest.raises(Fault, match="nowhere.tsv does not exist.*snakemake --cores 1 sheets"):
        trial(sheets=sheets | {"sessions": str(tmp_path / "nowhere.tsv")})


def test_a_blinded_trial_is_a_trial(trial):
    def blind(text):
        return text.replace("ketamine", "A").replace("placebo", "B")

    loaded = trial(
        people=blind(PEOPLE), sessions=blind(SESSIONS), treatments={"active": "A", "control": "B"}
    )
    assert loaded.counts()[0]["A_first"] == 1
    assert [p.order["sequence_code"] for p in pairs(loaded)] == [
        -1,
        1,
        1,
        -1,
    ]


def test_hyphens_in_a_treatment_do_not_hide_a_contradiction(trial):
    def longer(text):
        return text.replace("ketamine", "S-ketamine")

    words = {"active": "S-ketamine", "control": "placebo"}
    people = longer(PEOPLE)
    assert len(pairs(trial(people=people, sessions=longer(SESSIONS), treatments=words))) == 4
    with pytest.raises(Fault, match="contradicts the sequence placebo-S-ketamine of sub-01"):
        trial(
            people=cell(people, 2, "sequence", "placebo-S-ketamine"),
            sessions=longer(SESSIONS),
            treatments=words,
        )


def test_a_trial_of_one_group(trial):
    people = PEOPLE.replace("HV", "TRD")
    loaded = trial(people=people, groups={"patients": "TRD"})
    assert loaded.groups == ["TRD"]
    assert loaded.counts()[0]["both"] == 4
    with pytest.raises(Fault, match=r'row 4, column "group".*none of the study\'s groups \(TRD\)'):
        trial(groups={"patients": "TRD"})


def test_who_has_one_session_leaves_the_pairs_by_name_and_stays_otherwise(trial):
    loaded = trial(sessions=cell(SESSIONS, 3, "scan", "n/a"))
    assert [p.participant.participant_id for p in pairs(loaded)] == ["sub-02", "sub-03", "sub-04"]
    assert "ses-1" in [
        s.session_id for s in loaded.scanned_sessions() if s.participant_id == "sub-01"
    ]
    assert loaded.left() == [
        {
            "participant_id": "sub-01",
            "group": "TRD",
            "level": "participant",
            "what": "",
            "analysis": "paired",
            "reason": "no rest scan under placebo; stays in the mixed model",
        }
    ]
    assert loaded.counts()[0] | {"either": 2, "both": 1, "scanned_placebo": 1} == loaded.counts()[0]


def test_exclusions_are_listed_with_their_reasons(trial):
    sessions = cell(cell(SESSIONS, 4, "exclude", "Yes"), 4, "reason", "fell asleep")
    people = cell(cell(PEOPLE, 4, "exclude", "yes"), 4, "reason", "withdrew consent")
    loaded = trial(people=people, sessions=sessions)
    assert [(r["participant_id"], r["level"], r["what"], r["reason"]) for r in loaded.left()] == [
        ("sub-02", "session", "ses-1", "fell asleep"),
        ("sub-02", "participant", "", "ses-1 (placebo) is excluded; stays in the mixed model"),
        ("sub-03", "participant", "", "withdrew consent"),
    ]
    assert {p.participant.participant_id for p in pairs(loaded)} == {"sub-01", "sub-04"}
    assert not loaded.included("sub-03")


def test_who_was_scanned_and_excluded_is_not_said_to_have_no_scan(trial):
    sessions = cell(cell(SESSIONS, 4, "exclude", "yes"), 4, "reason", "fell asleep")
    both = cell(cell(sessions, 5, "exclude", "yes"), 5, "reason", "moved")
    assert trial(sessions=both).left()[-1]["reason"] == (
        "ses-2 (ketamine) is excluded; ses-1 (placebo) is excluded"
    )
    one = cell(sessions, 5, "scan", "n/a")
    assert trial(sessions=one).left()[-1]["reason"] == (
        "no rest scan under ketamine; ses-1 (placebo) is excluded"
    )


def test_who_has_no_scan_at_all_leaves_everything(trial):
    sessions = "\n".join(SESSIONS.splitlines()[:-2]) + "\n"
    (left,) = trial(sessions=sessions).left()
    assert (left["participant_id"], left["analysis"]) == ("sub-04", "all")
    assert left["reason"] == "no rest scan in either session"


def test_an_excluded_session_may_repeat_a_treatment_or_have_none(trial):
    extra = "sub-01\tses-3\tketamine\t1\tn/a\t20\tyes\tscanner broke down\n"
    assert len(pairs(trial(sessions=SESSIONS + extra))) == 4
    extra = "sub-01\tses-3\tn/a\tn/a\tn/a\t20\tyes\ttreatment not on record\n"
    assert len(pairs(trial(sessions=SESSIONS + extra))) == 4


def test_repeat_runs_share_a_cell(trial):
    runs = [f"sub-01/ses-1/func/sub-01_ses-1_task-rest_run-{i}_bold.nii.gz" for i in (1, 2)]
    loaded = trial(sessions=cell(SESSIONS, 2, "scan", " ; ".join(runs)))
    assert loaded.sessions[0].scans == runs


def test_an_unknown_order_is_no_fault(trial):
    people = PEOPLE.replace("ketamine-placebo", "n/a").replace("placebo-ketamine", "n/a")
    sessions = SESSIONS
    for row in range(2, 10):
        sessions = cell(sessions, row, "period", "n/a")
    loaded = trial(people=people, sessions=sessions)
    assert len(pairs(loaded)) == 4
    assert all(p.sequence is None for p in loaded.participants.values())
    assert pairs(loaded)[0].order == {"sequence_code": None}
    assert loaded.counts()[0]["ketamine_first"] == loaded.counts()[0]["placebo_first"] == 0


def test_sequence_and_period_tell_each_other(trial):
    told = trial()
    without_periods = SESSIONS
    for row in range(2, 10):
        without_periods = cell(without_periods, row, "period", "n/a")
    loaded = trial(sessions=without_periods)
    assert [s.period for s in loaded.sessions] == [s.period for s in told.sessions]
    without_sequences = PEOPLE.replace("ketamine-placebo", "n/a").replace("placebo-ketamine", "n/a")
    loaded = trial(people=without_sequences)
    assert [p.sequence for p in loaded.participants.values()] == [
        p.sequence for p in told.participants.values()
    ]


def test_ready_maps_need_no_scan_in_the_sheet(trial):
    sessions = SESSIONS
    for row in range(2, 10):
        sessions = cell(sessions, row, "scan", "n/a")
    loaded = trial(sessions=sessions, entry="maps")
    assert loaded.left() == []
    assert [c["both"] for c in loaded.counts()] == [2, 2]
    assert [c["both"] for c in trial(sessions=sessions).counts()] == [0, 0]


def test_covariates_are_columns_of_one_kind(trial):
    with pytest.raises(Fault, match="config key covariates: .* no column agee; did you mean age?"):
        trial(covariates=["agee"])
    with pytest.raises(Fault, match="config key covariates: group is part of the design"):
        trial(covariates=["group"])
    mixed = cell(PEOPLE, 3, "age", "forty")
    with pytest.raises(
        Fault, match=r'participants.tsv, row 3, column "age": \'forty\' is no number'
    ):
        trial(people=mixed, covariates=["age"])
    # Not used as a covariate, it is nobody's business.
    trial(people=mixed)


def test_a_label_that_no_row_has_blames_the_config_once(trial):
    def said(**keys):
        with pytest.raises(Fault) as caught:
            trial(**keys)
        return str(caught.value)

    other = SESSIONS.replace("ketamine", "Ketamine")
    people = PEOPLE.replace("ketamine", "Ketamine")
    line = said(people=people, sessions=other)
    assert len(line.splitlines()) == 2
    assert line.splitlines()[1].startswith("config key treatments.active: no row of ")
    assert "has the treatment ketamine (did you mean Ketamine?); it has Ketamine, placebo" in line
    assert 'column "sequence": no row has ketamine-placebo or placebo-ketamine' in line
    assert "it has Ketamine-placebo, placebo-Ketamine" in line
    line = said(groups={"patients": "MDD", "controls": "HV"})
    assert line.startswith("config key groups.patients: no row of ") and "\n" not in line
    assert "has the group MDD; it has TRD, HV; correct the key, or the sheet" in line
    # Nobody of a group, and nobody of another either.
    line = said(people=PEOPLE.replace("HV", "TRD"))
    assert "config key groups.controls: no row of" in line and "it has TRD;" in line
    line = said(task="resting")
    assert line.startswith("config key task: no scan of ") and "\n" not in line
    assert "has task-resting (did you mean rest?); they have task-rest; correct the key" in line
    sessions = cell(SESSIONS, 3, "scan", SCAN_1.replace("task-rest", "task-nback"))
    line = said(sessions=sessions.replace("ses-1_task-nback", "ses-2_task-nback"))
    assert (
        'row 3, column "scan"' in line and "is of task nback, but config key task is rest" in line
    )


def test_orders_of_people_who_are_not_used_blame_nobody(trial):
    people = PEOPLE.replace("ketamine-placebo", "n/a").replace("placebo-ketamine", "n/a")
    further = "sub-05\tHV\tAB\t30\tF\tyes\twithdrew\nsub-06\tBP\tBA\t31\tM\tno\tn/a\n"
    sessions = SESSIONS
    for row in range(2, 10):
        sessions = cell(sessions, row, "period", "n/a")
    loaded = trial(people=people + further, sessions=sessions, unused={"groups": ["BP"]})
    assert len(pairs(loaded)) == 4
    one = cell(people, 2, "sequence", "AB")
    with pytest.raises(Fault, match='column "sequence": no row has ketamine-placebo or placebo-'):
        trial(people=one + further, sessions=sessions, unused={"groups": ["BP"]})


def test_one_cause_of_many_rows_is_one_line(trial):
    sessions = SESSIONS
    for row in range(2, 8):
        sessions = cell(sessions, row, "MADRS", str(row + 60))
    with pytest.raises(Fault) as caught:
        trial(sessions=sessions)
    (line,) = str(caught.value).splitlines()
    assert "62 is outside the scale's range 0 to 60" in line
    assert line.endswith("(6 such: row 2, row 3, row 4 and 3 more)")


@pytest.mark.parametrize("role", ["patients", "controls"])
def test_a_study_of_one_group_names_it_either_way(trial, role):
    loaded = trial(people=PEOPLE.replace("TRD", "HV"), groups={role: "HV"})
    assert loaded.groups == ["HV"]
    assert [count["both"] for count in loaded.counts()] == [4]


def test_patients_come_first_whatever_the_order_of_the_keys(trial):
    loaded = trial(
        groups={"controls": "HV", "patients": "TRD"},
        treatments={"control": "placebo", "active": "ketamine"},
    )
    assert loaded.groups == ["TRD", "HV"]
    assert list(loaded.config["groups"]) == ["patients", "controls"]
    assert loaded.contrasts[0].sides == {"active": "ketamine", "control": "placebo"}
    assert loaded.treatments == ["placebo", "ketamine"]


FURTHER = """\
sub-05	BP	saline-ketamine	n/a	M	no	n/a
"""
BASELINE = """\
sub-01	ses-0	baseline	n/a	anything	99	no	n/a
sub-02	ses-0	baseline	1	n/a	n/a	no	n/a
sub-05	ses-1	saline	1	n/a	n/a	no	n/a
"""


def test_further_groups_and_treatments_are_left_unused_by_name(trial):
    sessions = SESSIONS + BASELINE
    sessions = cell(cell(sessions, 4, "period", "2"), 5, "period", "3")
    people = cell(PEOPLE + FURTHER, 3, "sequence", "baseline-placebo-ketamine")
    unused = {"groups": ["BP"], "treatments": ["baseline"]}
    loaded = trial(people=people, sessions=sessions, unused=unused)
    assert [p.participant.participant_id for p in pairs(loaded)] == [
        f"sub-0{n}" for n in (1, 2, 3, 4)
    ]
    # Baseline was period 1: the two that are compared keep their order.
    assert [s.period for s in loaded.sessions if s.participant_id == "sub-02"] == [1, 2]
    assert loaded.participants["sub-02"].sequence == "placebo-ketamine"
    assert [(r["participant_id"], r["what"], r["reason"]) for r in loaded.left()] == [
        ("sub-01", "ses-0", "treatment baseline is not used (config key unused.treatments)"),
        ("sub-02", "ses-0", "treatment baseline is not used (config key unused.treatments)"),
        ("sub-05", "", "group BP is not used (config key unused.groups)"),
    ]
    with pytest.raises(Fault) as caught:
        trial(people=people, sessions=sessions)
    said = str(caught.value)
    assert "'BP' is none of the study's groups (TRD, HV); correct it" in said
    assert "list the group in the config key unused.groups" in said
    assert "list it in the config key unused.treatments" in said
    with pytest.raises(Fault, match="config key unused.groups: no row of .* has the group BD;"):
        trial(people=people, sessions=sessions, unused=unused | {"groups": ["BP", "BD"]})


def test_the_order_of_one_session_among_further_ones_is_not_known(trial):
    sessions = cell(SESSIONS, 4, "period", "2")
    lines = [line for line in sessions.splitlines() if not line.startswith("sub-02\tses-2")]
    sessions = "\n".join(lines) + "\n" + BASELINE.splitlines(keepends=True)[1]
    people = cell(PEOPLE, 3, "sequence", "n/a")
    loaded = trial(people=people, sessions=sessions, unused={"treatments": ["baseline"]})
    (session,) = [s for s in loaded.sessions if s.participant_id == "sub-02"]
    assert session.period is None


def with_column(name, values):
    lines = PEOPLE.splitlines()
    column = [name, *values]
    return "".join(f"{line}\t{value}\n" for line, value in zip(lines, column, strict=True))


SITES = with_column("site", ["1", "2", "3", "1"])


def test_a_coded_covariate_needs_its_type(trial):
    with pytest.raises(Fault) as caught:
        trial(people=SITES, covariates=["site"])
    said = str(caught.value)
    assert 'participants.tsv, column "site": the whole numbers 1, 2, 3 may be codes' in said
    assert "covariates: [{name: site, type: categorical}], or type: continuous" in said
    loaded = trial(people=SITES, covariates=[{"name": "site", "type": "categorical"}, "sex"])
    assert loaded.covariate_types == {"site": "categorical", "sex": "categorical"}
    assert loaded.person_row(loaded.participants["sub-02"])["site"] == "2"
    loaded = trial(people=SITES, covariates=[{"name": "site", "type": "continuous"}, "age"])
    assert loaded.covariate_types == {"site": "continuous", "age": "continuous"}
    assert loaded.person_row(loaded.participants["sub-02"])["site"] == 2.0
    # Two numbers are the same either way; numbers of which each is there once are measured.
    assert trial(people=with_column("sex2", ["1", "2", "2", "1"]), covariates=["sex2"])
    assert trial(people=with_column("age2", ["31", "44", "29", "50"]), covariates=["age2"])
    # Blocks are categories always, and whoever is excluded says nothing of a type.
    blocked = trial(people=SITES, group={"blocks": "site"})
    assert blocked.person_row(blocked.participants["sub-03"])["site"] == "3"
    alone = cell(cell(SITES, 4, "exclude", "yes"), 4, "reason", "moved")
    assert trial(people=alone, covariates=["site"]).covariate_types == {"site": "continuous"}


@pytest.mark.parametrize("word", ["NA", "N/A", "na", "NaN", "nan", "#N/A", "<NA>", "", "n/a"])
def test_every_word_for_missing_is_missing_everywhere(trial, word):
    people = with_column("site", ["a", "b", word, "a"])
    loaded = trial(people=people, covariates=["site"], group={"blocks": "site"})
    assert loaded.person_row(loaded.participants["sub-03"])["site"] is None
    for column, row in (("age", 2), ("sequence", 2)):
        loaded = trial(people=cell(PEOPLE, row, column, word), covariates=["age"])
        person = loaded.participants["sub-01"]
        # The order is told by the periods of the sessions.
        assert person.sequence == "ketamine-placebo"
    assert person.covariates["age"] == "31"
    loaded = trial(sessions=cell(cell(SESSIONS, 3, "MADRS", word), 3, "scan", word))
    assert loaded.sessions[1].scores == {"MADRS": None} and loaded.sessions[1].scans == []


def test_none_is_a_category_and_a_dot_is_neither(trial):
    people = with_column("medication", ["None", "SSRI", "None", "SSRI"])
    loaded = trial(people=people, covariates=["medication"])
    assert loaded.person_row(loaded.participants["sub-01"])["medication"] == "None"
    for key in ({"covariates": ["medication"]}, {"group": {"blocks": "medication"}}):
        for word in (".", "-", "?", "null", "#REF!"):
            with pytest.raises(Fault, match='row 3, column "medication": .* category of its own'):
                trial(people=cell(people, 3, "medication", word), **key)


@pytest.mark.parametrize(
    ("values", "key", "said"),
    [
        (["f", "F", "m", "m"], None, "row 3, column \"x\": 'F' and 'f' would be two categories"),
        (["1", "01", "2", "3"], "categorical", "'01' and '1' would be two categories"),
        (["31,5", "40,1", "28,0", "30,2"], None, "decimal comma, such as 31,5; write a point"),
        (["a", "2", "3", "1"], "continuous", "row 2, column \"x\": 'a' is no number; correct"),
    ],
)
def test_covariates_whose_cells_are_at_odds(trial, values, key, said):
    given = {"name": "x", "type": key} if key else "x"
    with pytest.raises(Fault) as caught:
        trial(people=with_column("x", values), covariates=[given])
    assert said in str(caught.value)


def test_columns_made_from_the_sessions_are_no_covariates(trial):
    for name in ("delta_MADRS", "mean_fd_active", "sequence_code"):
        with pytest.raises(Fault, match=f"covariates: {name} is the name of a column that is made"):
            trial(people=with_column(name, "abab"), covariates=[name])


@pytest.mark.parametrize(
    ("row", "column", "value", "said"),
    [
        (2, "lowest", "60", 'row 2, column "lowest": lowest and highest must be numbers in order'),
        (2, "highest", "nan", "must be numbers in order"),
        (2, "highest", "n/a", "must be numbers in order"),
        (2, "better", "worse", "column \"better\": 'worse' is neither higher nor lower"),
        (3, "scale", "MADRS", "MADRS stands there twice"),
        (3, "scale", "SHA PS", "letters, digits and _ only"),
        (3, "scale", "n/a", "letters, digits and _ only"),
        (3, "scale", "period", "is a column of the sheet of sessions already"),
    ],
)
def test_scales_at_fault(trial, row, column, value, said):
    with pytest.raises(Fault, match="scales.tsv, row") as caught:
        trial(scales=cell(SCALES, row, column, value))
    assert said in str(caught.value)


CRITERIA = """\
scale	instrument	lowest	highest	better	response_percent	remission_at
MADRS	Montgomery-Asberg	0	60	lower	50	10
TEPS_A	Anticipatory pleasure	10	60	higher	n/a	n/a
"""


@pytest.mark.parametrize(
    ("row", "column", "value", "said"),
    [
        (2, "response_percent", "half", "'half' is no percentage above 0 and up to 100"),
        (2, "response_percent", "0", "'0' is no percentage above 0 and up to 100"),
        (2, "response_percent", "150", "'150' is no percentage above 0 and up to 100"),
        (2, "remission_at", "ten", "'ten' is no score of the scale, which goes from 0 to 60"),
        (2, "remission_at", "-1", "'-1' is no score of the scale"),
        (2, "remission_at", "60", "60 is the worst score of the scale"),
        (3, "remission_at", "10", "10 is the worst score of the scale"),
    ],
)
def test_criteria_of_scales(trial, row, column, value, said):
    madrs = trial(scales=CRITERIA).scales["MADRS"]
    assert (madrs.response_percent, madrs.remission_at) == (50, 10)
    teps = read_scales(Path(trial(scales=CRITERIA).config["sheets"]["scales"]))["TEPS_A"]
    assert (teps.response_percent, teps.remission_at) == (None, None)
    with pytest.raises(Fault, match=f'scales.tsv, row {row}, column "{column}"') as caught:
        trial(scales=cell(CRITERIA, row, column, value))
    assert said in str(caught.value)


def test_scales_that_come_with_crossfc_say_what_they_define(root):
    """MADRS: half of the baseline; 10 or less (Zimmerman et al. 2004)."""
    for name, scale in (("scales", "MADRS"), ("ds005917/scales", "MADRS_Total")):
        found = read_scales(root / f"config/{name}.tsv")[scale]
        assert (found.response_percent, found.remission_at) == (50, 10)


def test_a_seed_set_that_is_not_there(trial):
    with pytest.raises(Fault, match="pipelines.primary.seed_set: .* has no set keley2009; did you"):
        trial(pipelines={"primary": {"seed_set": "keley2009"}})


def test_a_t1w_of_another_person(trial):
    people = PEOPLE.replace("\texclude", "\tt1w\texclude").replace("\tno\t", "\tn/a\tno\t")
    assert trial(people=people).participants["sub-01"].t1w is None
    image = "sub-01/anat/sub-01_T1w.nii.gz"
    assert trial(people=cell(people, 2, "t1w", image)).participants["sub-01"].t1w == image
    with pytest.raises(Fault, match=r'row 3, column "t1w".*is of sub-01 in a row of sub-02'):
        trial(people=cell(people, 3, "t1w", image))


def test_the_shipped_design_is_sound(root, schema, monkeypatch):
    monkeypatch.chdir(root)
    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    loaded = load(configuration.check(config, schema))
    assert [(c["group"], c["both"], c["either"]) for c in loaded.counts()] == [
        ("TRD", 16, 17),
        ("HV", 12, 13),
    ]
    assert len(loaded.left()) == 2


def test_the_committed_ketamine_trial_has_the_known_counts(root, schema, monkeypatch):
    monkeypatch.chdir(root)
    config = yaml.safe_load(Path("config/ds005917.yaml").read_text(encoding="utf-8"))
    loaded = load(configuration.check(config, schema))
    assert [tuple(c.values()) for c in loaded.counts()] == [
        ("MDD", 27, 26, 24, 29, 12, 12),
        ("HC", 19, 17, 17, 19, 8, 9),
    ]
    assert len(loaded.left()) == 58 - 24 - 17


# Repeats, and what the scanner did ----------------------------------------------------------------

FOLDER = "sub-01/ses-1/func/sub-01_ses-1_task-rest"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("_acq-mb", "_acq-sb", "acq-mb and acq-sb are no repeats of one another"),
        ("", "_rec-norm", "no rec and rec-norm are no repeats"),
        ("_dir-AP_run-1", "_dir-PA_run-2", "dir-AP and dir-PA are no repeats"),
        ("_echo-1", "_echo-2", "echo-1 and echo-2 are no repeats"),
        ("_run-1", "_run-01", "are both run 1; remove one"),
        ("", "_run-1", "are both run 1; remove one"),
    ],
)
def test_scans_of_a_cell_differ_in_run_only(trial, first, second, said):
    cells = f"{FOLDER}{first}_bold.nii.gz;{FOLDER}{second}_bold.nii.gz"
    with pytest.raises(Fault, match='sessions.tsv, row 2, column "scan"') as caught:
        trial(sessions=cell(SESSIONS, 2, "scan", cells))
    assert said in str(caught.value)
    # Ready maps were made of whatever they were made of.
    trial(sessions=cell(SESSIONS, 2, "scan", cells), entry="maps")


def test_scans_of_a_person_are_alike_under_both_treatments(trial):
    other = cell(SESSIONS, 2, "scan", f"{FOLDER}_acq-sb_bold.nii.gz")
    with pytest.raises(Fault, match="the scan under placebo has no acq where that") as caught:
        trial(sessions=other)
    said = str(caught.value)
    assert (
        'sessions.tsv, row 3, column "scan"' in said and "under ketamine (row 2) has acq-sb" in said
    )
    assert "add acq to the config key scans_may_differ_in" in said
    assert len(pairs(trial(sessions=other, scans_may_differ_in=["acq"]))) == 4
    excluded = cell(cell(other, 2, "exclude", "yes"), 2, "reason", "other sequence")
    assert len(pairs(trial(sessions=excluded))) == 3
    # Both alike, whatever they are; and the number of the run says nothing.
    both = cell(other, 3, "scan", f"{FOLDER.replace('ses-1', 'ses-2')}_acq-sb_run-2_bold.nii.gz")
    assert len(pairs(trial(sessions=both))) == 4


def with_guesses(*guesses):
    """Add a column guess to the sheet of sessions."""
    lines = SESSIONS.splitlines()
    told = ["guess", *guesses, *["n/a"] * (len(lines) - 1 - len(guesses))]
    return "\n".join(f"{line}\t{guess}" for line, guess in zip(lines, told, strict=True)) + "\n"


def test_what_people_guessed_is_read_from_the_sheet(trial):
    read = trial(sessions=with_guesses("ketamine", "ketamine", "n/a", "placebo"))
    told = {(s.participant_id, s.session_id): s.guess for s in read.sessions}
    assert list(told.values())[:5] == ["ketamine", "ketamine", None, "placebo", None]
    assert all(session.guess is None for session in trial().sessions)
    with pytest.raises(Fault) as fault:
        trial(sessions=with_guesses("ketamin", "dont know"))
    first, second = str(fault.value).splitlines()
    assert first.partition("sessions.tsv, ")[2] == (
        "row 2, column \"guess\": 'ketamin' is none of the treatments placebo, ketamine; did you "
        "mean ketamine?; correct it, or write n/a where the person does not know"
    )
    assert "row 3" in second and "'dont know'" in second


def test_a_session_before_all_treatment_has_nothing_to_guess(trial):
    with pytest.raises(Fault, match="guessed of a session before all treatment .* write n/a"):
        trial(
            sessions=with_guesses("ketamine").replace("ses-1\tketamine\t1", "ses-1\tn/a\tn/a", 1),
            treatments=["placebo", "ketamine"],
        )
