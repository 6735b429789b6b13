"""What was understood of a study, on one screen."""

import pytest

from crossfc.plan import Plan
from crossfc.plan.overview import overview

HEAD = "participant_id\tsession_id\ttreatment\tperiod\tscan\tMADRS\texclude\treason\n"
GROUPS = {"01": "TRD", "02": "TRD", "03": "HV", "04": "HV"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Four people: all sessions, one without a scan, one excluded, one whose order is unknown."""
    monkeypatch.chdir(tmp_path)
    people = ["participant_id\tgroup\tsequence\texclude\treason\n"]
    rows = [HEAD]
    for person, group in GROUPS.items():
        known = "n/a" if person == "04" else "ketamine-placebo"
        out = "yes\tleft" if person == "03" else "no\tn/a"
        people.append(f"sub-{person}\t{group}\t{known}\t{out}\n")
        for period, treatment in enumerate(("ketamine", "placebo"), 1):
            number = "n/a" if person == "04" else period
            scan = f"sub-{person}/ses-{period}/func/sub-{person}_ses-{period}_task-rest_bold.nii.gz"
            scan = "n/a" if (person, period) == ("02", 2) else scan
            row = f"sub-{person}\tses-{period}\t{treatment}\t{number}\t{scan}\t12\tno\tn/a\n"
            rows.append(row)
    (tmp_path / "participants.tsv").write_text("".join(people))
    (tmp_path / "sessions.tsv").write_text("".join(rows))
    return {
        "study": "small",
        "entry": "fmriprep",
        "derivatives_dir": "deriv",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": ["TRD", "HV"],
        "treatments": ["placebo", "ketamine"],
        "robustness": {"seed_sets": ["depression_5mm"]},
        "hypotheses": [{"analysis": "drug_TRD", "scale": "MADRS", "direction": "negative"}],
    }


def parts(lines: list[str]) -> dict[str, list[str]]:
    """Return the sentences of each part, with lines that were broken put together again."""
    found: dict[str, list[str]] = {}
    for line in lines:
        label, text = line[:14].strip(), line[14:]
        if label:
            own = found.setdefault(label, [])
        if text.startswith("  "):
            own[-1] += f" {text.strip()}"
        else:
            own.append(text)
    return found


def test_the_screen_says_what_was_understood(study, root):
    lines = overview(Plan(study, root))
    assert max(map(len, lines)) <= 100
    said = parts(lines)
    assert said["Design"] == [
        "a two-treatment, two-period crossover of ketamine and placebo; the reference is placebo"
    ]
    assert said["People"] == [
        "TRD 2: ketamine-placebo 2",
        "HV 1 (and 1 excluded): order not known 1",
    ]
    assert said["Sessions"] == [
        "5 with a scan of task rest, of 6 rows of sessions.tsv",
        "ketamine: TRD 2, HV 1",
        "placebo: TRD 1, HV 1",
    ]
    assert said["Contrasts"] == ["drug: ketamine − placebo; complete in TRD 1, HV 1"]
    assert said["Limits"][1].startswith("contrast drug in HV: the order of treatments is not known")
    assert said["Leave"] == [
        "no rest scan under placebo: 1 (sub-02)",
        "left: 1 (sub-03)",
        "of these, in the mixed model with the scans they have: 1",
    ]
    assert said["Scans"][1:] == ["deriv does not exist or is no folder"]
    assert said["Pipelines"][1:] == ["primaryDepression5mm: seed set depression_5mm"]
    assert said["Analyses"][0] == "10 of maps in each of 2 pipelines"
    assert said["Analyses"][-1] == (
        "not run, as fewer than 4 people have the scores in all sessions: change_MADRS"
    )
    assert said["Hypotheses"] == ["drug_TRD of MADRS, negative"]


def test_labels_of_the_scans_that_there_are(study, root, tmp_path):
    for run in ("task-rest", "task-nback"):
        for space in ("T1w", "MNI152NLin2009cAsym_res-2"):
            name = f"sub-01_ses-1_{run}_space-{space}_desc-preproc_bold.nii.gz"
            (tmp_path / "deriv/sub-01/ses-1/func").mkdir(parents=True, exist_ok=True)
            (tmp_path / "deriv/sub-01/ses-1/func" / name).write_bytes(b"")
    assert parts(overview(Plan(study, root)))["Scans"][1] == (
        "there are: task nback (1 run), rest (1 run); space MNI152NLin2009cAsym res-2 (2 images),"
        " T1w (2 images)"
    )


def test_ready_maps_have_no_pipelines(study, root):
    maps = {"entry": "maps", "robustness": {}, "maps": {"pattern": "{participant_id}_{seed}.nii"}}
    said = parts(overview(Plan(study | maps | {"treatments": ["placebo", "ketamine"]}, root)))
    assert said["Scans"] == ["ready maps in deriv, named {participant_id}_{seed}.nii"]
    assert said["Sessions"][0] == "6 with a map, of 6 rows of sessions.tsv"
    assert "Pipelines" not in said


def test_a_folder_with_an_odd_name_is_said_and_hides_nothing(study, root, tmp_path):
    (tmp_path / "deriv/SUB-01").mkdir(parents=True)
    (said,) = parts(overview(Plan(study, root)))["Scans"][1:]
    assert said == "deriv/SUB-01 is no BIDS name; rename the folder to sub-01"


def test_contrasts_with_analyses_of_the_same_form_are_told_once(study, root):
    crossed = {"ketamine": 1, "placebo": -1}
    half = {"ketamine": 0.5, "placebo": -0.5}
    said = parts(overview(Plan(study | {"contrasts": {"full": crossed, "half": half},
                                        "hypotheses": []}, root)))  # fmt: skip
    assert said["Analyses"][1].startswith("full_TRD, full_HV, full_TRD_pooled, ")
    assert said["Analyses"][2] == "the same 10 of half in place of full"
    assert said["Leave"][0] == "no rest scan under placebo (of full and half): 1 (sub-02)"
    assert said["Hypotheses"] == ["none is stated: every answer will be exploratory"]


def test_without_sheets_the_configuration_is_told(study, root, tmp_path):
    (tmp_path / "sessions.tsv").unlink()
    said = parts(overview(Plan(study, root)))
    assert said["Design"] == [
        "groups TRD and HV; treatments ketamine and placebo (the reference is placebo)"
    ]
    assert list(said) == ["Design", "Scans", "Pipelines"]


def test_a_study_of_scores_alone(study, root, tmp_path):
    sheet = tmp_path / "sessions.tsv"
    sheet.write_text("\n".join(
        "\t".join("n/a" if "func" in cell else cell for cell in line.split("\t"))
        for line in sheet.read_text().splitlines()) + "\n")  # fmt: skip
    said = parts(overview(Plan(study, root)))
    assert said["Analyses"] == [
        "nobody has the scans of a comparison: the clinic alone can be analysed"
    ]
    assert said["Scores"] == ["change of MADRS"]
