"""The T1w images of a data set: whose they are, and the one that serves a person."""

import re
from pathlib import Path, PurePosixPath

from crossfc.bids import DERIVED, parse_name
from crossfc.fault import Fault
from crossfc.trial.configuration import Configuration
from crossfc.trial.label import some
from crossfc.trial.mapping import Person, period_of, treatment_of
from crossfc.trial.tree import IMAGE, Tree


def find_anatomies(files: list[PurePosixPath]) -> dict[str, list[tuple[str, str]]]:
    """List the T1w images of each person as (session or "", path), without derivatives."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in files:
        if len(path.parts) not in (3, 4) or path.parts[-2] != "anat":
            continue
        try:
            entities, suffix, extension = parse_name(path.name)
        except Fault:
            continue
        if suffix != "T1w" or extension not in IMAGE or any(k in entities for k in DERIVED):
            continue
        session = path.parts[1] if len(path.parts) == 4 else ""
        found.setdefault(path.parts[0], []).append((session, str(path)))
    return found


def reference_anatomy(
    own: list[tuple[str, str]],
    person: Person,
    order: list[str | None],
    config: Configuration,
) -> str | None:
    """Choose one T1w per person for both sessions, by a rule that does not depend on the outcome.

    The rule: a T1w without session; else the first run of the first analysed session that has one
    (ordered by period if known); else the first by name. Numbers in names are compared as numbers,
    so run 2 comes before run 10.
    """
    sessions = list(person.sessions)

    def rank(candidate: tuple[str, str]) -> tuple[int, list[tuple[str, int]], str]:
        session, path = candidate
        pieces = re.findall(r"(\D*)(\d*)", path)
        name = [(text, int(digits or 0)) for text, digits in pieces]
        if session == "":
            return (0, name, path)
        if session not in sessions:
            return (3 + len(sessions), name, path)
        known = treatment_of(session, person, config) if order else None
        period = period_of(session, known, order, person)
        return (period or 3 + sessions.index(session), name, path)

    return min(own, key=rank)[1] if own else None


def anatomies_said(
    tree: Tree, people: list[dict[str, object]], sessions: list[dict[str, object]]
) -> list[str]:
    """Describe whose T1w is missing in a session or altogether, and who has several kinds."""
    anatomies = find_anatomies(tree.files)
    said, several, none = [], [], []
    scanned = {str(s["participant_id"]) for s in sessions if s["scan"]}
    sessions_of: dict[str, set[str]] = {}
    for session in sessions:
        own = sessions_of.setdefault(str(session["participant_id"]), set())
        own.add(str(session["session_id"]))
    for row in people:
        person, chosen = str(row["participant_id"]), row["t1w"]
        having = {session for session, _ in anatomies.get(person, [])}
        own = sessions_of.get(person, set())
        without = sorted(own - having)
        if chosen is not None and without and own & having and "" not in having:
            said.append(f"{person}: no T1w in {' and '.join(without)}; {chosen} serves it too")
        if chosen is None and person in scanned:
            none.append(person)
        beside = [p for _, p in anatomies.get(person, []) if _folder(p) == _folder(str(chosen))]
        if row["exclude"] == "no" and len({re.sub(r"_run-\d+", "", p) for p in beside}) > 1:
            several.append(Path(str(chosen)).name)
    if none:
        said.append(f"no T1w image, which entry raw needs: {some(none)}")
    if several:
        said.append(
            f"of T1w images that differ in more than run, the first is used: {some(several)}"
        )
    return said


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
