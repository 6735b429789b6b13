"""Coverage of intervals of Hedges' g_av and of paired differences of shares, on simulated data.

    .venv/bin/python benchmarks/effect_size.py [--sets 1500] [--write TABLE.tsv]

prints the tables of docs/statistics.md (about two CPU minutes with 1,500 sets). Published intervals
are computed here from their formulas; the last column is that of crossfc.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import nctdtrinc

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.clinic.effect_size import hedges_g_av  # noqa: E402
from crossfc.clinic.order import adjusted_change  # noqa: E402
from crossfc.clinic.response import newcombe  # noqa: E402

SIZES = 8, 12, 16, 24, 29
CORRELATIONS = 0.3, 0.6, 0.9
EFFECTS = 0.0, 0.5, 1.0  # in average standard deviations
KINDS = "normal", "active 1.5 SD", "skewed scores", "skewed change"
METHODS = "Algina & Keselman", "Viechtbauer", "Bonett", "crossfc"
PERIOD = 0.3  # of each score, in standard deviations
TREATMENTS = {"active": "drug", "control": "pill"}
Z = stats.norm.isf(0.025)


def pairs(
    rng: np.random.Generator, kind: str, n: int, r: float, sets: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of both sides with mean 0 and correlation r, shape (n, sets)."""
    if kind == "skewed change":  # who changes changes a lot, in one direction
        control = rng.standard_normal((n, sets))
        rest = 1 - rng.exponential(1, (n, sets))
        return r * control + np.sqrt(1 - r**2) * rest, control
    draw = rng.standard_normal if kind != "skewed scores" else lambda s: rng.exponential(1, s) - 1
    person, first, second = draw((3, n, sets))
    sides = [np.sqrt(r) * person + np.sqrt(1 - r) * own for own in (first, second)]
    return sides[0] * (1.5 if kind == "active 1.5 SD" else 1.0), sides[1]


