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
from error_rates_maps import MASK, PERMUTATIONS, noise, tested
from scipy import stats

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts")]

from crossfc.clinic.carryover import carryover  # noqa: E402
from crossfc.clinic.cells import CellDesign, cell_model  # noqa: E402
from crossfc.clinic.order import by_order, order_columns  # noqa: E402
from crossfc.clinic.reml import block_reml  # noqa: E402
from crossfc.group.design.arrangement import shuffles, sign_flips  # noqa: E402
from crossfc.group.design.contrast import seed_contrasts  # noqa: E402
from crossfc.group.design.model import model  # noqa: E402
from crossfc.group.design.options import SIGN_FLIPS, AnalysisOptions  # noqa: E402
from crossfc.group.design.question import pairs_of_groups, question  # noqa: E402
from crossfc.group.inference.fisher import Fisher  # noqa: E402
from crossfc.group.inference.given import Given, HallGiven  # noqa: E402
from crossfc.group.inference.hall import Hall  # noqa: E402
from crossfc.group.inference.permutation import infer  # noqa: E402
from crossfc.group.inference.pillai import Pillai  # noqa: E402
from crossfc.group.inference.statistic import Student  # noqa: E402
from crossfc.group.inference.welch_f import WelchF  # noqa: E402
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
EFFECT = 0.5  # planted in trials with baselines


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


def baselines_of(own: Trial, contrast, maps) -> np.ndarray:
    """Return the same contrast of the baselines, for the people of `differences`."""
    return np.array(
        [
            sum(w * maps[s.participant_id, s.session_id] for s, w in person.baseline)
            for person in own.compared(contrast, own.kept_sessions())
        ]
    )


def analysed(
    own: Trial,
    contrast,
    name: str,
    values: np.ndarray,
    people: pd.DataFrame,
    seed: int,
    baseline: np.ndarray | None = None,
):
    """Test maps as the workflow does: voxel and cluster."""
    roles, sides = own.group_roles, contrast.sides
    asked = question(name, roles, sides, contrast.name, contrast.effect)
    order = own.visit_columns(contrast)
    design = model(asked, people, roles, OPTIONS, order=order, arms=own.arms)
    flip = 1 if design.flip is None else design.flip[:, None]
    data = values[design.rows] * flip
    if baseline is not None:
        data = np.stack([data, baseline[design.rows] * flip], axis=1)
        if design.variance_groups is None:
            statistic = Given(design.effect, design.nuisance)
        else:
            statistic = HallGiven(design.effect, design.nuisance, design.variance_groups)
    elif design.variance_groups is None:
        statistic = Student(design.effect, design.nuisance)
    elif design.effect.ndim > 1:
        statistic = WelchF(design.effect, design.nuisance, design.variance_groups)
    else:
        statistic = Hall(design.effect, design.nuisance, design.variance_groups)
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
                now = cell_model(edges, asked)
                with mock.patch("crossfc.clinic.cells.block_reml", at_zero):
                    bounded = cell_model(edges, asked)
                p = [table.set_index("term")["p"].get(term, np.nan) for table in (now, bounded)]
                found.append(np.less_equal(p, 0.05))
            rates = " | ".join(f"{rate:.3f}" for rate in np.mean(found, axis=0))
            print(f"| {name} | {'/'.join(map(str, sizes))} | {rates} |", flush=True)


