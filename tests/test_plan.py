"""The plan refuses what its jobs could not do, in a sentence whose remedy works."""

import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.trial.covariate import determined

PEOPLE = """\
participant_id	group	sequence	t1w
sub-01	TRD	ketamine-placebo	sub-01/anat/sub-01_T1w.nii.gz
sub-02	HV	placebo-ketamine	n/a
"""
HEAD = "participant_id\tsession_id\ttreatment\tperiod\tscan\tMADRS\n"


def sessions():
    rows = []
    for person, order in (("01", ("ketamine", "placebo")), ("02", ("placebo", "ketamine"))):
        for period, treatment in enumerate(order, 1):
            stem = f"sub-{person}_ses-{period}_task-rest_bold.nii.gz"
            scan = f"sub-{person}/ses-{period}/func/{stem}"
            rows.append(f"sub-{person}\tses-{period}\t{treatment}\t{period}\t{scan}\t12\n")
    return HEAD + "".join(rows)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Give a sound configuration in the working directory, with its two sheets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "participants.tsv").write_text(PEOPLE)
    (tmp_path / "sessions.tsv").write_text(sessions())
    return {
        "study": "small",
        "entry": "fmriprep",
        "derivatives_dir": "derivatives",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": {"patients": "TRD", "controls": "HV"},
        "treatments": {"active": "ketamine", "control": "placebo"},
    }


def refusal(config, root, **options):
    with pytest.raises(Fault) as caught:
        Plan(config, root, **options)
    return str(caught.value)


def test_the_small_study_is_sound(study, root):
    found = Plan(study, root).analyses()
    assert found[:3] == ["drug_TRD", "drug_HV", "drug_TRD_pooled"] and "group_by_drug" in found


@pytest.mark.parametrize("role", ["patients", "controls"])
def test_a_study_of_healthy_people_alone_needs_no_patients(study, root, tmp_path, role):
    (tmp_path / "participants.tsv").write_text(PEOPLE.replace("TRD", "HV"))
    plan = Plan(study | {"groups": {role: "HV"}}, root)
    within = ["drug_HV", "drug_HV_pooled", "drug_HV_by_subregion"]
    assert plan.analyses() == [*within, "carryover"]
    assert "patients" not in str(plan.analyses()) and plan.checked_trial().groups == ["HV"]


