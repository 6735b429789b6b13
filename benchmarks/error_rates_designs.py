"""Error rates, bias and coverage in designs beyond two treatments in two periods.

    .venv/bin/python benchmarks/error_rates_designs.py [--sets 500] [--only PART]

prints the tables of docs/statistics.md. Maps have 125 voxels of smooth noise, one seed and 199
arrangements; every visit of a person has an effect of the person and an error. Sheets become
contrasts, columns and models by the functions that the workflow uses. A cell gives the share of
null studies with a corrected p of 0.05 or less, for voxels and for cluster extent (formed at
p < 0.01), with its binomial range under 5 %; bias and coverage are those of the adjusted estimate
in the table of scores.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from error_rates_maps import PERMUTATIONS, noise, tested
from scipy import stats

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts")]

from crossfc.clinic.carryover import carryover  # noqa: E402
from crossfc.clinic.order import by_order, order_columns  # noqa: E402
from crossfc.group.design.arrangement import shuffles, sign_flips  # noqa: E402
from crossfc.group.design.model import model  # noqa: E402
from crossfc.group.design.options import SIGN_FLIPS, AnalysisOptions  # noqa: E402
from crossfc.group.design.question import question  # noqa: E402
from crossfc.group.inference.hall import Hall  # noqa: E402
from crossfc.group.inference.statistic import Student  # noqa: E402
from crossfc.trial import config as configuration  # noqa: E402
from crossfc.trial.carryover import carryovers, given_treatments  # noqa: E402
from crossfc.trial.design import Trial, load  # noqa: E402

SCHEMA = configuration.load_schema(HERE.parent / "workflow/schemas/config.schema.yaml")
OPTIONS = AnalysisOptions.from_params(
    {
        "permutations": PERMUTATIONS, "seed": 0, "cluster_forming_p": 0.01, "connectivity": 26,
        "tfce": False, "tail": False, "blocks": None, "block_exchange": "within",
        "drug_arrangement": "automatic", "covariates": {},
    }
)  # fmt: skip
THREE = ("placebo", "low", "high")


def trial(folder: Path, people: list, sessions: list, **keys) -> Trial:
    """Load a trial from rows of its sheets."""
    columns = ["participant_id", "session_id", "treatment", "period"]
    columns += ["occasion"] if "occasions" in keys else []
    pd.DataFrame(people, columns=["participant_id", "group", "sequence"]).to_csv(
        folder / "p.tsv", sep="\t", index=False
    )
    table = pd.DataFrame(sessions, columns=columns)
    table["scan"] = "n/a"
    table.to_csv(folder / "s.tsv", sep="\t", index=False)
    sheets = {"participants": str(folder / "p.tsv"), "sessions": str(folder / "s.tsv")}
    sheets |= {n: str(HERE.parent / f"config/{n}.tsv") for n in ("scales", "seeds", "targets")}
    config = {"study": "x", "entry": "maps", "derivatives_dir": "d", "sheets": sheets} | keys
    return load(configuration.check(config, SCHEMA))


def williams(folder: Path, n: int, dropped: float, rng: np.random.Generator) -> Trial:
    """Three treatments in all six orders; some people lack one or two of their sessions."""
    people, sessions = [], []
    for i, order in zip(range(n), itertools.cycle(itertools.permutations(THREE)), strict=False):
        person = f"sub-{i:02d}"
        people.append((person, "HV", "-".join(order)))
        left = 3 if rng.random() >= dropped else int(rng.integers(1, 3))  # who drops out stays away
        sessions += [(person, f"ses-{k}", order[k - 1], str(k)) for k in range(1, left + 1)]
    return trial(folder, people, sessions, groups=["HV"], treatments=list(THREE))


def data_of(own: Trial, rng: np.random.Generator, period: float, skew: float, truth: dict):
    """Draw the maps of all sessions; effects of periods and treatments are in every voxel."""
    person, maps = {}, {}
    for session in own.kept_sessions():
        who = session.participant_id
        if who not in person:
            person[who] = noise(rng, 1)[0]
        value = person[who] + noise(rng, 1, skew)[0] + truth.get(session.treatment, 0.0)
        value = value + period * ((session.period or 1) - 1)
        maps[who, session.session_id] = value
    return maps


def differences(own: Trial, contrast, maps) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the differences of people in a contrast, and the table of these people."""
    compared = own.compared(contrast, own.kept_sessions())
    values = [
        sum(w * maps[s.participant_id, s.session_id] for s, w in person.sessions)
        for person in compared
    ]
    rows = [
        {
            "participant_id": person.participant.participant_id,
            "group": person.participant.group,
            "sequence": person.participant.sequence,
        }
        | person.order
        for person in compared
    ]
    return np.array(values), pd.DataFrame(rows)


