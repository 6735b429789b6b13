"""fMRIPrep per person from the workflow (preprocessing.tool: fmriprep-run): who runs, and when.

No fMRIPrep is run: a program in place of apptainer lays ready derivatives where fMRIPrep would have
written them. What is tested is the way to it and back.
"""

import json
import stat
from pathlib import Path

import pytest

from tests.workflow.conftest import Study

RUNNER = """\
#!/usr/bin/env python3
import shutil, sys
from pathlib import Path

words = sys.argv[1:]
if words[0] == "pull":
    Path(words[1]).write_text("an image")
    sys.exit()
bound = dict(reversed(w.rsplit(":", 1)[0].split(":")) for w in words if w.endswith((":ro", ":rw")))
label = words[words.index("--participant-label") + 1]
with open("calls.txt", "a") as calls:
    calls.write(label + "\\n")
for path in Path("ready").glob(f"sub-{label}/**/*.*"):
    name = path.name.replace("MNI152NLin2009aSym", "MNI152NLin2009cAsym")
    target = Path(bound["/out"]) / path.parent.relative_to("ready") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
(Path(bound["/out"]) / f"sub-{label}.html").write_text("a page")
"""


@pytest.fixture
def raw(study) -> Study:
    """The small study from its raw scans, of which fMRIPrep's derivatives lie ready."""
    (study.folder / "derivatives").rename(study.folder / "ready")
    for sheet, column in (("participants", "t1w"), ("sessions", "scan")):
        lines = (study.folder / f"design/{sheet}.tsv").read_text().splitlines()
        at = lines[0].split("\t").index(column)
        for name in (name for line in lines[1:] for name in line.split("\t")[at].split(";")):
            if name != "n/a":
                path = study.folder / "raw" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("an image of " + name)
    runner = study.folder / "runner"
    runner.write_text(RUNNER)
    runner.chmod(runner.stat().st_mode | stat.S_IXUSR)
    (study.folder / "license.txt").write_text("a@b")
    config = study.config
    del config["derivatives_dir"]
    config |= {"study": "run", "entry": "raw", "bids_dir": "raw", "space": "MNI152NLin2009cAsym"}
    study.config_path.write_text(json.dumps(config))
    study.set_config(
        preprocessing={
            "tool": "fmriprep-run",
            "fmriprep": {"runner": "apptainer", "fs_license": "license.txt", "threads": 1},
        }
    )
    # The program has the name that the config allows, and is found first.
    (study.folder / "bin").mkdir()
    runner.rename(study.folder / "bin/apptainer")
    return study


def run(study: Study, monkeypatch, *arguments: str):
    monkeypatch.setenv("PATH", str(study.folder / "bin"), prepend=":")
    done = study.snakemake(*arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def counted(jobs) -> dict[str, int]:
    counts: dict[str, int] = {}
    for job, n in jobs.items():
        counts[job.split()[0]] = counts.get(job.split()[0], 0) + n
    return counts


def test_one_run_of_fmriprep_per_person_and_none_again(raw, monkeypatch):
    people = sorted(p.name for p in (raw.folder / "raw").iterdir())
    scans = list((raw.folder / "raw").rglob("*_bold.nii.gz"))
    planned = counted(raw.would_run("connectivity"))
    assert planned == {
        "fmriprep_image": 1,
        "fmriprep_subject": len(people),
        "fmriprep_scan": len(scans),
        "connectivity_session": 19,
        "connectivity": 1,
    }
    run(raw, monkeypatch, "connectivity", "preprocess")
    calls = (raw.folder / "calls.txt").read_text().split()
    assert sorted(f"sub-{label}" for label in calls) == people
    results = raw.folder / "results/run"
    assert len(list(results.glob("sub-*/ses-*/func"))) == 19
    image = json.loads((results / "fmriprep/image.json").read_text())
    assert image["version"] == "25.2.7" and len(image["sha256"]) == 64
    head = json.loads((results / "preprocessed/dataset_description.json").read_text())
    assert head["GeneratedBy"][0] == {"Name": "fMRIPrep", "Version": "25.2.7"}
    # Nothing again: neither after it is done, nor with more threads, nor where the data are copied.
    raw.set_config(preprocessing__fmriprep__threads=4, preprocessing__fmriprep__memory_gb=40)
    for path in (raw.folder / "raw").rglob("*.nii.gz"):
        path.write_bytes(path.read_bytes())
    assert not raw.would_run("connectivity")
    # A new scan of one person: that person again, with the sessions it has.
    scan = next(path for path in scans if "sub-T02" in path.name)
    scan.write_text("another image")
    jobs = raw.would_run("connectivity")
    rerun = {job for job in jobs if job.startswith("fmriprep_subject")}
    assert len(rerun) == 1 and jobs["fmriprep_image"] == 0
    assert {Path(job.split()[1]).parts[0] for job in jobs if "session" in job} == {"T02"}
    # Another choice that changes results: everybody.
    raw.set_config(preprocessing__fmriprep__anatomical_reference="unbiased")
    assert counted(raw.would_run("connectivity"))["fmriprep_subject"] == len(people)


def test_what_is_missing_is_said_before_any_job(raw):
    raw.set_config(preprocessing__fmriprep__fs_license=None)
    done = raw.snakemake("-n", "connectivity")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert "fs_license: fMRIPrep starts with a FreeSurfer licence only" in text
