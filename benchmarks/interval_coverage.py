"""How often each interval of the page holds the truth, and how often each of its tests errs.

    nice .venv/bin/python benchmarks/interval_coverage.py [--sets 1500] [--only PART]

prints the tables of docs/statistics.md, "What every interval covers" (about eight CPU minutes).
Data are normal; have heavy tails (Student's t with 3 degrees of freedom); ties (steps of one
standard deviation); or one outlier, 4 standard deviations to the one or the other side, so that no
mean moves (`error_rates_regions.noise`; of correlations `error_rates.pairs`). Periods have effects.
A truth in standard deviations takes that of the people in the study, the outlier among them.
Intervals and p are those of the functions that write the tables. Where the outcome is a count, all
outcomes are gone through and nothing is drawn.

In bold is what a true .95, or .05, comes to in less than one of 1,000 cells, on the bad side.
"""

import argparse
import itertools
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from error_rates import ROUNDED_VARIANCE, SHUFFLES, group_model, order, pairs
from error_rates_designs import THREE, williams, with_carryover
from error_rates_regions import KINDS, SIZES, noise
from error_rates_rivals import PATH, two_groups
from error_rates_rivals import trial as rival_trial
from exact_coverage import COVERAGE, ERROR, counts, rate
from scipy import stats

from crossfc.clinic.carryover import carryover
from crossfc.clinic.cells import CellDesign, cell_model
from crossfc.clinic.coefficient import correlate
from crossfc.clinic.effect_size import hedges_g_av
from crossfc.clinic.mixed import mixed_model
from crossfc.clinic.order import adjusted_change, adjusted_difference, by_order
from crossfc.clinic.rank import adjusted_wilcoxon_p, wilcoxon_p
from crossfc.clinic.several import adjusted_f
from crossfc.clinic.shuffle import shuffles_within
from crossfc.clinic.student import one_sample, t_test, welch
from crossfc.group.inference.effect import hedges_g, hedges_g_welch, partial_r_squared
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch_f import WelchF
from crossfc.quality.rival import rival_between, rival_within

TREATMENTS = {"active": "drug", "control": "placebo"}
PERIOD = 1.0  # effect of a period, in steps of ties
SPREAD = 1.5  # standard deviation of the second group, and of the third
OUTLIER = 4.0  # of `noise`, in standard deviations
ALIKE = 0.6  # correlation of scores of two sessions
EFFECT = 0.8  # in standard deviations, of standardised effects
VOXELS = 125


class Interval(NamedTuple):
    """A row of the table: limits in one data set, or in several; NaN where there are none."""

    row: str
    low: float | np.ndarray
    high: float | np.ndarray
    truth: float = 0.0


class Test(NamedTuple):
    """A row of the table: p in one data set, or in several, without an effect."""

    row: str
    p: float | np.ndarray


Found = Iterator[Interval | Test]


def codes(*people: int) -> np.ndarray:
    """Return the orders of treatments of groups, in each as many of the one as of the other."""
    return np.concatenate([order(n, balanced=True) for n in people])


def second_of(n: int) -> int:
    """Return the size of the second group."""
    return round(0.7 * n)


def variances(kind: str, n: int) -> np.ndarray:
    """Return the variance of each of n people of `noise`."""
    found = np.full(n, ROUNDED_VARIANCE if kind == "ties" else 1.0)
    found[0] += OUTLIER**2 * (kind == "one outlier")
    return found


def scores(
    rng: np.random.Generator, kind: str, sessions: int, shape: int | tuple[int, ...]
) -> np.ndarray:
    """Return scores that correlate by `ALIKE` over sessions, which are the first axis.

    Those of the first session are as of `noise`; in the others there is no outlier.
    """
    untied = kind if kind == "heavy tails" else "normal"
    person, *own = (noise(rng, untied, shape) for _ in range(1 + sessions))
    found = np.sqrt(ALIKE) * person + np.sqrt(1 - ALIKE) * np.array(own)
    if kind == "one outlier":
        found[0, 0] += OUTLIER * rng.choice((-1, 1), found.shape[2:])
    return np.round(found) if kind == "ties" else found


