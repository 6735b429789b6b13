"""Commands of documents that tests do not run, each with its reason."""

import re
from collections.abc import Mapping

from tests.documents.block import Command

_SETS_UP = "sets up .venv from the package index"
_NETWORK = "downloads over the network"
_CLUSTER = "needs a cluster; tests/slurm runs it on one of its own"
_HOURS = "takes hours"
_EDITOR = "opens an editor"
_SHELL = "changes the shell of who types it"

# Beginnings of commands (regular expressions), and why they are not run.
EXCEPTIONS: Mapping[str, str] = {
    r"make demo\b": f"{_SETS_UP}; tests/workflow/test_demo.py runs the demo",
    r"make (test|test-slow|test-slurm|lint|site)\b": f"{_SETS_UP}; .ci/run runs it",
    r"make slurm\b": _SETS_UP,
    r"snakemake --cores 4 +#": "the demo, which tests/workflow/test_demo.py runs",
    r"snakemake --cores 1 sheets --configfile my_study": (
        "reads a data set; test_tutorial_fmriprep.py runs it on one"
    ),
    r"nano ": _EDITOR,
    r"snakemake --profile profiles/slurm ": _CLUSTER,
    r"python3 -m venv ": _NETWORK,
    r".*openneuro-py download": _NETWORK,
    r"aws s3 sync ": _NETWORK,
    r"datalad ": _NETWORK,
    r"snakemake --cores 8 --configfile config/ds005917": f"{_HOURS}, and needs the images",
    r"snakemake --cores 2 --configfile config/ds005917.* -- results/": "needs the images",
}


def reason_of(command: Command, exceptions: Mapping[str, str]) -> str | None:
    """Return why a command is not run; None if it is to be run."""
    for beginning, reason in exceptions.items():
        if re.match(beginning, command.text):
            return reason
    return None
