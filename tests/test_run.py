"""What a killed run left behind: its lock and its jobs go, a living run's do not."""

import json
import os
import socket
import subprocess
import sys

import pytest

from crossfc import run
from crossfc.fault import Fault


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a lock of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    run._LOCKS.mkdir(parents=True)
    (run._LOCKS / "0.output.lock").write_text("results/report.html\n")
    run.NOTES.mkdir(parents=True)
    return tmp_path


def note(process: int, born: str | None, jobs: str | None = "a-name", host: str | None = None):
    content = {"host": host or socket.gethostname(), "process": process, "jobs": jobs, "born": born}
    (run.NOTES / f"{process}.json").write_text(json.dumps(content))


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


def test_dead_run_on_a_cluster_is_freed_and_its_jobs_are_cancelled(folder, monkeypatch):
    note(dead(), "long ago")
    cluster(folder, monkeypatch, "17\n")
    run.free_lock()
    assert not list(run._LOCKS.iterdir())
    run.end_left_over()
    assert (folder / "cancelled").read_text().split() == ["--me", "--name=a-name"]
    assert not list(run.NOTES.iterdir())


def test_living_run_keeps_its_lock_and_jobs(folder, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        note(alive.pid, run._born(alive.pid))
        cluster(folder, monkeypatch, "17\n")
        run.free_lock()
        run.end_left_over()
        alive.communicate(b"\n")
    assert list(run._LOCKS.iterdir()) and list(run.NOTES.iterdir())
    assert not (folder / "cancelled").exists()


def test_lock_of_a_dead_local_run_stays(folder):
    note(dead(), "long ago", jobs=None)
    run.free_lock()
    assert list(run._LOCKS.iterdir())


def test_run_on_another_machine_is_asked_about(folder):
    note(1, "long ago", host="elsewhere")
    run.free_lock()
    assert list(run._LOCKS.iterdir())
    with pytest.raises(Fault, match=r"a run on elsewhere .*`scancel --name a-name"):
        run.end_left_over()


def test_no_cluster_where_a_dead_run_left_jobs(folder, monkeypatch):
    note(dead(), "long ago")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Fault, match="there is no squeue here"):
        run.end_left_over()
