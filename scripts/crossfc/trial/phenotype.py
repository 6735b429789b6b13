"""Read the scores of a BIDS data set from its phenotype tables."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import DatasetMapping
from crossfc.trial.label import Labels, some
from crossfc.trial.scale import Scale, number
from crossfc.trial.sheet import did_you_mean, read_sheet
from crossfc.trial.table_match import TableMatch, find_tables


@dataclass(frozen=True)
class Score:
    """A score as written in a table, and the place of its cell for messages."""

    text: str | None
    place: str


Scores = dict[tuple[str, str], dict[str, Score]]


def read_scores(
    root: Path,
    mapping: DatasetMapping,
    people: Iterable[str],
    sessions: Iterable[str],
    of_study: Collection[str],
) -> tuple[dict[tuple[str, str], dict[str, Score]], list[str]]:
    """Read the scores by person and session, as text.

    Tables may write people and sessions without their prefix, in another case or with other
    leading zeros (``01``, ``1`` or ``SUB-01`` for ``sub-01``), as long as it is clear who is meant.

    Parameters
    ----------
    root : path
        Root of the data set.
    mapping : dict
        The config key ``dataset``.
    people, sessions : iterable of str
        The identifiers that the data set has.
    of_study : collection of str
        The sessions of the study.

    Returns
    -------
    scores : dict
        (person, session) to a dictionary from scale to `Score`.
    notes : list of str
        Labels that are written differently, and rows whose person or session is not used.

    Raises
    ------
    Fault
        If a table or column that the config names does not exist, no row of a table is of a
        person in the data set, a scale has no score in any session of the study, or two scores of
        one session differ.
    """
    known = Labels("sub", people), Labels("ses", [*of_study, *sessions])
    scores: Scores = {}
    notes: list[str] = []
    columns_found: set[str] = set()
    others: set[str] = set()
    for pattern, paths in find_tables(root, mapping["phenotype"], "dataset.phenotype").items():
        match = TableMatch(known, of_study)
        found: set[str] = set()
        for path in paths:
            sheet = read_sheet(path, ["session_id"])
            columns = {s: c for s, c in mapping["scales"].items() if c in sheet.columns}
            found |= set(columns)
            for row, key in match.rows(sheet):
                own = scores.setdefault(key, {})
                for scale, column in columns.items():
                    _add_score(own, scale, Score(row.get(column), sheet.at(row, column)))
        if mapping["scales"] and not found:
            named = ", ".join(mapping["scales"].values())
            notes.append(f"{root / pattern}: not used, as it has no column {named}")
        notes += match.notes(str(root / pattern))
        others |= set(match.unused)
        columns_found |= found
    _check_scores(scores, columns_found, others, mapping, of_study)
    return scores, notes


def _check_scores(
    scores: Scores,
    named: set[str],
    others: set[str],
    mapping: DatasetMapping,
    of_study: Collection[str],
) -> None:
    for scale, column in mapping["scales"].items():
        if scale not in named:
            raise Fault(
                f"config key dataset.scales.{scale}: no table of dataset.phenotype has a column "
                f"{column}; correct it"
            )
        if not any(scale in own for own in scores.values()):
            raise Fault(
                f"config key dataset.scales.{scale}: the tables of dataset.phenotype have "
                f"no row of {' or '.join(of_study)}; their session_id is "
                f"{some(sorted(others), 8)}"
            )
        if all(own[scale].text is None for own in scores.values() if scale in own):
            raise Fault(
                f"config key dataset.scales.{scale}: the column {column} holds no score of any "
                "session of the study; correct it, or remove the scale"
            )


def check_ranges(
    scores: Scores, scales: dict[str, Scale], path: str, wanted: Iterable[str]
) -> None:
    """Check that scores are numbers within the range of their scale.

    Parameters
    ----------
    scores : dict
        As returned by `read_scores`.
    scales : dict
        The content of the sheet of scales.
    path : str
        The name of that sheet.
    wanted : iterable of str
        The scales of the config key ``dataset.scales``.

    Raises
    ------
    Fault
        One sentence per fault, with the place in the data set.
    """
    raise_all(
        [
            f"config key dataset.scales.{scale}: {path} has no row for it"
            f"{did_you_mean(scale, scales) or '; add its range and direction there'}"
            for scale in wanted
            if scale not in scales
        ]
    )
    faults = []
    for own in scores.values():
        for scale, score in own.items():
            value = number(score.text)
            if score.text is None:
                continue
            lowest, highest = scales[scale].lowest, scales[scale].highest
            if value is None:
                faults.append(
                    f"{score.place}: {score.text!r} is no number; correct it or write n/a"
                )
            elif not lowest <= value <= highest:
                faults.append(
                    f"{score.place}: {score.text} is outside the range {lowest:g} to {highest:g} "
                    f"of {scale}; correct the score, or write n/a"
                )
    raise_all(faults)


def _add_score(own: dict[str, Score], scale: str, score: Score) -> None:
    earlier = own.get(scale)
    if earlier is not None and earlier.text is not None and score.text is not None:
        same = earlier.text == score.text or (
            number(score.text) is not None and number(earlier.text) == number(score.text)
        )
        if not same:
            raise Fault(
                f"{score.place}: a second, different score of {scale} for the same session "
                f"({earlier.text} and {score.text}); keep one"
            )
    if earlier is None or earlier.text is None:
        own[scale] = score
