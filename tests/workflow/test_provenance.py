"""What a study's record says after a run, and how two runs are compared by one command."""

import hashlib
import json
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.workflow.conftest import write_study


def compared(root, *folders: Path | str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(root / "scripts/crossfc"), "compare", *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_record_names_all_that_went_in(finished):
    text = (finished.folder / "results/small/provenance.json").read_text()
    record = json.loads(text)
    lock = hashlib.sha256((finished.folder / "uv.lock").read_bytes()).hexdigest()
    assert record["lock"] == lock
    assert record["packages"]["numpy"] == version("numpy")
    # Every rule that ran, with as many jobs as it had, on the versions that they imported.
    (connectivity,) = record["jobs"]["connectivity_session"]
    assert connectivity["jobs"] == 19 and connectivity["lock"] == lock
    assert connectivity["software"]["nibabel"] == version("nibabel")
    assert connectivity["software"]["snakemake"] == version("snakemake")
    assert sum(alike["jobs"] for alike in record["jobs"]["group_test"]) == 6
    assert record["jobs"].keys() >= {"trial", "pair_sessions", "clinical_change", "report"}
    # The configuration with what was left to defaults.
    assert record["config"]["group"]["permutations"] == 99
    assert record["config"]["pipelines"]["primary"]["high_pass_hz"] == 0.008
    assert "group.seed" in record["seeds"]
    sheet = (finished.folder / "design/sessions.tsv").read_bytes()
    assert record["sheets"]["sessions"] == hashlib.sha256(sheet).hexdigest()
    kept = finished.folder / "results/small/trial/sheets/sessions.tsv"
    assert kept.read_bytes() == sheet
    used = record["rules"]["group_test"]["definitions"]
    assert (
        "crossfc.group.inference.tail.tail_p" in used and set(used) <= record["definitions"].keys()
    )
    # No time, no place, no host: another run of the same has the same record.
    assert str(finished.folder) not in text and socket.gethostname() not in record["machine"]


def test_comparison_of_a_run_with_its_copy(finished, study, root):
    done = compared(root, finished.folder / "results/small", study.folder / "results/small")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Results: the same, byte by byte" in done.stdout
    assert "in B" not in done.stdout


def test_comparison_says_what_was_changed_and_what_came_of_it(finished, study, root):
    study.set_config(group__permutations=149, title="Again")
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    folders = finished.folder / "results/small", study.folder / "results/small"
    assert " more" in compared(root, *folders).stdout
    done = compared(root, *folders, "--all")
    assert done.returncode == 1 and not done.stderr
    assert "config key group.permutations: 99 in A, 149 in B" in done.stdout
    for part in ("Random seeds", "Sheets", "Versions", "Code", "Threads", "Machine"):
        assert f"{part}: the same" in done.stdout
    results = done.stdout.split("Results:")[1]
    assert "group/primary/group_by_drug/" in results and "largest difference" in results
    # All of the few arrangements of five people are used either way.
    assert "drug_TRD" not in results
    # The title stands on the pages of people; nothing else of a person is another.
    of_people = [line for line in results.splitlines() if "sub-" in line]
    assert of_people and all("people/sub-" in line for line in of_people)


def test_nothing_to_compare(root, tmp_path):
    done = compared(root, tmp_path, tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "provenance.json does not exist" in done.stderr


@pytest.mark.slow
def test_another_run_in_another_place_is_equal_byte_by_byte(finished, root, tmp_path):
    again = write_study(tmp_path / "elsewhere/study", root)
    done = again.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    folders = finished.folder / "results/small", again.folder / "results/small"
    done = compared(root, *folders)
    assert done.returncode == 0, done.stdout
    one, other = ((folder / "provenance.json").read_bytes() for folder in folders)
    assert one == other
