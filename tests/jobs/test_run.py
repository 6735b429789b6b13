"""What a killed run left behind: its lock and its jobs go, a living run's do not."""

import json
import os
import subprocess
import sys
import time

import pytest

from crossfc.fault import Fault
from crossfc.jobs import process, run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    run._LOCKS.mkdir(parents=True)
    (run._LOCKS / "0.output.lock").write_text("results/report.html\n")
    run.NOTES.mkdir(parents=True)
    return tmp_path


def note(number: int, jobs: str | None = None, locks=("0.output.lock",), **other) -> None:
    content = process.identity(number) | {"jobs": jobs, "locks": locks and list(locks)} | other
    (run.NOTES / f"{number}.json").write_text(json.dumps(content))


def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def cluster(folder, monkeypatch, queue: str) -> None:
    """Put an squeue and an scancel in the way that know one job."""
    (folder / "queue").write_text(queue)
    for name, line in {"squeue": "cat queue", "scancel": 'echo "$@" > cancelled; > queue'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def living():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        yield alive.pid
        alive.communicate(b"\n")


def locks() -> list[str]:
    return sorted(path.name for path in run._LOCKS.iterdir())


def test_dead_run_on_a_cluster_is_freed_and_its_jobs_are_cancelled(folder, monkeypatch):
    note(dead(), "a-name", born="long ago")
    cluster(folder, monkeypatch, "17\n")
    run.free_lock()
    assert not locks()
    run.end_left_over()
    assert (folder / "cancelled").read_text().split() == ["--me", "--name=a-name"]
    assert not list(run.NOTES.iterdir())


def test_living_run_keeps_its_lock_and_jobs(folder, monkeypatch, living):
    note(living, "a-name")
    cluster(folder, monkeypatch, "17\n")
    run.free_lock()
    run.end_left_over()
    assert locks() and list(run.NOTES.iterdir())
    assert not (folder / "cancelled").exists()
    with pytest.raises(Fault, match=rf"process {living}\) is at work on the same results; wait"):
        run.refuse_lock()


def test_dead_local_run_is_freed(folder):
    note(dead(), born="long ago")
    run.free_lock()
    assert not locks()


def test_run_that_was_killed_before_it_noted_its_lock_is_freed(folder):
    note(dead(), born="long ago", locks=None)
    run.free_lock()
    assert not locks()


def test_only_the_dead_run_of_two_is_freed(folder, living):
    (run._LOCKS / "1.output.lock").write_text("results/other/report.html\n")
    note(dead(), born="long ago", locks=None)
    note(living, locks=["1.output.lock"])
    run.free_lock()
    assert locks() == ["1.output.lock"]


def test_nothing_is_freed_while_another_takes_its_lock(folder, living):
    note(dead(), born="long ago")
    note(living, locks=None)
    run.free_lock()
    assert locks() == ["0.output.lock"]


def test_number_that_another_process_has_now_is_dead(folder, living):
    note(living, born="long ago")
    run.free_lock()
    assert not locks()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"host": "here"}'])
def test_damaged_note_says_nothing(folder, damage):
    (run.NOTES / "1.json").write_text(damage)
    run.free_lock()
    run.end_left_over()
    assert locks() == ["0.output.lock"]


def test_run_on_another_machine_is_asked_about(folder):
    note(1, "a-name", host="elsewhere", place="elsewhere")
    run.free_lock()
    assert locks()
    with pytest.raises(Fault, match=r"a run on elsewhere .*`scancel --name a-name"):
        run.end_left_over()
    with pytest.raises(Fault, match=r"a run on elsewhere .*add --unlock to the command once"):
        run.refuse_lock()


def test_no_cluster_where_a_dead_run_left_jobs(folder, monkeypatch):
    note(dead(), "a-name", born="long ago")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Fault, match="there is no squeue here"):
        run.end_left_over()


def test_dead_run_on_another_queue_than_slurms_locks_nobody_out(folder, monkeypatch):
    """LSF, SGE, PBS: there is no squeue, and only their own commands end their jobs."""
    jobs = [str(1000 + i) for i in range(30)]
    note(dead(), born="long ago", queue="cluster_generic", submitted=jobs)
    monkeypatch.setenv("PATH", str(folder))
    run.free_lock()
    assert not locks()
    (sentence,) = run.end_left_over()
    assert "left jobs in the queue of cluster_generic, the last of them 1010 1011" in sentence
    assert sentence.endswith("or their work is done twice: results stay whole either way")
    assert not list(run.NOTES.iterdir()) and run.end_left_over() == []


def test_submitted_jobs_are_noted_one_by_one(folder):
    run.note(queue="lsf")
    for job in ("17", "18"):
        run.note(submitted=job)
    (own,) = run._notes().values()
    assert (own["queue"], own["submitted"], own["jobs"]) == ("lsf", ["17", "18"], None)


def test_note_of_this_run_is_whole_at_every_moment(folder):
    run.note()
    run.note(locks=[".snakemake/locks/3.input.lock"])
    run.note(jobs="a-name")
    (own,) = run._notes().values()
    assert own["locks"] == ["3.input.lock"] and own["jobs"] == "a-name"
    assert process.dead(own) is False


# A run that starts a job, says its number and never ends; the job holds a result back.
RUN = """
import subprocess, sys
from crossfc.jobs import process
process.starts_jobs()
job = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.DEVNULL)
print(job.pid, flush=True)
job.wait()
"""
JOB = """
import os, sys, time
from types import SimpleNamespace
from crossfc import atomic
from crossfc.jobs import job
{patch}
with job.job(SimpleNamespace(threads=1, log=[], rule="x", output=["result.txt"])):
    with atomic.writing("result.txt") as temporary:
        temporary.write_text("made")
        open("begun", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
"""
# As a library that never lets another thread have its turn.
DEAF = "import threading; threading.Thread.start = lambda self: None"


def begun(folder, root, patch=""):
    """Start a run with a job; give the run's process and the job's number."""
    started = subprocess.Popen(
        [sys.executable, "-c", RUN, JOB.format(patch=patch)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    with started.stdout as said:
        job = int(said.readline())
    while not (folder / "begun").exists():
        time.sleep(0.01)
    return started, job


def gone(number: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while process.born(number) and time.monotonic() < end:
        time.sleep(0.01)
    return process.born(number) is None


def test_job_of_a_living_run_gives_its_result(tmp_path, root):
    started, job = begun(tmp_path, root)
    (tmp_path / "go").touch()
    started.wait(10)
    assert gone(job) and (tmp_path / "result.txt").read_text() == "made"


def test_job_ends_with_its_run(tmp_path, root):
    started, job = begun(tmp_path, root)
    started.kill()
    started.wait(10)
    assert gone(job) and not (tmp_path / "result.txt").exists()


def test_job_that_goes_on_without_its_run_gives_no_result(tmp_path, root):
    started, job = begun(tmp_path, root, DEAF)
    started.kill()
    started.wait(10)
    assert not gone(job, 0.2)
    (tmp_path / "go").touch()
    assert gone(job) and not (tmp_path / "result.txt").exists()


def test_next_run_ends_the_jobs_of_a_dead_one(tmp_path, root, monkeypatch):
    started, job = begun(tmp_path, root, DEAF)
    monkeypatch.chdir(tmp_path)
    assert job not in process.left_over()
    started.kill()
    started.wait(10)
    # A run of another study, which may be on the node where SLURM still runs this one's batch.
    (tmp_path / "another").mkdir()
    monkeypatch.chdir(tmp_path / "another")
    assert job not in process.left_over()
    monkeypatch.chdir(tmp_path)
    run.end_left_over()
    assert process.born(job) is None
