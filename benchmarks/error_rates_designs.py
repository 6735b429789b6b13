"""Error rates, bias and coverage in designs beyond two treatments in two periods.

    .venv/bin/python benchmarks/error_rates_designs.py [--sets 500] [--only PART]

prints the tables of docs/statistics.md. Maps have 125 voxels of smooth noise, one seed and 199
arrangements; every visit of a person has an effect of the person and an error. Sheets become
contrasts, columns and models by the functions that the workflow uses. A cell gives the share of
null studies with a corrected p of 0.05 or less, for voxels and for cluster extent (formed at
p < 0.01), with its binomial range under 5 %; bias and coverage are those of the adjusted estimate
in the table of scores. The mixed model is fitted to one edge.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from error_rates_maps import PERMUTATIONS, noise, tested
from scipy import stats

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts")]

from crossfc.clinic import cells  # noqa: E402
from crossfc.clinic.cells import CellDesign  # noqa: E402
from crossfc.clinic.order import by_order, order_columns  # noqa: E402
from crossfc.clinic.reml import block_reml  # noqa: E402
from crossfc.group.design.arrangement import shuffles, sign_flips  # noqa: E402
from crossfc.group.design.model import model  # noqa: E402
from crossfc.group.design.options import SIGN_FLIPS, AnalysisOptions  # noqa: E402
from crossfc.group.design.question import question  # noqa: E402
from crossfc.group.inference.hall import Hall  # noqa: E402
from crossfc.group.inference.statistic import Student  # noqa: E402
from crossfc.trial import config as configuration  # noqa: E402
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


def at_zero(values, design, block, effects):
    """Fit as lme4 does: what would be negative is zero."""
    kept = np.ones(len(effects), dtype=bool)
    while True:
        chosen = [effect for effect, keep in zip(effects, kept, strict=True) if keep]
        fitted = block_reml(values, design, block, chosen)
        if fitted is None or (fitted.variances >= 0).all():
            break
        kept[np.flatnonzero(kept)[fitted.variances < 0]] = False
    if fitted is not None:
        variances = np.zeros(len(effects))
        variances[kept] = fitted.variances
        fitted.variances = variances
    return fitted


def sessions_of(sizes, alike, error, dropped, twice, occasions, rng) -> pd.DataFrame:
    """Draw the edge of people with three treatments, without any effect."""
    rows = []
    orders = list(itertools.permutations(THREE))
    for i in range(sum(sizes)):
        group = "TRD" if i < sizes[0] else "HV"
        scale = 2.0 if twice and group == "HV" else 1.0
        left = 3 if rng.random() >= dropped else int(rng.integers(1, 3))
        # Compound symmetry, of negative correlations too.
        common = np.full((3, 3), alike) + (1 - alike) * np.eye(3)
        drawn = rng.multivariate_normal(np.zeros(3), common)
        for k, treatment in enumerate(orders[i % 6][:left]):
            shared = np.sqrt(1 - error) * drawn[k]
            for o in range(occasions):
                own = np.sqrt(error) * rng.normal()
                value = scale * (shared + own) + 0.8 * k
                rows.append((f"sub-{i}", group, treatment, k + 1, f"o{o}", value))
    columns = ["participant_id", "group", "treatment", "period", "occasion", "fisher_z"]
    return pd.DataFrame(rows, columns=columns).assign(seed="s", target="t")


MIXED = {
    "alike sessions (0.5)": {"alike": 0.5},
    "alike sessions (0.5), 2 of 10 drop out": {"alike": 0.5, "dropped": 0.2},
    "sessions not alike, 2 of 10 drop out": {"dropped": 0.2},
    "less alike than those of two people (-0.3)": {"alike": -0.3},
    "two occasions, alike in a period (0.6) and a person (0.3), 2 of 10 drop out": {
        "alike": 0.5,
        "error": 0.4,
        "occasions": 2,
        "dropped": 0.2,
    },
    "smaller group varies twice as much, 2 of 10 drop out": {
        "alike": 0.5,
        "dropped": 0.2,
        "twice": True,
    },
}
NULL = {"alike": 0.0, "error": 0.0, "dropped": 0.0, "twice": False, "occasions": 1}


def mixed(sets: int) -> None:
    """The mixed model of three treatments, with variances that may be negative, and without."""
    print("\n| null data | people | may be negative | not below zero |\n| --- | --- | --- | --- |")
    for name, own in MIXED.items():
        for sizes in ((12, 8), (24, 17)) if own.get("twice") else ((12,), (24,), (12, 8)):
            choices = NULL | own
            rng = np.random.default_rng([*sizes, list(MIXED).index(name)])
            groups = ["TRD", "HV"][: len(sizes)]
            last = f"o{choices['occasions'] - 1}"
            weights = [("low", last, 1.0), ("placebo", last, -1.0)]
            asked: CellDesign = {
                "groups": groups,
                "n_periods": 3,
                "contrasts": [{"contrast": "low", "weights": weights}],
            }
            term = "group_by_low" if len(sizes) > 1 else "low_TRD"
            found = []
            for _ in range(sets):
                edges = sessions_of(sizes=sizes, rng=rng, **choices)
                now = cells.cell_model(edges, asked)
                with mock.patch.object(cells, "block_reml", at_zero):
                    bounded = cells.cell_model(edges, asked)
                p = [table.set_index("term")["p"].get(term, np.nan) for table in (now, bounded)]
                found.append(np.less_equal(p, 0.05))
            rates = " | ".join(f"{rate:.3f}" for rate in np.mean(found, axis=0))
            print(f"| {name} | {'/'.join(map(str, sizes))} | {rates} |", flush=True)


PARTS = {"three": three_treatments, "arms": arms, "mixed": mixed}


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
