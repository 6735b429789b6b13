"""How often the interval of what is left of an effect, given a measure's change, holds the truth.

Crossover trials at table level, without images: the drug changes a measure, the measure changes
connectivity, and the drug changes connectivity beside it; every period has effects of its own. Also
told is how often the effect without the measure would be taken for one beside it.

    .venv/bin/python benchmarks/error_rates_rivals.py --sets 1000
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.quality.rival import rival_between, rival_within  # noqa: E402

TREATMENTS = {"active": "drug", "control": "placebo"}
# Drug on measure, drug on connectivity beside it, measure on connectivity. How often the interval
# holds the truth does not depend on them: they move estimate and truth alike.
PATH = (1.0, 0.0, 0.1)
KINDS = ("normal", "heavy tails", "ties", "one outlier", "scatter grows with the measure's change")


def session_noise(rng, kind, n, sessions):
    """Return noise of every person and session, of variance 1 before an outlier is added."""
    if kind == "heavy tails":
        return rng.standard_t(3, (sessions, n)) / np.sqrt(3)
    noise = rng.normal(size=(sessions, n))
    if kind == "one outlier":
        noise[0, 0] += rng.choice((-6, 6))
    return noise


def trial(rng, n, kind, on_measure, direct, slope):
    """Return the changes of connectivity and of the measure, and the code of the order."""
    code = np.where(np.arange(n) % 2 == 0, -1.0, 1.0)
    change = on_measure + rng.normal(0, 1, n) + 0.5 * -code
    if kind == "ties":
        change = np.round(change)
    noise = session_noise(rng, kind, n, 2)
    error = 0.1 * (noise[0] - noise[1])
    if kind.startswith("scatter"):
        error = error * np.abs(change - on_measure) * 1.2
    return direct + slope * change - 0.1 * code + error, change, code


def two_groups(rng, n, kind):
    """Return the same of two groups, the second of two thirds the size, and who is of the first.

    The scatter of the second group's connectivity is twice that of the first.
    """
    fewer = 2 * n // 3
    first = trial(rng, n, kind, *PATH)
    second = trial(rng, fewer, kind, 0.0, 0.0, PATH[2])
    second = (second[0] + rng.normal(0, 0.24, fewer), *second[1:])
    joined = [np.concatenate(own) for own in zip(first, second, strict=True)]
    return *joined, np.arange(n + fewer) < n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    sizes = (12, 16, 24, 29)
    print("| data | " + " | ".join(f"n = {n}" for n in sizes) + " |")
    print("| --- |" + " --- |" * len(sizes))
    for kind in KINDS:
        cells = []
        for n in sizes:
            rng = np.random.default_rng([n, KINDS.index(kind)])
            held = alone = 0
            for _ in range(sets):
                found = rival_within(*trial(rng, n, kind, *PATH), TREATMENTS)
                held += found.given.low <= PATH[1] <= found.given.high
                alone += found.effect.p < 0.05
            cells.append(f"{held / sets:.3f} ({alone / sets:.2f})")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)
    cells = []
    for n in sizes:
        rng = np.random.default_rng([n, 99])
        held = 0
        for _ in range(sets):
            delta, change, code, first = two_groups(rng, n, "normal")
            found = rival_between(delta, change, first, code, ["a", "b"], TREATMENTS)
            held += found.given.low <= PATH[1] <= found.given.high
        cells.append(f"{held / sets:.3f}")
    print("| two groups, n and 2n/3, SD 1 and 2 | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
