"""fMRIPrep's command line: generated from the config, accepted by fMRIPrep's own parser.

The parser is rebuilt from a record of fMRIPrep's own (fmriprep_*_parser.json, written by
record_fmriprep_parser.py, which needs fMRIPrep installed; the tests do not).
"""

import argparse
import json
import os
import stat
from pathlib import Path

import pytest

from crossfc.fault import Fault
from crossfc.session import layout
from crossfc.session.preprocess import fmriprep
from crossfc.trial import config as configuration

SCANS = [
    "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
    "sub-01/ses-b/func/sub-01_ses-b_task-rest_run-02_bold.nii.gz",
]
T1W = "sub-01/ses-a/anat/sub-01_ses-a_run-01_T1w.nii.gz"


@pytest.fixture(scope="module")
def record() -> dict:
    (path,) = Path(__file__).parent.glob("fmriprep_*_parser.json")
    return json.loads(path.read_text())


@pytest.fixture
def parser(record) -> argparse.ArgumentParser:
    """fMRIPrep's parser, with the options, numbers of words and choices of the record."""

    class Strict(argparse.ArgumentParser):
        def error(self, message):
            raise AssertionError(message)

    made = Strict(allow_abbrev=False)
    for known in record["actions"]:
        if known["kind"] == "help":
            continue
        named = known["options"] or [known["dest"]]
        kinds = {"store_true": "store_true", "store_false": "store_false", "count": "count"}
        if known["kind"] == "boolean":
            options = [name for name in named if not name.startswith("--no-")]
            made.add_argument(*options, dest=known["dest"], action=argparse.BooleanOptionalAction)
        elif known["kind"] in kinds or known["kind"] == "version":
            action = kinds.get(known["kind"], "store_true")
            made.add_argument(*named, dest=known["dest"], action=action)
        else:
            given = {"nargs": known["nargs"], "choices": known["choices"]}
            given = {key: value for key, value in given.items() if value is not None}
            if known["number"]:
                given["type"] = {"int": int, "float": float}[known["number"]]
            if known["options"]:
                given["dest"] = known["dest"]
            made.add_argument(*named, **given)
    return made


@pytest.fixture
def config(root, tmp_path) -> dict:
    """A checked configuration in which a lab has fMRIPrep run."""
    licence = tmp_path / "license.txt"
    licence.write_text("a@b\n1\n*C\n")
    schema = configuration.load_schema(root / "workflow/schemas/config.schema.yaml")
    given = {
        "study": "trial",
        "entry": "raw",
        "bids_dir": str(tmp_path / "raw"),
        "space": "MNI152NLin2009cAsym",
        "res": "2",
        "sheets": {"participants": "p.tsv", "sessions": "s.tsv"},
        "groups": {"patients": "TRD"},
        "treatments": {"active": "ketamine", "control": "placebo"},
        "preprocessing": {"tool": "fmriprep-run", "fmriprep": {"fs_license": str(licence)}},
    }
    return configuration.check(given, schema)


def with_choices(config: dict, **changes) -> dict:
    own = config["preprocessing"]["fmriprep"] | changes
    return config | {"preprocessing": config["preprocessing"] | {"fmriprep": own}}


def test_record_is_of_the_version_that_is_run(config, record):
    image = config["preprocessing"]["fmriprep"]["image"]
    assert fmriprep.version_of(image) == record["fmriprep"]
    assert len(record["actions"]) > 60


def test_arguments_are_what_was_configured(config, parser):
    found = parser.parse_args(fmriprep.arguments("sub-01", config))
    assert (found.bids_dir, found.output_dir, found.analysis_level) == (
        "/data",
        "/out",
        "participant",
    )
    assert found.participant_label == ["01"] and found.task_id == "rest"
    assert found.output_spaces == ["MNI152NLin2009cAsym:res-2"]
    assert found.bids_filters == "/work/bids_filter.json"
    # One anatomical reference for all sessions of the person.
    assert found.subject_anatomical_reference == "first-lex" and found.session_label is None
    assert found.fs_license_file == "/licence/license.txt" and found.work_dir == "/work"
    assert (found.nprocs, found.omp_nthreads) == ("8", "4")
    assert found._random_seed == 0


