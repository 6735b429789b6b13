"""A copy of the product in which the commands of documents are run as a reader would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.command import environment

# So that commands of documents can be run on a small study that is finished.
from tests.workflow.conftest import copy_product, finished, study  # noqa: F401


class Shell:
    """A reader's terminal, in a copy of the product with its environment."""

    def __init__(self, folder: Path):
        self.folder = folder
        link = folder / ".venv"
        if not link.exists():
            link.symlink_to(sys.prefix, target_is_directory=True)

    def run(self, text: str) -> subprocess.CompletedProcess:
        """Run a command by bash, which stops at the first part that fails."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=environment() | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def clone(tmp_path_factory, root) -> Shell:
    """A copy of the product without a study of its own."""
    return Shell(copy_product(tmp_path_factory.mktemp("documents") / "crossfc", root).folder)