def with_baselines(sets: int) -> None:
    """Two treatments with a baseline each: the three ways to use it, for days more or less alike.

    A scan is the person, the day and an error, all of variance 1 in sum but for the person; the
    share of the day is what two scans of a day have in common beyond the person. Both periods
    and both occasions have effects of their own. The planted effect is the same for all ways.
    """
    columns = "people, share of the day, way, null, power, bias, SD of the estimate, coverage"
    print("\n| " + columns.replace(", ", " | ") + " |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for n, share_of_day in itertools.product((16, 24), (0.0, 0.3, 0.6, 0.9)):
        rng = np.random.default_rng([n, int(10 * share_of_day)])
        ways = ("none", "period", "difference")
        null, power = {way: [] for way in ways}, {way: [] for way in ways}
        estimates, covered = {way: [] for way in ways}, {way: [] for way in ways}
        with tempfile.TemporaryDirectory() as folder:
            people, sessions = [], []
            for i in range(n):
                order = ("drug", "placebo") if i % 2 else ("placebo", "drug")
                people.append((f"sub-{i:02d}", "HV", "-".join(order)))
                sessions += [
                    (f"sub-{i:02d}", f"ses-{label}{when}", label, str(period), when)
                    for period, label in enumerate(order, 1)
                    for when in ("pre", "post")
                ]
            trials = {
                way: trial(
                    Path(folder), people, sessions, groups=["HV"], treatments=["placebo", "drug"],
                    occasions=["pre", "post"], baseline_occasion="pre", baseline=way,
                )
                for way in ways
            }  # fmt: skip
            for seed in range(sets):
                maps = {}
                for i in range(n):
                    of_person = 2 * noise(rng, 1)[0]
                    for period in (1, 2):
                        day = np.sqrt(share_of_day) * noise(rng, 1)[0]
                        for session in trials["none"].sessions:
                            if (session.participant_id, session.period) != (f"sub-{i:02d}", period):
                                continue
                            own = of_person + day + np.sqrt(1 - share_of_day) * noise(rng, 1)[0]
                            own = own + 0.8 * (period - 1) + 0.4 * (session.occasion == "post")
                            maps[session.participant_id, session.session_id] = own
                planted = {
                    key: values + EFFECT * (key[1] == "ses-drugpost")
                    for key, values in maps.items()
                }
                for way, own in trials.items():
                    (contrast,) = own.contrasts
                    for data, found in ((maps, null), (planted, power)):
                        values, table = differences(own, contrast, data)
                        given = baselines_of(own, contrast, data) if way == "period" else None
                        found[way].append(
                            analysed(own, contrast, "drug_HV", values, table, seed, given)
                        )
                    order = order_columns(table, contrast.sides, own.visit_columns(contrast))
                    of_voxel = None if given is None else given[:, 62]
                    test = by_order(values[:, 62], order, of_voxel)[0]
                    estimates[way].append(test.estimate)
                    covered[way].append(test.low <= EFFECT <= test.high)
        for way in ways:
            bias = np.mean(estimates[way]) - EFFECT
            error = np.std(estimates[way]) / np.sqrt(sets)
            print(
                f"| {n} | {share_of_day:g} | {way} | {share(null[way])} | {share(power[way])} "
                f"| {bias:+.3f} ± {error:.3f} | {np.std(estimates[way]):.3f} "
                f"| {np.mean(covered[way]):.3f} |", flush=True,
            )  # fmt: skip


SEVERAL = (8, 12, 16)
# Null data of three groups: spread and skewness of the smallest, skewness of the largest.
SPREADS = {
    "normal": (1.0, 0.0, 0.0),
    "smallest group varies twice as much": (2.0, 0.0, 0.0),
    "the same, and it is skewed (1.5)": (2.0, 1.5, 0.0),
    "largest group skewed (1.5)": (1.0, 0.0, 1.5),
}


def crossed(folder: Path, sizes: tuple) -> Trial:
    """Two treatments in both orders, in three groups."""
    people, sessions = [], []
    for group, size in zip("ABC", sizes, strict=True):
        for i in range(size):
            person, order = f"sub-{group}{i:02d}", ("drug", "placebo")[:: 1 - 2 * (i % 2)]
            people.append((person, group, "-".join(order)))
            sessions += [(person, f"ses-{k}", order[k - 1], str(k)) for k in (1, 2)]
    return trial(
        folder, people, sessions, groups=list("ABC"),
        treatments={"active": "drug", "control": "placebo"},
    )  # fmt: skip


def three_arms(folder: Path, sizes: tuple) -> Trial:
    """Three parallel arms, before and after."""
    people, sessions = [], []
    for arm, size in zip(("low", "high", "placebo"), sizes, strict=True):
        for i in range(size):
            person = f"sub-{arm}{i:02d}"
            people.append((person, "MDD", "n/a"))
            sessions += [(person, f"ses-{when}", arm, "n/a", when) for when in ("pre", "post")]
    return trial(
        folder, people, sessions, groups=["MDD"], treatments=list(THREE), occasions=["pre", "post"]
    )


def lowest(maps: list, statistic: Student, drawn) -> np.ndarray:
    """Return the smallest corrected p, by voxel and by cluster extent."""
    maps = [np.asarray(each, dtype=np.float32) for each in maps]
    found = infer(maps, statistic, drawn, MASK, cluster_forming_p=0.01, tfce=False, tail=False)
    return np.array([found.p_voxel.min(), found.p_cluster.min()])


def groups(sets: int) -> None:
    """Three groups, and three parallel arms: F, pairs within and over all, seeds."""
    print("\n| trial | change | Welch's F | Fisher's F | a pair | over pairs | by subregion |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    trials = {"groups": (crossed, SEVERAL), "arms": (three_arms, SEVERAL)}
    trials |= {"equal arms": (three_arms, (12, 12, 12))}
    n_permutations = 599  # so that 0.05 / 3 is a p that can be counted
    for (label, (make, sizes)), (error, spread) in itertools.product(
        trials.items(), SPREADS.items()
    ):
        if label == "equal arms" and (spread[1] or spread[2]):  # the skewed ones
            continue
        scale, skew, skew_of_largest = spread
        rng = np.random.default_rng([*sizes, int(10 * scale), int(10 * skew), len(label)])
        with tempfile.TemporaryDirectory() as folder:
            own = make(Path(folder), sizes)
        (contrast,) = own.contrasts
        _, people = differences(own, contrast, dict.fromkeys(
            ((s.participant_id, s.session_id) for s in own.kept_sessions()), 0.0))  # fmt: skip
        roles, sides = own.group_roles, contrast.sides
        order = own.visit_columns(contrast)
        pairs = pairs_of_groups(own.groups)
        names = [f"group_by_{contrast.name}", f"group_by_{contrast.name}_by_subregion"]
        names += ["_".join((names[0], *pair)) for pair in pairs]
        designs = {
            name: model(
                question(name, roles, sides, contrast.name, contrast.effect), people, roles,
                OPTIONS, order=order, arms=own.arms,
            )
            for name in names
        }  # fmt: skip
        found: dict[str, list] = {name: [] for name in (*names, "fisher")}

        def test(name: str, statistic: Student, maps: list, seed: int, designs=designs):
            design = designs[name]
            if design.arrangement == SIGN_FLIPS:
                drawn = sign_flips(len(design.rows), n_permutations, seed)
            else:
                drawn = shuffles(statistic.design, n_permutations, seed)
            return lowest([data[design.rows] for data in maps], statistic, drawn)

        smallest = (people["group"] == own.groups[0]).to_numpy()[:, None]
        largest = (people["group"] == own.groups[2]).to_numpy()[:, None]
        for seed in range(sets):
            n = len(people)
            seeds = [noise(rng, n) for _ in range(3)]
            seeds = [
                np.where(smallest, scale * (noise(rng, n, skew) if skew else data), data)
                for data in seeds
            ]
            if skew_of_largest:
                seeds = [np.where(largest, noise(rng, n, skew_of_largest), d) for d in seeds]
            whole, subregion = designs[names[0]], designs[names[1]]
            model_of = whole.effect, whole.nuisance
            first = seeds[:1]
            statistic = WelchF(*model_of, whole.variance_groups)
            found[names[0]].append(test(names[0], statistic, first, seed))
            found["fisher"].append(test(names[0], Fisher(*model_of), first, seed))
            apart = np.einsum("ms,snv->nmv", seed_contrasts(3), np.array(seeds))
            statistic = Pillai(subregion.effect, subregion.nuisance, 2)
            found[names[1]].append(test(names[1], statistic, [apart], seed))
            for name in names[2:]:
                pair = designs[name]
                statistic = Hall(pair.effect, pair.nuisance, pair.variance_groups)
                found[name].append(test(name, statistic, first, seed))
        least = np.min([found[name] for name in names[2:]], axis=0)
        cells = [np.array(found[key]) <= 0.05 for key in (names[0], "fisher")]
        cells += [least <= 0.05, 3 * least <= 0.05 + 1e-9, np.array(found[names[1]]) <= 0.05]
        where = f"{label} {'/'.join(map(str, sizes))}"
        print(f"| {where} | {error} | {' | '.join(map(share, cells))} |", flush=True)


def with_carryover(own: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of periods, and of carry-over of low and high, of high minus placebo."""
    treatments = list(THREE[1:])
    given = given_treatments(own)
    people = own.compared(own.contrasts[1], own.kept_sessions())
    periods = [list(person.order.values()) for person in people]
    before = [
        list(
            carryovers(
                person.sessions, given[person.participant.participant_id], treatments
            ).values()
        )
        for person in people
    ]
    return np.array(periods, dtype=float), np.array(before, dtype=float)


def carried(sets: int) -> None:
    """Williams 3×3 with carry-over of one treatment: the table of carry-over of scores."""
    print("\n| people | carry-over of high (SD) | bias, coverage without C | with C | width |")
    print("| --- | --- | --- | --- | --- |")
    treatments, truth = list(THREE[1:]), 0.7
    for n, size in itertools.product((12, 18, 24), (0.0, 0.5, 1.0)):
        rng = np.random.default_rng([n, int(10 * size)])
        with tempfile.TemporaryDirectory() as folder:
            own = williams(Path(folder), n, 0.0, rng)
        contrast = own.contrasts[1]
        periods, before = with_carryover(own)
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


PARTS = {
    "three": three_treatments, "arms": arms, "baselines": with_baselines, "groups": groups,
    "carryover": carried,
    "mixed": mixed,
}  # fmt: skip


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
