"""Error rates and coverage of the clinical tables, before and after, on simulated data.

    .venv/bin/python benchmarks/error_rates.py --part tables [--sets 1000] [--write TABLE.tsv]

prints the tables of docs/statistics.md (about six CPU minutes with 1,000 sets). "Before" is what
the page reported at first: Pearson's r with a permutation p and a BCa bootstrap interval, without
the order of treatments; the paired t and Wilcoxon's signed ranks; Welch's t of groups without the
order; Hedges' g by the pooled variance. "After" is what it reports now, computed by the functions
of crossfc.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr, ndtri

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.clinic.order import adjusted_change, group_difference  # noqa: E402
from crossfc.clinic.rank import adjusted_wilcoxon_p, wilcoxon_p  # noqa: E402
from crossfc.clinic.shuffle import permutation_p, shuffles_of, shuffles_within  # noqa: E402
from crossfc.clinic.student import one_sample  # noqa: E402
from crossfc.clinic.studentised import Studentised, nuisance_basis  # noqa: E402
from crossfc.group.inference.effect import hedges_g  # noqa: E402
from crossfc.group.inference.welch import Welch  # noqa: E402

TREATMENTS = {"active": "ketamine", "control": "placebo"}
SIZES = 12, 16, 24, 29
INTERVAL_SIZES = 8, 12, 16, 24, 29
GROUPS = (12, 8), (24, 17)
SHUFFLES = 499
SAMPLES = 999  # bootstrap samples
# Variance of a standard normal variable that is rounded to whole numbers. It grows by 1/12 and
# covariances stay (Sheppard 1898), exactly to eight digits here.
ROUNDED_VARIANCE = 13 / 12
PERIOD = 0.6  # effect of the period on a change, in standard deviations of the change


def order(n: int, balanced: bool) -> np.ndarray:
    """Return orders of treatments: equally many, or three of four with active first."""
    return np.where(np.arange(n) < round(n * (0.5 if balanced else 0.75)), -1.0, 1.0)


def pairs(rng: np.random.Generator, kind: str, n: int, rho: float, sets: int) -> tuple:
    """Draw two changes of n people that correlate by rho; arrays of shape (n, sets)."""
    if kind == "ties":  # both in steps of one standard deviation
        x, y = pairs(rng, "normal", n, ROUNDED_VARIANCE * rho, sets)
        return np.round(x), np.round(y)
    x, error = rng.standard_normal((2, n, sets))
    rest = np.sqrt(1 - rho**2)
    y = rho * x + rest * error
    if kind == "heavy tails":  # Student's t with 3 degrees of freedom, one scale for both
        scale = np.sqrt(3 / rng.chisquare(3, (n, sets)))
        return x * scale, y * scale
    if kind == "one outlier":  # one person five times as far out in both
        x[0], y[0] = 5 * x[0], 5 * y[0]
    if kind == "heteroscedastic":  # y scatters in proportion to x
        y = rho / rest * x + np.abs(x) * error
    if kind == "skewed":
        x, error = rng.exponential(1, (2, n, sets)) - 1
        y = rho * x + rest * error
    return x, y


KINDS = "normal", "heavy tails", "one outlier", "heteroscedastic", "skewed"


def bca(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Compute Efron's BCa interval of r, as the page once did; weights are bootstrap counts."""

    def r_of(w: np.ndarray) -> np.ndarray:
        total = w.sum(axis=1)
        mean_x, mean_y = w @ x / total, w @ y / total
        both = w @ (x * y) / total - mean_x * mean_y
        spread = (w @ x**2 / total - mean_x**2) * (w @ y**2 / total - mean_y**2)
        return both / np.sqrt(np.where(spread > 1e-14, spread, np.nan))

    n = len(x)
    r, resampled, without = (r_of(w) for w in (np.ones((1, n)), weights, 1 - np.eye(n)))
    resampled = resampled[np.isfinite(resampled)]
    share = (resampled < r[0]).mean()
    bias = ndtri(np.clip(share, 0.5 / len(resampled), 1 - 0.5 / len(resampled)))
    gap = without.mean() - without
    acceleration = (gap**3).sum() / (6 * (gap**2).sum() ** 1.5)
    normal = bias + ndtri([0.025, 0.975])
    return tuple(np.quantile(resampled, ndtr(bias + normal / (1 - acceleration * normal))))


def plain_r(x: np.ndarray, y: np.ndarray, shuffles: np.ndarray) -> float:
    """Compute the permutation p of Pearson's r, as the page once did."""
    a, b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in (x, y))
    return permutation_p(a[:, None], b[:, None], shuffles)[0, 0]


