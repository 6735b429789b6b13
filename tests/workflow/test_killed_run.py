"""A run is killed outright; then one plain command goes on, and results are as undisturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossfc.jobs import process
from tests.workflow.conftest import Study


def start(study: Study) -> subprocess.Popen:
    """Start Snakemake as a terminal does, with a group of its own and no one to ask."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with open(study.folder / "run.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", study.config_path],
            cwd=study.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def jobs_of(run: subprocess.Popen) -> list[int]:
    """List the scripts that a run has at work."""
    found = []
    for child in process.descendants([run.pid]):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b".snakemake/scripts/" in part for part in command[:2]):
            found.append(child)
    return found


def results(study: Study) -> dict[str, bytes]:
    """Read every file of the results but the logs and what says where it lies."""
    folder = study.folder / "results"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"logs", ".crossfc"} & set(path.relative_to(folder).parts)
    }


def assert_goes_on(study: Study) -> None:
    done = study.snakemake()
    assert done.returncode == 0, done.stderr[-5000:]
    assert not study.would_run()
    assert not list((study.folder / ".snakemake/crossfc_runs").iterdir())
    assert not [p for p in (study.folder / "results").rglob(".*") if p.name.startswith(".part")]


def test_killed_run_goes_on_with_one_plain_command(study):
    study.set_config(report={"labels": {"MADRS": "Another scale"}})  # of the report alone
    run = start(study)
    end = time.monotonic() + 120
    while not (jobs := jobs_of(run)) and run.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    # Stopped, the job cannot end by itself; it would wake when the next run is over.
    for job in jobs:
        os.kill(job, signal.SIGSTOP)
    second = study.snakemake()
    assert second.returncode == 1
    assert f"(process {run.pid}) is at work on the same results; wait" in second.stderr
    run.kill()
    run.wait()
    assert jobs and list((study.folder / ".snakemake/locks").iterdir())
    # If .snakemake were lost now, nothing that was begun would pass for what it was before.
    assert not (study.folder / "results/small/logs/records/report.html.record").exists()
    assert_goes_on(study)
    assert "Another scale" in (study.folder / "results/small/report.html").read_text()
    assert not [job for job in jobs if process.born(job)]


@pytest.mark.slow
def test_killed_at_any_moment(study, tmp_path):
    """kill -9 of Snakemake alone, and a terminal that closes with all that runs in it."""
    # Everything but the trial's tables and the clinic is made anew.
    study.set_config(pipelines__primary__fwhm_mm=7, pipelines__gsr__fwhm_mm=7)
    reference = study.copy(tmp_path / "reference")
    began = time.monotonic()
    assert reference.snakemake().returncode == 0
    seconds = time.monotonic() - began
    moments = random.Random("moments")
    for i, how in enumerate(("main", "terminal", "main", "terminal")):
        killed = study.copy(tmp_path / f"killed_{i}")
        run = start(killed)
        time.sleep(moments.uniform(0.1, 0.95) * seconds)
        if how == "main":
            run.kill()
        else:
            os.killpg(run.pid, signal.SIGHUP)
        run.wait()
        assert_goes_on(killed)
        assert results(killed) == results(reference)
