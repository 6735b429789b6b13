"""Raw scans at fault are refused before any heavy job: one sentence each, nothing written."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from crossfc.jobs import claim
from crossfc.plan import Plan
from tests.image import write_image
from tests.workflow.conftest import Study, copy_product

SHAPE, VOLUMES, TR = (12, 11, 10), 30, 2.0
SIDECAR = {"RepetitionTime": TR, "SliceTiming": [k * TR / 10 for k in range(10)]}
PEOPLE = [f"sub-{k:02d}" for k in range(1, 7)]
SESSIONS = {"ses-a": ("ketamine", 1), "ses-b": ("placebo", 2)}


def scan_of(person: str, session: str) -> str:
    return f"{person}/{session}/func/{person}_{session}_task-rest_bold.nii.gz"


def t1w_of(person: str) -> str:
    return f"{person}/anat/{person}_T1w.nii.gz"


def series() -> np.ndarray:
    return np.random.default_rng(1).integers(100, 900, (*SHAPE, VOLUMES)).astype(np.int16)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, root) -> Study:
    """Six people with two whole sessions, images of 12 × 11 × 10 voxels. Do not change it."""
    study = copy_product(tmp_path_factory.mktemp("raw") / "study", root)
    people = ["participant_id\tgroup\tsequence\tt1w"]
    sessions = ["participant_id\tsession_id\ttreatment\tperiod\tscan"]
    for person in PEOPLE:
        people.append(f"{person}\tTRD\tketamine-placebo\t{t1w_of(person)}")
        write_image(study.folder / "raw" / t1w_of(person), series()[..., 0])
        for session, (treatment, period) in SESSIONS.items():
            scan = scan_of(person, session)
            sessions.append(f"{person}\t{session}\t{treatment}\t{period}\t{scan}")
            write_image(study.folder / "raw" / scan, series())
            sidecar_of(study, person, session).write_text(json.dumps(SIDECAR))
    (study.folder / "participants.tsv").write_text("\n".join(people) + "\n")
    (study.folder / "sessions.tsv").write_text("\n".join(sessions) + "\n")
    study.config_path.write_text(
        yaml.safe_dump(
            {
                "study": "raw",
                "entry": "raw",
                "bids_dir": "raw",
                "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
                "groups": {"patients": "TRD"},
                "treatments": {"active": "ketamine", "control": "placebo"},
            }
        )
    )
    return study


def sidecar_of(study: Study, person: str, session: str) -> Path:
    return study.folder / "raw" / scan_of(person, session).replace(".nii.gz", ".json")


@pytest.fixture
def study(whole, tmp_path) -> Study:
    return whole.copy(tmp_path / "study")


def refused(study: Study, *arguments: str) -> str:
    """Run, expect refusal before any job, and give what the user read."""
    done = study.snakemake(*(arguments or ["preprocess"]))
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text, text
    assert "Job stats" not in text, text
    assert not list((study.folder / "results").rglob("*"))
    return text


def test_a_scan_that_is_not_there(study):
    (study.folder / "raw" / scan_of("sub-02", "ses-b")).unlink()
    text = refused(study)
    assert f"raw/{scan_of('sub-02', 'ses-b')} does not exist, which sessions.tsv, row 5" in text


def test_a_person_without_t1w(study):
    study.edit("participants.tsv", t1w_of("sub-03"), "n/a")
    assert "sub-03 has no T1w image, which entry raw needs" in refused(study)


def test_a_config_that_cannot_be(study):
    study.set_config(preprocessing={"field_maps": "apply", "resolution_mm": 2.7})
    text = refused(study)
    assert "config key preprocessing.field_maps: 'apply' is none of use, ignore, refuse" in text
    assert "preprocessing.resolution_mm: 2.7 is none of 2, 2.5, 3, 3.5, 4" in text


def sidecar(**changes: object) -> Callable[[Study, str, str], None]:
    def change(study: Study, person: str, session: str) -> None:
        content = {k: v for k, v in (SIDECAR | changes).items() if v != "gone"}
        sidecar_of(study, person, session).write_text(json.dumps(content))

    return change


def image(change: Callable[[np.ndarray], np.ndarray] = lambda d: d, **options):
    return lambda study, person, session: write_image(
        study.folder / "raw" / scan_of(person, session), change(series()), **options
    )


def truncated(study: Study, person: str, session: str) -> None:
    path = study.folder / "raw" / scan_of(person, session)
    path.write_bytes(path.read_bytes()[:20000])


def truncated_t1w(study: Study, person: str, session: str) -> None:
    path = study.folder / "raw" / t1w_of(person)
    path.write_bytes(path.read_bytes()[:500])


def field_map(study: Study, person: str, session: str) -> None:
    path = study.folder / f"raw/{person}/{session}/fmap/{person}_{session}_phasediff.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"IntendedFor": f"bids::{scan_of(person, session)}"}))


FAULTS = {
    ("sub-01", "ses-a"): (sidecar(SliceTiming="gone"), "has no SliceTiming; add it, or go on"),
    ("sub-01", "ses-b"): (
        sidecar(SliceTiming=[k * 200 for k in range(10)]),
        "looks like milliseconds; divide it by 1000",
    ),
    ("sub-02", "ses-a"): (sidecar(SliceTiming=[[0, 1]]), "give a plain list of numbers"),
    ("sub-02", "ses-b"): (sidecar(SliceTiming=[0, 1]), "lists 2 slices but the scan has 12×11×10"),
    ("sub-03", "ses-a"): (
        sidecar(RepetitionTime=2.5),
        "has a repetition time of 2 s in its header but 2.5 s in its sidecar; find out",
    ),
    ("sub-03", "ses-b"): (image(codes=(0, 0)), "sform_code and qform_code are 0"),
    ("sub-04", "ses-a"): (truncated, "bold.nii.gz is truncated or corrupt"),
    ("sub-04", "ses-b"): (image(lambda d: d[..., 0]), "where 4 dimensions are due"),
    ("sub-05", "ses-a"): (field_map, "has sidecars of field maps without images (sub-05"),
    ("sub-05", "ses-b"): (truncated_t1w, "sub-05_T1w.nii.gz is truncated or corrupt"),
}


@pytest.mark.parametrize("target", ["preprocess", "all"])
def test_each_fault_of_all_people_is_told_in_one_sentence(study, target):
    for (person, session), (break_it, _) in FAULTS.items():
        break_it(study, person, session)
    text = refused(study, target)
    sentences = text[text.rindex("crossfc: ") + len("crossfc: ") :].strip().splitlines()
    # One more: sub-05 has a field map for one of two sessions.
    assert len(sentences) == len(FAULTS) + 1, text
    assert sum("sub-05 has field maps for" in sentence for sentence in sentences) == 1
    for (person, session), (_, words) in FAULTS.items():
        own = t1w_of(person) if "T1w" in words else scan_of(person, session)
        told = [sentence for sentence in sentences if words in sentence]
        assert len(told) == 1, (words, sentences)
        assert f"raw/{own}" in told[0]
    assert "sub-06" not in text


def test_a_dry_run_tells_it_too(study):
    field_map(study, "sub-02", "ses-b")
    text = refused(study, "preprocess", "-n")
    assert "has sidecars of field maps without images (sub-02/ses-b/fmap" in text
    assert "sub-02 has field maps for" in text and "and none for sub-02/ses-a" in text


def test_the_clinical_arm_asks_nothing_of_scans(study):
    truncated(study, "sub-01", "ses-a")
    done = study.snakemake("-n", "clinical_change")
    assert done.returncode == 0, done.stdout + done.stderr


# What passes, and what then runs again ------------------------------------------------------------


@pytest.fixture(scope="module")
def done_once(whole, tmp_path_factory) -> Study:
    """Preprocessing as if it were done: its files are there, and empty."""
    study = whole.copy(tmp_path_factory.mktemp("done") / "study")
    planned = study.snakemake("preprocess", "-n", "--quiet", "rules", "--summary")
    assert planned.returncode == 0, planned.stderr
    claim.make(study.folder / "results/raw", claim.RESULTS)
    claim.make(study.folder / "results/raw/preprocessed", claim.PREPROCESSED)
    for line in planned.stdout.splitlines()[1:]:
        path = study.folder / line.split("\t")[0]
        if not path.exists():
            with claim.making(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}")
    done = study.snakemake("preprocess", "--touch", "--forceall")
    assert done.returncode == 0, done.stderr
    assert not study.would_run("preprocess")
    return study


@pytest.fixture
def finished(done_once, tmp_path) -> Study:
    return done_once.copy(tmp_path / "study")


def test_a_changed_scan_reruns_its_own_preprocessing_only(finished):
    data = series()
    data[..., 5] += 3
    write_image(finished.folder / "raw" / scan_of("sub-02", "ses-b"), data)
    assert finished.would_run("preprocess") == {"preprocess_session 02/b": 1, "preprocess": 1}


def test_an_added_person_reruns_nobody_else(finished):
    raw = finished.folder / "raw"
    shutil.copytree(raw / "sub-06", raw / "sub-07")
    for path in [*(raw / "sub-07").rglob("*.nii.gz"), *(raw / "sub-07").rglob("*.json")]:
        path.rename(path.with_name(path.name.replace("sub-06", "sub-07")))
    for sheet in ("participants", "sessions"):
        path = finished.folder / f"{sheet}.tsv"
        rows = path.read_text().splitlines()
        new = [row.replace("sub-06", "sub-07") for row in rows if row.startswith("sub-06")]
        path.write_text("\n".join([*rows, *new]) + "\n")
    assert finished.would_run("preprocess") == {
        "normalise_subject 07": 1,
        "preprocess_session 07/a": 1,
        "preprocess_session 07/b": 1,
        "preprocess": 1,
    }


def test_a_field_map_that_comes_later_is_not_passed_over(finished):
    field_map(finished, "sub-04", "ses-a")
    done = finished.snakemake("preprocess")
    assert done.returncode != 0
    assert "sub-04_ses-a_phasediff.json); restore them, or set" in done.stdout + done.stderr
    finished.set_config(preprocessing__field_maps="ignore")
    assert not finished.would_run("preprocess")


def write_pair(study: Study, person: str, session: str, brightness: float = 0) -> None:
    """Add a field map that is complete: one image of the polarity that the run has not."""
    name = f"raw/{person}/{session}/fmap/{person}_{session}_dir-PA_epi"
    path = study.folder / f"{name}.nii.gz"
    path.parent.mkdir(exist_ok=True)
    write_image(path, series()[..., 0] + brightness)
    said = {"PhaseEncodingDirection": "j", "TotalReadoutTime": 0.04}
    linked = said | {"IntendedFor": f"bids::{scan_of(person, session)}"}
    (study.folder / f"{name}.json").write_text(json.dumps(linked))
    sidecar(**(said | {"PhaseEncodingDirection": "j-"}))(study, person, session)


def test_a_field_map_is_read_by_its_own_run_and_no_other(finished):
    for session in ("ses-a", "ses-b"):
        write_pair(finished, "sub-04", session)
    jobs = {"preprocess_session 04/a": 1, "preprocess_session 04/b": 1, "preprocess": 1}
    assert finished.would_run("preprocess") == jobs
    done = finished.snakemake("preprocess", "--touch", "--forceall")
    assert done.returncode == 0, done.stderr
    write_pair(finished, "sub-04", "ses-b", brightness=5)
    assert finished.would_run("preprocess") == {"preprocess_session 04/b": 1, "preprocess": 1}


def test_a_person_of_whom_one_session_has_a_field_map_is_refused(study):
    write_pair(study, "sub-02", "ses-b")
    text = refused(study)
    assert "sub-02 has field maps for sub-02/ses-b" in text
    assert "set preprocessing.field_maps: ignore, which corrects nobody" in text


def test_another_voxel_size_preprocesses_runs_and_normalises_nobody(finished):
    finished.set_config(preprocessing__resolution_mm=2.5)
    jobs = finished.would_run("preprocess")
    assert {job.split()[0] for job in jobs} == {"preprocess_session", "preprocess"}
    assert sum(jobs.values()) == 1 + len(PEOPLE) * len(SESSIONS)


def test_repeats_that_cannot_be_used_are_passed_over(study):
    first = scan_of("sub-02", "ses-b")
    repeats = [first.replace("_bold", f"_run-{run}_bold") for run in (2, 3)]
    study.edit("sessions.tsv", first, ";".join([first, *repeats]))
    for repeat in repeats:
        write_image(study.folder / "raw" / repeat, series())
        beside = study.folder / "raw" / repeat.replace(".nii.gz", ".json")
        beside.write_text(json.dumps(SIDECAR))
    # Broken off after ten volumes, and torn.
    write_image(study.folder / "raw" / repeats[0], series()[..., :10])
    torn = study.folder / "raw" / repeats[1]
    torn.write_bytes(torn.read_bytes()[:-2000])
    done = study.snakemake("-n", "preprocess")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "task-rest_bold.nii.gz" in text and "run-2_bold" not in text
    here = Path.cwd()
    os.chdir(study.folder)
    try:
        plan = Plan(study.config, study.folder)
        assert plan.scans.used_scans("02", "b") == [first]
        short, torn_too = plan.scans.passed_over("02", "b")
    finally:
        os.chdir(here)
    assert short["scan"] == repeats[0] and "has 10 volumes, fewer than 20" in short["reason"]
    assert torn_too["scan"] == repeats[1] and "is truncated" in torn_too["reason"]
    # Where none can be used, the session is refused as any other.
    (study.folder / "raw" / first).write_bytes(torn.read_bytes())
    assert "run-2_bold.nii.gz has 10 volumes" in refused(study)


def test_raw_echoes_are_refused(study):
    first = scan_of("sub-02", "ses-b")
    for echo in (1, 2):
        write_image(study.folder / "raw" / first.replace("_bold", f"_echo-{echo}_bold"), series())
    assert f"row 5, {first} has echoes beside it: scans of several echoes" in refused(study)
    study.set_config(scans_may_differ_in=["echo"])
    study.edit("sessions.tsv", first, first.replace("_bold", "_echo-1_bold"))
    assert "echo-1_bold.nii.gz: scans of several echoes" in refused(study)
