"""The command ``preregister``: write the analysis plan of a study, before results are known."""

import copy
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfc import __version__, atomic
from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.plan.preregistration import FILE
from crossfc.report import citation
from crossfc.report.analysis_plan import markdown
from crossfc.trial.document import load_yaml

TEXT = "analysis_plan.md"


def preregister(configfiles: Sequence[str], into: str | Path, home: Path) -> list[str]:
    """Write analysis_plan.md and analysis_plan.json of a study.

    Parameters
    ----------
    configfiles : sequence of str
        As after Snakemake's ``--configfile``: keys of later files go before those of earlier ones.
    into : path
        The folder in which the files are written.
    home : path
        Folder of the workflow.

    Returns
    -------
    list of str
        Lines to print.

    Raises
    ------
    Fault
        If configuration or sheets are faulty, or the folder has another plan, which is kept.
    """
    config: dict[str, Any] = {}
    for path in configfiles:
        if not isinstance(own := load_yaml(path), dict):
            raise Fault(f"{path} holds no keys; write the study's configuration")
        config = _merged(config, own)
    # A plan that the config names already may not exist, or be the one that is written now.
    config.pop("preregistration", None)
    study = Plan(config, home, configfiles)
    study.checked_trial()
    plan, folder = study.preregistration.plan(__version__), Path(into)
    text, content = folder / TEXT, folder / FILE
    if content.is_file():
        before = load_yaml(content)
        known = before.get("digest") if isinstance(before, dict) else None
        if known != plan["digest"]:
            raise Fault(
                f"{content} holds another plan ({str(known)[:12]}…; that of this study is "
                f"{plan['digest'][:12]}…), and a plan that may be registered is not written over; "
                "name another folder with --into, or remove it"
            )
        return [f"{content} holds this plan already.", f"Digest (SHA-256): {plan['digest']}"]
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(text, markdown(plan, home / "workflow" / "report" / citation.FILE))
    atomic.write_json(content, plan)
    return [
        f"Wrote {text} and {content}.",
        f"Digest (SHA-256): {plan['digest']}",
        "Register both; then write in the config",
        f"  preregistration: {shlex.quote(str(content))}",
    ]


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge configurations as Snakemake does: mappings key by key, all else is replaced."""
    found = copy.deepcopy(dict(first))
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else copy.deepcopy(value)
    return found
