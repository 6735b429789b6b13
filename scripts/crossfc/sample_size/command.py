"""The command ``plan-trial``: its table and its sentences; `arguments` has what it is given."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.report import number
from crossfc.sample_size.arguments import DESIGNS, PARALLEL
from crossfc.sample_size.design import TrialDesign
from crossfc.sample_size.power import Variation
from crossfc.sample_size.simulation import Assumptions, Simulated, people_needed, simulated
from crossfc.sample_size.variance import (
    CAUTIOUS,
    Pilot,
    pilot_of_edge,
    pilot_of_scale,
    shipped,
)

# Numbers of people that are simulated besides the one that is needed, as shares of it.
_AROUND = (0.5, 0.75, 1.0, 1.25, 1.5)
_MORE = 5  # how often people are added where simulated trials have too little power


def plan_trial(given: argparse.Namespace) -> list[str]:
    """Plan a trial: the numbers of people and their power, in words.

    Parameters
    ----------
    given : argparse.Namespace
        The arguments of `add_arguments`.

    Returns
    -------
    list of str
        Lines to print.

    Raises
    ------
    Fault
        If the arguments contradict each other or are out of range, or a pilot cannot be read.
    """
    _check(given)
    pilot = _pilot(given)
    variation = pilot.variation
    if given.correlation is not None:
        variation = replace(variation, correlation=given.correlation)
    if given.baseline_covariate and not np.isfinite(variation.correlation):
        raise Fault(
            "--baseline-covariate: how much the baseline tells of the outcome is not known; give "
            "--correlation"
        )
    design = TrialDesign.of(given.design)
    assumed = Assumptions(
        given.effect, variation, given.dropouts, given.alpha, given.baseline_covariate
    )
    people = _people(given.people, design)
    rows: list[Simulated] = []
    needed = 0
    if not people:
        needed = people_needed(design, assumed, given.power, given.seed)
        told = simulated(design, needed, assumed, given.simulations, given.seed)
        for _ in range(_MORE):
            if told.high >= given.power:
                break
            needed += design.n_orders
            told = simulated(design, needed, assumed, given.simulations, given.seed)
        blocks = (round(share * needed / design.n_orders) for share in _AROUND)
        people = sorted({max(1, block) * design.n_orders for block in blocks} - {needed})
        rows = [told]
    rows += [simulated(design, n, assumed, given.simulations, given.seed) for n in people]
    rows.sort(key=lambda row: row.people)
    if given.output:
        atomic.write_table(given.output, table(design, assumed, rows))
    lines = [_heading(design, assumed, pilot), "", *_printed(rows), ""]
    if needed:
        row = next(row for row in rows if row.people == needed)
        lines += [_answer(design, row, given.power), *_cautious(design, assumed, pilot, given)]
    lines += _remarks(design, assumed)
    return lines


def table(design: TrialDesign, assumed: Assumptions, rows: Sequence[Simulated]) -> pd.DataFrame:
    """Make the table of numbers of people and their power.

    Returns
    -------
    DataFrame
        design, people (who begin), people_analysed (mean), effect, sd_change, correlation,
        dropouts, alpha, baseline_covariate, power (share of simulated trials), power_low and
        power_high (its exact 95 % interval), power_noncentral_t, simulations.
    """
    return pd.DataFrame(
        [
            {
                "design": design.name,
                "people": row.people,
                "people_analysed": row.analysed,
                "effect": assumed.effect,
                "sd_change": assumed.variation.sd_change,
                "correlation": assumed.variation.correlation,
                "dropouts": assumed.dropouts,
                "alpha": assumed.alpha,
                "baseline_covariate": assumed.covariate,
                "power": row.power,
                "power_low": row.low,
                "power_high": row.high,
                "power_noncentral_t": row.closed_form,
                "simulations": row.simulations,
            }
            for row in rows
        ]
    )


def _check(given: argparse.Namespace) -> None:
    """Refuse arguments that are out of range or contradict each other."""
    ranges = (
        ("--power", given.power, 0, 1, "0.8"),
        ("--alpha", given.alpha, 0, 0.5, "0.05"),
        ("--sd-change", given.sd_change, 0, np.inf, "9.5"),
        ("--sd", given.sd, 0, np.inf, "9.5"),
        ("--correlation", given.correlation, -1, 1, "0.5"),
    )
    for option, value, low, high, example in ranges:
        if value is not None and not low < value < high:
            what = f"between {low} and {high:g}" if np.isfinite(high) else f"above {low}"
            raise Fault(f"{option} is {value:g}; give a number {what}, such as {example}")
    if not np.isfinite(given.effect) or given.effect == 0:
        raise Fault(f"--effect is {given.effect:g}; give the difference that is to be found")
    if not 0 <= given.dropouts <= 0.9:
        raise Fault(f"--dropouts is {given.dropouts:g}; give a share from 0 to 0.9, such as 0.1")
    if not 100 <= given.simulations <= 1_000_000:
        raise Fault(f"--simulations is {given.simulations}; give 100 to 1 000 000")
    if given.seed < 0:
        raise Fault(f"--seed is {given.seed}; give 0 or more")
    if given.baseline_covariate and given.design != PARALLEL:
        raise Fault(
            f"--baseline-covariate is for --design {PARALLEL}; a crossover's people are their own "
            "control"
        )
    sources = {
        "--standardised": given.standardised,
        "--sd-change": given.sd_change is not None,
        "--sd": given.sd is not None,
        "--pilot": given.pilot is not None,
        "--shipped": given.shipped is not None,
    }
    chosen = [option for option, there in sources.items() if there]
    if len(chosen) != 1:
        given_words = f"{' and '.join(chosen)} are given" if chosen else "none is given"
        raise Fault(
            "how much a person's change varies is told by one of --standardised, --sd-change, "
            f"--sd, --pilot and --shipped, and {given_words}; give one"
        )
    if given.sd is not None and given.correlation is None:
        raise Fault(
            "--sd is that in one session, and how much a change varies follows with the "
            "correlation between sessions; give --correlation, or --sd-change in its place"
        )
    if given.pilot is not None and (given.scale is None) == (given.edge is None):
        raise Fault("--pilot: name one outcome of it, with --scale or with --edge")
    of_pilot = ("scale", "edge", "group", "contrast", "pipeline")
    for name in of_pilot if given.pilot is None else ():
        if getattr(given, name) is not None:
            raise Fault(f"--{name} chooses something of a pilot; give --pilot, or leave it out")


def _pilot(given: argparse.Namespace) -> Pilot:
    if given.pilot is not None and given.scale is not None:
        return pilot_of_scale(given.pilot, given.scale, given.group, given.contrast)
    if given.pilot is not None:
        return pilot_of_edge(given.pilot, given.edge, given.group, given.contrast, given.pipeline)
    if given.shipped is not None:
        return shipped(given.shipped)
    correlation = np.nan if given.correlation is None else given.correlation
    if given.sd is not None:
        change = given.sd * float(np.sqrt(2 * (1 - correlation)))
        return Pilot(Variation(change, correlation), 0, 0, "given by --sd and --correlation")
    sd = 1.0 if given.standardised else float(given.sd_change)
    said = "the unit of the effect" if given.standardised else "given by --sd-change"
    return Pilot(Variation(sd, correlation), 0, 0, said)


def _people(text: str | None, design: TrialDesign) -> list[int]:
    if text is None:
        return []
    words = [word for word in text.replace(",", " ").split() if word]
    if not words or not all(word.isdigit() and 2 <= int(word) <= 20_000 for word in words):
        raise Fault(f"--people is {text!r}; give numbers from 2 to 20000, such as 20,24,30")
    return sorted({int(word) for word in words})


def _heading(design: TrialDesign, assumed: Assumptions, pilot: Pilot) -> str:
    said = (
        f"{design.name}: {DESIGNS[design.name]}. To be found: a difference of "
        f"{number.general(assumed.effect)} {design.compared}; standard deviation of a person's "
        f"change {number.general(assumed.variation.sd_change, 3)}, {pilot.source}"
    )
    if assumed.covariate:
        said += f"; correlation of sessions {number.general(assumed.variation.correlation, 2)}"
    if assumed.dropouts:
        said += f"; {number.percent(assumed.dropouts)} leave after some of their sessions"
    return f"{said}. Two-sided p < {number.general(assumed.alpha)}."


def _printed(rows: Sequence[Simulated]) -> list[str]:
    head = ("people", "analysed", "power", "95 % interval", "noncentral t")
    cells = [
        (
            str(row.people),
            number.fixed(row.analysed, 1),
            number.fixed(row.power, 3),
            f"{row.low:.3f} to {row.high:.3f}",
            number.fixed(row.closed_form, 3),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in (head, *cells)
    ]


def _answer(design: TrialDesign, row: Simulated, power: float) -> str:
    each = row.people // design.n_orders
    of = "arm" if design.arms else "order"
    where = f"each {of}" if design.n_orders == 2 else f"each of the {design.n_orders} {of}s"
    return (
        f"{row.people} people ({each} in {where}) reach a power of {number.percent(power)}: the "
        f"effect was found in {row.found} of {row.simulations} simulated trials "
        f"({number.percent(row.power)}, 95 % interval {number.percent(row.low)} to "
        f"{number.percent(row.high)}); by the noncentral t {100 * row.closed_form:.1f} %."
    )


def _cautious(
    design: TrialDesign, assumed: Assumptions, pilot: Pilot, given: argparse.Namespace
) -> list[str]:
    """Say what it takes if the pilot's standard deviation is too small."""
    if not pilot.df:
        return []
    low, high, upper = pilot.limit(0.025), pilot.limit(0.975), pilot.limit(CAUTIOUS)
    variation = Variation(upper, assumed.variation.correlation)
    more = people_needed(design, replace(assumed, variation=variation), given.power, given.seed)
    return [
        f"This standard deviation is known from {pilot.people} people only (95 % interval "
        f"{number.general(low, 3)} to {number.general(high, 3)}). If it is "
        f"{number.general(upper, 3)}, its upper {number.percent(CAUTIOUS)} limit (Browne 1995), it "
        f"takes {more} people."
    ]


def _remarks(design: TrialDesign, assumed: Assumptions) -> list[str]:
    if not design.arms:
        test = "the effect adjusted for period (the mean change where that cannot be estimated)"
    elif assumed.covariate:
        test = "the difference of the arms, with the baseline as a covariate and a variance of each"
    else:
        test = "the difference of the arms in their change, with a variance of each (Welch)"
    said = f"Every simulated trial was tested as crossfc tests a score or an edge: {test}."
    if len(design.trial.contrasts) > 1:
        said += (
            f" The power is that of one comparison of {len(design.trial.contrasts)} with placebo; "
            "to correct for their number, give a smaller --alpha."
        )
    return [said]
