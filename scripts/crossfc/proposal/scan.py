"""Which scans are analysed: their task, space and resolution, and what else tells them apart."""

from collections import Counter
from typing import NamedTuple

from crossfc.proposal.survey import Survey, count, location
from crossfc.trial import space
from crossfc.trial.label import some
from crossfc.trial.open_entry import OPEN

# What fMRIPrep makes if it is not asked for another space.
_DEFAULT_SPACE = "MNI152NLin2009cAsym"
# Entities in which the scans of one session may differ: repeats, and images of one acquisition.
_ALIKE = ("run", "echo", "part", "task")


class Choice(NamedTuple):
    """The value of a key, or `OPEN`, and what it was chosen from."""

    value: str | None
    reason: str


def choose_task(found: Survey) -> Choice:
    """Choose the task: the only one, or the one of rest."""
    tasks = found.labels("task")
    there = some((f"{task} ({count(n, 'run')})" for task, n in tasks.most_common()), 8)
    resting = [task for task in tasks if "rest" in task.lower()]
    for few in (list(tasks), [task for task in tasks if task == "rest"], resting):
        if len(few) == 1:
            return Choice(few[0], f"the data set has {there}")
    return Choice(
        OPEN, f"which task is analysed? The data set has {there or 'no task in its names'}"
    )


def choose_space(found: Survey, task: str | None) -> tuple[Choice, Choice]:
    """Choose space and resolution: the only ones, or fMRIPrep's default space."""
    images = [i for i in found.images if task in (OPEN, i.entity("task"))]
    places = Counter((image.space, image.res) for image in images)
    there = some((f"{location(*own)} ({count(n, 'image')})" for own, n in places.most_common()), 8)
    usable = {own: n for own, n in places.items() if own[0] and space.problem(own[0]) is None}
    spaces = list(dict.fromkeys(str(own) for own, _ in usable))
    if not spaces:
        told = f"none is a version of MNI152 (they have {there}); run fMRIPrep with "
        return Choice(OPEN, f"{told}--output-spaces {_DEFAULT_SPACE}"), Choice(None, "")
    chosen = _DEFAULT_SPACE if _DEFAULT_SPACE in spaces else spaces[0]
    if len(spaces) > 1 and chosen != _DEFAULT_SPACE:
        return Choice(OPEN, f"which space is analysed? They have {there}"), Choice(None, "")
    rule = "fMRIPrep's default; " if len(spaces) > 1 else ""
    where = Choice(chosen, f"{rule}the derivatives have {there}")
    resolutions = [res for own, res in usable if own == chosen]
    if len(resolutions) > 1:
        labels = " or ".join("null (none)" if res is None else f'"{res}"' for res in resolutions)
        return where, Choice(OPEN, f"the res of the files of {chosen} that are analysed: {labels}")
    return where, Choice(resolutions[0], "the entity res of the files")


def differing(found: Survey, task: str | None) -> dict[str, Counter[str]]:
    """Return the entities in which scans of one session differ, with the labels that they have.

    ``""`` stands for scans without the entity.
    """
    sessions: dict[tuple[str, str], list[dict[str, str]]] = {}
    for run in found.runs():
        if task in (OPEN, run.entity("task")):
            sessions.setdefault((run.person, run.session), []).append(dict(run.run))
    labels: dict[str, Counter[str]] = {}
    for runs in sessions.values():
        keys = {key for run in runs for key in run} - set(_ALIKE)
        for key in sorted(keys):
            own = [run.get(key, "") for run in runs]
            if len(set(own)) > 1:
                labels.setdefault(key, Counter()).update(own)
    return labels


def n_repeated(found: Survey, task: str | None) -> int:
    """Count the sessions with several runs of the task."""
    runs = {(i.person, i.session, i.entity("run")) for i in found.runs()
            if task in (OPEN, i.entity("task"))}  # fmt: skip
    return sum(n > 1 for n in Counter((person, session) for person, session, _ in runs).values())


def scanned(found: Survey, task: str | None) -> Counter[str]:
    """Count the people with a scan of the task in each session."""
    there = {(i.session, i.person) for i in found.images if task in (OPEN, i.entity("task"))}
    return Counter(session for session, _ in there if session)
