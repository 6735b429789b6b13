"""The sheet of people: who is in the trial, their group, sequence and covariates."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from crossfc.measure import GIVEN
from crossfc.trial.configuration import Configuration
from crossfc.trial.covariate import check_levels, covariate_type, declared, is_taken
from crossfc.trial.image_name import check_image
from crossfc.trial.label import absent_labels, is_participant_of, some
from crossfc.trial.role import key_of
from crossfc.trial.sequence import join_order, read_order
from crossfc.trial.sheet import Row, Sheet, did_you_mean
from crossfc.trial.treatment import treatment_labels

PARTICIPANT_COLUMNS = ["participant_id", "group", "sequence"]


@dataclass
class Participant:
    """One person of the trial.

    ``order`` are the treatments of ``sequence``, in the order of periods; None if it is not known.
    """

    participant_id: str
    group: str
    sequence: str | None
    covariates: dict[str, str | None]
    t1w: str | None
    exclude: bool
    reason: str | None
    order: tuple[str, ...] | None = None


def read_participants(
    sheet: Sheet, config: Configuration, faults: list[str]
) -> dict[str, Participant]:
    """Read the people of a trial; add one sentence to ``faults`` for each fault.

    Returns
    -------
    dict
        participant_id to `Participant`.
    """
    groups = [g for g in config["groups"].values() if g]
    unused = config["unused"]["groups"]
    absent = absent_labels(sheet, "group", _group_places(config), unused, faults)
    foreign = _foreign_sequences(sheet, config, faults)
    known = {*PARTICIPANT_COLUMNS, "t1w", "exclude", "reason"}
    faults += _unusable_columns(sheet, config, known)
    people: dict[str, Participant] = {}
    for row in sheet.rows:
        identifier = row["participant_id"]
        if not is_participant_of(sheet, row, faults):
            continue
        if identifier in people:
            faults.append(f"{sheet.at(row)} repeats {identifier}; remove one of the rows")
            continue
        exclude, reason = exclusion(sheet, row, faults)
        sequence, order = _sequence(row, config)
        if row["group"] in unused:
            exclude, reason = True, f"group {row['group']} is not used (config key unused.groups)"
        elif not exclude and row["group"] not in groups and not absent:
            faults.append(
                f"{sheet.at(row, 'group')}: {row['group']!r} is none of the study's groups "
                f"({', '.join(groups)}){did_you_mean(row['group'], groups)}; correct it, exclude "
                "the person with a reason, or list the group in the config key unused.groups"
            )
        if not exclude and not foreign and sequence is not None and order is None:
            faults.append(
                f"{sheet.at(row, 'sequence')}: {sequence!r} is {_no_sequence(config)}; correct it, "
                "or write n/a where the order is not known"
            )
        covariates = {c: row.get(c) for c in sheet.columns if c not in known}
        if row.get("t1w") is not None and row["group"] not in unused:
            check_image(sheet, row, "t1w", row["t1w"], {"sub": identifier}, "T1w", faults)
        people[identifier] = Participant(
            identifier, row["group"], sequence, covariates, row.get("t1w"), exclude, reason, order
        )
    return people


def _group_places(config: Configuration) -> dict[str, str | None]:
    groups = config["groups"]
    if len(groups) > 2:
        return {f"groups, number {n}": label for n, label in enumerate(groups.values(), 1)}
    return {key_of(role): label for role, label in groups.items()}


def _is_crossover_of_two(config: Configuration) -> bool:
    """Test whether the config names an active treatment and a control, each given once."""
    return isinstance(config["treatments"], Mapping)


def _sequence(row: Row, config: Configuration) -> tuple[str | None, tuple[str, ...] | None]:
    """Return the sequence in a row, without unused treatments, and its treatments in order.

    The order is None if the sequence is missing or impossible.
    """
    text, labels = row.get("sequence"), treatment_labels(config)
    order = read_order(text, labels, config["unused"]["treatments"])
    if order is not None and _is_crossover_of_two(config) and sorted(order) != sorted(labels):
        order = None
    return (join_order(order) if order else text), order or None


def _no_sequence(config: Configuration) -> str:
    labels = treatment_labels(config)
    if _is_crossover_of_two(config):
        return f"neither {labels[1]}-{labels[0]} nor {labels[0]}-{labels[1]}"
    return f"no order of the treatments {', '.join(labels)}, such as {join_order(labels)}"


def _foreign_sequences(sheet: Sheet, config: Configuration, faults: list[str]) -> bool:
    """Add one fault if no sequence in the sheet uses the config's treatments; return whether so."""
    used = [
        row
        for row in sheet.rows
        if row["group"] not in config["unused"]["groups"]
        and (row.get("exclude") or "no").lower() != "yes"
    ]
    told = [_sequence(row, config) for row in used]
    found = list(dict.fromkeys(text for text, _ in told if text is not None))
    if not found or any(order is not None for _, order in told):
        return False
    labels = treatment_labels(config)
    wanted = f"an order of {', '.join(labels)}"
    if _is_crossover_of_two(config):
        wanted = f"{labels[1]}-{labels[0]} or {labels[0]}-{labels[1]}"
    faults.append(
        f"{sheet.at(column='sequence')}: no row has {wanted}, the labels of the "
        f"config key treatments; it has {some(found, 6)}; correct the key or the sheet, or write "
        "n/a where the order is not known"
    )
    return True