def analysed(own: Trial, contrast, name: str, values: np.ndarray, people: pd.DataFrame, seed: int):
    """Test maps as the workflow does: voxel and cluster."""
    roles, sides = own.group_roles, contrast.sides
    asked = question(name, roles, sides, contrast.name, contrast.effect)
    order = own.visit_columns(contrast)
    design = model(asked, people, roles, OPTIONS, order=order, arms=own.arms)
    data = values[design.rows] * (1 if design.flip is None else design.flip[:, None])
    if design.second is None:
        statistic = Student(design.effect, design.nuisance)
    else:
        statistic = Hall(design.effect, design.nuisance, design.second)
    if design.arrangement == SIGN_FLIPS:
        drawn = sign_flips(len(data), PERMUTATIONS, seed)
    else:
        drawn = shuffles(statistic.design, PERMUTATIONS, seed)
    return tested([data], statistic, drawn)


def share(hits: list) -> str:
    return " / ".join(f"{np.mean(column):.3f}" for column in zip(*hits, strict=True))


def binomial(sets: int) -> str:
    low, high = stats.binom.ppf([0.025, 0.975], sets, 0.05) / sets
    return f"{low:.3f} to {high:.3f}"


def three_treatments(sets: int) -> None:
    """Williams 3×3 with period effects and drop-outs."""
    columns = (
        "people, effect of a period (SD), drop-outs, voxel / cluster, without P, bias, coverage"
    )
    print("\n| " + columns.replace(", ", " | ") + " |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for n, period, dropped in itertools.product((18, 24), (0.0, 0.8, 1.6), (0.0, 0.2)):
        rng = np.random.default_rng([n, int(10 * period), int(10 * dropped)])
        now, without, estimates, covered = [], [], [], []
        truth = {"high": 0.7}
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(sets):
                own = williams(Path(folder), n, dropped, rng)
                low, high = own.contrasts
                maps = data_of(own, rng, period, 0.0, truth)
                values, people = differences(own, low, maps)
                now.append(analysed(own, low, "low_HV", values, people, seed))
                plain = Student(np.ones(len(values)), np.empty((len(values), 0)))
                without.append(tested([values], plain, sign_flips(len(values), PERMUTATIONS, seed)))
                values, people = differences(own, high, maps)
                order = order_columns(people, high.sides, own.visit_columns(high))
                test = by_order(values[:, 62], order)[0]
                estimates.append(test.estimate)
                covered.append(test.low <= 0.7 <= test.high)
        bias = np.mean(estimates) - 0.7
        error = np.std(estimates) / np.sqrt(sets)
        print(
            f"| {n} | {period:g} | {dropped:.0%} | {share(now)} | {share(without)} "
            f"| {bias:+.3f} ± {error:.3f} | {np.mean(covered):.3f} |", flush=True,
        )  # fmt: skip


def arms(sets: int) -> None:
    """Two parallel arms before and after, with an effect of time that is skewed."""
    print("\n| people | error | people shuffled | signs flipped |")
    print("| --- | --- | --- | --- |")
    for sizes, skew in itertools.product(((12, 12), (24, 24), (12, 8)), (0.0, 1.5)):
        rng = np.random.default_rng([*sizes, int(10 * skew)])
        now, flipped = [], []
        with tempfile.TemporaryDirectory() as folder:
            people, sessions = [], []
            labels = ["drug"] * sizes[0] + ["placebo"] * sizes[1]
            for i, label in enumerate(labels):
                people.append((f"sub-{i:02d}", "MDD", "n/a"))
                sessions += [(f"sub-{i:02d}", f"ses-{w}", label, "n/a", w) for w in ("pre", "post")]
            own = trial(
                Path(folder), people, sessions, groups=["MDD"], treatments=["placebo", "drug"],
                occasions=["pre", "post"],
            )  # fmt: skip
            (contrast,) = own.contrasts
            for seed in range(sets):
                # What time does to people is skewed, and the same in both arms.
                maps = data_of(own, rng, 0.0, 0.0, {})
                changed = noise(rng, len(labels), skew)
                for i in range(len(labels)):
                    maps[f"sub-{i:02d}", "ses-post"] = maps[f"sub-{i:02d}", "ses-post"] + changed[i]
                values, table = differences(own, contrast, maps)
                now.append(analysed(own, contrast, "group_by_time", values, table, seed))
                second = (table["group"] == "placebo").to_numpy()
                hall = Hall(np.where(second, -0.5, 0.5), np.ones((len(second), 1)), second)
                flipped.append(tested([values], hall, sign_flips(len(values), PERMUTATIONS, seed)))
        error = f"change over time skewed ({skew:g})" if skew else "normal"
        print(f"| {sizes[0]}/{sizes[1]} | {error} | {share(now)} | {share(flipped)} |", flush=True)


def carried(sets: int) -> None:
    """Williams 3×3 with carry-over of one treatment: the table of carry-over of scores."""
    print("\n| people | carry-over of high (SD) | bias, coverage without C | with C | width |")
    print("| --- | --- | --- | --- | --- |")
    treatments, truth = list(THREE[1:]), 0.7
    for n, size in itertools.product((12, 18, 24), (0.0, 0.5, 1.0)):
        rng = np.random.default_rng([n, int(10 * size)])
        with tempfile.TemporaryDirectory() as folder:
            own = williams(Path(folder), n, 0.0, rng)
        contrast, given = own.contrasts[1], given_treatments(own)
        people = own.compared(contrast, own.kept_sessions())
        periods = np.array([list(person.order.values()) for person in people], dtype=float)
        before = np.array(
            [
                list(
                    carryovers(
                        person.sessions, given[person.participant.participant_id], treatments
                    ).values()
                )
                for person in people
            ],
            dtype=float,
        )
        # Each further period adds 0.8 SD.
        fixed = truth + 0.8 * periods @ [1, 2] + size * before[:, 1]
        found = []
        for _ in range(sets):
            delta = fixed + rng.normal(size=(n, 2)) @ [1, -1]
            told = carryover(delta, periods, before, treatments, contrast.sides)
            found.append([told.without, told.given])
        cells, widths = [], []
        for tests in zip(*found, strict=True):
            estimates = np.array([test.estimate for test in tests])
            covered = np.mean([test.low <= truth <= test.high for test in tests])
            error = estimates.std() / np.sqrt(sets)
            cells.append(f"{estimates.mean() - truth:+.3f} ± {error:.3f}, {covered:.3f}")
            widths.append(np.median([test.high - test.low for test in tests]))
        print(f"| {n} | {size:g} | {' | '.join(cells)} | {widths[1] / widths[0]:.2f} |", flush=True)


PARTS = {"three": three_treatments, "arms": arms, "carryover": carried}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    print(f"Range of 5 % in {given.sets} sets: {binomial(given.sets)}")
    for name, part in PARTS.items():
        if given.only in (None, name):
            part(given.sets)


if __name__ == "__main__":
    main()
