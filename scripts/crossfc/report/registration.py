"""Registrations of native preprocessing: their numbers, their warnings, and pictures to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfc.report import figure, number
from crossfc.report.results import read_json

# Shown on the page itself, those that fit worst; all others are linked.
WORST = 4


@dataclass
class Registration:
    """One T1w laid onto the template, or one run laid onto its T1w.

    ``link`` leads from the page to the picture; ``source`` is the picture itself, for those that
    are shown.
    """

    title: str
    numbers: str
    warnings: list[str]
    dice: float
    link: str
    picture: Path
    source: str = ""


def registrations(rows: Sequence[Mapping[str, str]], folder: Path) -> list[Registration]:
    """Read what preprocessing said of every registration, the worst first.

    Parameters
    ----------
    rows : sequence of mapping
        ``title``, ``picture`` and ``sidecar`` (paths below the folder of the page).
    folder : path
        Of the page.

    Returns
    -------
    list of Registration
        Those with warnings first, then by overlap of the brains; the first ones with their picture.
    """
    found = []
    for row in rows:
        said = read_json(folder / row["sidecar"])
        if not said or not (folder / row["picture"]).is_file():
            continue
        of_run = "Registration" in said
        numbers = _run(said) if of_run else _anatomy(said)
        measured = said["Registration"] if of_run else said
        found.append(
            Registration(
                row["title"],
                numbers,
                list(said.get("Warnings" if of_run else "warnings") or []),
                float(measured["dice_template" if of_run else "dice"]),
                row["picture"],
                folder / row["picture"],
            )
        )
    found.sort(key=lambda one: (not one.warnings, one.dice, one.title))
    for one in found[:WORST]:
        one.source = figure.inlined(one.picture.read_bytes())
    return found


def _anatomy(said: Mapping[str, Any]) -> str:
    return (
        f"T1w to template: Dice {number.fixed(said['dice'], 3)}, correlation in the brain "
        f"{number.fixed(said['correlation'], 2)}, smallest Jacobian "
        f"{number.fixed(said['jacobian_min'], 2)}"
    )


def _run(said: Mapping[str, Any]) -> str:
    measured = said["Registration"]
    words = [f"run to T1w: Dice with the template {number.fixed(measured['dice_template'], 3)}"]
    if measured.get("boundary_refined"):
        words.append(
            f"boundary's cost {number.fixed(measured['boundary_cost_start'], 2)} → "
            f"{number.fixed(measured['boundary_cost'], 2)}, moved by "
            f"{number.fixed(measured['boundary_displacement_mm'], 1)} mm"
        )
    else:
        words.append("not refined on the boundary of the white matter")
    words.append(f"{100 * measured['coverage_of_brain']:.0f} % of the brain in the picture")
    return ", ".join(words)
