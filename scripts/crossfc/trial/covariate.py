"""Covariates and blocks: which columns they are, and whether numbers in them count or name.

A site coded 1, 2, 3 names three sites; taken for a number it would adjust for a straight line
through them. So the type of a column is declared in the config or plain from its cells, and where
it is neither, it is asked for.
"""

from collections.abc import Iterable
from typing import Any

from crossfc.trial.scale import number
from crossfc.trial.sheet import Row, Sheet

CATEGORICAL, CONTINUOUS = "categorical", "continuous"

# ASSUME: a whole number that takes as few values as this, some of them more than once, may be a
# code (site, scanner, education); ages and weights of a trial take more.
_FEW = 10
# What programs write where there is no value, and `sheet.MISSING` does not take for it: in a text
# column it would become a category of its own. "none" and "unknown" may be meant as one.
_NO_VALUE = {".", "-", "--", "?", "??", "null", "#null!", "#ref!", "#value!", "#name?", "#div/0!",
             "#num!", "missing"}  # fmt: skip
_MADE = ("sequence_code", "sessions", "mean_fd", "delta_mean_fd")
_MADE_STARTS = ("score_", "delta_", "mean_fd_")


def declared(config: dict[str, Any]) -> dict[str, str | None]:
    """Return the covariates of a checked configuration with their declared types, or None."""
    return {
        item if isinstance(item, str) else item["name"]: (
            None if isinstance(item, str) else item.get("type")
        )
        for item in config["covariates"]
    }


def is_taken(column: str) -> bool:
    """Return whether a column of the group's tables has this name already."""
    return column in _MADE or column.startswith(_MADE_STARTS)


def covariate_type(
    sheet: Sheet, column: str, rows: list[Row], given: str | None, faults: list[str]
) -> str:
    """Return the type of a covariate; what speaks against it becomes a fault.

    Parameters
    ----------
    sheet : Sheet
    column : str
    rows : list of Row
        The people who are analysed.
    given : str or None
        The type that the config declares.
    faults : list of str
        One sentence is added per fault.

    Returns
    -------
    str
        ``categorical`` or ``continuous``.
    """
    rows = [row for row in rows if row.get(column) is not None]
    found = [row[column] for row in rows]
    words = [row for row in rows if number(row[column]) is None]
    if given == CONTINUOUS or (given is None and len(words) < len(rows)):
        for row in words:
            others = "" if given else " where other people have one"
            faults.append(
                f"{sheet.at(row, column)}: {row[column]!r} is no number{others}; correct it, or "
                "write n/a"
            )
        if given is None and not words and _may_be_code(found):
            levels = sorted(set(found), key=float)
            faults.append(
                f"{sheet.at(column=column)}: the whole numbers {', '.join(levels)} may be codes "
                f"or measures; say which in the config: covariates: [{{name: {column}, type: "
                f"{CATEGORICAL}}}], or type: {CONTINUOUS}"
            )
        return CONTINUOUS
    if given is None and found and all(number(v.replace(",", ".")) is not None for v in found):
        faults.append(
            f"{sheet.at(column=column)}: numbers are written with a decimal comma, such as "
            f"{found[0]}; write a point, or declare the type {CATEGORICAL} in the config key "
            "covariates"
        )
    elif given is None and len(set(found)) > max(_FEW, len(found) / 2):
        faults.append(
            f"{sheet.at(column=column)}: a covariate with {len(set(found))} different words, such "
            f"as {found[0]!r}, leaves too little to compare; correct the column, or declare the "
            f"type {CATEGORICAL} in the config key covariates"
        )
    check_levels(sheet, column, rows, faults)
    return CATEGORICAL


def check_levels(sheet: Sheet, column: str, rows: Iterable[Row], faults: list[str]) -> None:
    """Refuse two spellings of one category, and words that stand for no value."""
    first: dict[object, str] = {}
    for row in rows:
        word = row.get(column)
        if word is None:
            continue
        if word.lower() in _NO_VALUE:
            faults.append(
                f"{sheet.at(row, column)}: {word!r} would be a category of its own; write n/a "
                "where the value is missing, or a word"
            )
            continue
        value = number(word)
        # Read back from a table, 1, 01 and 1.0 are the same number.
        key: object = " ".join(word.lower().split()) if value is None else value
        spelt = first.setdefault(key, word)
        if spelt != word:
            faults.append(
                f"{sheet.at(row, column)}: {word!r} and {spelt!r} would be two categories; spell "
                "them alike, or as differently as they are"
            )


def without_values(
    rows: list[dict[str, Any]], types: dict[str, str], groups: list[str], sheet: object
) -> list[str]:
    """List groups that would leave a comparison of groups whole, as nobody has the covariates.

    Parameters
    ----------
    rows : list of dict
        People with both sessions, their ``group`` and covariates.
    types : dict
        Covariates that the groups are compared given.
    groups : list of str
    sheet : path
        The sheet of people, for the sentences.

    Returns
    -------
    list of str
        One sentence per fault.
    """
    faults = []
    for group in groups:
        own = [row for row in rows if row["group"] == group]
        if not own or any(all(row[name] is not None for name in types) for row in own):
            continue
        empty = [name for name in types if all(row[name] is None for row in own)]
        what = " or of ".join(empty) if empty else f"all of {', '.join(types)}"
        faults.append(
            f"config key covariates: of the {len(own)} people of {group} with both sessions nobody "
            f"has a value of {what} in {sheet}, so that nobody of {group} would be left to "
            "compare; fill the column, or leave the covariate out"
        )
    return faults


def determined(rows: list[dict[str, Any]], types: dict[str, str]) -> str | None:
    """Name the first covariate that follows from the group and the covariates before it.

    Such as a site that has one group only: no model can tell the two apart.

    Parameters
    ----------
    rows : list of dict
        People with their ``group`` and covariates, as the group's tables have them; who lacks a
        covariate is passed over, as in the analysis.
    types : dict
        Covariate to ``categorical`` or ``continuous``.
    """
    rows = [row for row in rows if all(row[name] is not None for name in types)]
    basis: list[list[float]] = []

    def adds(column: list[float]) -> bool:
        # Gram-Schmidt, twice for its rounding; planning has no NumPy.
        scale = sum(value * value for value in column) ** 0.5 or 1.0
        left = [value / scale for value in column]
        for _ in range(2):
            for unit in basis:
                share = sum(a * b for a, b in zip(left, unit, strict=True))
                left = [a - share * b for a, b in zip(left, unit, strict=True)]
        length = sum(value * value for value in left) ** 0.5
        if length > 1e-7:
            basis.append([value / length for value in left])
        return length > 1e-7

    adds([1.0] * len(rows))
    for name, kind in {"group": CATEGORICAL, **types}.items():
        values = [row[name] for row in rows]
        levels = sorted(set(values))
        if len(levels) < 2:
            continue
        if kind == CONTINUOUS:
            mean = sum(values) / len(values)
            columns = [[value - mean for value in values]]
        else:
            columns = [[float(value == level) for value in values] for level in levels[1:]]
        if len(basis) + len(columns) >= len(rows):
            return None  # too few people, which the analysis itself says
        new = [adds(column) for column in columns]
        if not all(new) and name != "group":
            return name
    return None


def _may_be_code(found: list[str]) -> bool:
    values = [float(value) for value in found]
    different = len(set(values))
    whole = all(value == int(value) for value in values)
    return whole and 3 <= different <= _FEW and different < len(values)
