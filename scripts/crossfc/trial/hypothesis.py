"""Hypotheses as the configuration states them, in one form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossfc.trial.configuration import Configuration

Kind = Literal["map", "score", "correlation"]
MAP: Final = "map"
SCORE: Final = "score"
CORRELATION: Final = "correlation"


@dataclass(frozen=True)
class Stated:
    """A hypothesis of the config: of a map, a score, or a change with a change.

    Attributes
    ----------
    place : str
        Its config key, for messages.
    name, citation : str
        Words for readers; empty where left out.
    analysis : str
        The test of a map or score; empty for a correlation.
    seed, region, scale : str
        Empty where the hypothesis has none.
    group, contrast : str
        Those of a correlation; empty for the first.
    direction : str
        ``positive``, ``negative`` or empty.
    """

    place: str
    name: str
    citation: str
    analysis: str
    seed: str
    region: str
    scale: str
    group: str
    contrast: str
    direction: str


def stated_hypotheses(
    config: Configuration, scales: Sequence[str], groups: Sequence[str]
) -> list[Stated]:
    """List the hypotheses of the config keys ``hypotheses`` and ``clinical.hypotheses``.

    Parameters
    ----------
    config : dict
    scales : sequence of str
        All scales: those of an entry of ``clinical.hypotheses`` that names none.
    groups : sequence of str
        The groups in which changes are correlated.

    Returns
    -------
    list of Stated
        One for each test: an entry with several scales, or of several groups, is as many.
    """
    found = []
    for number, own in enumerate(config["hypotheses"], 1):
        found.append(
            Stated(
                f"hypotheses, number {number}",
                own.get("name", ""),
                own.get("citation", ""),
                own.get("analysis", ""),
                own.get("seed", ""),
                own.get("region", ""),
                own.get("scale", ""),
                own.get("group", ""),
                own.get("contrast", ""),
                own.get("direction", ""),
            )
        )
    for number, given in enumerate(config["clinical"]["hypotheses"], 1):
        place = f"clinical.hypotheses, number {number}"
        of = given["seed"], given["target"]
        for scale in given.get("scales", scales):
            for group in groups:
                words = place, "", given.get("citation", "")
                found.append(Stated(*words, "", *of, scale, group, "", ""))
    return found