def published(active: np.ndarray, control: np.ndarray, code: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the published intervals with the order in the model, shape (2, sets)."""
    n = len(code)
    design = np.column_stack([np.ones(n), code])
    inverse, solve = np.linalg.inv(design.T @ design), np.linalg.pinv(design)
    df = n - 2
    first, second = (side - design @ (solve @ side) for side in (active, control))
    v, w, c = (np.sum(a * b, 0) / df for a, b in (
        (first, first), (second, second), (first, second)))  # fmt: skip
    spread = np.sqrt((v + w) / 2)
    estimate = (solve @ (active - control))[0]
    error = np.sqrt((v + w - 2 * c) * inverse[0, 0])
    d, t = estimate / spread, estimate / error
    m = df * (v + w) ** 2 / (v**2 + w**2 + 2 * c**2)
    g = (1 - 3 / (4 * m - 1)) * d
    noncentral = [error / spread * nctdtrinc(df, share, t) for share in (0.975, 0.025)]
    of_normal = np.sqrt((error / spread) ** 2 + g**2 / (2 * m))
    # Bonett divides by n - 1, which is the residual degrees of freedom here.
    of_bonett = np.sqrt(d**2 / (2 * m) + (error / spread) ** 2 * n / df)
    return {
        "Algina & Keselman": np.array(noncentral),
        "Viechtbauer": np.array([g - Z * of_normal, g + Z * of_normal]),
        "Bonett": np.array([d - Z * of_bonett, d + Z * of_bonett]),
    }


def sizes(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure coverage and width of every interval of g_av, and the bias of g_av."""
    for kind in KINDS:
        for n in SIZES:
            code = np.where(np.arange(n) % 2, -1.0, 1.0)
            for r in CORRELATIONS:
                for effect in EFFECTS:
                    active, control = pairs(rng, kind, n, r, sets)
                    spread = np.sqrt((1.5**2 + 1) / 2) if kind == "active 1.5 SD" else 1.0
                    active = active + effect * spread + PERIOD * code[:, None]
                    control = control - PERIOD * code[:, None]
                    own = np.array(
                        [hedges_g_av(a, c, code) for a, c in zip(active.T, control.T, strict=True)]
                    ).T
                    limits = published(active, control, code) | {"crossfc": own[1:]}
                    row = {"errors": kind, "n": n, "r": r, "effect": effect}
                    yield row | {"method": "bias", "figure": float(own[0].mean() - effect)}
                    for method, (low, high) in limits.items():
                        holds = float(np.mean((low <= effect) & (effect <= high)))
                        width = float(np.median(high - low))
                        yield row | {"method": method, "figure": holds, "width": width}


SHARES = {  # of both, active only, control only, neither
    "3 of 10, 1 of 10": (0.05, 0.25, 0.05, 0.65),
    "5 of 10, 2 of 10": (0.15, 0.35, 0.05, 0.45),
    "5 of 10, 5 of 10": (0.35, 0.15, 0.15, 0.35),
    "1 of 10, 1 of 20": (0.03, 0.07, 0.02, 0.88),
}


def shares(rng: np.random.Generator, sets: int) -> Iterator[dict]:
    """Measure coverage of the difference of shares: given the order, and Newcombe's."""
    for kind, chance in SHARES.items():
        true = chance[1] - chance[2]
        for n in SIZES[1:]:
            code = np.where(np.arange(n) % 2, -1.0, 1.0)
            held = np.zeros(2)
            for _ in range(sets):
                status = rng.choice(4, n, p=chance)
                delta = np.array([0.0, 1, -1, 0])[status]
                plain = newcombe(*np.bincount(status, minlength=4).tolist())
                told = adjusted_change(delta, code, TREATMENTS)
                given = plain if told.because else (told.test.low, told.test.high)
                held += [low <= true <= high for low, high in (given, plain)]
            for method, holds in zip(("told", "Newcombe"), held / sets, strict=True):
                yield {"errors": kind, "n": n, "method": method, "figure": float(holds)}


def printed(table: pd.DataFrame) -> Iterator[str]:
    """Write the tables in Markdown: lowest and mean coverage over effects and correlations."""
    of_sizes = table[table["r"].notna()]
    yield "\ng_av: lowest / mean coverage over correlations and effects, (median width)\n"
    yield "| scores | n | " + " | ".join(METHODS) + " | bias of g_av |"
    yield "| --- " * (len(METHODS) + 3) + "|"
    for (kind, n), part in of_sizes.groupby(["errors", "n"], sort=False):
        cells = []
        for method in METHODS:
            own = part[part["method"] == method]
            low, mean = own["figure"].min(), own["figure"].mean()
            cells.append(f"{_share(low)} / {_share(mean)} ({own['width'].mean():.2f})")
        bias = part.loc[part["method"] == "bias", "figure"]
        yield f"| {kind} | {n} | {' | '.join(cells)} | {bias.min():.2f} to {bias.max():.2f} |"
    yield "\ndifference of shares: coverage of what is told (with the order) / of Newcombe's\n"
    of_shares = table[table["r"].isna()]
    yield "| shares | " + " | ".join(f"n = {n}" for n in SIZES[1:]) + " |"
    yield "| --- " * len(SIZES) + "|"
    for kind, part in of_shares.groupby("errors", sort=False):
        wide = part.pivot(index="n", columns="method", values="figure")
        cells = [f"{_share(a)} / {_share(b)}" for a, b in wide[["told", "Newcombe"]].to_numpy()]
        yield f"| {kind} | {' | '.join(cells)} |"


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def main() -> None:
    """Measure, print, and write every figure where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    table = pd.DataFrame([*sizes(rng, asked.sets), *shares(rng, asked.sets)])
    if asked.write:
        table.to_csv(asked.write, sep="\t", index=False)
    print("\n".join(printed(table)))


if __name__ == "__main__":
    main()
