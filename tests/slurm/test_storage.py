"""Results on a full disk, or on one that cannot be written to: one sentence, and nothing lost."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.slurm.conftest import HASTE, assert_whole, contents

pytestmark = pytest.mark.slurm


@contextmanager
def mounted(folder, *options: str):
    """Mount a small file system; only root may."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def faults(said: str) -> set[str]:
    return {line.strip() for line in said.splitlines() if line.strip().startswith("crossfc: ")}


def test_full_disk(interrupted):
    results = interrupted.folder / "results"
    size = sum(len(c) for c in contents(interrupted.folder / "expected").values()) // 2
    with mounted(results, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        assert interrupted.run("connectivity", *HASTE, "--retries", "0") == 1
        said = interrupted.said()
        assert any("the disk is full; make room and start again" in f for f in faults(said)), said
        assert "Traceback" not in said
        ended = interrupted.ended()
        assert 1 < len(ended) < 9
        assert not list(results.rglob(".part*"))
        # Room is made: the same files on a larger disk.
        subprocess.run(["mount", "-o", "remount,size=50%", str(results)], check=True)
        assert_whole(interrupted)


def test_folder_that_can_be_read_only(interrupted):
    results = interrupted.folder / "results"
    assert interrupted.run("connectivity", *HASTE) == 0, interrupted.said()[-8000:]
    shutil.copytree(results, interrupted.folder / "kept")
    before = contents(results)
    interrupted.set_config(pipelines__gsr__low_pass_hz=0.09)
    with mounted(results, "--bind", str(results)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(results)], check=True)
        assert not os.access(results, os.W_OK)
        assert interrupted.run("connectivity", *HASTE) == 1
        (fault,) = faults(interrupted.said())
        assert "results/small is not a folder that can be written to" in fault
        assert not interrupted.cluster.queue()
    assert contents(results) == before
    interrupted.set_config(pipelines__gsr__low_pass_hz=0.1)
    assert_whole(interrupted)
