"""Explain in words why jobs would run: python scripts/why.py [arguments of Snakemake].

This is a dry run of Snakemake: nothing is run. The reasons name the row, config key, file, function
or environment that changed. Example: python scripts/why.py --configfile my_study.yaml -- group
"""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

from snakemake.api import DAGApi
from snakemake.cli import args_to_api, parse_args

from crossfc.jobs.why import Study, listing, planned
from crossfc.trial.sheet import read_sheet


def dry_run(arguments: list[str]):
    """Plan jobs as Snakemake's command line does, and return the workflow after planning."""
    found = []
    execute = DAGApi.execute_workflow

    def keeping(api, *given, **named):
        execute(api, *given, **named)
        found.append(api.workflow_api._workflow)

    DAGApi.execute_workflow = keeping
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            parser, args = parse_args(["--dry-run", "--cores", "1", *arguments])
            done = args_to_api(args, parser)
    except SystemExit as end:
        # If the input is at fault, print its sentence only, without the output of Snakemake.
        sys.exit(end.code if isinstance(end.code, str) else said.getvalue())
    if not done or not found:
        sys.exit(said.getvalue())
    return found[0]


def main() -> None:
    """Print the reasons of all jobs that would run."""
    workflow = dry_run(sys.argv[1:])
    plan, dag = workflow.globals["plan"], workflow.dag
    sheets = {name: read_sheet(path, ()) for name, path in plan.config["sheets"].items()}
    print("\n".join(listing(planned(dag), Study(plan.config, sheets))))


if __name__ == "__main__":
    main()
