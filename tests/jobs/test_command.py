"""The command that asks about a study."""

import subprocess
import sys

import pytest

from crossfc.jobs.command import main
from crossfc.outputs import document, outputs
from crossfc.trial.config import load_schema, reference


def test_of_two_runs_that_are_none(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert capsys.readouterr().err.startswith("crossfc: ")


def test_words_that_are_no_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["explain"])
    assert end.value.code == 2
    assert "invalid choice: 'explain'" in capsys.readouterr().err


def test_the_folder_is_the_command(root):
    """As a user gives it, from anywhere, without PYTHONPATH."""
    command = [sys.executable, str(root / "scripts/crossfc"), "--help"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    for name in ("validate", "why", "compare", "reference"):
        assert f"\n    {name}" in done.stdout


def test_the_reference_is_of_the_schema(root, monkeypatch, tmp_path):
    monkeypatch.setattr("crossfc.jobs.command._ROOT", tmp_path)
    (tmp_path / "workflow").symlink_to(root / "workflow")
    (tmp_path / "config").mkdir()
    (tmp_path / "docs").mkdir()
    assert main(["reference"]) == 0
    assert (tmp_path / "docs/outputs.md").read_text() == document(outputs())
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    assert (tmp_path / "config/README.md").read_text() == reference(schema)