def changes(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Changes in one group of two treatments in two periods."""
    code, half = codes(n), n // 2
    for _ in range(sets):
        own, other = noise(rng, kind, n), noise(rng, kind, n)
        delta = own + PERIOD * code
        test = adjusted_change(delta, code, TREATMENTS).test
        yield Interval("change, D ~ 1 + P", test.low, test.high)
        slope = by_order(delta, code)[1]
        yield Interval("period effect", slope.low, slope.high, PERIOD)
        total = by_order(other, code)[1]
        yield Interval("carry-over in two periods", total.low, total.high)
        given = own + ALIKE * other
        given = np.round(given) if kind == "ties" else given
        baseline = other + PERIOD * code
        test = adjusted_change(given + PERIOD * code, code, TREATMENTS, baseline).test
        yield Interval("change given a baseline, D ~ 1 + P + B", test.low, test.high)
        test = one_sample(own)
        yield Interval("mean, Student", test.low, test.high)
        test = one_sample(own[:half])
        yield Interval("mean of one sequence, Student (n / 2)", test.low, test.high)
        test = welch(other[:half], other[half:])
        yield Interval("first period, Welch (n / 2 each)", test.low, test.high)
        yield Test("change by ranks, adjusted for period", adjusted_wilcoxon_p(delta, code))
        yield Test("change by signed ranks", wilcoxon_p(own))


def groups(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Changes compared between groups of n and 0.7 n people, SD 1 and 1.5."""
    fewer = second_of(n)
    first, code = np.arange(n + fewer) < n, codes(n, fewer)
    spread = [s**2 * variances(kind, k).mean() for s, k in three_groups(n)[:2]]
    unit = np.sqrt(np.mean(spread))
    three, of_three = np.repeat(list("abc"), (n, fewer, fewer)), codes(n, fewer, fewer)
    for _ in range(sets):
        one, two, third = (s * noise(rng, kind, k) for s, k in three_groups(n))
        delta = np.concatenate([one, two]) + PERIOD * code
        told = adjusted_difference(delta, first, code, "ab", TREATMENTS)
        yield Interval("difference of groups, D ~ group + P", told.test.low, told.test.high)
        yield Interval("g of groups, 0 SD", told.size.low, told.size.high)
        shift = EFFECT * unit * first
        size = adjusted_difference(delta + shift, first, code, "ab", TREATMENTS).size
        yield Interval(f"g of groups, {EFFECT:g} SD", size.low, size.high, EFFECT)
        other = noise(rng, "normal" if kind == "one outlier" else kind, n + fewer)
        given = delta + ALIKE * other
        given = np.round(given) if kind == "ties" else given
        test = adjusted_difference(given, first, code, "ab", TREATMENTS, other).test
        yield Interval("difference of groups given a baseline", test.low, test.high)
        test = welch(one, two)
        yield Interval("difference of groups, Welch", test.low, test.high)
        joined = np.concatenate([one, two, third]) + PERIOD * of_three
        p = adjusted_f(joined, three, of_three, "abc", TREATMENTS).test.p
        yield Test("three groups, Welch's F with P", p)


def three_groups(n: int) -> list[tuple[float, int]]:
    """Return standard deviation and size of three groups."""
    return [(1.0, n), (SPREAD, second_of(n)), (SPREAD, second_of(n))]


def guesses(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Changes by guess: 0.6 of the people guessed right, 0.4 wrong."""
    right = round(0.6 * n)
    first, code = np.arange(n) < right, codes(right, n - right)
    for _ in range(sets):
        delta = noise(rng, kind, n) + PERIOD * code
        for name, members in (("right (0.6 n)", first), ("wrong (0.4 n)", ~first)):
            test = adjusted_change(delta[members], code[members], TREATMENTS).test
            # The outlier, who is the first, is among those who guessed right.
            yield Interval(f"change of who guessed {name}", test.low, test.high)
        test = adjusted_difference(delta, first, code, "ab", TREATMENTS).test
        yield Interval("change, right less wrong guesses", test.low, test.high)


def periods(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Changes without and with carry-over, of three treatments in all six orders."""
    with tempfile.TemporaryDirectory() as folder:
        own = williams(Path(folder), n, 0.0, rng)
    columns, before = with_carryover(own)
    for _ in range(sets):
        active, control = scores(rng, kind, 2, n)
        # The outlier can have any order.
        delta = rng.permutation(active - control) + PERIOD * columns @ [1, 2]
        found = carryover(delta, columns, before, THREE[1:], own.contrasts[1].sides)
        for row, test in (
            ("change in three periods, D ~ 1 + P", found.without),
            ("the same free of carry-over, D ~ 1 + P + C", found.given),
            ("carry-over in three periods", found.effects[1]),
        ):
            yield Interval(row, test.low, test.high)


def rivals(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Effects given the change of a measure, where all of them goes through it."""
    for _ in range(sets):
        slope = rival_within(*rival_trial(rng, n, kind, *PATH), TREATMENTS).slope
        yield Interval("slope on the change of a measure", slope.low, slope.high, PATH[2])
        delta, change, code, first = two_groups(rng, n, kind)
        left = rival_between(delta, change, first, code, "ab", TREATMENTS).given
        yield Interval("difference of groups given the measure", left.low, left.high, PATH[1])


def sizes(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """Standardised effects: of scores, and of a voxel."""
    for effect in (0.0, EFFECT):
        for interval in (
            size_of_scores(rng, kind, n, sets, effect),
            *sizes_of_mean(rng, kind, n, sets, effect),
            *sizes_of_groups(rng, kind, n, sets, effect),
            size_of_three(rng, kind, n, sets, effect),
        ):
            yield interval._replace(row=f"{interval.row}, {effect:g} SD")
    # What an interval holds at the place where these people show most.
    code = codes(n)
    statistic = Student(np.ones(n), code[:, None])
    t = statistic.fit(noise(rng, kind, (n, sets * VOXELS))).t.reshape(sets, VOXELS)
    t = t[np.arange(sets), np.abs(t).argmax(axis=1)]
    g = hedges_g(t, statistic.df, statistic.effect_variance)
    yield Interval(f"g at the peak of {VOXELS} voxels, no effect", *g[1:])


def residual_variance(of_people: np.ndarray, *columns: np.ndarray) -> float:
    """Return the mean of the residual variance given intercept and columns."""
    basis = np.linalg.qr(np.column_stack([np.ones(len(of_people)), *columns]))[0]
    free = 1 - np.square(basis).sum(axis=1)
    return float(free @ of_people / free.sum())


def size_of_scores(
    rng: np.random.Generator, kind: str, n: int, sets: int, effect: float
) -> Interval:
    """Compute g_av of a change of scores."""
    code = codes(n)
    active, control = scores(rng, kind, 2, (n, sets))
    without = kind.replace("one outlier", "normal")
    unit = np.sqrt(np.mean([residual_variance(variances(own, n), code) for own in (kind, without)]))
    active = active + effect * unit + PERIOD / 2 * code[:, None]
    control = control - PERIOD / 2 * code[:, None]
    found = [hedges_g_av(*both, code) for both in zip(active.T, control.T, strict=True)]
    return Interval("g_av of a change", *np.array(found).T[1:], effect)


def sizes_of_mean(
    rng: np.random.Generator, kind: str, n: int, sets: int, effect: float
) -> Iterator[Interval]:
    """Compute g and partial R² of a mean change in a voxel."""
    code = codes(n)
    statistic = Student(np.ones(n), code[:, None])
    unit = np.sqrt(residual_variance(variances(kind, n), code))
    fit = statistic.fit(noise(rng, kind, (n, sets)) + effect * unit + PERIOD * code[:, None])
    g = hedges_g(fit.t, statistic.df, statistic.effect_variance)
    yield Interval("g of a mean at a voxel", *g[1:], effect)
    yield partial_r2("a mean", fit.t, 1, statistic.df, effect**2 / statistic.effect_variance)


def sizes_of_groups(
    rng: np.random.Generator, kind: str, n: int, sets: int, effect: float
) -> Iterator[Interval]:
    """Compute g and partial R² of a difference of groups in a voxel."""
    parts = three_groups(n)[:2]
    people = [size for _, size in parts]
    first, code = np.arange(sum(people)) < n, codes(*people)
    spread = np.concatenate([s**2 * variances(kind, size) for s, size in parts])
    shift = effect * np.sqrt((spread[first].mean() + spread[~first].mean()) / 2)
    data = np.concatenate([s * noise(rng, kind, (size, sets)) for s, size in parts])
    data += (shift * first + PERIOD * code)[:, None]
    statistic = group_model(first, code)
    fit = statistic.fit(data)
    of_groups = statistic.group_variances(data)
    g = hedges_g_welch(fit.effect, fit.standard_error, *of_groups)
    yield Interval("g of groups at a voxel", *g[1:], effect)
    of_shift = shift**2 / (residual_variance(spread, code, first) * statistic.effect_variance)
    yield partial_r2("groups", fit.t, 1, statistic.df, of_shift)


def size_of_three(
    rng: np.random.Generator, kind: str, n: int, sets: int, effect: float
) -> Interval:
    """Compute partial R² of differences among three groups in a voxel; the first is the other."""
    parts = three_groups(n)
    people = [size for _, size in parts]
    member, code = np.repeat([0, 1, 2], people), codes(*people)
    dummies = (member[:, None] == [1, 2]).astype(float)
    spread = np.concatenate([s**2 * variances(kind, size) for s, size in parts])
    shift = effect * np.sqrt(np.mean([spread[member == group].mean() for group in range(3)]))
    data = np.concatenate([s * noise(rng, kind, (size, sets)) for s, size in parts])
    data += (shift * (member == 0) + PERIOD * code)[:, None]
    nuisance = np.column_stack([np.ones(len(code)), code])
    statistic = WelchF(dummies, nuisance, member)
    own = (member == 0) - nuisance @ np.linalg.lstsq(nuisance, member == 0, rcond=None)[0]
    of_shift = shift**2 * (own @ own) / residual_variance(spread, code, dummies)
    return partial_r2("three groups", statistic.fit(data).t, 2, statistic.df, of_shift)


def partial_r2(
    of: str, root: np.ndarray, df_effect: int, df: int, noncentrality: float
) -> Interval:
    """Compute partial R² from t or the root of F."""
    found = partial_r_squared(np.square(root), df_effect, df)
    truth = noncentrality / (noncentrality + df_effect + df + 1)
    return Interval(f"partial R² of {of} at a voxel", *found[1:], truth)


def correlations(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """A change with a change, with effects of periods on both sides, and motion beside them."""
    code = codes(n)
    shuffles = shuffles_within(code, SHUFFLES, 0)
    ps = {
        "correlation, permutation": "p_permutation",
        "partial correlation": "partial_p",
        "Spearman": "spearman_p",
        "percentage bend": "percentage_bend_p",
        "skipped": "skipped_p",
    }
    for rho in (0.0, 0.5):
        x, y = (side + PERIOD * code[:, None] for side in pairs(rng, kind, n, rho, sets))
        motion = rng.standard_normal((n, sets))
        for k in (slice(k, k + 1) for k in range(sets)):
            given = motion[:, k] if rho == 0 else np.empty((n, 0))
            found = correlate(x[:, k], y[:, k], given, shuffles, code)
            low, high = found["ci_low"].item(), found["ci_high"].item()
            yield Interval(f"correlation, ρ = {rho:g}", low, high, rho)
            for row, column in ps.items() if rho == 0 else ():
                yield Test(row, found[column].item())


def edges(
    rng: np.random.Generator, kind: str, n: int, orders: list[tuple[str, ...]], dropped: float
) -> pd.DataFrame:
    """Return the edge of two groups without effects of treatments; some lack sessions at the end.

    The first person of each group stays to the end.
    """
    rows = []
    for group, (spread, size) in zip("AB", three_groups(n)[:2], strict=True):
        values = spread * scores(rng, kind, len(orders[0]), size)
        begin = int(rng.integers(len(orders)))  # the outlier can have any order
        for i in range(size):
            sequence = orders[(begin + i) % len(orders)]
            stays = i == 0 or rng.random() >= dropped
            for k in range(len(sequence) if stays else int(rng.integers(1, len(sequence)))):
                own = sequence[k], k + 1, values[k, i] + PERIOD * k
                rows.append((f"sub-{group}{i}", group, *own))
    columns = ["participant_id", "group", "treatment", "period", "fisher_z"]
    return pd.DataFrame(rows, columns=columns).assign(seed="s", target="t")


def mixed(rng: np.random.Generator, kind: str, n: int, sets: int) -> Found:
    """The mixed models of an edge: two treatments with a session each, and three treatments."""
    terms = {"drug": 0.0, "group_by_drug": 0.0, "group": 0.0, "period": PERIOD}
    two = [("drug", "placebo"), ("placebo", "drug")]
    three = list(itertools.permutations(THREE))
    weights = [("low", None, 1.0), ("placebo", None, -1.0)]
    design: CellDesign = {"groups": ["A", "B"], "n_periods": 3,
                          "contrasts": [{"contrast": "low", "weights": weights}]}  # fmt: skip
    for _ in range(sets):
        fitted = mixed_model(edges(rng, kind, n, two, 0.3), TREATMENTS, ["A", "B"])
        for term, own in fitted.set_index("term").iterrows():
            if term in terms:
                test = t_test(own["estimate"], own["se"], own["df"])
                row = f"mixed model of two treatments, {term}"
                yield Interval(row, test.low, test.high, terms[term])
        fitted = cell_model(edges(rng, kind, n, three, 0.2), design).set_index("term")
        for term in ("low_A", "group_by_low"):
            low, high = fitted.loc[term, ["low", "high"]]
            yield Interval(f"mixed model of three treatments, {term}", low, high)


class Part(NamedTuple):
    """A part of the command: what it measures, and in which share of the data sets asked for."""

    measure: Callable[[np.random.Generator, str, int, int], Found]
    share: float = 1.0


DRAWN = {
    "changes": Part(changes),
    "groups": Part(groups),
    "guesses": Part(guesses),
    "periods": Part(periods),
    "rivals": Part(rivals),
    "sizes": Part(sizes),
    "correlations": Part(correlations, 0.4),
    "mixed": Part(mixed, 0.3),
}


class Count(NamedTuple):
    """In how many data sets an interval held or p was low, had either, and how many there were."""

    hits: int = 0
    known: int = 0
    every: int = 0

    def more(self, hit: np.ndarray, known: np.ndarray) -> "Count":
        """Return the count with further data sets."""
        added = int(np.sum(hit)), int(np.sum(known)), int(np.size(known))
        return Count(*(a + b for a, b in zip(self, added, strict=True)))

    def cell(self, figure: str) -> str:
        """Format the share; a test without p does not err, and no interval does not fail."""
        if figure == ERROR:
            bad = self.hits > stats.binom.ppf(0.999, self.every, 0.05)
            return rate(self.hits / self.every, bool(bad))
        bad = self.hits < stats.binom.ppf(0.001, self.known, 0.95)
        return rate(self.hits / self.known, bool(bad)) if self.known else "–"


def counted(part: Part, sets: int) -> dict[str, dict[tuple[str, str, int], Count]]:
    """Measure a part: by figure, the count of each row, kind and n."""
    found: dict = {COVERAGE: defaultdict(Count), ERROR: defaultdict(Count)}
    for kind, n in itertools.product(KINDS, SIZES):
        rng = np.random.default_rng([n, zlib.crc32(f"{part.measure.__name__} {kind}".encode())])
        for one in part.measure(rng, kind, n, sets):
            key = one.row, kind, n
            if isinstance(one, Interval):
                held = (one.low <= one.truth) & (one.truth <= one.high)
                found[COVERAGE][key] = found[COVERAGE][key].more(held, np.isfinite(one.low))
            else:
                low = np.less_equal(one.p, 0.05)
                found[ERROR][key] = found[ERROR][key].more(low, np.isfinite(one.p))
    return found


def tables(part: Part, sets: int) -> Iterator[str]:
    """Write the figures of a part in Markdown; a cell has those of all n."""
    yield f"{(part.measure.__doc__ or '').splitlines()[0]}\n"
    for figure, found in counted(part, sets).items():
        if not found:
            continue
        level = 0.95 if figure == COVERAGE else 0.05
        low, high = stats.binom.ppf([0.025, 0.975], sets, level) / sets
        yield (
            f"{figure}, n = {' / '.join(map(str, SIZES))} ({sets:,} data sets each; binomial range "
            f"of {rate(level)}: {rate(low)} to {rate(high)})\n"
        )
        yield f"| | {' | '.join(KINDS)} |"
        yield "| --- " * (1 + len(KINDS)) + "|"
        for row in dict.fromkeys(row for row, _, _ in found):
            cells = (" / ".join(found[row, kind, n].cell(figure) for n in SIZES) for kind in KINDS)
            yield f"| {row} | {' | '.join(cells)} |"
        lacking = {key: 1 - own.known / own.every for key, own in found.items()}
        (row, kind, n), most = max(lacking.items(), key=lambda item: item[1])
        if most > 0:
            yield f"\nNothing to compute in {most:.1%} at most ({row}; {kind}, n = {n})"
        yield ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=1500, help="data sets of each kind and n")
    parser.add_argument("--only", choices=[*DRAWN, "counts"], help="one part")
    asked = parser.parse_args()
    for name in [asked.only] if asked.only else [*DRAWN, "counts"]:
        begun = time.process_time()
        if name == "counts":
            lines = counts()
        else:
            part = DRAWN[name]
            lines = tables(part, max(1, round(part.share * asked.sets)))
        for line in lines:
            print(line, flush=True)
        print(f"{name}: {time.process_time() - begun:.0f} CPU s", file=sys.stderr)


if __name__ == "__main__":
    main()
