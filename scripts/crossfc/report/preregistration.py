"""A run held against its analysis plan, on the page."""

from collections.abc import Mapping
from typing import Any, TypedDict

# The plan of a study imports this module, so it imports nothing that takes long.


class AnalysisPlan(TypedDict):
    """An analysis plan as its file holds it.

    ``digest`` is the SHA-256 of ``choices``, on which results depend; ``stated`` holds words, and
    what the sheets said when the plan was written.
    """

    crossfc: str
    digest: str
    choices: dict[str, Any]
    stated: dict[str, Any]


class Preregistered(TypedDict):
    """A run held against its plan: the digests of both, and sentences.

    ``crossfc`` is the version that wrote the plan.
    """

    digest: str
    run_digest: str
    as_planned: bool
    deviations: list[str]
    notes: list[str]
    crossfc: str


def hypothesis_label(row: Mapping[str, str]) -> str:
    """Name a hypothesis in a few words, as the config has it.

    Parameters
    ----------
    row : mapping
        analysis, seed, region, scale, group, contrast and direction; those that it has.
    """
    if "analysis" not in row:
        where = "".join(f", {key} {row[key]}" for key in ("group", "contrast") if key in row)
        return f"change of {row['seed']}–{row['region']} with change of {row['scale']}{where}"
    if "region" not in row:
        return f"{row['analysis']} of {row['scale']}"
    seed = f" of {row['seed']}" if "seed" in row else ""
    return f"{row['analysis']}{seed} in {row['region']}"


def sentence(record: Preregistered) -> str:
    """Say in one sentence whether a run is its plan."""
    number = len(record["deviations"])
    told = f"digest {record['digest'][:12]}…"
    if record["as_planned"]:
        return f"Analysed as planned: the run is its analysis plan ({told})."
    points = f"{number} point{'' if number == 1 else 's'}"
    return f"The run deviates from its analysis plan ({told}) in {points}."
