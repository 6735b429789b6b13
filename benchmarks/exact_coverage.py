"""Coverage and error rates where the outcome is a count: every outcome is gone through.

A part of `interval_coverage.py`, which prints it.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy import stats

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.clinic.response import mainland_gart, mcnemar, wilson  # noqa: E402
from crossfc.group.sensitivity import POWER, quantile, share_interval  # noqa: E402
from crossfc.quality.blinding import bang_index  # noqa: E402

COVERAGE, ERROR = "Coverage of the 95 % interval", "Error rate of p at .05"
PEOPLE = 12, 16, 24, 29
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
GUESSES = {  # right, wrong, not known
    ".50, .50, 0": (0.5, 0.5),
    ".70, .30, 0": (0.7, 0.3),
    ".35, .35, .30": (0.35, 0.35),
    ".50, .20, .30": (0.5, 0.2),
    ".85, .10, .05": (0.85, 0.1),
}
# Shares of people who meet a criterion under one of two treatments only.
ONE_ONLY = {"5 of 10 under both treatments": 0.15, "1 of 10 under both treatments": 0.07}
REPEATS, POWERS = (50, 100, 200, 1000), (0.05, 0.5, 0.8, 0.95)


def held_share(true: float, n: int, interval: Callable[[int, int], tuple[float, float]]) -> float:
    """Return the coverage of the interval of a share."""
    held = [low <= true <= high for low, high in (interval(k, n) for k in range(n + 1))]
    return float(np.array(held) @ stats.binom.pmf(np.arange(n + 1), n, true))


def outcomes_of(n: int, first: float, second: float) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """List how many of n people can be of each of three kinds, with the chance of it."""
    outcomes = [(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)]
    rest = max(1 - first - second, 0.0)
    return outcomes, stats.multinomial.pmf(outcomes, n, (first, second, rest))


def held_guesses(chance: tuple[float, float], n: int) -> tuple[float, float]:
    """Return the coverage of the intervals of Bang's index: of the paper, and of the page.

    The paper's has no width where everybody guesses alike (up to 14 % of trials); these outcomes
    are left out of it.
    """
    outcomes, chances = outcomes_of(n, *chance)
    true, found = chance[0] - chance[1], [bang_index(*outcome) for outcome in outcomes]
    index, error, low, high = np.array([tuple(vars(own).values()) for own in found]).T
    of_paper = np.abs(index - true) <= stats.norm.isf(0.025) * error
    told = (low <= true) & (true <= high)
    wide = error > 0
    return float(of_paper[wide] @ chances[wide] / chances[wide].sum()), float(told @ chances)


def erring_shares(only: float, n: int) -> tuple[float, float]:
    """Return the error rates of Mainland and Gart's test and of McNemar's."""
    sizes = n // 2, n - n // 2  # of both orders
    code, with_order = np.repeat([-1.0, 1.0], sizes), 0.0
    of_orders = [zip(*outcomes_of(size, only, only), strict=True) for size in sizes]
    for (one, chance), (two, other) in itertools.product(*of_orders):
        delta = np.concatenate([np.repeat([1.0, -1.0, 0.0], own) for own in (one, two)])
        with_order += chance * other * (mainland_gart(delta, code) <= 0.05)
    outcomes, chances = outcomes_of(n, only, only)
    erred = [mcnemar(first, second) <= 0.05 for first, second, _ in outcomes]
    return with_order, float(np.array(erred) @ chances)


def held_quantile(n: int) -> float:
    """Return the coverage of the interval of the size that is found with a power of 80 %."""
    held = []
    for below in range(n + 1):  # how many of n lie below the true quantile, which is 0
        _, low, high = quantile(np.arange(n) - below + 0.5, POWER)
        held.append(low <= 0 <= high)
    return float(np.array(held) @ stats.binom.pmf(np.arange(n + 1), n, POWER))


def counts(people: tuple[int, ...] = PEOPLE, repeats: tuple[int, ...] = REPEATS) -> Iterator[str]:
    """Write all figures in Markdown."""
    columns = [f"n = {n}" for n in people]
    yield "Shares of people with response or remission.\n"
    rows = {f"share of {true:g}, Wilson": [held_share(true, n, wilson) for n in people]
            for true in SHARES}  # fmt: skip
    yield from plain_table(f"{COVERAGE}, exact", columns, rows)
    rows = {}
    for label, only in ONE_ONLY.items():
        errors = np.array([erring_shares(only, n) for n in people])
        rows |= {f"Mainland and Gart, {label}": errors[:, 0], f"McNemar, {label}": errors[:, 1]}
    yield from plain_table(f"{ERROR}, exact", columns, rows)
    yield "Power of maps, and the size that is found with a power of 80 %, by repeats.\n"
    rows = {f"power of {true:g}, Clopper and Pearson": [held_share(true, n, share_interval)
                                                        for n in repeats]
            for true in POWERS}  # fmt: skip
    rows["size found in 80 %, order statistics"] = [held_quantile(n) for n in repeats]
    yield from plain_table(f"{COVERAGE}, exact", [f"{n} repeats" for n in repeats], rows)
    yield "Bang's index by chances of right, wrong and no guesses: interval of the paper / page.\n"
    both = {
        f"Bang's index at {label}": [held_guesses(own, n) for n in people]
        for label, own in GUESSES.items()
    }
    yield from plain_table(f"{COVERAGE}, exact", columns, both)


def plain_table(title: str, columns: list[str], rows: Mapping[str, Iterable]) -> Iterator[str]:
    """Write a table of shares, or of several in a cell, in Markdown."""
    yield f"{title}\n\n| | {' | '.join(columns)} |"
    yield "| --- " * (1 + len(columns)) + "|"
    for row, cells in rows.items():
        told = (" / ".join(map(rate, np.atleast_1d(shares))) for shares in cells)
        yield f"| {row} | {' | '.join(told)} |"
    yield ""


def rate(share: float, bad: bool = False) -> str:
    """Format a share, in bold where it is bad."""
    text = f"{share:.3f}".removeprefix("0") if share < 0.9995 else "1"
    return f"**{text}**" if bad else text
