"""What each session of a data set was, where one rule for all of them tells it."""

import re
from dataclasses import replace

from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import Configuration, SessionMapping, SessionSource
from crossfc.trial.contrast import BEFORE
from crossfc.trial.label import natural, some
from crossfc.trial.mapping import Person, order_columns
from crossfc.trial.session_date import date_periods
from crossfc.trial.session_label import fields_of, read_labels
from crossfc.trial.session_table import KEY, SessionTables, read_columns
from crossfc.trial.session_word import FIELDS, Words
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.treatment import treatment_labels
from crossfc.trial.tree import Tree


def session_faults(config: Configuration) -> list[str]:
    """List the faults of the config keys ``dataset.sessions`` and ``dataset.session_source``."""
    mapping, occasions = config["dataset"], config["occasions"]
    source = mapping.get("session_source")
    told = set() if source is None else {*fields_of(source["label"] or ""), *source["columns"]}
    faults = [] if source is None else _source_faults(source, told, config)
    if not mapping["sessions"] and source is None:
        faults.append(
            "config key dataset.sessions: is empty; name the sessions of the study, or what tells "
            "them by session_source"
        )
    for session, how in mapping["sessions"].items():
        place = f"config key dataset.sessions.{session}"
        if not re.fullmatch("ses-[A-Za-z0-9]+", session):
            faults.append(
                f"{place}: name the session as its folder is named, such as "
                f"ses-{re.sub('[^A-Za-z0-9]', '', session) or '1'}"
            )
        occasion, treatment = how.get("occasion"), how.get("treatment")
        if occasion is not None and occasion not in occasions:
            faults.append(
                f"{place}.occasion: {occasion!r} is none of the occasions (key occasions) "
                f"{', '.join(occasions)}{did_you_mean(occasion, occasions) or '; correct it'}"
            )
        elif occasion is None and occasions and "occasion" not in told:
            faults.append(
                f"{place}: needs an occasion, as the config key occasions names "
                f"{', '.join(occasions)}; add it"
            )
        treatments = _treatments(config)
        by_order = "period" in how and order_columns(config)
        if treatment is None and not by_order and "column" not in how and "treatment" not in told:
            faults.append(
                f"{place}: needs a treatment, the column that tells it, or its period where "
                "dataset.sequence tells the order; add one of them"
            )
        elif treatment is not None and treatment not in (*treatments, BEFORE):
            faults.append(
                f"{place}.treatment: {treatment!r} is none of the treatments "
                f"{', '.join(treatments)}{did_you_mean(treatment, treatments) or '; correct it'}"
            )
    return faults


def _treatments(config: Configuration) -> list[str]:
    return [*treatment_labels(config), *config["unused"]["treatments"]]


def _source_faults(source: SessionSource, told: set[str], config: Configuration) -> list[str]:
    """List the faults of the config key ``dataset.session_source`` by itself."""
    faults = []
    for key, words, known, further in (
        ("treatments", source["treatments"], _treatments(config), BEFORE),
        ("occasions", source["occasions"], config["occasions"], None),
    ):
        faults += [
            f"config key {KEY}.{key}.{word}: {label!r} is none of the {key} "
            f"{', '.join(known) or 'of the config, which has none'}"
            f"{did_you_mean(label, known) or '; correct it'}"
            for word, label in words.items()
            if label not in known and label != further
        ]
    label = source["label"]
    fields = [] if label is None else fields_of(label)
    for name in dict.fromkeys(fields):
        if name not in FIELDS:
            faults.append(
                f"config key {KEY}.label: {{{name}}} is none of {{treatment}}, {{occasion}} and "
                f"{{period}}{did_you_mean(name, FIELDS) or '; use * for what tells nothing'}"
            )
        elif fields.count(name) > 1:
            faults.append(f"config key {KEY}.label: {{{name}}} stands there twice; use it once")
        elif name in source["columns"]:
            faults.append(f"config key {KEY}: label and columns both tell the {name}; remove one")
    if label is not None and not label.startswith("ses-"):
        faults.append(
            f"config key {KEY}.label: {label!r} does not begin with ses-, as every session does; "
            f"write ses-{label}"
        )
    if not told and source["order"] is None:
        faults.append(
            f"config key {KEY}: tells nothing; add label, columns or order, or remove the key"
        )
    chooses = label is not None or "treatment" in source["columns"]
    if chooses and "treatment" not in told:
        faults.append(
            f"config key {KEY}: tells no treatment; add {{treatment}} to the label or "
            "columns.treatment, or give each session its key in dataset.sessions in place of label"
        )
    if chooses and config["occasions"] and "occasion" not in told:
        faults.append(
            f"config key {KEY}: tells no occasion, and the config key occasions names "
            f"{', '.join(config['occasions'])}; add {{occasion}} to the label or columns.occasion"
        )
    if "occasion" in told and not config["occasions"]:
        faults.append(
            f"config key {KEY}: tells occasions, and the config key occasions has none; add them"
        )
    if "period" in told and source["order"] is not None:
        faults.append(f"config key {KEY}: tells periods, and order does so too; remove one")
    return faults


