"""Error rates of the analyses of maps and of the mixed model, before and after their last changes.

    .venv/bin/python benchmarks/error_rates_maps.py [--sets 300] [--mixed-sets 1000] [--only PART]

prints the tables of docs/statistics.md (about 15 CPU minutes). The data have no effect. Maps have
125 voxels of smooth noise and one seed; there are 199 arrangements. A cell gives the share of null
studies with a corrected p of 0.05 or less, for voxels and for cluster extent (formed at p < 0.01).
"Before" is what the workflow did earlier, "now" what it does by default.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage, stats

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.clinic.mixed import reml, reml_by_group, rotated  # noqa: E402
from crossfc.group.design.arrangement import shuffles, sign_flips  # noqa: E402
from crossfc.group.design.contrast import seed_contrasts  # noqa: E402
from crossfc.group.inference.hall import Hall  # noqa: E402
from crossfc.group.inference.hotelling import Hotelling  # noqa: E402
from crossfc.group.inference.permutation import infer  # noqa: E402
from crossfc.group.inference.skewness import skewness  # noqa: E402
from crossfc.group.inference.slope import Slope  # noqa: E402
from crossfc.group.inference.statistic import Student  # noqa: E402
from crossfc.group.inference.welch import Welch  # noqa: E402

SIDE, EDGE = 5, 2
MASK = np.ones((SIDE,) * 3, dtype=bool)
SIZES = (12, 16, 24, 29)
TWO_GROUPS = ((12, 8), (24, 17))
PERMUTATIONS = 199


def noise(rng: np.random.Generator, n: int, skew: float = 0.0) -> np.ndarray:
    """Draw smooth maps of mean 0 and variance 1, from a normal or a gamma distribution."""
    wide = rng.standard_normal((n, *[SIDE + 2 * EDGE] * 3))
    inner = slice(EDGE, -EDGE)
    smooth = ndimage.gaussian_filter(wide, (0, 0.8, 0.8, 0.8))[:, inner, inner, inner]
    values = smooth.reshape(n, -1) / SPREAD
    if skew:
        shape = 4 / skew**2
        values = stats.gamma.ppf(stats.norm.cdf(values), shape)
        values = (values - shape) / np.sqrt(shape)
    return values


_SQUARE = np.zeros([2 * SIDE + 1] * 3)
_SQUARE[SIDE, SIDE, SIDE] = 1
SPREAD = float(np.sqrt(np.square(ndimage.gaussian_filter(_SQUARE, 0.8)).sum()))


def tested(maps, statistic, arrangements) -> tuple[bool, bool]:
    """Return whether anything is significant, by voxel and by cluster extent."""
    maps = [np.asarray(each, dtype=np.float32) for each in maps]
    found = infer(
        maps, statistic, arrangements, MASK, cluster_forming_p=0.01, tfce=False, tail=False
    )
    return bool(found.p_voxel.min() <= 0.05), bool(found.p_cluster.min() <= 0.05)


def orders(n: int, share: float) -> np.ndarray:
    """Return sequence codes, a share of them with active first."""
    return np.where(np.arange(n) < round(share * n), -1.0, 1.0)


# Drug in a group ------------------------------------------------------------------------------

# Scenarios. In the first ones nothing changes in anybody, and the noise is that of period
# differences, D = s (period 2 - period 1). In those named "no mean change" it is that of D itself.
DRUG = {
    "normal": lambda rng, n: (orders(n, 1 / 2), None, noise(rng, n)),
    "period differences skewed (2)": lambda rng, n: (orders(n, 1 / 2), None, noise(rng, n, 2)),
    "the same, 1 of 4 active first": lambda rng, n: (orders(n, 1 / 4), None, noise(rng, n, 2)),
    "the same, 3 of 4 active first": lambda rng, n: (orders(n, 3 / 4), None, -noise(rng, n, 2)),
    "no mean change: D skewed (0.5)": lambda rng, n: (orders(n, 1 / 2), noise(rng, n, 0.5), None),
    "no mean change: D skewed (1)": lambda rng, n: (orders(n, 1 / 2), noise(rng, n, 1), None),
    "no mean change: D skewed (1.5)": lambda rng, n: (orders(n, 1 / 2), noise(rng, n, 1.5), None),
    "no mean change: 1 of 4 active first, those vary √2 as much": lambda rng, n: (
        orders(n, 1 / 4),
        noise(rng, n) * np.where(orders(n, 1 / 4) < 0, np.sqrt(2), 1)[:, None],
        None,
    ),
}


def drug(rng: np.random.Generator, n: int, scenario: Callable) -> dict[str, tuple]:
    """Test a mean by sign flips and by re-randomisation of the orders."""
    code, change, period = scenario(rng, n)
    if change is None:
        change = code[:, None] * period
    seed = int(rng.integers(2**31))
    one = Student(np.ones(n), code[:, None])
    again = Student(code, np.ones((n, 1)))
    return {
        "before: sign flips": tested([change], one, sign_flips(n, PERMUTATIONS, seed)),
        "now: orders drawn": tested(
            [code[:, None] * change], again, shuffles(again.design, PERMUTATIONS, seed)
        ),
        "skewness": (skewness(change, np.column_stack([np.ones(n), code])),),
    }


# Slopes ---------------------------------------------------------------------------------------

SLOPE = {
    "normal": lambda rng, x: noise(rng, len(x)),
    "error SD ∝ 0.5 + |score|": lambda rng, x: noise(rng, len(x)) * (0.5 + np.abs(x))[:, None],
    "error SD ∝ |score|": lambda rng, x: noise(rng, len(x)) * np.abs(x)[:, None],
    "errors skewed (2)": lambda rng, x: noise(rng, len(x), 2),
}


def slope(rng: np.random.Generator, n: int, scenario: Callable) -> dict[str, tuple]:
    """Test a slope by Student's t with shuffles, HC2 with shuffles, and HC2 with sign flips."""
    score = rng.standard_normal(n)
    score = (score - score.mean()) / score.std()
    data = scenario(rng, score)
    others = np.column_stack([np.ones(n), rng.permutation(orders(n, 1 / 2))])
    seed = int(rng.integers(2**31))
    plain, robust = Student(score, others), Slope(score, others)
    shuffled = shuffles(plain.design, PERMUTATIONS, seed)
    return {
        "before: Student's t, shuffles": tested([data], plain, shuffled),
        "HC2, shuffles": tested([data], robust, shuffled),
        "now: HC2, sign flips": tested([data], robust, sign_flips(n, PERMUTATIONS, seed)),
    }


