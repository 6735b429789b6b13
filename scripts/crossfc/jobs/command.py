"""The commands that answer questions about a study without a run.

They are init, validate, why, compare, preregister, plan-trial and reference.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.jobs.comparison import SHOWN, compare
from crossfc.outputs import captions, document, outputs
from crossfc.sample_size.arguments import add_arguments
from crossfc.trial.config import load_schema, reference
from crossfc.trial.sheet import read_sheet

_ROOT = Path(__file__).resolve().parents[3]


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the name of the program.

    Returns
    -------
    int
        Exit code: 0 on success (`compare`: if all results are equal byte by byte), 1 if results
        differ or a study cannot be run, 2 if there is no answer.
    """
    parser = argparse.ArgumentParser(
        prog="python scripts/crossfc", description="Ask about a study, without running it."
    )
    asked = parser.add_subparsers(dest="asked", required=True, metavar="COMMAND")
    words = "propose a configuration, and sheets, from what a BIDS data set tells"
    own = asked.add_parser("init", help=words, description=f"{words.capitalize()}.")
    own.add_argument("dataset", help="a BIDS data set, or derivatives of fMRIPrep")
    own.add_argument("--output", metavar="FOLDER", help="by default config/<name of the data set>")
    for name, words in (
        ("validate", "check configuration, sheets and scans, and say what would be analysed"),
        ("why", "say why jobs would run, by row, key, file, function and environment"),
    ):
        own = asked.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        own.add_argument(
            "snakemake", nargs=argparse.REMAINDER, help="what you would give Snakemake"
        )
    own = asked.add_parser("compare", help="say in words how the results of two runs differ")
    own.add_argument("first", help="a folder of results, such as results/demo")
    own.add_argument("second", help="another, called B")
    own.add_argument("--all", action="store_true", help="list every difference, not 20 of a kind")
    words = "write the analysis plan in sentences, with its digest, before results are known"
    own = asked.add_parser("preregister", help=words, description=f"{words.capitalize()}.")
    own.add_argument("--configfile", nargs="+", required=True, help="the study's configuration")
    own.add_argument("--into", default=".", help="folder of the plan, by default this one")
    words = "how many people a trial needs, by simulated trials with crossfc's tests"
    add_arguments(asked.add_parser("plan-trial", help=words, description=f"Tell {words}."))
    asked.add_parser("reference", help="write what is made from descriptions (`make docs`)")
    asks_help = bool({"-h", "--help"} & set(arguments[:2]))
    # Not by argparse, because the first argument may be an option of Snakemake.
    if arguments and arguments[0] in ("validate", "why") and not asks_help:
        answer = _validated if arguments[0] == "validate" else _why
        return _told(lambda: answer(arguments[1:]))
    given = parser.parse_args(arguments)
    if given.asked == "reference":
        schema = load_schema(_ROOT / "workflow/schemas/config.schema.yaml")
        atomic.write_text(_ROOT / "config/README.md", reference(schema))
        described = outputs(_ROOT / "workflow/schemas/outputs.yaml")
        atomic.write_text(_ROOT / "docs/outputs.md", document(described))
        for name, words in captions(described).items():
            atomic.write_text(_ROOT / "workflow/report/captions" / name, words)
        return 0
    if given.asked == "init":
        from crossfc.jobs.proposal import propose

        return _told(lambda: propose(given.dataset, given.output, _ROOT))
    if given.asked == "preregister":
        from crossfc.jobs.preregister import preregister

        return _told(lambda: (preregister(given.configfile, given.into, _ROOT), True))
    if given.asked == "plan-trial":
        # Imported here because it imports NumPy, which other commands do not need.
        from crossfc.sample_size.command import plan_trial

        return _told(lambda: (plan_trial(given), True))
    return _told(lambda: compare(given.first, given.second, None if given.all else SHOWN))


def _told(answer: Callable[[], tuple[list[str], bool]]) -> int:
    """Print an answer; the exit code is 0 if all is well, 1 if not, 2 if there is no answer."""
    try:
        lines, well = answer()
    except Fault as fault:
        print(f"crossfc: {fault}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0 if well else 1


def _validated(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Describe a study, and say whether it can be run."""
    # Imported here because it imports Snakemake, which other commands do not need.
    from crossfc.jobs.dry_run import dry_run

    run = dry_run(arguments)
    # Imported after it, so that its Fault is that of the workflow, which imports its own modules.
    from crossfc.jobs.validation import validate

    return validate(run)


def _why(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Explain why jobs would run."""
    # Imported here because it imports Snakemake, which other commands do not need.
    from crossfc.jobs.dry_run import dry_run
    from crossfc.jobs.parameter import Study
    from crossfc.jobs.why import listing, planned

    run = dry_run(arguments)
    if run.refusal is not None:
        sys.exit(run.refusal)
    plan = run.plan
    paths = dict(plan.config["sheets"])
    if (ratings := plan.config["exclusion"]["ratings"]) is not None:
        paths["ratings"] = ratings
    sheets = {name: read_sheet(path, ()) for name, path in paths.items()}
    return listing(planned(run.workflow.dag), Study(plan.config, sheets)), True
