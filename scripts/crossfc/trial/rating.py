"""Ratings of sessions by eye: who looked at a session, what they said, and whether it leaves.

The words of MRIQC (exclude, poor, acceptable, excellent) and of HALFpipe (bad, uncertain, good) are
known, so that what was rated there needs no translation.
"""

from collections.abc import Sequence
from typing import TypedDict

from crossfc.fault import Fault, at, raise_all
from crossfc.trial.sheet import Row, Sheet, did_you_mean, read_sheet

RATING_COLUMNS = ["participant_id", "session_id", "rater", "rating", "exclude", "reason"]
_NEEDED = ["participant_id", "session_id", "rater", "reason"]
# Whether a session leaves for a word.
WORDS = {
    **dict.fromkeys(("exclude", "bad"), True),
    **dict.fromkeys(("include", "poor", "uncertain", "acceptable", "good", "excellent"), False),
}
_DECISIONS = {"yes": True, "no": False}


class RatingRow(TypedDict):
    """What one rater said of one session.

    ``exclude`` is whether the session leaves for it, ``rating`` the word for that. A rating that
    excludes has a rater and a reason.
    """

    participant_id: str
    session_id: str
    rater: str | None
    rating: str
    exclude: bool
    reason: str | None


def read_ratings(path: str, sessions: Sheet) -> list[RatingRow]:
    """Read the ratings of sessions.

    Parameters
    ----------
    path : path
        Config key ``exclusion.ratings``: a table with the columns participant_id, session_id,
        rater, reason, and rating (`WORDS`) or exclude (yes, no), or both. A row with neither is not
        rated yet.
    sessions : Sheet
        The sheet of sessions; every rated session has a row in it.

    Returns
    -------
    list of RatingRow
        Sorted by session and rater, so that another order of rows changes nothing.

    Raises
    ------
    Fault
        One sentence per fault, each with file, row, column and remedy.
    """
    try:
        sheet = read_sheet(path, _NEEDED, RATING_COLUMNS)
    except Fault as fault:
        raise Fault(f"config key exclusion.ratings: {fault}") from None
    if not {"rating", "exclude"} & set(sheet.columns):
        raise Fault(
            f"{at(path)} has neither a column rating ({', '.join(WORDS)}) nor a column exclude "
            "(yes, no); add one"
        )
    known: dict[str, list[str]] = {}
    for row in sessions.rows:
        known.setdefault(row["participant_id"], []).append(row["session_id"])
    faults: list[str] = []
    found: list[RatingRow] = []
    rows: dict[tuple[str, str, str | None], int] = {}
    for row in sheet.rows:
        if not _is_known(sheet, row, known, sessions, faults):
            continue
        person, session, rater = row["participant_id"], row["session_id"], row.get("rater")
        if (person, session, rater) in rows:
            faults.append(
                f"{sheet.at(row)} rates {person} {session} by {rater or 'n/a'} again after row "
                f"{rows[person, session, rater]}; remove one, or name another rater"
            )
        rows[person, session, rater] = row.number
        verdict = _verdict(sheet, row, faults)
        if verdict is None:
            continue
        word, exclude = verdict
        for column in ("reason", "rater") if exclude else ():
            if row.get(column) is None:
                faults.append(
                    f"{sheet.at(row, column)} is missing; a session is not excluded without the "
                    f"{column}: write it here"
                )
        found.append(
            {
                "participant_id": person,
                "session_id": session,
                "rater": rater,
                "rating": word,
                "exclude": exclude,
                "reason": row.get("reason"),
            }
        )
    raise_all(faults)
    return sorted(
        found, key=lambda own: (own["participant_id"], own["session_id"], own["rater"] or "")
    )


def _is_known(
    sheet: Sheet, row: Row, known: dict[str, list[str]], sessions: Sheet, faults: list[str]
) -> bool:
    """Test whether a rated session is in the sheet of sessions; if not, add a fault."""
    person, session = row["participant_id"], row["session_id"]
    if person not in known:
        faults.append(
            f"{sheet.at(row, 'participant_id')}: {person} has no row in {sessions.path}"
            f"{did_you_mean(person, known) or '; correct it, or remove the row'}"
        )
    elif session not in known[person]:
        faults.append(
            f"{sheet.at(row, 'session_id')}: {person} has no {session} in {sessions.path}, but "
            f"{', '.join(known[person])}; correct it, or remove the row"
        )
    return session in known.get(person, ())


def _verdict(sheet: Sheet, row: Row, faults: list[str]) -> tuple[str, bool] | None:
    """Read the word of a row and whether its session leaves; None if it is not rated yet."""
    word, decision = ((row.get(column) or "").lower() for column in ("rating", "exclude"))
    if word and word not in WORDS:
        faults.append(
            f"{sheet.at(row, 'rating')}: {word!r} is none of {', '.join(WORDS)}"
            f"{did_you_mean(word, WORDS) or '; write one, or n/a where it is not rated yet'}"
        )
        return None
    if decision and decision not in _DECISIONS:
        faults.append(f"{sheet.at(row, 'exclude')}: {decision!r} is neither yes nor no; write one")
        return None
    if not word and not decision:
        return None
    exclude = _DECISIONS[decision] if decision else WORDS[word]
    if word and WORDS[word] and not exclude:
        faults.append(
            f"{sheet.at(row, 'exclude')} is no, and the rating is {word}; correct one of the two"
        )
    return word or ("exclude" if exclude else "include"), exclude


def excluding(ratings: Sequence[RatingRow]) -> dict[tuple[str, str], list[str]]:
    """Return why sessions leave by rating: any rater who excludes a session is enough.

    Returns
    -------
    dict
        participant_id and session_id to one reason per rater who excludes.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for own in ratings:
        if own["exclude"]:
            why = f"rated {own['rating']} by {own['rater']}: {own['reason']}"
            found.setdefault((own["participant_id"], own["session_id"]), []).append(why)
    return found


def disagreed(ratings: Sequence[RatingRow]) -> set[tuple[str, str]]:
    """Return the sessions (participant_id, session_id) that some rater keeps and some excludes."""
    said: dict[tuple[str, str], set[bool]] = {}
    for own in ratings:
        said.setdefault((own["participant_id"], own["session_id"]), set()).add(own["exclude"])
    return {session for session, verdicts in said.items() if len(verdicts) > 1}