def power(rng: np.random.Generator, n: int, scenario: Callable) -> dict[str, tuple]:
    """Do the same as `slope`, with a slope of 0.8 standard deviations in every voxel."""
    return slope(rng, n, lambda rng, x: scenario(rng, x) + 0.8 * x[:, None])


# Groups and seeds -----------------------------------------------------------------------------

GROUPS = {
    "normal": lambda rng, a, b: noise(rng, a + b),
    "smaller group varies twice as much": lambda rng, a, b: np.concatenate(
        [noise(rng, a), 2 * noise(rng, b)]
    ),
    "smaller group skewed (1.5), twice as much": lambda rng, a, b: np.concatenate(
        [noise(rng, a), 2 * noise(rng, b, 1.5)]
    ),
    "larger group skewed (1.5), twice as much": lambda rng, a, b: np.concatenate(
        [2 * noise(rng, a, 1.5), noise(rng, b)]
    ),
    "both groups skewed (1.5)": lambda rng, a, b: noise(rng, a + b, 1.5),
}


def groups(rng: np.random.Generator, sizes: tuple[int, int], scenario: Callable) -> dict:
    """Compare two groups by Welch's statistic, and by Hall's, which `group_by_drug` uses."""
    n = sum(sizes)
    second = np.arange(n) >= sizes[0]
    code = np.where(np.arange(n) % 2, 1.0, -1.0)
    model = np.where(second, -0.5, 0.5), np.column_stack([np.ones(n), code]), second
    arrangements = sign_flips(n, PERMUTATIONS, int(rng.integers(2**31)))
    maps = [scenario(rng, *sizes)]
    return {
        "before: Welch, sign flips": tested(maps, Welch(*model), arrangements),
        "now: Hall, sign flips": tested(maps, Hall(*model), arrangements),
    }


def seeds(rng: np.random.Generator, n: int, scenario: Callable) -> dict[str, tuple]:
    """Compare three seeds within a group that all change alike, and test their mean."""
    code, _, shared = scenario(rng, n)
    period = np.stack([0.7 * shared + noise(rng, n) for _ in range(3)], axis=1)
    apart = np.einsum("ms,nsv->nmv", seed_contrasts(3), period)
    again = Hotelling(code, np.ones((n, 1)), 2)
    pooled = Student(code, np.ones((n, 1)))
    drawn = shuffles(again.design, PERMUTATIONS, int(rng.integers(2**31)))
    return {
        "drug_<group>_by_subregion": tested([apart], again, drawn),
        "drug_<group>_pooled": tested([period.mean(axis=1)], pooled, drawn),
    }


# Mixed model ----------------------------------------------------------------------------------