def correlations(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure error rate, power and coverage of correlations, with equal and unequal orders."""
    period = [("period on both sides", balanced) for balanced in (True, False)]
    for n in INTERVAL_SIZES:
        weights = rng.multinomial(n, np.full(n, 1 / n), size=SAMPLES).astype(float)
        everybody = shuffles_of(n, SHUFFLES, 0)
        for kind, balanced in [*((kind, True) for kind in KINDS), *period]:
            code = order(n, balanced)
            within, basis = shuffles_within(code, SHUFFLES, 0), nuisance_basis(code)
            for rho in (0.0, 0.5):
                drawn = "normal" if kind.startswith("period") else kind
                x, y = pairs(rng, drawn, n, rho, sets)
                # Orders are shuffled, so that the outlier (person 0) can have either order.
                of = code[rng.permutation(n)] if kind == "one outlier" else code
                if of is not code:
                    within, basis = shuffles_within(of, SHUFFLES, 0), nuisance_basis(of)
                if drawn != kind:
                    x, y = x + PERIOD * code[:, None], y + PERIOD * code[:, None]
                hits, holds, widths = np.zeros(2), np.zeros(2), np.zeros((2, sets))
                for j in range(sets):
                    found = Studentised(x[:, [j]], y[:, [j]], basis, within)
                    limits = bca(x[:, j], y[:, j], weights), (found.low[0, 0], found.high[0, 0])
                    p = plain_r(x[:, j], y[:, j], everybody), found.p[0, 0]
                    hits += np.array(p) <= 0.05
                    holds += [low <= rho <= high for low, high in limits]
                    widths[:, j] = [high - low for low, high in limits]
                orders = "" if balanced else ", orders 3:1"
                what = "error rate" if rho == 0 else "power"
                row = {"what": "correlation", "errors": kind + orders, "n": str(n), "rho": rho}
                yield row | {"figure": what, "before": hits[0] / sets, "after": hits[1] / sets}
                yield row | {
                    **{"figure": "coverage", "before": holds[0] / sets, "after": holds[1] / sets},
                    **dict(zip(("width before", "width after"), np.median(widths, 1), strict=True)),
                }


def freedman_lane(x: np.ndarray, y: np.ndarray, basis: np.ndarray, shuffles: np.ndarray) -> float:
    """Compute the p of the partial correlation by Freedman and Lane, as the page once did."""
    a, b = (v - basis @ (basis.T @ v) for v in (x, y))
    shuffled = b[np.vstack([np.arange(len(b)), shuffles])]
    shuffled = shuffled - (shuffled @ basis) @ basis.T
    r = np.abs(shuffled @ a) / np.linalg.norm(shuffled, axis=1)
    return float(np.mean(r >= r[0] - 1e-10))


def partials(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure the error rate of the correlation given order and motion, with period effects."""
    for n in SIZES:
        code, everybody = order(n, balanced=True), shuffles_of(n, SHUFFLES, 0)
        within = shuffles_within(code, SHUFFLES, 0)
        for kind in ("normal", "heteroscedastic", "motion in both"):
            hits = np.zeros(2)
            for _ in range(sets):
                motion = rng.standard_normal((n, 1))
                drawn = "normal" if kind == "motion in both" else kind
                x, y = pairs(rng, drawn, n, 0.0, 1)
                shift = PERIOD * code[:, None] + (0.8 * motion if drawn != kind else 0)
                x, y = x + shift, y + shift
                basis = nuisance_basis(code, motion)
                before = freedman_lane(x[:, 0], y[:, 0], basis, everybody)
                hits += np.array([before, Studentised(x, y, basis, within).p[0, 0]]) <= 0.05
            yield {
                "what": "partial correlation", "errors": f"{kind}, period", "n": str(n), "rho": 0.0,
                "figure": "error rate", "before": hits[0] / sets, "after": hits[1] / sets,
            }  # fmt: skip


def changes(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure the error rate of the drug's effect on a score in a group, with a period effect."""
    for n in SIZES:
        for kind in ("normal", "heavy tails", "skewed"):
            for balanced in (True, False):
                code = order(n, balanced)
                hits = np.zeros(4)
                for _ in range(sets):
                    delta = pairs(rng, kind, n, 0.0, 1)[0][:, 0]
                    if kind == "skewed":  # skewed period differences, as from a drift
                        delta = delta * code
                    delta = delta + PERIOD * code
                    p = (
                        *(one_sample(delta).p, adjusted_change(delta, code, TREATMENTS).test.p),
                        *(wilcoxon_p(delta), adjusted_wilcoxon_p(delta, code)),
                    )
                    hits += np.array(p) <= 0.05
                orders = "" if balanced else ", orders 3:1"
                row = {"errors": f"{kind}, period{orders}", "n": str(n), "rho": 0.0}
                row |= {"figure": "error rate"}
                for what, at in (("change, t", 0), ("change, ranks", 2)):
                    rates = {"before": hits[at] / sets, "after": hits[at + 1] / sets}
                    yield {"what": what} | row | rates


def differences(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure the error rate of group by drug on a score, and the coverage of the effect size.

    All data sets are tested at once, like the voxels of a map, by the functions that
    `crossfc.clinic.order.adjusted_difference` calls.
    """
    for sizes in GROUPS:
        first = np.repeat([True, False], sizes)
        for spread in ((1, 1), (3, 1), (1, 3)):
            scale = np.repeat(spread, sizes)[:, None]
            unit = np.sqrt(np.square(spread).mean())
            for opposite in (False, True):
                # Active first in half of each group, or in three of four people of one group and
                # one of four of the other.
                codes = [order(n, balanced=not opposite) for n in sizes]
                code = np.concatenate([codes[0], -codes[1] if opposite else codes[1]])
                data = rng.standard_normal((len(first), sets)) * scale
                data = data + PERIOD * unit * code[:, None]
                plain = stats.ttest_ind(data[first], data[~first], equal_var=False).pvalue
                model = group_model(first, code)
                error, df = model.estimate_error(data)
                told = 2 * stats.t.sf(np.abs(model.fit(data).effect / error), df)
                orders = "orders 3:1 and 1:3" if opposite else "orders alike"
                yield {
                    "what": "groups, t", "errors": f"SD {spread[0]}:{spread[1]}, period, {orders}",
                    "n": "/".join(map(str, sizes)), "rho": 0.0, "figure": "error rate",
                    "before": np.mean(plain <= 0.05), "after": np.mean(told <= 0.05),
                }  # fmt: skip
            for size in (0.0, 0.8, 1.5):
                yield effect_sizes(rng, sizes, spread, size, sets)


def group_model(first: np.ndarray, code: np.ndarray) -> Welch:
    """Return the comparison of groups, with the order in the model."""
    nuisance = np.column_stack([np.ones(len(first)), code])
    return Welch(np.where(first, 0.5, -0.5), nuisance, ~first)


def effect_sizes(
    rng: np.random.Generator, sizes: tuple, spread: tuple, size: float, sets: int
) -> dict:
    """Measure the coverage of Hedges' g, with a period effect and both orders in each group.

    ``size`` is the true effect, in the unit of g.
    """
    first = np.repeat([True, False], sizes)
    code = np.concatenate([order(n, balanced=True) for n in sizes])
    pooled = np.sqrt(np.dot(np.array(sizes) - 1, np.square(spread)) / (sum(sizes) - 2))
    shift = size * np.sqrt(np.square(spread).mean())
    data = rng.standard_normal((len(first), sets)) * np.repeat(spread, sizes)[:, None]
    data = data + shift * first[:, None] + code[:, None]
    model = group_model(first, code)
    fit = model.fit(data)
    before = hedges_g(fit.t, model.df, model.effect_variance)
    nuisance = np.column_stack([np.ones(len(first)), code])
    after = np.array([group_difference(each, first, nuisance)[1] for each in data.T]).T
    holds = [
        np.mean((low <= truth) & (truth <= high))
        for (_, low, high), truth in ((before, shift / pooled), (after, size))
    ]
    return {
        "what": "groups, Hedges' g", "errors": f"SD {spread[0]}:{spread[1]}",
        "n": "/".join(map(str, sizes)), "rho": size, "figure": "coverage",
        "before": holds[0], "after": holds[1],
    }  # fmt: skip


PARTS: dict[str, tuple[Callable, ...]] = {"tables": (correlations, partials, changes, differences)}


def wide(rows: list[dict]) -> str:
    """Format rows like the tables of docs/statistics.md: one column per sample size."""
    table = pd.DataFrame(rows)
    out = []
    for (what, figure, rho), part in table.groupby(["what", "figure", "rho"], sort=False):
        title = f"{what}, {figure}" + (f", ρ = {rho}" if what == "correlation" else "")
        if what == "groups, Hedges' g":
            title = f"{what}, {figure}, g = {rho}"
        sizes = list(dict.fromkeys(part["n"]))
        out += [f"\n{title}\n", f"| | {' | '.join('n = ' + n for n in sizes)} |"]
        out.append("| --- |" + " --- |" * len(sizes))
        for errors, of in part.groupby("errors", sort=False):
            cells = {row["n"]: cell(row) for row in of.to_dict("records")}
            out.append(f"| {errors} | {' | '.join(cells.get(n, '') for n in sizes)} |")
    return "\n".join(out)


def cell(row: dict) -> str:
    """Format before and after; intervals also get their median widths."""
    told = [f"{row[side]:.3f}".lstrip("0") for side in ("before", "after")]
    if np.isfinite(row.get("width before", np.nan)):
        told = [
            f"{t} ({row[f'width {s}']:.2f})" for t, s in zip(told, ("before", "after"), strict=True)
        ]
    return " → ".join(told)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=sorted(PARTS), default="tables")
    parser.add_argument("--sets", type=int, default=1000, help="data sets of each kind")
    parser.add_argument("--only", help="one of the measurements, by its name in this file")
    parser.add_argument("--write", type=Path, help="a .tsv for all figures")
    options = parser.parse_args()
    rows = []
    for measure in PARTS[options.part]:
        if options.only in (None, measure.__name__):
            rng, begun = np.random.default_rng(20170112), time.process_time()
            rows += measure(rng, options.sets)
            seconds = time.process_time() - begun
            print(f"{measure.__name__}: {seconds:.0f} CPU s", file=sys.stderr)
    if options.write:
        pd.DataFrame(rows).to_csv(options.write, sep="\t", index=False)
    error = np.sqrt(0.05 * 0.95 / options.sets)
    print(f"before → after, {options.sets} data sets each (standard error {error:.3f} at .05)")
    print(wide(rows))


if __name__ == "__main__":
    main()
