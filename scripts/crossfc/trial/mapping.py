"""The mapping of a data set to a trial (config key ``dataset``), applied to one person."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossfc.bids import ENTITY_ORDER
from crossfc.fault import Fault
from crossfc.trial.configuration import Configuration, SessionMapping
from crossfc.trial.participant import PARTICIPANT_COLUMNS
from crossfc.trial.sequence import join_order, read_order
from crossfc.trial.session import OPTIONAL_SESSION_COLUMNS
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.treatment import treatment_labels

# Reasons that the rule `sheets` writes itself. An exclusion with any other reason was written by
# hand.
NO_ENTRY = 'no entry in column "{}" of the data set'
NOT_IN_STUDY = "group {} is not part of this study"
NOT_IN_TABLE = "has scans but no row in the data set's {}"
OWN_REASONS = re.compile(
    "|".join(
        re.escape(reason).replace(r"\{\}", ".*")
        for reason in (NO_ENTRY, NOT_IN_STUDY, NOT_IN_TABLE)
    )
)


@dataclass(frozen=True)
class Person:
    """A person of a data set.

    Attributes
    ----------
    identifier : str
        Such as ``sub-01``.
    cells : dict
        The row in the table of persons, by column; None where a value is missing.
    listed : bool
        False for who has files but no row, although there is a table.
    sessions : dict
        What is told of each session of the study (`crossfc.trial.session_source`).
    """

    identifier: str
    cells: dict[str, str | None]
    listed: bool = True
    sessions: Mapping[str, SessionMapping] = field(default_factory=dict)

    def cell(self, column: str | None) -> str | None:
        """Return a cell; None if it is missing, or there is no such column."""
        return None if column is None else self.cells.get(column)


def group_of(person: Person, config: Configuration) -> tuple[str, str | None]:
    """Return a person's group, and why the person is not part of the study (None if they are)."""
    mapping = config["dataset"]["group"]
    column, values = mapping["column"], mapping["values"]
    if not person.listed:
        return "n/a", NOT_IN_TABLE.format(config["dataset"]["participants"])
    if column is None:
        labels = [*values.values(), *config["groups"].values()]
        return next((label for label in labels if label), "n/a"), None
    value = person.cell(column)
    if value is None:
        return "n/a", NO_ENTRY.format(column)
    if value not in values:
        return value, NOT_IN_STUDY.format(value)
    return values[value], None


def order_of(person: Person, config: Configuration) -> list[str | None]:
    """Return the treatments of periods 1, 2, …: from columns, or from sessions with a period."""
    mapping = config["dataset"]
    columns = mapping["sequence"].get("columns", [])
    if (column := mapping["sequence"].get("column")) is not None:
        return _whole_order(person, column, config)
    if not columns:
        known = {
            how["period"]: treatment_of(session, person, config)
            for session, how in person.sessions.items()
            if "period" in how
        }
        periods = sorted(known)
        complete = len(periods) > 1 and periods == list(range(1, len(periods) + 1))
        return [known[period] for period in periods] if complete else []
    order = [_told(person, column, config) for column in columns]
    if len(order) == 2 and order[0] is not None and order[0] == order[1]:
        raise Fault(
            f"{mapping['participants']} of the data set: {person.identifier} has "
            f"{person.cell(columns[0])} in both {columns[0]} and {columns[1]}; correct one"
        )
    return order


def treatment_of(session: str, person: Person, config: Configuration) -> str | None:
    """Return a person's treatment in a session; None if the data set does not tell it."""
    how = person.sessions[session]
    if "treatment" in how:
        return how["treatment"]
    if "column" in how:
        return _told(person, how["column"], config)
    # A session with a period alone has the treatment that the order says.
    order, period = order_of(person, config), how["period"]
    return order[period - 1] if period <= len(order) else None


def order_columns(config: Configuration) -> list[str]:
    """List the columns of the table of persons that tell the order of treatments."""
    sequence = config["dataset"]["sequence"]
    return [sequence["column"]] if "column" in sequence else sequence.get("columns", [])


