"""Covariates and blocks: their columns, and whether they are categorical or continuous.

A site coded as 1, 2, 3 means three sites; if it were treated as a number, a straight line through
the sites would be fitted. So the type of a column must be declared in the config or be clear from
its cells; otherwise the user is asked to declare it.
"""

from collections.abc import Iterable
from typing import Any

from crossfc.trial.configuration import Configuration
from crossfc.trial.scale import number
from crossfc.trial.sheet import Row, Sheet

CATEGORICAL, CONTINUOUS = "categorical", "continuous"

# ASSUME: a column of whole numbers with at most so many different values, some of them repeated,
# may be a code (site, scanner, education); ages and weights in a trial have more.
_FEW = 10
# Words that programs write for a missing value and that are not in `sheet.MISSING`; in a text
# column they would become a category. "none" and "unknown" are not here, because they may be meant
# as a category.
_NO_VALUE = {".", "-", "--", "?", "??", "null", "#null!", "#ref!", "#value!", "#name?", "#div/0!",
             "#num!", "missing"}  # fmt: skip
_MADE = ("sequence_code", "sessions", "mean_fd", "delta_mean_fd")
_MADE_STARTS = ("score_", "delta_", "mean_fd_")


def declared(config: Configuration) -> dict[str, str | None]:
    """Return the covariates of a checked configuration, each with its declared type or None."""
    return {
        item if isinstance(item, str) else item["name"]: (
            None if isinstance(item, str) else item.get("type")
        )
        for item in config["covariates"]
    }


def is_taken(column: str) -> bool:
    """Test whether the name is already used for a column of the group's tables."""
    return column in _MADE or column.startswith(_MADE_STARTS)


def covariate_type(
    sheet: Sheet, column: str, rows: list[Row], given: str | None, faults: list[str]
) -> str:
    """Return the type of a covariate, and add to ``faults`` every cell that contradicts it.

    Parameters
    ----------
    sheet : Sheet
    column : str
    rows : list of Row
        The people who are analysed.
    given : str or None
        The type that the config declares.
    faults : list of str
        Changed in place: one sentence is added per fault.

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
    """Check the categories of a column; add a sentence to ``faults`` for each fault.

    Faults are two spellings of one category, and words that mean a missing value.
    """
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
        # When they are read back from a table, 1, 01 and 1.0 are the same number.
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
    """List groups in which nobody has values of all covariates.

    Nobody of such a group would be left in a comparison of groups.

    Parameters
    ----------
    rows : list of dict
        People with both sessions, with their ``group`` and covariates.
    types : dict
        The covariates for which the comparison of groups is adjusted.
    groups : list of str
    sheet : path
        The sheet of people, to be named in the sentences.

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
    """Return the first covariate that is determined by the group and the covariates before it.

    An example is a site at which only one group was scanned: no model can separate the effects of
    site and group (the design matrix is rank deficient).

    Parameters
    ----------
    rows : list of dict
        People with their ``group`` and covariates. People who lack a covariate are left out, as
        in the analysis.
    types : dict
        Covariate to ``categorical`` or ``continuous``.

    Returns
    -------
    str or None
        None if there is no such covariate.
    """
    rows = [row for row in rows if all(row[name] is not None for name in types)]
    basis: list[list[float]] = []

    def adds(column: list[float]) -> bool:
        # Gram-Schmidt, done twice to remove rounding errors; without NumPy, which would slow down
        # the planning of jobs.
        scale = sum(value * value for value in column) ** 0.5 or 1.0
        left = [value / scale for value in column]
        for _ in range(2):
            for unit in basis:
                share = sum(a * b for a, b in zip(left, unit, strict=True))
                left = [a - share * b for a, b in zip(left, unit, strict=True)]
        length: float = sum(value * value for value in left) ** 0.5
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
            return None  # too few people, which the analysis itself reports
        new = [adds(column) for column in columns]
        if not all(new) and name != "group":
            return name
    return None


def _may_be_code(found: list[str]) -> bool:
    values = [float(value) for value in found]
    different = len(set(values))
    whole = all(value == int(value) for value in values)
    return whole and 3 <= different <= _FEW and different < len(values)
