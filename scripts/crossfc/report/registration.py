"""Registrations of native preprocessing: their numbers, warnings and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfc.report import figure, number
from crossfc.report.results import read_json
from crossfc.session import misfit

# Number of registrations, the worst fits, that are shown on the page; all others are linked.
WORST = 4


@dataclass
class Registration:
    """The registration of one T1w to the template, or of one run to its T1w.

    ``misfit`` is 1 at the limit from which preprocessing warns. For a run it is computed from the
    cost of the white matter boundary (1 if unknown), as the overlap of brains does not show where
    the run lies; for a T1w from its overlap with the template. ``link`` is the path from the page
    to the picture; ``source`` is the picture itself, if it is shown.
    """

    title: str
    numbers: str
    warnings: list[str]
    misfit: float
    link: str
    picture: Path
    source: str = ""


def registrations(rows: Sequence[Mapping[str, str]], folder: Path) -> list[Registration]:
    """Read what preprocessing reported about every registration, and sort the worst first.

    Parameters
    ----------
    rows : sequence of mapping
        ``title``, ``picture`` and ``sidecar`` (paths below the folder of the page).
    folder : path
        Folder of the page.

    Returns
    -------
    list of Registration
        Registrations with warnings come first, then runs and T1w alternate, the worst of each kind
        first. The first ones include their picture.
    """
    found: list[Registration] = []
    kinds = []
    for row in rows:
        said = read_json(folder / row["sidecar"])
        if not said or not (folder / row["picture"]).is_file():
            continue
        of_run = "Registration" in said
        numbers = _run(said) if of_run else _anatomy(said)
        found.append(
            Registration(
                row["title"],
                numbers,
                list(said.get("Warnings" if of_run else "warnings") or []),
                _misfit_of_run(said["Registration"]) if of_run else _misfit_of_anatomy(said),
                row["picture"],
                folder / row["picture"],
            )
        )
        kinds.append(of_run)
    worst = sorted(range(len(found)), key=lambda i: (-found[i].misfit, found[i].title))
    turn = {i: sum(kinds[j] == kinds[i] for j in worst[: worst.index(i)]) for i in worst}
    order = sorted(worst, key=lambda i: (not found[i].warnings, turn[i], not kinds[i]))
    found = [found[i] for i in order]
    for one in found[:WORST]:
        one.source = figure.inlined(one.picture.read_bytes())
    return found


def _anatomy(said: Mapping[str, Any]) -> str:
    return (
        f"T1w to template: Dice {number.fixed(said['dice'], 3)}, correlation in the brain "
        f"{number.fixed(said['correlation'], 2)}, smallest Jacobian "
        f"{number.fixed(said['jacobian_min'], 2)}"
    )


def _misfit_of_run(measured: Mapping[str, Any]) -> float:
    cost = measured.get("boundary_cost_taken")
    return 1.0 if cost is None else float(cost) / misfit.BOUNDARY_COST


def _misfit_of_anatomy(said: Mapping[str, Any]) -> float:
    return (1 - float(said["dice"])) / (1 - misfit.TEMPLATE_DICE)


def _run(said: Mapping[str, Any]) -> str:
    measured = said["Registration"]
    cost = measured.get("boundary_cost_taken")
    words = [f"run to T1w: boundary's cost {'unknown' if cost is None else number.fixed(cost, 2)}"]
    if measured.get("boundary_refined"):
        words.append(
            f"{number.fixed(measured['boundary_cost_start'], 2)} before its refinement, which "
            f"moved the brain by {number.fixed(measured['boundary_displacement_mm'], 1)} mm"
        )
    else:
        words.append("not refined on the boundary of the white matter")
    if "left_right" in measured:
        words.append(
            f"left and right {measured['left_right']} (cost of the mirrored T1w "
            f"{number.fixed(measured['boundary_cost_mirrored'], 2)})"
        )
    words.append(f"brain of the run and of the T1w overlap by {number.fixed(measured['dice'], 3)}")
    words.append(f"{100 * measured['coverage_of_brain']:.0f} % of the brain in the picture")
    lost = said.get("Quality", {}).get("lost_share")
    if lost:
        words.append(f"{100 * lost:.1f} % of the volumes lost")
    return ", ".join(words)