def _whole_order(person: Person, column: str, config: Configuration) -> list[str | None]:
    """Return the order of treatments that a single column tells; empty if its cell is."""
    value, values = person.cell(column), config["dataset"]["sequence"]["values"]
    if value is None:
        return []
    treatments = [*treatment_labels(config), *config["unused"]["treatments"]]
    order = read_order(values.get(value, value), treatments)
    if order is not None:
        return list(order)
    known = ", ".join(treatments)
    remedy = did_you_mean(value, values) or f"; add it, such as {value}: {join_order(treatments)}"
    raise Fault(
        f"config key dataset.sequence.values: {person.identifier} has {value!r} in column "
        f'"{column}", which is no order of the treatments {known} and not mapped to one{remedy}'
    )


def _told(person: Person, column: str, config: Configuration) -> str | None:
    """Return the treatment in a column of the data set's table; None if the cell is empty."""
    value = person.cell(column)
    values = config["dataset"]["sequence"]["values"]
    treatments = [*treatment_labels(config), *config["unused"]["treatments"]]
    if value is None:
        return None
    # Without a mapping of values, the column must hold the labels of the treatments.
    if value in values or (not values and value in treatments):
        return values.get(value, value)
    raise Fault(
        f"config key dataset.sequence.values: {person.identifier} has {value!r} in column "
        f'"{column}", which is '
        + (
            f"not mapped to a treatment{did_you_mean(value, values) or '; add it'}"
            if values
            else f"none of the treatments {', '.join(treatments)}; map it to one"
        )
    )


def period_of(
    session: str, treatment: str | None, order: list[str | None], person: Person
) -> int | None:
    """Return the period of a session by itself, or by the order of treatments."""
    if "period" in person.sessions[session]:
        return person.sessions[session]["period"]
    # The period is known even if only one of the two treatments is on record.
    return order.index(treatment) + 1 if treatment is not None and treatment in order else None


def mapping_faults(config: Configuration) -> list[str]:
    """List where the config key ``dataset`` does not use the groups and treatments of the study."""
    mapping = config["dataset"]
    groups = [g for g in config["groups"].values() if g] + config["unused"]["groups"]
    treatments = [*treatment_labels(config), *config["unused"]["treatments"]]
    faults = []

    def check(key: str, label: str, known: list[str], what: str) -> None:
        if label not in known:
            faults.append(
                f"config key dataset.{key}: {label!r} is none of the {what} {', '.join(known)}"
                f"{did_you_mean(label, known) or '; correct it'}"
            )

    for value, group in mapping["group"]["values"].items():
        check(f"group.values.{value}", group, groups, "groups")
    sequence = mapping["sequence"]
    if "column" in sequence and "columns" in sequence:
        faults.append(
            "config key dataset.sequence: column (whole orders) and columns (one per period) both "
            "tell the order; remove one"
        )
    for value, told in sequence["values"].items():
        if "column" not in sequence:
            check(f"sequence.values.{value}", told, treatments, "treatments")
        elif read_order(told, treatments) is None:
            faults.append(
                f"config key dataset.sequence.values.{value}: {told!r} is no order of "
                f"{', '.join(treatments)}; write such as {join_order(treatments)}"
            )
    for entity in mapping["scan"]["entities"]:
        if entity not in ENTITY_ORDER:
            faults.append(
                f"config key dataset.scan.entities.{entity}: BIDS has no such entity"
                f"{did_you_mean(entity, ENTITY_ORDER) or '; use its short names, such as acq'}"
            )
    for covariate in dict.fromkeys(mapping["covariates"]):
        if covariate in (*PARTICIPANT_COLUMNS, "t1w", *OPTIONAL_SESSION_COLUMNS):
            faults.append(
                f"config key dataset.covariates: {covariate} is a column of participants.tsv "
                "already; remove it"
            )
        elif mapping["covariates"].count(covariate) > 1:
            faults.append(f"config key dataset.covariates: {covariate} stands there twice")
    return faults
