"""The command init: a data set in, a configuration out that loads, and is run after what is open
was filled in."""

import json
import subprocess
import sys

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.jobs.command import main
from crossfc.jobs.proposal import propose
from crossfc.plan import Plan
from crossfc.proposal.place import find_place
from crossfc.proposal.scan import choose_space, choose_task, differing
from crossfc.proposal.survey import content, survey
from crossfc.proposal.text import Text, flow
from crossfc.trial import config as configuration
from crossfc.trial.design import load
from crossfc.trial.document import load_yaml
from crossfc.trial.new_sheets import write_sheets
from crossfc.trial.open_entry import OPEN, open_keys
from tests import test_given_derivatives as derivatives
from tests.trial.conftest import unpack

FMRIPREP = {
    "Name": "fMRIPrep - fMRI PREProcessing workflow",
    "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.2.1"}],
}


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


def run(person, session, more="", task="rest"):
    return f"{person}/{session}/func/{person}_{session}_task-{task}{more}_bold.nii.gz"


def describe(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps(content))


@pytest.fixture
def bids(tmp_path, monkeypatch):
    """Four people with two sessions in the working directory, as raw BIDS of empty files."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "my trial"
    describe(root, Name="LSD: a trial", BIDSVersion="1.9.0")
    for person in ("sub-01", "sub-02", "sub-03", "sub-04"):
        touch(root, *(run(person, session) for session in ("ses-1", "ses-2")))
    return root


def preprocess(bids, *spaces, task="rest"):
    """Add derivatives of fMRIPrep to the data set, in some spaces."""
    folder = bids / "derivatives/fmriprep"
    describe(folder, **FMRIPREP)
    for path in sorted(bids.glob("sub-*/ses-*/func")):
        person, session = path.parts[-3:-1]
        for space in spaces:
            more = f"_space-{space}_desc-preproc"
            touch(folder, run(person, session, more, task))
    touch(folder, "sub-01.html", "sub-01/figures/sub-01_ses-1_task-rest_desc-carpet_bold.svg")
    return folder


def proposed(dataset, root):
    """Propose a configuration; return it as it loads, and what was printed."""
    said, sound = propose(str(dataset), "design", root)
    assert sound, said
    return load_yaml("design/config.yaml"), said


# What is there ------------------------------------------------------------------------------------


def test_a_survey_tells_tasks_and_spaces_by_names(bids):
    folder = preprocess(bids, "MNI152NLin2009cAsym_res-2", "T1w")
    touch(folder, "sub-01/ses-1/func/._sub-01_ses-1_task-rest_desc-preproc_bold.nii.gz")
    found = survey(folder)
    assert found.preprocessed and len(found.runs()) == 8 and len(found.images) == 16
    assert content(found) == [
        "task rest (8 runs)",
        "space MNI152NLin2009cAsym res-2 (8 images), T1w (8 images)",
    ]


def test_the_task_of_rest_and_the_default_space_are_chosen_and_others_are_not(bids):
    folder = preprocess(bids, "MNI152NLin6Asym_res-2", "MNI152NLin2009cAsym")
    assert choose_task(survey(bids)).value == "rest"
    touch(bids, *(run("sub-01", "ses-1", task=task) for task in ("nback", "eyesrest")))
    assert choose_task(survey(bids)).value == "rest"
    (space, res) = choose_space(survey(folder), "rest")
    assert (space.value, res.value) == ("MNI152NLin2009cAsym", None)
    assert space.reason.startswith("fMRIPrep's default; the derivatives have MNI152NLin")
    preprocess(bids, "MNI152NLin2009cAsym_res-2")
    assert choose_space(survey(folder), "rest")[1].value == OPEN
    preprocess(bids, "MNI152NLin6Asym", "MNI152NLin2009bAsym", task="movie")
    space, _ = choose_space(survey(folder), "movie")
    assert space.value == OPEN and "MNI152NLin2009bAsym (8 images)" in space.reason
    preprocess(bids, "T1w", task="own")
    space, _ = choose_space(survey(folder), "own")
    assert space.value == OPEN and "--output-spaces MNI152NLin2009cAsym" in space.reason


def test_without_a_task_of_rest_the_task_is_open(bids):
    for path in bids.glob("sub-*/ses-*/func/*"):
        path.rename(path.with_name(path.name.replace("rest", "movie")))
    assert choose_task(survey(bids)).value == "movie"
    touch(bids, run("sub-01", "ses-1", task="nback"))
    choice = choose_task(survey(bids))
    assert choice.value == OPEN and "movie (8 runs), nback (1 run)" in choice.reason


def test_scans_of_one_session_that_differ_in_more_than_run(bids):
    touch(bids, *(run("sub-01", "ses-1", more) for more in ("_acq-fast", "_run-2", "_echo-2")))
    assert differing(survey(bids), "rest") == {"acq": {"": 3, "fast": 1}}


@pytest.mark.parametrize("named", ["raw", "derivatives"])
def test_derivatives_and_raw_scans_are_found_from_either(bids, named):
    folder = preprocess(bids, "MNI152NLin2009cAsym")
    place = find_place("my trial" if named == "raw" else "my trial/derivatives/fmriprep")
    assert str(place.bids_dir) == "my trial"
    assert str(place.derivatives_dir) == "my trial/derivatives/fmriprep"
    assert place.program == "fMRIPrep 23.2.1" and len(place.preprocessed.images) == 8
    describe(folder.with_name("fmriprep-25"), **FMRIPREP)
    with pytest.raises(Fault, match="several derivatives of fMRIPrep"):
        find_place("my trial")


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (lambda bids: None, "none", "none does not exist; name the folder"),
        (lambda bids: touch(bids, "x"), "my trial/x", "is a file; name the folder"),
        (lambda bids: (bids / "x").mkdir(), "my trial/x", "my trial/x is empty; name the folder"),
        (lambda bids: None, ".", "is no BIDS data set: .*; did you mean my trial?"),
        (lambda bids: None, "my trial/sub-01", "name the folder above it, my trial"),
        (lambda bids: touch(bids, "y/a.nii"), "my trial/y", "By hand|by hand"),
        (
            lambda bids: touch(bids, "y/sub-1/ses-1/sub-1_ses-1_seed-a_stat-z_boldmap.nii.gz"),
            "my trial/y",
            "has maps and no BOLD images; of ready maps the configuration is written by hand",
        ),
        (
            lambda bids: touch(bids, "y/sub-1/ses-1/func/sub-1_ses-1_desc-denoised_bold.nii.gz"),
            "my trial/y",
            "neither raw ones in .* nor those that fMRIPrep calls desc-preproc",
        ),
        (
            lambda bids: touch(bids, "y/sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz"),
            "my trial/y",
            "has no BOLD images",
        ),
        (
            lambda bids: touch(bids, "y/sub-1/func/sub-1_task-rest_bold.nii.gz"),
            "my trial/y",
            "has no session folders .*; lay it out as",
        ),
    ],
)
def test_what_is_no_data_set_is_one_sentence(bids, make, name, said):
    make(bids)
    with pytest.raises(Fault, match=said) as caught:
        find_place(name)
    assert "\n" not in str(caught.value)


# What is written ----------------------------------------------------------------------------------


def test_values_are_yaml_in_one_line():
    value = {"a, b": ["1", OPEN, "x: y", None, 2], "n/a": "yes", "é": "#1"}
    assert yaml.safe_load(f"key: {flow(value)}") == {"key": value}
    text = Text()
    text.key("key", value, "why\n\x07 " * 30, depth=1)
    assert text.lines[0].startswith("  # why   why")
    assert yaml.safe_load(str(text)) == {"key": value}
    assert max(map(len, text.lines)) <= 100


def test_what_tables_tell_makes_a_whole_study(bids, root, schema):
    preprocess(bids, "MNI152NLin2009cAsym")
    (bids / "participants.tsv").write_text(
        "participant_id\tdx\tage\n" + "".join(
            f"sub-0{n}\t{'MDD' if n < 3 else 'HC'}\t3{n}\n" for n in (1, 2, 3, 4))
    )  # fmt: skip
    for n, order in enumerate([("LSD", "placebo"), ("placebo", "LSD")] * 2, 1):
        (bids / f"sub-0{n}/sub-0{n}_sessions.tsv").write_text(
            "session_id\tdrug\tperiod\tMADRS\n"
            + "".join(f"ses-{k}\t{drug}\t{k}\t{10 * k}\n" for k, drug in enumerate(order, 1))
        )
    before = {path: path.stat().st_mtime_ns for path in bids.rglob("*")}
    config, said = proposed("my trial", root)
    assert {path: path.stat().st_mtime_ns for path in bids.rglob("*")} == before
    assert open_keys(config) == []
    assert list(config.items())[:7] == [
        ("study", "my_trial"),
        ("title", "LSD: a trial"),
        ("entry", "fmriprep"),
        ("derivatives_dir", "my trial/derivatives/fmriprep"),
        ("bids_dir", "my trial"),
        ("task", "rest"),
        ("space", "MNI152NLin2009cAsym"),
    ]
    assert config["groups"] == ["MDD", "HC"] and config["treatments"] == ["placebo", "LSD"]
    assert config["dataset"]["scales"] == {"MADRS": "MADRS"}
    assert config["dataset"]["covariates"] == ["age"]
    assert "/tmp" not in (bids.parent / "design/config.yaml").read_text()
    plan = Plan(config, root, ["design/config.yaml"])
    assert plan.trial.name.startswith("a two-treatment, two-period crossover of LSD and placebo")
    assert [len(plan.compared(contrast)) for contrast in plan.contrasts()] == [4]
    assert [s.scores["MADRS"] for s in plan.sessions()] == [10, 20] * 4
    assert "design/sessions.tsv: written, 8 rows" in said
    configuration.check(config, schema)


def test_visits_without_a_scan_are_named_and_not_proposed(bids, root):
    touch(bids, "sub-01/ses-0/beh/sub-01_ses-0_task-mood_beh.tsv")
    config, _ = proposed("my trial", root)
    assert list(config["dataset"]["sessions"]) == ["ses-1", "ses-2"]
    text = (bids.parent / "design/config.yaml").read_text()
    assert "    # Sessions in which nobody has a scan of the task: ses-0.\n" in text


def test_open_entries_are_marked_listed_and_refused_by_the_workflow(bids, root, schema):
    config, said = proposed("my trial", root)
    keys = ["treatments", "dataset.sessions.ses-1.treatment", "dataset.sessions.ses-2.treatment"]
    assert open_keys(config) == keys and config["entry"] == "raw"
    assert any(all(key in line for key in keys) for line in said)
    assert said[-3].startswith("  snakemake --cores 1 sheets -s ")
    assert said[-2].endswith("scripts/crossfc validate --configfile design/config.yaml")
    assert [path.name for path in (bids.parent / "design").iterdir()] == ["config.yaml"]
    text = (bids.parent / "design/config.yaml").read_text()
    assert 'ses-1: {treatment: "???"}           # 4 people scanned' in text
    assert "# What they do not tell is marked ???: 3 keys to fill in." in text
    with pytest.raises(Fault, match="config keys treatments, dataset.sessions.ses-1.treatment"):
        configuration.check(config, schema)


def test_nothing_is_written_over_or_into_the_data_set(bids, root):
    propose("my trial", "design", root)
    with pytest.raises(Fault, match=r"design/config.yaml is there already .* --output"):
        propose("my trial", "design", root)
    (bids.parent / "other").mkdir()
    (bids.parent / "other/sessions.tsv").write_text("mine")
    with pytest.raises(Fault, match=r"other/sessions.tsv is there already"):
        propose("my trial", "other", root)
    assert [path.name for path in (bids.parent / "other").iterdir()] == ["sessions.tsv"]
    folder = preprocess(bids, "MNI152NLin2009cAsym")
    for inside in ("my trial/code", str(folder / "code")):
        with pytest.raises(Fault, match="lies in the data set my trial"):
            propose(str(folder.relative_to(bids.parent)), inside, root)
    with pytest.raises(Fault, match="no folder that can be written to"):
        propose("my trial", "design/config.yaml/x", root)


def test_sheets_that_cannot_be_made_leave_the_configuration_and_say_why(bids, root):
    for path in bids.glob("sub-*/ses-*"):
        path.rename(path.with_name({"ses-1": "ses-LSD", "ses-2": "ses-PLCB"}[path.name]))
    said, sound = propose("my trial", "design", root)
    assert not sound and "in a folder of ses-LSD; rename or move it" in "\n".join(said)
    assert [path.name for path in (bids.parent / "design").iterdir()] == ["config.yaml"]


def test_the_command_says_a_fault_in_one_line(bids, capsys):
    assert main(["init", "nowhere"]) == 2
    said = capsys.readouterr()
    assert said.err == "crossfc: nowhere does not exist; name the folder of the data set\n"
    assert not said.out


# From a data set to a study that can be run -------------------------------------------------------


@pytest.fixture(scope="module")
def schema(root):
    return configuration.load_schema(root / "workflow/schemas/config.schema.yaml")


def test_the_ketamine_trial_filled_in_has_the_committed_sheets(
    shared_data, root, schema, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    unpack(shared_data / "ds005917_v1.0.1_metadata.tar.gz", tmp_path)
    config, _ = proposed("ds005917", root)
    assert config["dataset"]["listing"] == "files.txt" and config["groups"] == ["MDD", "BP", "HC"]
    assert config["treatments"] == ["Placebo", "Ketamine"]
    assert len(open_keys(config)) == 5  # which of the five sessions is which
    text = (tmp_path / "design/config.yaml").read_text()
    assert "# 48 people scanned; 2 days post-infusion of ketamine" in text
    # What people know, and that they want other words for the treatments.
    text = text.replace('ses-d2: {treatment: "???"}', "ses-d2: {treatment: ketamine}")
    text = text.replace('ses-p2: {treatment: "???"}', "ses-p2: {treatment: placebo}")
    text = text.replace("[Placebo, Ketamine]", "[placebo, ketamine]")
    text = text.replace("d: Ketamine, p: Placebo", "d: ketamine, p: placebo")
    text = text.replace("[MDD, BP, HC]", "[MDD, HC]").replace("BP: BP, ", "")
    kept = [line for line in text.splitlines() if "???" not in line.partition("#")[0]]
    config = configuration.check(yaml.safe_load("\n".join(kept)), schema)
    config["sheets"]["scales"] = str(root / "config/scales.tsv")
    write_sheets(config)
    own = root / "config/ds005917"
    made = tmp_path / "design"
    assert (made / "participants.tsv").read_text() == (own / "participants.tsv").read_text()
    # The committed sheet has the scores of three scales besides.
    for mine, theirs in zip(
        (made / "sessions.tsv").read_text().splitlines(),
        (own / "sessions.tsv").read_text().splitlines(),
        strict=True,
    ):
        assert mine.split("\t")[:5] == theirs.split("\t")[:5]


def test_derivatives_alone_become_a_study_that_can_be_run(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    derivatives.Study(tmp_path, root)
    given = tmp_path / "deriv"
    describe(given, **FMRIPREP)
    touch(given, "sub-01.html", "sub-01/figures/sub-01_ses-a_task-rest_desc-carpetplot_bold.svg")
    monkeypatch.chdir(tmp_path)
    config, said = proposed("deriv", root)
    assert config["derivatives_dir"] == config["bids_dir"] == "deriv"
    path = tmp_path / "design/config.yaml"
    text = path.read_text().replace('treatments: "???"', "treatments: [placebo, ketamine]")
    text = text.replace('ses-a: {treatment: "???"}', "ses-a: {treatment: ketamine, period: 1}")
    text = text.replace('ses-b: {treatment: "???"}', "ses-b: {treatment: placebo, period: 2}")
    # Whose tables have no more than this strategy needs.
    text = text.replace("primary: {}", "primary: {strategy: p9}").replace("acompcor_gsr", "p9")
    text = text.replace("scrub: {", "scrub: {strategy: p9, ")
    path.write_text(text)
    notes, _ = write_sheets(Plan(load_yaml(path), root, [path], read_sheets=False).for_sheets())
    assert [note.partition(":")[0] for note in notes] == [
        "deriv/participants.tsv does not exist",
        "design/participants.tsv",
        "design/sessions.tsv",
    ]
    assert len(load(Plan(load_yaml(path), root, [path]).config).sessions) == 6
    command = [sys.executable, str(root / "scripts/crossfc"), "validate", "--configfile", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Study deriv, entry fmriprep: it can be run."
    assert "Contrasts     drug: ketamine − placebo; complete in everybody 3" in lines
    assert (
        "              there are: task rest (6 runs); space MNI152NLin2009cAsym (6 images)" in lines
    )
    (limit,) = [line for line in lines if line.startswith("Limits")]
    assert "everybody had the same order of treatments" in limit
    assert any("connectivity 6" in line for line in lines)
