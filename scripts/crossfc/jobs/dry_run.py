"""A dry run of Snakemake inside this process, for what is asked of its plan afterwards."""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from snakemake.api import DAGApi
from snakemake.cli import args_to_api, parse_args


def dry_run(arguments: Sequence[str]) -> Any:
    """Plan as Snakemake's command line does.

    Parameters
    ----------
    arguments : sequence of str
        What Snakemake would be given: targets, ``--configfile``, ``--config``, ….

    Returns
    -------
    snakemake.workflow.Workflow
        As it is after the dry run: ``globals["plan"]`` and ``dag``.

    Raises
    ------
    SystemExit
        If the study cannot be planned: the sentences alone where the input is at fault, else what
        Snakemake said.
    """
    found = []
    execute = DAGApi.execute_workflow

    def keeping(api: Any, *given: Any, **named: Any) -> None:
        execute(api, *given, **named)
        found.append(api.workflow_api._workflow)

    DAGApi.execute_workflow = keeping
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            parser, args = parse_args(["--dry-run", "--cores", "1", *arguments])
            done = args_to_api(args, parser)
    except SystemExit as end:
        # A fault of the input: its sentence, not what Snakemake said before it.
        sys.exit(end.code if isinstance(end.code, str) else said.getvalue())
    finally:
        DAGApi.execute_workflow = execute
    if not done or not found:
        sys.exit(said.getvalue())
    return found[0]