def test_a_study_of_healthy_people_alone_has_a_twin(study, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(PEOPLE.replace("TRD", "HV"))
    truth = Plan(study | {"groups": {"controls": "HV"}, "twin": {}}, root).truth()
    assert "None" not in str(list(truth["edges"][0])) and "drug_None" not in str(truth)


def test_a_covariate_that_follows_from_the_others_is_told_before_any_job():
    def rows(**columns):
        return [dict(zip(columns, own, strict=True)) for own in zip(*columns.values(), strict=True)]

    group = ["TRD", "TRD", "TRD", "HV", "HV", "HV"]
    one_each = rows(group=group, site=["1", "2", "1", "3", "3", "4"])
    assert determined(one_each, {"site": "categorical"}) == "site"
    shared = rows(group=group, site=["1", "2", "1", "1", "2", "4"])
    assert determined(shared, {"site": "categorical"}) is None
    years = [1950.0, 1960.0, 1971.0, 1984.0, 1990.0, 2001.0]
    ages = rows(group=group, born=years, age=[2020.0 - year for year in years])
    assert determined(ages, {"born": "continuous", "age": "continuous"}) == "age"
    # Whoever lacks a value is not in the model; what is the same for everybody falls out of it.
    ages[0]["age"] = 3.5
    assert determined(ages, {"born": "continuous", "age": "continuous"}) is None
    ages[0]["born"] = None
    assert determined(ages, {"born": "continuous", "age": "continuous"}) == "age"
    assert determined(rows(group=group, site=["1"] * 6), {"site": "categorical"}) is None


def test_types_of_covariates_go_to_the_analyses(study, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(
        PEOPLE.replace("t1w", "t1w\tsite")
        .replace("T1w.nii.gz", "T1w.nii.gz\t1")
        .replace("n/a\n", "n/a\t2\n")
    )
    given = {"covariates": [{"name": "site", "type": "categorical"}]}
    plan = Plan(study | given, root)
    assert plan.test_choices()["covariates"] == {"site": "categorical"}
    assert [person["site"] for person in plan.people()] == ["1", "2"]


def test_a_command_carries_the_users_config(study, root, tmp_path):
    (tmp_path / "sessions.tsv").unlink()
    plan = Plan(study, root, configfiles=[tmp_path / "my study.yaml"])
    assert plan.test_choices()["covariates"] == {}  # asked for when the rules are read
    with pytest.raises(Fault) as caught:
        plan.checked_trial()
    assert (
        "sessions.tsv does not exist; run `snakemake --cores 1 sheets --configfile 'my study.yaml'`"
        in str(caught.value)
    )


def test_a_workflow_in_a_folder_with_braces_says_so(study):
    said = refusal(study, "/home/anna/{version} 2")
    assert said.startswith("the workflow lies in /home/anna/{version} 2") and "move it" in said


@pytest.mark.parametrize("key", ["atlas", "atlas_names"])
def test_an_atlas_that_is_not_there_is_told_before_any_job(study, root, tmp_path, key):
    said = refusal(study | {"group": {key: "nowhere.nii"}}, root)
    assert said.startswith(f"config key group.{key}: nowhere.nii is no file; correct the path")
    (tmp_path / "folder").mkdir()
    assert "folder is no file" in refusal(study | {"group": {key: "folder"}}, root)


def test_the_names_of_an_atlas_need_their_columns(study, root, tmp_path):
    (tmp_path / "names.tsv").write_text("number\tname\n1\ta\n")
    said = refusal(study | {"group": {"atlas_names": "names.tsv"}}, root)
    assert "names.tsv, row 1 lacks the column index" in said


def test_a_raw_twin_needs_the_names_of_its_heads(study, root):
    raw = study | {"entry": "raw", "bids_dir": "data", "twin": {}}
    raw.pop("derivatives_dir")
    said = refusal(raw, root)
    assert said.startswith("participants.tsv: sub-02 has no T1w image, which entry raw needs")


def test_labels_that_make_too_long_a_name_are_told(study, root, tmp_path):
    person = "sub-" + "x" * 150
    for name in ("participants.tsv", "sessions.tsv"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("sub-01", person))
    said = refusal(study, root)
    assert "would have" in said and "shorten the labels it is made of" in said
    assert len(said) < 400


@pytest.mark.parametrize("name", ["participants", "sessions", "scales", "seeds", "targets"])
def test_a_sheet_in_another_encoding_is_one_sentence(study, root, tmp_path, name):
    source = tmp_path / f"{name}.tsv"
    text = (source if source.exists() else root / "config" / f"{name}.tsv").read_text()
    source.write_bytes(text.replace("\n", "\té\n", 1).encode("latin-1", "replace"))
    study["sheets"] = study["sheets"] | {name: f"{name}.tsv"}
    said = refusal(study, root)
    assert said.startswith(f"{name}.tsv is no UTF-8 text") and "\n" not in said


def test_a_file_of_the_user_comes_before_that_of_the_same_name_that_crossfc_brings(
    study, root, tmp_path
):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "seeds.tsv").symlink_to("gone.tsv")
    # A dangling link is no reason to take other seeds in silence.
    said = "config key sheets.seeds: config/seeds.tsv is a link to gone.tsv, where nothing is"
    assert said in refusal(study, root)


def test_a_sheet_that_is_no_file_is_told_by_its_key(study, root):
    study["sheets"] = study["sheets"] | {"scales": "n/a", "targets": "/"}
    said = refusal(study, root).splitlines()
    assert [line.split(";")[0] for line in said] == [
        "config key sheets.scales: n/a is no file",
        "config key sheets.targets: / is no file",
    ]
