"""Read the scores of a BIDS data set from its phenotype tables."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import DatasetMapping
from crossfc.trial.label import Labels, some
from crossfc.trial.scale import Scale, number
from crossfc.trial.sheet import Row, Sheet, did_you_mean, read_sheet


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
    known = Labels("sub", people), Labels("ses", [*mapping["sessions"], *sessions])
    scores: Scores = {}
    notes: list[str] = []
    columns_found: set[str] = set()
    others: set[str] = set()
    for pattern, paths in _tables(root, mapping).items():
        match = _Match(known, set(mapping["sessions"]))
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
    _check_scores(scores, columns_found, others, mapping)
    return scores, notes


def _tables(root: Path, mapping: DatasetMapping) -> dict[str, list[Path]]:
    """Return the tables that match each pattern of the config key ``dataset.phenotype``."""
    tables: dict[str, list[Path]] = {}
    for pattern in mapping["phenotype"]:
        if not pattern or PurePosixPath(pattern).is_absolute():
            raise Fault(
                f"config key dataset.phenotype: {pattern!r} is no path below {root}; write it "
                "from there"
            )
        try:
            paths = sorted(p for p in root.glob(pattern) if not p.name.startswith("."))
        except ValueError as error:
            raise Fault(
                f"config key dataset.phenotype: {pattern!r} is no pattern ({error}); write such as "
                "sub-*/*_sessions.tsv"
            ) from None
        if not paths:
            near = sorted(p.name for p in (root / pattern).parent.glob("*.tsv"))
            raise Fault(
                f"config key dataset.phenotype: {root / pattern} does not exist"
                f"{did_you_mean(Path(pattern).name, near) or '; correct the path'}"
            )
        tables[pattern] = paths
    return tables


class _Match:
    """Match the rows of tables to people and sessions, and collect those that match nobody.

    Parameters
    ----------
    known : (Labels, Labels)
        The known people and sessions.
    sessions : set of str
        The sessions of the study.
    """

    def __init__(self, known: tuple[Labels, Labels], sessions: set[str]):
        self._known, self._sessions = known, sessions
        self.unused: Counter[str] = Counter()
        self._nobodys: dict[str, None] = {}
        self._otherwise: dict[tuple[str, str], None] = {}

    def rows(self, sheet: Sheet) -> list[tuple[Row, tuple[str, str]]]:
        """Return the rows of the study's people and sessions, each with (person, session).

        Raises
        ------
        Fault
            If no row belongs to a person of the data set, or a row may belong to several people.
        """
        found, of_people = [], 0
        for row in sheet.rows:
            written = _person(sheet, row), row.get("session_id")
            try:
                person = self._known[0].find(written[0])
                session = None if written[1] is None else self._known[1].find(written[1])
            except Fault as fault:
                raise Fault(f"{sheet.at(row)}: {fault}") from None
            if person is None:
                self._nobodys[written[0]] = None
                continue
            of_people += 1
            if session not in self._sessions:
                self.unused[session or written[1] or "n/a"] += 1
                continue
            for word, meant in zip(written, (person, session), strict=True):
                if word != meant:
                    self._otherwise[str(word), meant] = None
            found.append((row, (person, session)))
        if sheet.rows and not of_people:
            raise Fault(
                f"{sheet.at(None, 'participant_id')}: nobody in it ({some(self._nobodys)}) is a "
                "person of the data set; write people as its table of persons does"
            )
        return found

    def notes(self, tables: str) -> list[str]:
        """Describe labels that were matched although written differently, and rows not used."""
        said = []
        if self._otherwise:
            taken = some(f"{word} as {meant}" for word, meant in self._otherwise)
            said.append(f"{tables}: taken {taken}")
        if self._nobodys:
            said.append(
                f"{tables}: not used, as they have neither a row in the table of persons nor a "
                f"folder: {some(self._nobodys)}"
            )
        if self.unused:
            rows = some((f"{label} ({n} rows)" for label, n in sorted(self.unused.items())), 8)
            said.append(f"{tables}: not used, as dataset.sessions does not name them: {rows}")
        return said


def _person(sheet: Sheet, row: Row) -> str:
    """Return the person of a row; a table of a single person has the person in its file name."""
    if "participant_id" not in sheet.columns:
        first = sheet.path.name.split("_")[0]
        if first.startswith("sub-"):
            return first
        raise Fault(f"{sheet.at()} lacks the column participant_id; add it")
    person = row.get("participant_id")
    if person is None:
        raise Fault(f"{sheet.at(row, 'participant_id')} is empty; write whose the row is")
    return person


def _check_scores(
    scores: Scores, named: set[str], others: set[str], mapping: DatasetMapping
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
                f"no row of {' or '.join(mapping['sessions'])}; their session_id is "
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