MIXED = {
    "alike sessions (0.5), everybody twice": (0.5, 0.0, 1.0),
    "alike sessions (0.5), 3 of 10 once": (0.5, 0.3, 1.0),
    "sessions not alike, 3 of 10 once": (0.0, 0.3, 1.0),
    "smaller group varies twice as much, 3 of 10 once": (0.5, 0.3, 2.0),
}


def mixed(rng: np.random.Generator, sizes: tuple[int, ...], scenario: tuple) -> dict[str, tuple]:
    """Fit the mixed model to null data: Wald's z with one variance, and the present method."""
    alike, alone, ratio = scenario
    n = sum(sizes)
    group = np.repeat(np.arange(len(sizes)), sizes)
    scale = np.where((group == len(sizes) - 1) & (len(sizes) > 1), ratio, 1.0)[:, None]
    shared = np.sqrt(alike) * rng.standard_normal((n, 1))
    values = scale * (shared + np.sqrt(1 - alike) * rng.standard_normal((n, 2)))
    person, side = np.repeat(np.arange(n), 2), np.tile([0, 1], n)
    lost = (rng.random(n) < alone)[person] & (side == rng.integers(0, 2, n)[person])
    person, side, values = person[~lost], side[~lost], values.ravel()[~lost]
    drug, period = 0.5 - side, (side + person) % 2 - 0.5
    columns = [np.ones(len(side)), drug, period]
    if len(sizes) > 1:
        of = 0.5 - group[person]
        columns = [columns[0], of * drug, of, drug, period]
    kept, design = person, np.column_stack(columns)
    person = pd.factorize(person)[0]
    now, _ = reml_by_group(values, design, person, group[kept])
    rows, terms, shares = rotated(values, design, person, np.zeros(len(person), dtype=int))
    one = reml(rows, terms, shares)
    if now is None or one is None:
        return {"before: Wald's z, one variance": (0,), "now": (0,), "not fitted": (1,)}
    spread = np.linalg.inv((terms / (shares @ one.variances)[:, None]).T @ terms)
    wald = 2 * stats.norm.sf(np.abs(one.estimates[1]) / np.sqrt(spread[1, 1]))
    p = 2 * stats.t.sf(np.abs(now.estimates[1] / now.errors[1]), now.freedom[1])
    return {
        "before: Wald's z, one variance": (wald <= 0.05,),
        "now": (p <= 0.05,),
        "not fitted": (0,),
    }


PARTS = {
    "drug": (drug, DRUG, SIZES),
    "slope": (slope, SLOPE, SIZES),
    "power": (power, {name: SLOPE[name] for name in ("normal", "errors skewed (2)")}, SIZES),
    "groups": (groups, GROUPS, TWO_GROUPS),
    "seeds": (seeds, {name: DRUG[name] for name in list(DRUG)[:3]}, SIZES),
    "mixed": (mixed, MIXED, (*((n,) for n in SIZES), *TWO_GROUPS)),
}


def rates(measure: Callable, scenario: object, size: object, n_sets: int) -> dict[str, np.ndarray]:
    """Average the results of a measurement over null studies."""
    found: dict[str, list] = {}
    for number in range(n_sets):
        rng = np.random.default_rng([number, *np.atleast_1d(size)])
        for name, hits in measure(rng, size, scenario).items():
            found.setdefault(name, []).append(hits)
    return {name: np.mean(hits, axis=0) for name, hits in found.items()}


def lines(part: str, n_sets: int) -> Iterator[str]:
    """Yield the table of one part, line by line."""
    measure, scenarios, sizes = PARTS[part]
    head = None
    for name, scenario in scenarios.items():
        for size in sizes:
            if part == "mixed" and "smaller group" in name and len(size) == 1:
                continue
            found = rates(measure, scenario, size, n_sets)
            if head is None:
                head = list(found)
                yield "| " + " | ".join(["null data", "people", *head]) + " |"
                yield "|" + "---|" * (2 + len(head))
            cells = [" / ".join(f"{rate:.3f}" for rate in found[key]) for key in head]
            people = "/".join(map(str, np.atleast_1d(size)))
            yield "| " + " | ".join([name, people, *cells]) + " |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=300, help="null studies of maps per cell")
    parser.add_argument("--mixed-sets", type=int, default=1000, help="of the mixed model")
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    for part in [options.only] if options.only else PARTS:
        n_sets = options.mixed_sets if part == "mixed" else options.sets
        print(f"\n{part}, {n_sets} null studies per row\n")
        for line in lines(part, n_sets):
            print(line, flush=True)


if __name__ == "__main__":
    main()
