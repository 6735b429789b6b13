"""Error rates of tests that compare two groups with unequal variance and skewness.

    .venv/bin/python benchmarks/group_statistics.py [--sets 300] [--shift 0] [--only SCENARIO]

prints the tables of docs/statistics.md on the tests that were tried for `group_by_drug` (about 4
CPU minutes). Maps are those of benchmarks/error_rates_maps.py. A cell gives the share of studies in
which some voxel has a corrected p of 0.05 or less, with 199 arrangements or samples. This is the
error rate if `--shift` is 0; otherwise it is the power, with all voxels shifted by this many
standard deviations of the first group.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from error_rates_maps import GROUPS, TWO_GROUPS, noise

SAMPLES = 199
LEVEL = 0.05
GOLDEN = (1 + np.sqrt(5)) / 2
SCENARIOS = GROUPS | {
    "both groups skewed (1.5)": lambda rng, a, b: noise(rng, a + b, 1.5),
    "larger group skewed (1.5), twice as much": lambda rng, a, b: np.concatenate(
        [2 * noise(rng, a, 1.5), noise(rng, b)]
    ),
}


class Comparison:
    """Ordinary least squares of group and order, with the moments of residuals in each group.

    The variance of the effect is Σ a² s², and its third cumulant is Σ a³ m. Here a is each person's
    weight in the effect; s² = Σe² / ν and m = n Σe³ / (ν (ν - 1)) are the variance and the third
    moment of the person's group, with n people and ν residual degrees of freedom.
    """

    def __init__(self, first: int, second: int) -> None:
        n = first + second
        self.second = np.arange(n) >= first
        code = np.where(np.arange(n) % 2, 1.0, -1.0)
        model = np.column_stack([np.where(self.second, -0.5, 0.5), np.ones(n), code])
        self.weights = np.linalg.pinv(model)[0]
        self.forming = np.eye(n) - model @ np.linalg.pinv(model)
        self.null_forming = np.eye(n) - model[:, 1:] @ np.linalg.pinv(model[:, 1:])
        self.members = np.array([~self.second, self.second], dtype=float)
        self.df = self.members @ np.diag(self.forming)

    def statistics(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Compute Welch's t, Johnson's (1978) and Hall's (1992), from values (…, n, voxels)."""
        residual = self.forming @ values
        effect = np.einsum("n,...nv->...v", self.weights, values)
        squared = residual * residual
        df = self.df[:, None]
        third = self.members.sum(axis=1)[:, None] / (df * (df - 1))
        variance = np.maximum(self.members @ squared / df, 1e-12)
        moment = self.members @ (squared * residual) * third
        total = np.einsum("g,...gv->...v", self.members @ self.weights**2, variance)
        cumulant = np.einsum("g,...gv->...v", self.members @ self.weights**3, moment)
        t, skew = effect / np.sqrt(total), cumulant / total**1.5
        johnson = t + skew / 6 + skew * t**2 / 3
        return {"Welch": t, "Johnson": johnson, "Hall": johnson + skew**2 * t**3 / 27}

    def samples(
        self, rng: np.random.Generator, data: np.ndarray
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each stand-in for the null distribution by name, shape (SAMPLES, n, voxels)."""
        n, first = len(data), int(np.sum(~self.second))
        null = self.null_forming @ data
        leverage = np.sqrt(np.maximum(np.diag(self.forming), 0.05))[:, None]
        whole = self.forming @ data / leverage
        yield "sign flips", rng.choice([-1.0, 1.0], (SAMPLES, n, 1)) * null
        yield "shuffles", null[np.argsort(rng.random((SAMPLES, n)), axis=1)]
        # Mammen's (1993) multipliers preserve the third moment of a residual.
        small = rng.random((SAMPLES, n, 1)) < GOLDEN / np.sqrt(5)
        multipliers = np.where(small, 1 - GOLDEN, GOLDEN)
        yield "wild bootstrap, residuals without the effect", multipliers * null
        yield "wild bootstrap, residuals of the whole model", multipliers * whole
        drawn = np.where(
            self.second,
            first + rng.integers(0, n - first, (SAMPLES, n)),
            rng.integers(0, first, (SAMPLES, n)),
        )
        for own in self.members > 0:
            whole[own] -= whole[own].mean(axis=0)
        yield "bootstrap-t within groups", whole[drawn]

    def p(self, rng: np.random.Generator, data: np.ndarray) -> dict[tuple[str, str], float]:
        """Compute the smallest corrected p for each scheme and statistic."""
        observed, found = self.statistics(data), {}
        for scheme, samples in self.samples(rng, data):
            for name, null in self.statistics(samples).items():
                reached = np.abs(null).max(axis=1) >= np.abs(observed[name]).max() - 1e-9
                found[scheme, name] = (1 + reached.sum()) / (1 + SAMPLES)
        for name in observed:
            both = found["sign flips", name], found["shuffles", name]
            found["the larger p of flips and shuffles", name] = max(both)
        return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=300, help="studies per cell")
    parser.add_argument("--shift", type=float, default=0.0, help="effect, in standard deviations")
    parser.add_argument("--only", choices=SCENARIOS, help="one kind of data")
    options = parser.parse_args()
    for name in [options.only] if options.only else SCENARIOS:
        columns = []
        for sizes in TWO_GROUPS:
            comparison, hits = Comparison(*sizes), {}
            for number in range(options.sets):
                rng = np.random.default_rng([number, *sizes])
                data = SCENARIOS[name](rng, *sizes)
                data += options.shift * np.where(comparison.second, -0.5, 0.5)[:, None]
                for key, p in comparison.p(rng, data).items():
                    hits.setdefault(key, []).append(p <= LEVEL)
            columns.append({key: np.mean(values) for key, values in hits.items()})
        print(f"\n{name}, shift {options.shift:g}, {options.sets} studies per cell\n")
        people = " | ".join("/".join(map(str, sizes)) for sizes in TWO_GROUPS)
        print(f"| null distribution | statistic | {people} |\n|---|---|---|---|")
        for key in columns[0]:
            cells = " | ".join(f"{column[key]:.3f}" for column in columns)
            print(f"| {key[0]} | {key[1]} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