def test_every_choice_of_the_config_is_accepted(config, parser):
    chosen = with_choices(
        config,
        reconall=True,
        anatomical_reference="unbiased",
        ignore=["fieldmaps", "slicetiming"],
        options=["--use-syn-sdc", "warn", "--me-t2s-fit-method", "loglin"],
    )
    found = parser.parse_args(fmriprep.arguments("sub-01", chosen | {"res": None}))
    assert found.ignore == ["fieldmaps", "slicetiming"]
    assert found.subject_anatomical_reference == "unbiased"
    assert found.output_spaces == ["MNI152NLin2009cAsym"]
    assert "--fs-no-reconall" not in fmriprep.arguments("sub-01", chosen)
    assert "--fs-no-reconall" in fmriprep.arguments("sub-01", config)


def test_an_unknown_option_is_refused_by_the_parser(config, parser):
    wrong = with_choices(config, options=["--use-sin-sdc"])
    with pytest.raises(AssertionError, match="unrecognized arguments: --use-sin-sdc"):
        parser.parse_args(fmriprep.arguments("sub-01", wrong))


def test_schema_offers_what_fmriprep_can_ignore(root, record):
    (ignore,) = [a for a in record["actions"] if "--ignore" in a["options"]]
    (reference,) = [
        a for a in record["actions"] if "--subject-anatomical-reference" in a["options"]
    ]
    schema = configuration.load_schema(root / "workflow/schemas/config.schema.yaml")
    own = schema["properties"]["preprocessing"]["properties"]["fmriprep"]["properties"]
    assert set(own["ignore"]["items"]["enum"]) <= set(ignore["choices"])
    assert set(own["anatomical_reference"]["enum"]) <= set(reference["choices"])


def test_the_images_of_the_sheets_are_chosen():
    found = fmriprep.bids_filter("rest", SCANS, T1W)
    assert found["bold"] == {
        "datatype": "func",
        "suffix": "bold",
        "task": "rest",
        "session": ["a", "b"],
    }
    assert found["t1w"] == {"datatype": "anat", "suffix": "T1w", "session": "a", "run": "01"}


def test_the_container_sees_what_it_needs_and_no_more(config, tmp_path):
    found = fmriprep.command("sub-01", config, tmp_path / "out")
    assert found[:4] == ["apptainer", "run", "--cleanenv", "--no-home"]
    bound = [found[i + 1] for i, word in enumerate(found) if word == "--bind"]
    licence = config["preprocessing"]["fmriprep"]["fs_license"]
    assert (
        bound[0] == f"{tmp_path / 'raw'}:/data:ro" and f"{licence}:/licence/license.txt:ro" in bound
    )
    assert f"{tmp_path / 'out'}:/out:rw" in bound and len(bound) == 4
    image = found[found.index("/data") - 1]
    assert image.endswith("results/images/fmriprep-25.2.7.sif")
    templates = with_choices(config, templateflow_dir=str(tmp_path))
    assert f"{tmp_path}:/templateflow:rw" in fmriprep.command("sub-01", templates, tmp_path)


def test_threads_and_memory_are_no_choice_of_results(config):
    other = with_choices(config, threads=2, memory_gb=32, work_dir="elsewhere", hours=48)
    assert fmriprep.description(config) == fmriprep.description(other)
    assert fmriprep.command("sub-01", config, "o") != fmriprep.command("sub-01", other, "o")
    assert fmriprep.description(config) != fmriprep.description(with_choices(config, reconall=True))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("docker://nipreps/fmriprep:latest", "names no exact version"),
        ("docker://nipreps/fmriprep:24.1.1", "command line of fMRIPrep 25.2, not of 24.1.1"),
        ("docker://nipreps/fmriprep:25.1.2", "command line of fMRIPrep 25.2, not of 25.1.2"),
        ("images/fmriprep-25.2.7.sif", "does not exist; correct the path"),
    ],
)
def test_images_that_cannot_be_run_are_refused(config, image, sentence):
    with pytest.raises(Fault, match=sentence):
        fmriprep.check(with_choices(config, image=image))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fs_license": None}, "starts with a FreeSurfer licence only"),
        ({"fs_license": "nowhere.txt"}, "nowhere.txt does not exist"),
        ({"templateflow_dir": "nowhere"}, "templateflow_dir: nowhere does not exist"),
    ],
)
def test_what_fmriprep_needs_is_asked_for(config, changes, sentence):
    with pytest.raises(Fault, match=sentence):
        fmriprep.check(with_choices(config, **changes))