def allocate(
    people: list[Person], config: Configuration, tree: Tree
) -> tuple[list[Person], list[str]]:
    """Tell what each session was, by the config keys ``sessions`` and ``session_source``.

    Parameters
    ----------
    people : list of Person
        Everybody in the data set.
    config : dict
        A checked configuration.
    tree : Tree
        The files of the data set.

    Returns
    -------
    people : list of Person
        With their sessions: the same for everybody, in the order of the sheet.
    notes : list of str
        What in the tables is not used, and whose periods their dates do not tell.

    Raises
    ------
    Fault
        If the source names columns or words that the data set does not have, a word means no
        treatment or occasion, a label can be read in two ways, or two rows of one session differ.
    """
    explicit = config["dataset"]["sessions"]
    source = config["dataset"].get("session_source")
    if source is None:
        return [replace(person, sessions=explicit) for person in people], []
    words = Words(config, source)
    wanted = [*source["columns"].values(), *filter(None, [source["order"]])]
    table = SessionTables(config, source, tree, people) if wanted else None
    entries = table.entries if table is not None else {}
    labels = sorted({s for _, s in tree.sessions} | {s for _, s in entries}, key=natural)
    by_columns = read_columns(entries, source["columns"], words)
    by_label = read_labels(labels, source["label"], words)
    if source["label"] is not None:
        chosen = list(by_label)
    elif "treatment" in source["columns"]:
        # A session to which no row of anybody gives a treatment is none of the study.
        having = {session for (_, session), how in by_columns.items() if "treatment" in how}
        chosen = [session for session in labels if session in having]
    else:
        chosen = []
    if not chosen and not explicit:
        raise Fault(_nothing(source, labels))
    allocated = []
    for person in people:
        own: dict[str, SessionMapping] = {}
        for session in [*explicit, *(label for label in chosen if label not in explicit)]:
            told = by_label.get(session, {}) | by_columns.get((person.identifier, session), {})
            own[session] = _joined(told, explicit.get(session, {}), source)
        allocated.append(replace(person, sessions=own))
    raise_all(_untold(by_label, explicit, source, config))
    notes = [] if table is None else table.notes
    if source["order"] is not None:
        allocated, undated = date_periods(allocated, source["order"], entries, config, tree)
        notes += undated
    return allocated, notes


def _untold(
    by_label: dict[str, SessionMapping],
    explicit: dict[str, SessionMapping],
    source: SessionSource,
    config: Configuration,
) -> list[str]:
    """List keys of sessions that leave to their labels what those do not tell."""
    faults = []
    for session, how in explicit.items():
        own = {*how, *by_label.get(session, {}), *source["columns"]}
        needs = [] if own & {"treatment", "column"} else ["treatment"]
        needs += ["occasion"] if config["occasions"] and "occasion" not in own else []
        if needs:
            faults.append(
                f"config key dataset.sessions.{session}: is not named like {source['label']}, so "
                f"that it needs {' and '.join(needs)}; add it"
            )
    return faults


def _joined(
    told: SessionMapping, explicit: SessionMapping, source: SessionSource
) -> SessionMapping:
    """Join what the source tells of a session with its own key, which goes before."""
    columns = source["columns"]
    if "treatment" in explicit or "column" in explicit:
        told = {k: v for k, v in told.items() if k != "treatment"}  # type: ignore[assignment]
    elif "treatment" in columns and "treatment" not in told:
        told = told | {"treatment": None, "column": columns["treatment"]}
    if "occasion" in columns:
        told = {"occasion": None, **told}
    return {**told, **explicit}


def _nothing(source: SessionSource, labels: list[str]) -> str:
    """Explain why the source tells no session."""
    there = f"the data set has {some(labels, 8)}" if labels else "the data set has no session"
    if source["label"] is not None:
        return (
            f"config key {KEY}.label: no session is named like {source['label']}; {there}; correct "
            "the pattern, or the words in the keys treatments and occasions beside it"
        )
    if "treatment" in source["columns"]:
        column = source["columns"]["treatment"]
        return (
            f"config key {KEY}.columns.treatment: the column {column} holds no entry; name another"
        )
    return (
        f"config key {KEY}: tells no treatment; add columns.treatment or a label with {{treatment}}"
    )
