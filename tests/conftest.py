"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

from tests.workflow_rules import Rule, workflow_rules

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def rules(tmp_path_factory) -> dict[str, Rule]:
    """The rules of the workflow by name, of every entry and tool together."""
    return workflow_rules(ROOT, tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real scans and metadata that lie beside the checkout where the project is developed."""
    folder = Path(os.environ.get("CROSSFC_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set CROSSFC_SHARED_DATA to run this test")
    return folder