def test_a_work_folder_in_the_data_set_and_a_foreign_template_are_refused(config, tmp_path):
    inside = with_choices(config, work_dir=str(tmp_path / "raw/work"))
    with pytest.raises(Fault, match="lies in bids_dir, which is only read"):
        fmriprep.check(inside)
    with pytest.raises(Fault, match="write MNI152NLin2009cAsym"):
        fmriprep.check(config | {"space": "MNI152NLin2009aSym"})


def runner(folder: Path, body: str) -> str:
    """Write a program in place of apptainer, which is not needed to see how it is called."""
    path = folder / "runner"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_run_hands_over_its_filter_and_clears_its_work(config, tmp_path):
    program = runner(tmp_path, f'cat {tmp_path}/work/trial/sub-01/bids_filter.json; echo "$@"')
    chosen = with_choices(config, runner=program, work_dir=str(tmp_path / "work"))
    command = fmriprep.command("sub-01", chosen, tmp_path / "out")
    log = tmp_path / "log"
    fmriprep.run(command, fmriprep.bids_filter("rest", SCANS, T1W), tmp_path / "out", log)
    said = log.read_text()
    assert '"datatype": "func"' in said and "--participant-label 01" in said
    assert not (tmp_path / "work/trial/sub-01").exists() and (tmp_path / "out").is_dir()


def test_a_run_that_fails_is_one_sentence_and_keeps_its_work(config, tmp_path):
    program = runner(tmp_path, "echo no space left >&2; exit 3")
    chosen = with_choices(config, runner=program, work_dir=str(tmp_path / "work"))
    command = fmriprep.command("sub-01", chosen, tmp_path / "out")
    log = tmp_path / "log"
    with pytest.raises(Fault, match=r"fMRIPrep failed; read .*log.*ended with 3"):
        fmriprep.run(command, {}, tmp_path / "out", log)
    assert "no space left" in log.read_text()
    assert (tmp_path / "work/trial/sub-01/bids_filter.json").is_file()
    with pytest.raises(Fault, match="nowhere is not found on this machine; load its module"):
        fmriprep.run(["nowhere", *command[1:]], {}, tmp_path / "out", log)


def test_an_image_is_fetched_whole_or_not_at_all(tmp_path):
    place = tmp_path / "images/fmriprep-25.2.7.sif"
    with pytest.raises(Fault, match="the image could not be fetched"):
        fmriprep.fetch(runner(tmp_path, 'echo half > "$2"; exit 1'), "docker://x:25.2.7", place)
    assert not place.exists() and not list(place.parent.iterdir())
    fmriprep.fetch(runner(tmp_path, 'echo whole > "$2"'), "docker://x:25.2.7", place)
    assert place.read_text() == "whole\n"


def test_files_take_their_place_without_being_copied(tmp_path):
    made = layout.preprocessed(SCANS[0], tmp_path / "out", "MNI", "2")
    wanted = layout.preprocessed(SCANS[0], tmp_path / "preprocessed", "MNI", "2")
    for path in made.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    targets = {kind: str(path) for kind, path in wanted.items()}
    fmriprep.link(SCANS[0], tmp_path / "out", targets, "MNI", "2")
    for kind, path in wanted.items():
        assert os.path.samefile(path, made[kind])
    next(iter(made.values())).unlink()
    with pytest.raises(Fault, match="does not exist after fMRIPrep has run"):
        fmriprep.link(SCANS[0], tmp_path / "out", targets, "MNI", "2")
