"""Error of Fisher z with censored volumes, by how the filter treats the gaps.

    .venv/bin/python benchmarks/censoring.py

prints the table of docs/preprocessing.md (about four CPU minutes). Pairs of series correlate by 0.5
in the pass band and by half of that outside it, and 34 confounds are removed. Series last eight
minutes at a repetition time of 2.5 s, or ten at 0.8 s. Single volumes, or stretches of three on
average, are censored at random.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.session.connectivity import cleaning  # noqa: E402
from crossfc.session.connectivity.seed_map import clean  # noqa: E402

BAND = 0.008, 0.1
TRUTH = 0.5
PAIRS, RUNS = 300, 5


def cosines(n: int) -> np.ndarray:
    """Return all n cosines of n volumes as columns, shape (n, n)."""
    return cleaning.stop_band(n, 1.0, np.inf, None)


def pairs(rng: np.random.Generator, n: int, repetition_time: float) -> tuple:
    """Draw series that correlate by the true value in the pass band, with a falling spectrum."""
    frequency = np.arange(n) / (2 * n * repetition_time)
    passed = (frequency >= BAND[0]) & (frequency <= BAND[1])
    amplitude = 1 / np.sqrt(np.maximum(frequency, 0.003) / 0.03) + 0.35
    r = np.where(passed, TRUTH, TRUTH / 2)[:, None]
    shared, one, other = rng.normal(size=(3, n, PAIRS)) * amplitude[None, :, None]
    return tuple(cosines(n) @ (np.sqrt(r) * shared + np.sqrt(1 - r) * x) for x in (one, other))


def confounds(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw 24 columns like motion and 10 like components."""
    motion = rng.normal(size=(n, 6)).cumsum(axis=0) + 0.3 * rng.normal(size=(n, 6))
    change = np.diff(motion, axis=0, prepend=motion[:1])
    tissue = rng.normal(size=(n, 10))
    tissue = tissue + 0.6 * np.roll(tissue, 1, axis=0) + 0.3 * np.roll(tissue, 2, axis=0)
    return np.hstack([motion, change, motion**2, change**2, tissue])


def censored(rng: np.random.Generator, n: int, share: float, length: int) -> np.ndarray:
    """Draw which volumes are kept (bool)."""
    kept = np.ones(n, dtype=bool)
    while (left := round(share * n) - int((~kept).sum())) > 0:
        start, stretch = rng.integers(0, n), min(rng.geometric(1 / length), left)
        kept[start : start + stretch] = False
    return kept


def by_lines(kept: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Return weights that fill gaps by straight lines, shape (n, kept volumes)."""
    inside, columns = np.flatnonzero(kept), np.eye(int(kept.sum()))
    return np.column_stack([np.interp(np.arange(len(kept)), inside, c) for c in columns])


def by_splines(kept: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Return weights that fill gaps by a natural cubic spline, shape (n, kept volumes)."""
    inside = np.flatnonzero(kept)
    return CubicSpline(inside, np.eye(len(inside)), bc_type="natural")(np.arange(len(kept)))


def measure_one(repetition_time: float, n: int, share: float, length: int) -> dict[str, tuple]:
    """Measure degrees of freedom, bias and standard error of each way to fill gaps.

    Bias and standard error are None if a run has too few degrees of freedom left.
    """
    expected, found = cleaning._filling, {}
    ways = {"exact": None, "lines": by_lines, "cubic splines": by_splines, "expected": expected}
    for way, filling in ways.items():
        left, z = [], []
        for run in range(RUNS):
            rng = np.random.default_rng(run)
            nuisance, kept = confounds(rng, n), censored(rng, n, share, length)
            series = pairs(rng, n, repetition_time)
            if filling is None:
                basis = cleaning.basis(nuisance, repetition_time, *BAND, kept)
                left.append(int(kept.sum()) - basis.shape[1])
            else:
                cleaning._filling = filling
                basis = cleaning.interpolated(nuisance, repetition_time, *BAND, kept)
                left.append(basis.degrees_of_freedom)
            if left[-1] >= 4:
                x, y = (clean(s[kept] - s[kept].mean(axis=0), basis) for s in series)
                r = (x * y).sum(axis=0) / np.linalg.norm(x, axis=0) / np.linalg.norm(y, axis=0)
                z.append(np.arctanh(r))
        cleaning._filling = expected
        whole = len(z) == RUNS
        bias = float(np.mean(z) - np.arctanh(TRUTH)) if whole else None
        found[way] = float(np.mean(left)), bias, float(np.std(z)) if whole else None
    return found


def main() -> None:
    """Print the table."""
    print("| TR | stretches | censored | exact | lines | cubic splines | expected values |")
    print("|---|---|---|---|---|---|---|")
    for repetition_time, n in ((2.5, 192), (0.8, 750)):
        for length in (1, 3):
            for share in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
                cells = [
                    f"{df:.0f}: " + ("nothing left" if bias is None else f"{bias:+.2f} ± {sd:.2f}")
                    for df, bias, sd in measure_one(repetition_time, n, share, length).values()
                ]
                row = [f"{repetition_time} s", str(length), f"{share:.0%}", *cells]
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
