"""Make a dry run of Snakemake inside this process, so that its plan can be examined afterwards."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SNAKEFILE_CHOICES, DAGApi, WorkflowApi
from snakemake.cli import args_to_api, parse_args

from crossfc.trial.document import require_readable

_SNAKEFILE = Path(__file__).resolve().parents[3] / "Snakefile"


@dataclass(frozen=True)
class DryRun:
    """What a dry run came to.

    Attributes
    ----------
    workflow : snakemake.workflow.Workflow or None
        With ``globals["plan"]``, as far as the workflow was read; None if the command line or a
        configuration file is at fault.
    refusal : str or None
        Why the study cannot be planned: the sentences about faults, if the input is at fault, and
        otherwise the output of Snakemake. None if it can be, and the workflow has its ``dag``.
    targets : bool
        Whether the command line names targets.
    """

    workflow: Any
    refusal: str | None
    targets: bool = False

    @property
    def plan(self) -> Any:
        """The plan of the study; None if its configuration or sheets are at fault."""
        return None if self.workflow is None else self.workflow.globals.get("plan")


def dry_run(arguments: Sequence[str]) -> DryRun:
    """Plan jobs as Snakemake's command line does, without running any.

    Parameters
    ----------
    arguments : sequence of str
        The arguments for Snakemake: targets, ``--configfile``, ``--config``, ….

    Returns
    -------
    DryRun
    """
    made: list[Any] = []
    executed: list[Any] = []
    execute, make = DAGApi.execute_workflow, WorkflowApi._get_workflow

    def keeping(api: Any, *given: Any, **named: Any) -> None:
        execute(api, *given, **named)
        executed.append(api)

    def noting(api: Any, **named: Any) -> Any:
        made.append(make(api, **named))
        # Names of a workflow that was read before in this process, if there was one.
        made[-1].globals.pop("plan", None)
        return made[-1]

    DAGApi.execute_workflow, WorkflowApi._get_workflow = keeping, noting
    said, targets = io.StringIO(), False
    refusal: str | None = None
    try:
        with redirect_stdout(said), redirect_stderr(said):
            require_readable(arguments)
            parser, args = parse_args(["--dry-run", "--cores", "1", *_where(arguments), *arguments])
            targets = bool(args.targets)
            if not args_to_api(args, parser) or not executed:
                refusal = said.getvalue()
    except SystemExit as end:
        # If the input is at fault, only its sentences count, not the output of Snakemake; of its
        # usage, which it prints where it is not known what is asked, the last line says what.
        last = said.getvalue().rstrip().rpartition("\n")[2]
        refusal = end.code if isinstance(end.code, str) else last
    finally:
        DAGApi.execute_workflow, WorkflowApi._get_workflow = execute, make
    return DryRun(made[-1] if made else None, refusal, targets)


def _where(arguments: Sequence[str]) -> list[str]:
    """Return the option that names crossfc's Snakefile, where neither options nor folder do."""
    named = any(word.partition("=")[0] in ("-s", "--snakefile") for word in arguments)
    here = any(Path(name).exists() for name in SNAKEFILE_CHOICES)
    return [] if named or here else ["--snakefile", str(_SNAKEFILE)]
