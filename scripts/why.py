"""Explain why jobs would run, in words: python scripts/why.py [what you would give Snakemake].

A dry run of Snakemake, with the reasons of `snakemake -n` told by row, key, file, function and
environment. Nothing is run. Such as: python scripts/why.py --configfile my_study.yaml -- group
"""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

from snakemake.api import DAGApi
from snakemake.cli import args_to_api, parse_args

from crossfc.jobs.why import Study, listing, planned
from crossfc.trial.sheet import read_sheet


def dry_run(arguments: list[str]):
    """Plan as Snakemake's command line does, and give the workflow as it then is."""
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
        # A fault of the input: its sentence, not what Snakemake said before it.
        sys.exit(end.code if isinstance(end.code, str) else said.getvalue())
    if not done or not found:
        sys.exit(said.getvalue())
    return found[0]


def main() -> None:
    """Print the listing."""
    workflow = dry_run(sys.argv[1:])
    plan, dag = workflow.globals["plan"], workflow.dag
    sheets = {name: read_sheet(path, ()) for name, path in plan.config["sheets"].items()}
    print("\n".join(listing(planned(dag), Study(plan.config, sheets))))


if __name__ == "__main__":
    main()
