"""Error rates of maps that are given the change of a measure, where nothing is beside the measure.

    .venv/bin/python benchmarks/error_rates_given.py [--sets 400]

prints the table of docs/statistics.md (about 3 CPU minutes). Maps have 125 voxels of smooth noise
and one seed; there are 199 arrangements. A cell gives the share of null studies with a corrected p
of 0.05 or less, for voxels and for cluster extent (formed at p < 0.01).
"""

import argparse
from collections.abc import Callable

import numpy as np
from error_rates_maps import PERMUTATIONS, noise, orders, tested

from crossfc.group.design.arrangement import sign_flips
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.statistic import Student

SIZES, TWO_GROUPS = (12, 16, 24, 29), ((12, 8), (24, 17))


def period(rng: np.random.Generator, code: np.ndarray) -> np.ndarray:
    """Return a change of the measure of which half the variance is that of periods."""
    return (code + rng.standard_normal(len(code))) / np.sqrt(2)


# The change of the measure, and the maps, from the generator and the codes of the orders.
NULLS: dict[str, Callable] = {
    "related to nothing": lambda rng, code: (rng.standard_normal(len(code)), 0.0, 0.0),
    "goes with the period": lambda rng, code: (period(rng, code), 0.0, 0.0),
    "drug → measure (1 SD) → maps": lambda rng, code: (1 + period(rng, code), 1.0, 0.0),
    "drug → measure (2 SD) → maps": lambda rng, code: (2 + period(rng, code), 1.0, 0.0),
    "the same (1 SD), scatter grows with it": lambda rng, code: (
        1 + period(rng, code), 1.0, 1.0,
    ),
}  # fmt: skip


def maps(rng: np.random.Generator, code: np.ndarray, null: Callable) -> tuple:
    """Return maps with an effect of the period and of the measure, and the measure's change."""
    change, slope, growth = null(rng, code)
    scale = 1 + growth * (np.abs(change) - 1)
    data = noise(rng, len(code)) * scale[:, None]
    return data + slope * change[:, None] - 0.5 * code[:, None], change


def mean(rng: np.random.Generator, n: int, null: Callable) -> tuple[bool, bool]:
    """Test a mean given the measure, as the analysis does."""
    code = orders(n, 1 / 2)
    data, change = maps(rng, code, null)
    statistic = Student(np.ones(n), np.column_stack([code, change]))
    flips = sign_flips(n, PERMUTATIONS, int(rng.integers(2**31)))
    return tested([data], statistic, flips)


def groups(rng: np.random.Generator, sizes: tuple[int, int], null: Callable) -> tuple[bool, bool]:
    """Compare two groups; the measure changes in the first only, and the second varies twice."""
    code = np.concatenate([orders(n, 1 / 2) for n in sizes])
    members = np.repeat([0.5, -0.5], sizes)
    data, change = maps(rng, code, null)
    still = members < 0
    data[still], change[still] = maps(rng, code[still], NULLS["related to nothing"])
    slope = null(rng, code)[1]
    data[still] = 2 * noise(rng, sizes[1]) + slope * change[still, None] - 0.5 * code[still, None]
    nuisance = np.column_stack([np.ones(len(code)), code, change])
    statistic = Hall(members, nuisance, still)
    flips = sign_flips(len(code), PERMUTATIONS, int(rng.integers(2**31)))
    return tested([data], statistic, flips)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=400)
    sets = parser.parse_args().sets
    columns = [f"{n}" for n in SIZES] + [f"{a} against {b}" for a, b in TWO_GROUPS]
    print("| change of the measure | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for row, (name, null) in enumerate(NULLS.items()):
        cells = []
        for column, people in enumerate((*SIZES, *TWO_GROUPS)):
            rng = np.random.default_rng([row, column])
            test = mean if isinstance(people, int) else groups
            rates = np.mean([test(rng, people, null) for _ in range(sets)], axis=0)
            cells.append(", ".join(f"{rate:.3f}".removeprefix("0") for rate in rates))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
