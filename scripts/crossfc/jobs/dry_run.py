"""Make a dry run of Snakemake inside this process, so that its plan can be examined afterwards."""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from snakemake.api import DAGApi
from snakemake.cli import args_to_api, parse_args


def dry_run(arguments: Sequence[str]) -> Any:
    """Plan jobs as Snakemake's command line does, without running any.

    Parameters
    ----------
    arguments : sequence of str
        The arguments for Snakemake: targets, ``--configfile``, ``--config``, ….

    Returns
    -------
    snakemake.workflow.Workflow
        The workflow after the dry run, with ``globals["plan"]`` and ``dag``.

    Raises
    ------
    SystemExit
        If the study cannot be planned. The message holds only the sentences about faults, if the
        input is at fault, and otherwise the output of Snakemake.
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
        # If the input is at fault, print its sentences only, without the output of Snakemake.
        sys.exit(end.code if isinstance(end.code, str) else said.getvalue())
    finally:
        DAGApi.execute_workflow = execute
    if not done or not found:
        sys.exit(said.getvalue())
    return found[0]