def _unusable_columns(sheet: Sheet, config: Configuration, known: set[str]) -> list[str]:
    """List faults of covariates and blocks: columns that do not exist or belong to the design."""
    faults = []
    blocks = config["group"]["blocks"]
    named = [("covariates", name) for name in declared(config)]
    named += [("group.blocks", blocks)] if blocks is not None else []
    for key, column in named:
        measure = column.removeprefix("delta_")
        if (
            key == "covariates"
            and measure in GIVEN
            and (column not in sheet.columns or is_taken(column))
        ):
            faults.append(
                f"config key {key}: {column} is measured in every scan, so it changes within people"
                f"; write group.given: [{measure}], which estimates effects again given this change"
            )
        elif column not in sheet.columns:
            faults.append(
                f"config key {key}: {sheet.path} has no column {column}"
                f"{did_you_mean(column, sheet.columns) or '; add the column, or remove the key'}"
            )
        elif key == "covariates" and column in known:
            faults.append(
                f"config key {key}: {column} is part of the design, no covariate; remove it"
            )
        elif key == "group.blocks" and column in known - {"group", "sequence"}:
            faults.append(
                f"config key {key}: {column} is part of the design and names no blocks; name a "
                "column such as the scanner, or group or sequence, or remove the key"
            )
        elif is_taken(column):
            faults.append(
                f"config key {key}: {column} is the name of a column that is made from the "
                f"sessions; give the column of {sheet.path} another name"
            )
    used = {column for _, column in named}
    for column in sheet.columns:
        # Further columns are allowed, so a misspelt "exclude" would silently exclude nobody.
        close = difflib.get_close_matches(column.lower(), ("exclude", "reason"), n=1, cutoff=0.8)
        if close and column not in known | used and close[0] not in sheet.columns:
            faults.append(
                f"{sheet.at(column=column)} is no column of the design; did you mean {close[0]}? "
                "rename it"
            )
    return faults


def covariate_types(
    sheet: Sheet, people: dict[str, Participant], config: Configuration, faults: list[str]
) -> dict[str, str]:
    """Return the type of every covariate, and check the values of covariates and blocks.

    One sentence is added to ``faults`` for each fault.
    """
    rows = [
        row
        for row in sheet.rows
        if row["participant_id"] in people and not people[row["participant_id"]].exclude
    ]
    design = {*PARTICIPANT_COLUMNS, "t1w", "exclude", "reason"}
    types = {
        name: covariate_type(sheet, name, rows, given, faults)
        for name, given in declared(config).items()
        if name in sheet.columns and name not in design
    }
    blocks = config["group"]["blocks"]
    if blocks in sheet.columns and blocks not in types:
        check_levels(sheet, blocks, rows, faults)
    return types


def exclusion(sheet: Sheet, row: Row, faults: list[str]) -> tuple[bool, str | None]:
    """Read whether a row is excluded, and why; add a sentence to ``faults`` for each fault."""
    value, reason = (row.get("exclude") or "no").lower(), row.get("reason")
    if value not in ("yes", "no"):
        faults.append(f"{sheet.at(row, 'exclude')}: {value!r} is neither yes nor no; write one")
    if value == "yes" and reason is None:
        faults.append(f"{sheet.at(row, 'reason')}: who is excluded needs a reason; write it here")
    return value == "yes", reason
