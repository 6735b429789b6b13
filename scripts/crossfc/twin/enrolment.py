"""The sheets of a twin of any design: people, their orders, visits, drop-outs and scores."""

from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np

from crossfc.bids import bids_name, label
from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import Configuration, TwinDesign
from crossfc.trial.dataset import Table
from crossfc.trial.scale import Scale
from crossfc.trial.sequence import join_order
from crossfc.trial.sheet import did_you_mean
from crossfc.twin.design import SCORE_MODEL, Row, Rows, add_scores, scan_names, stream
from crossfc.twin.scheme import scheme_of

WILLIAMS = "williams"


def williams(treatments: Sequence[str]) -> list[list[str]]:
    """Return the orders of a Williams design: as many as treatments, or twice as many if odd.

    Each treatment comes equally often in each period and after each other one (Williams 1949,
    Aust J Sci Res A 2:149).
    """
    n = len(treatments)
    # 0, 1, n - 1, 2, n - 2, …: neighbours differ by another number each time.
    first = [(i + 1) // 2 if i % 2 else (n - i // 2) % n for i in range(n)]
    rows = [[treatments[(place + shift) % n] for place in first] for shift in range(n)]
    return rows + [row[::-1] for row in rows] if n % 2 and n > 1 else rows


def orders_of(config: Configuration, design: TwinDesign) -> list[list[str]]:
    """Return the orders of treatments that the config key ``twin.design.orders`` asks for.

    Raises
    ------
    Fault
        If an order names a treatment that the trial does not have, orders differ in length, or a
        treatment is in none of them.
    """
    scheme, asked = scheme_of(config, 1), design["orders"]
    key = "config key twin.design.orders"
    if isinstance(asked, str):
        if asked != WILLIAMS:
            raise Fault(
                f"{key}: {asked!r} is no name of orders; write {WILLIAMS}, or a list such as "
                "[[placebo, drug], [drug, placebo]]"
            )
        return williams(scheme.treatments)
    raise_all(
        [
            f"{key}, number {number}: {word!r} is none of the treatments "
            f"{', '.join(scheme.treatments)}{did_you_mean(word, scheme.treatments)}; correct it"
            for number, order in enumerate(asked, 1)
            for word in order
            if word not in scheme.treatments
        ]
    )
    if len({len(order) for order in asked}) > 1:
        raise Fault(f"{key}: orders have different numbers of periods; write as many in each")
    given = {word for order in asked for word in order}
    if without := [word for word in scheme.treatments if word not in given]:
        raise Fault(
            f"{key}: nobody has {' or '.join(without)}; put every treatment of the config key "
            "treatments into some order, or take it out of treatments"
        )
    return asked


def check_design(config: Configuration, design: TwinDesign) -> None:
    """Refuse a config key ``twin.design`` that names what the study does not have.

    Raises
    ------
    Fault
        One sentence for each fault.
    """
    groups = scheme_of(config, 1).labels
    occasions, key = config["occasions"], "config key twin.design"
    faults = [
        f"{key}.people: {group!r} is none of the groups {', '.join(groups)}"
        f"{did_you_mean(group, groups)}; correct it"
        for group in design["people"]
        if group not in groups
    ]
    faults += [
        f"{key}.people: there is no number of people of {group}; write such as {group}: 12"
        for group in groups
        if group not in design["people"]
    ]
    faults += [
        f"{key}.before: {word!r} is none of the occasions {', '.join(occasions)}"
        f"{did_you_mean(word, occasions)}; list it in the config key occasions, or correct it"
        for word in design["before"]
        if word not in occasions
    ]
    if occasions and set(occasions) <= set(design["before"]):
        faults.append(f"{key}.before: no occasion is left for the periods; leave one out")
    faults += [
        f"{key}.scales: how people score on {scale} is not known; use some of "
        f"{', '.join(SCORE_MODEL)}"
        for scale in design["scales"] or ()
        if scale not in SCORE_MODEL
    ]
    if design["before"] and isinstance(config["treatments"], dict):
        faults.append(
            f"{key}.before: sessions before all treatment are known where treatments are a list; "
            "write such as treatments: [placebo, drug]"
        )
    raise_all(faults)
    orders_of(config, design)


def enrol(
    config: Configuration, scales: dict[str, Scale] | None = None
) -> tuple[Table, Table, list[str]]:
    """Make the two sheets of the twin that the config key ``twin.design`` describes.

    Orders are given equally often within each group (up to one), and drawn by lot. Who leaves, and
    after which session, is drawn too.

    Parameters
    ----------
    config : dict
        A checked configuration.
    scales : dict, optional
        The sheet of scales.

    Returns
    -------
    participants, sessions : Table
        Content of the two sheets.
    notes : list of str
        Which scales are left out.

    Raises
    ------
    Fault
        If the key names what the study does not have.
    """
    twin = config["twin"]
    design = twin["design"] if twin is not None else None
    if twin is None or design is None:
        raise Fault("config key twin.design: is null, so there are no people to simulate; write it")
    check_design(config, design)
    orders, seed = orders_of(config, design), twin["seed"]
    scored, notes = _scales(config, design, scales or {})
    participants: Rows = []
    sessions: Rows = []
    for group, n_people in design["people"].items():
        random = stream(seed, "orders", group)
        dealt = _deal(orders, n_people, random)
        leaving = random.permutation(n_people)[: round(design["dropouts"] * n_people)]
        for place, order in enumerate(dealt):
            person = f"sub-{len(participants) + 1:02d}"
            rows = _visits(person, order, config, design)
            if place in leaving and len(rows) > 1:
                rows = rows[: random.integers(1, len(rows))]
            participants.append(_person(person, group, order, rows[0], seed))
            sessions += rows
    sessions = add_scores(
        participants, sessions, scored, scheme=scheme_of(config, len(orders[0])), random_seed=seed
    )
    for row in (*participants, *sessions):
        row |= {"exclude": "no", "reason": None}
    return _table(participants), _table(sessions), notes


def _deal(
    orders: Sequence[Sequence[str]], n_people: int, random: np.random.Generator
) -> list[Sequence[str]]:
    """Give each order to equally many people, those left over to different ones, in random turn."""
    turn = random.permutation(len(orders))
    dealt = list(islice(cycle([orders[i] for i in turn]), n_people))
    return [dealt[i] for i in random.permutation(n_people)]


def _visits(person: str, order: Sequence[str], config: Configuration, design: TwinDesign) -> Rows:
    """Return a person's sessions in the order of time."""
    within: list[str | None] = [o for o in config["occasions"] if o not in design["before"]]
    before = [o for o in config["occasions"] if o in design["before"]]
    cells = list[tuple[str | None, int | None, str | None]]((None, None, o) for o in before)
    for period, treatment in enumerate(order, 1):
        place = period if len(order) > 1 else None
        cells += [(treatment, place, occasion) for occasion in within or [None]]
    rows: Rows = []
    for number, (under, place, occasion) in enumerate(cells, 1):
        row: dict[str, object] = {
            "participant_id": person,
            "session_id": f"ses-{number}",
            "treatment": under,
            "period": place,
        }
        if config["occasions"]:
            row["occasion"] = occasion
        row["scan"] = scan_names(person, str(number), config["task"], 1)[0]
        rows.append(row)
    return rows


def _person(
    person: str, group: str, order: Sequence[str], first: Row, seed: int
) -> dict[str, object]:
    random = stream(seed, person, "person")
    session = str(first["session_id"])
    t1w = bids_name({"sub": label(person), "ses": label(session)}, "T1w", ".nii.gz")
    return {
        "participant_id": person,
        "group": group,
        "sequence": join_order(order) if len(order) > 1 else None,
        "age": int(np.clip(random.normal(36, 10), 18, 65)),
        "sex": "F" if random.random() < 0.6 else "M",
        "t1w": f"{person}/{session}/anat/{t1w}",
    }


def _scales(
    config: Configuration, design: TwinDesign, scales: dict[str, Scale]
) -> tuple[list[Row], list[str]]:
    """Return rows of the scales to simulate, and a note on those that cannot be."""
    asked = design["scales"]
    sheet = config["sheets"]["scales"]
    raise_all(
        [
            f"config key twin.design.scales: {sheet} has no scale {scale}"
            f"{did_you_mean(scale, scales)}; add it there, or leave it out"
            for scale in asked or ()
            if scale not in scales
        ]
    )
    wanted = [s for s in scales.values() if asked is None or s.scale in asked]
    notes = [
        f"{sheet}: how people score on {s.scale} is not known, so it is left out"
        for s in wanted
        if s.scale not in SCORE_MODEL
    ]
    rows: list[Row] = [
        {
            "scale": s.scale, "lowest": s.lowest, "highest": s.highest,
            "better": s.better, "construct": s.construct,
        }
        for s in wanted
        if s.scale in SCORE_MODEL
    ]  # fmt: skip
    return rows, notes


def _table(rows: Rows) -> Table:
    return Table(list(dict.fromkeys(column for row in rows for column in row)), rows)
