"""Error rates of equivalence, and the power of correlations at the smallest detectable one.

    .venv/bin/python benchmarks/evidence.py [--sets 1000]

prints the tables of docs/statistics.md (about two CPU minutes with 1,000 sets). Data are those of
`error_rates.py`: two orders of treatments, equally many, and an effect of the period.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from error_rates import KINDS, PERIOD, SHUFFLES, TREATMENTS, order, pairs

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.clinic.equivalence import equivalence_p  # noqa: E402
from crossfc.clinic.estimate import estimates  # noqa: E402
from crossfc.clinic.power import detectable_correlation  # noqa: E402
from crossfc.clinic.shuffle import shuffles_within  # noqa: E402
from crossfc.clinic.student import standard_error  # noqa: E402
from crossfc.clinic.studentised import Studentised, nuisance_basis  # noqa: E402

SIZES = 12, 16, 24, 29
BOUND = 0.5  # smallest correlation of interest; of changes, in standard deviations of the change


def changes(rng: np.random.Generator, kind: str, n: int, sets: int) -> tuple[float, float]:
    """Share of changes called equivalent: true change at the bound, and none."""
    code, found = order(n, balanced=True), np.zeros(2)
    errors = pairs(rng, kind, n, 0.0, sets)[1]
    scale = errors.std()
    for error in errors.T:
        for place, true in enumerate((BOUND, 0.0)):
            delta = true * scale + error + PERIOD * scale * code
            told = estimates(delta, ["TRD"] * n, code, ["TRD"], TREATMENTS)[0]
            bound = BOUND * scale
            p = equivalence_p(told.test.estimate, standard_error(told.test), told.test.df, bound)
            found[place] += p < 0.05
    return tuple(found / sets)


def correlations(rng: np.random.Generator, kind: str, n: int, sets: int, rho: float) -> np.ndarray:
    """Shares of correlations that are called equivalent, and other than zero."""
    code = order(n, balanced=True)
    basis, shuffles = nuisance_basis(code), shuffles_within(code, SHUFFLES, 1)
    x, y = (side + PERIOD * code[:, None] for side in pairs(rng, kind, n, rho, sets))
    tests = [Studentised(x[:, [k]], y[:, [k]], basis, shuffles, BOUND) for k in range(sets)]
    return np.array([[t.p_equivalence[0, 0] < 0.05, t.p[0, 0] < 0.05] for t in tests]).mean(axis=0)


def rate(share: float) -> str:
    """Format a share as the other tables do."""
    return f"{share:.3f}".lstrip("0")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    head = "| | " + " | ".join(f"n = {n}" for n in SIZES) + " |\n| --- |" + " --- |" * len(SIZES)
    print(f"change, equivalent within ±{BOUND} SD: true change at the bound / none\n\n{head}")
    for kind in ("normal", "heavy tails", "skewed", "ties", "one outlier"):
        rates = [changes(np.random.default_rng(n), kind, n, sets) for n in SIZES]
        print(f"| {kind} | " + " | ".join(" / ".join(map(rate, r)) for r in rates) + " |")
    print(f"\ncorrelation, equivalent within ±{BOUND}: true correlation at the bound / none\n")
    print(head)
    for kind in (*KINDS, "ties"):
        rates = [
            [correlations(np.random.default_rng(n), kind, n, sets, rho)[0] for rho in (BOUND, 0.0)]
            for n in SIZES
        ]
        print(f"| {kind} | " + " | ".join(" / ".join(map(rate, r)) for r in rates) + " |")
    print(
        f"\npower of the told test at the smallest correlation that t of r finds in 80 %\n\n{head}"
    )
    smallest = [detectable_correlation(n - 1) for n in SIZES]
    powers = [
        correlations(np.random.default_rng(n), "normal", n, sets, rho)[1]
        for n, rho in zip(SIZES, smallest, strict=True)
    ]
    print("| correlation | " + " | ".join(map(rate, smallest)) + " |")
    print("| power | " + " | ".join(map(rate, powers)) + " |")


if __name__ == "__main__":
    main()
