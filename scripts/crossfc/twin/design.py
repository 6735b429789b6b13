"""The design of a digital twin: simulated people, sequences, sessions and scores.

As no real person is in it, it can be published.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NotRequired, TypeAlias, TypedDict

import numpy as np

from crossfc.atomic import write_text
from crossfc.bids import bids_name, label
from crossfc.fault import Fault
from crossfc.trial.sheet import MISSING, format_sheet
from crossfc.twin.scheme import Scheme

# Rows of the sheets, by column.
Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = list[dict[str, object]]


class SessionTruth(TypedDict):
    """What is planted in one session: by edge in Fisher z and as correlation, and motion by scan.

    ``mean_fd`` is the mean framewise displacement in mm.
    """

    group: str
    treatment: str
    period: int | None
    fisher_z: dict[str, float]
    correlation: dict[str, float]
    mean_fd: dict[str, float]
    occasion: NotRequired[str]


SCALE_ROWS: Rows = [
    {
        "scale": "MADRS",
        "instrument": "Montgomery-Asberg Depression Rating Scale",
        "lowest": 0,
        "highest": 60,
        "better": "lower",
        "construct": "depression",
    },
    {
        "scale": "SHAPS",
        "instrument": "Snaith-Hamilton Pleasure Scale (14 items scored 1 to 4)",
        "lowest": 14,
        "highest": 56,
        "better": "lower",
        "construct": "anhedonia",
    },
    {
        "scale": "TEPS_A",
        "instrument": "Temporal Experience of Pleasure Scale, anticipatory",
        "lowest": 10,
        "highest": 60,
        "better": "higher",
        "construct": "anhedonia",
    },
    {
        "scale": "TEPS_C",
        "instrument": "Temporal Experience of Pleasure Scale, consummatory",
        "lowest": 8,
        "highest": 48,
        "better": "higher",
        "construct": "anhedonia",
    },
]

# Model of the scores, first of patients and then of controls: mean and standard deviation under
# the control treatment, mean and standard deviation of the change under the active one (points).
# ASSUME: MADRS as in ds005917 (mean change -6.75, SD 9.5, n = 24); the anhedonia scales within
# ranges reported for samples with and without depression.
SCORE_MODEL: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "MADRS": ((27.0, 5.0, -7.0, 9.0), (1.5, 1.5, 0.0, 1.0)),
    "SHAPS": ((37.0, 5.0, -4.5, 5.5), (20.0, 3.0, 0.0, 2.5)),
    "TEPS_A": ((34.0, 6.0, 3.5, 5.0), (47.0, 4.5, 0.0, 2.5)),
    "TEPS_C": ((29.0, 5.0, 1.5, 4.0), (38.0, 4.0, 0.0, 2.5)),
}
# Share of the standard deviation of a change that is common to all scales (_COMMON), and that is
# common to the anhedonia scales only; the rest is specific to each scale. So the change in
# anhedonia is partly independent of that in depression.
_COMMON = {"depression": 0.85, "anhedonia": 0.40}
_ANHEDONIA = 0.65
_PERIOD_EFFECT = 0.12  # improvement from period to period, in standard deviations of the change
# Standard deviation of what the scores of a person in one period share, where there are occasions,
# in standard deviations between people.
_PERIOD_SD = 0.4
# Standard deviation of a session's score about all that, in the same unit. Of two treatments in two
# periods it is small, as people already differ in how they respond to one of the two; where several
# sessions are under the reference it is what the change between them consists of.
_SESSION_SD, _SESSION_SD_OF_DESIGNS = 0.05, 0.3


def stream(random_seed: int, *words: object) -> np.random.Generator:
    """Return a random number generator for one purpose, such as "motion" of a session.

    ``words`` say what for: person, session, purpose.

    Every purpose has its own generator, so that the result does not depend on what else is
    simulated or in which order.
    """
    name = "/".join(str(word) for word in (int(random_seed), *words))
    return np.random.default_rng(int.from_bytes(sha256(name.encode()).digest()[:16], "big"))


def parametric_design(
    n_patients: int = 16,
    n_controls: int = 12,
    groups: Sequence[str | None] = ("TRD", "HV"),
    treatments: Sequence[str] = ("ketamine", "placebo"),
    scales: Iterable[Row] = SCALE_ROWS,
    *,
    random_seed: int,
    active_first: Sequence[int] | None = None,
    one_session: int = 2,
    repeat_runs: int = 1,
    session_labels: dict[str, str] | None = None,
    task: str = "rest",
) -> tuple[Rows, Rows, Rows]:
    """Make the sheets of a two-period crossover trial.

    Parameters
    ----------
    n_patients, n_controls : int
        People with both sessions.
    groups : (str, str or None)
        Labels of patients and controls; None for a trial of one group (``n_controls`` is then 0).
    treatments : (str, str)
        Labels of the active and the control treatment; ``("A", "B")`` for a blinded trial.
    scales : list of dict
        Rows of scales.tsv.
    random_seed : int
    active_first : (int, int), optional
        How many patients and how many controls have the active treatment first. Default: one more
        than half of the patients and one fewer than half of the controls, so not balanced.
    one_session : int
        How many further people came only once, patients and controls in turn.
    repeat_runs : int
        How many sessions have a repeat run: the first session of so many patients.
    session_labels : dict, optional
        Treatment to session label; default the treatment itself.
    task : str

    Returns
    -------
    participants, sessions, scales : list of dict
        Rows of the three sheets.

    Raises
    ------
    Fault
        If the numbers of people contradict each other.
    """
    scale_rows: Rows = [dict(row) for row in scales]
    session_labels = session_labels or {t: t for t in treatments}
    counts = [n_patients, n_controls if groups[1] is not None else 0]
    if active_first is None:
        active_first = [counts[0] // 2 + 1, max(counts[1] // 2 - 1, 0)]
    if counts[0] < 1 or any(not 0 <= f <= n for f, n in zip(active_first, counts, strict=True)):
        raise Fault(
            f"config key twin: {counts[0]} patients and {counts[1]} controls with "
            f"{list(active_first)} who have the active treatment first cannot be; each must lie "
            "between 0 and the group"
        )
    participants: Rows = []
    sessions: Rows = []
    extra = [(one_session + 1) // 2, one_session // 2]
    if not counts[1]:
        extra = [one_session, 0]
    for role, group in enumerate(groups):
        if group is None:
            continue
        random = stream(random_seed, "sequences", role)
        orders = random.permutation(np.arange(counts[role]) < active_first[role])
        first = [*orders, *(i % 2 == 0 for i in range(extra[role]))]
        for number, active_is_first in enumerate(first, 1):
            person = f"sub-{'TH'[role]}{number:02d}"
            order = list(treatments) if active_is_first else list(treatments)[::-1]
            once = number > counts[role]
            person_random = stream(random_seed, person, "person")
            home = f"{person}/ses-{session_labels[order[0]]}"
            t1w = {"sub": label(person), "ses": session_labels[order[0]]}
            participants.append(
                {
                    "participant_id": person,
                    "group": group,
                    "sequence": "-".join(order),
                    "age": int(np.clip(person_random.normal(36, 10), 18, 65)),
                    "sex": "F" if person_random.random() < 0.6 else "M",
                    "t1w": f"{home}/anat/{bids_name(t1w, 'T1w', '.nii.gz')}",
                }
            )
            for period, treatment in enumerate(order[:1] if once else order, 1):
                repeated = role == 0 and period == 1 and number <= repeat_runs
                scans = scan_names(person, session_labels[treatment], task, 2 if repeated else 1)
                sessions.append(
                    {
                        "participant_id": person,
                        "session_id": f"ses-{session_labels[treatment]}",
                        "treatment": treatment,
                        "period": period,
                        "scan": ";".join(scans),
                    }
                )
    sessions = simulate_scores(
        participants,
        sessions,
        scale_rows,
        groups=groups,
        treatments=treatments,
        random_seed=random_seed,
    )
    for row in sessions:
        row["exclude"] = "no"
        row["reason"] = None
    return participants, sessions, scale_rows


def scan_names(person: str, session: str, task: str, runs: int) -> list[str]:
    """Return the paths of a session's runs, from the folder of the data set."""
    names = []
    for run in range(1, runs + 1):
        entities = {"sub": label(person), "ses": session, "task": task}
        if runs > 1:
            entities["run"] = f"{run:02d}"
        names.append(f"{person}/ses-{session}/func/{bids_name(entities, 'bold', '.nii.gz')}")
    return names


def simulate_scores(
    participants: Iterable[Row],
    sessions: Iterable[Row],
    scales: Iterable[Row] = SCALE_ROWS,
    *,
    groups: Sequence[str | None],
    treatments: Sequence[str],
    random_seed: int,
) -> Rows:
    """Simulate scores of the scales that have no column yet.

    A scale whose column exists already is not changed, so there may be real scores of one scale
    beside simulated scores of another. Simulated changes are correlated between simulated scales,
    but not with real scores.

    Parameters
    ----------
    participants, sessions, scales : list of dict
        Rows of the sheets.
    groups : (str, str or None)
        Labels of patients and controls.
    treatments : (str, str)
        Labels of the active and the control treatment.
    random_seed : int

    Returns
    -------
    list of dict
        Copies of the rows of ``sessions`` with one more column per scale: whole numbers within
        the range of the scale; None for people of other groups.

    Raises
    ------
    Fault
        If there is no model of the scores of a scale (`SCORE_MODEL`).
    """
    return add_scores(
        participants,
        sessions,
        scales,
        scheme=Scheme.crossover(groups, treatments),
        random_seed=random_seed,
        session_sd=_SESSION_SD,
    )


def add_scores(
    participants: Iterable[Row],
    sessions: Iterable[Row],
    scales: Iterable[Row],
    *,
    scheme: Scheme,
    random_seed: int,
    session_sd: float = _SESSION_SD_OF_DESIGNS,
) -> Rows:
    """Simulate scores in any design; see `simulate_scores`.

    Scores change with the treatment by its share of the whole effect (`Scheme.share`), and from
    period to period. ``session_sd`` is the standard deviation of a session's score about that, in
    standard deviations between people.
    """
    people = {row["participant_id"]: row for row in participants}
    rows = [dict(row) for row in sessions]
    for scale in scales:
        name = scale["scale"]
        if rows and name in rows[0]:
            continue
        if name not in SCORE_MODEL:
            raise Fault(
                f"config key twin: how people score on {name} is not known; use one of "
                f"{', '.join(SCORE_MODEL)}"
            )
        for row in rows:
            person = people.get(row["participant_id"])
            row[name] = None
            if person is not None and person["group"] in scheme.labels:
                row[name] = _score(row, person, scale, scheme, random_seed, session_sd)
    return rows


def _score(
    session: Row, person: Row, scale: Row, scheme: Scheme, random_seed: int, session_sd: float
) -> int:
    name, who = scale["scale"], person["participant_id"]
    level, spread, change, change_spread = SCORE_MODEL[name][scheme.role(person["group"])]
    common = stream(random_seed, who, "improvement").normal()
    hedonic = stream(random_seed, who, "hedonic").normal()
    own = stream(random_seed, who, "score", name).normal(size=2)
    depression = scale.get("construct") == "depression"
    share = _COMMON["depression" if depression else "anhedonia"]
    second = 0.0 if depression else _ANHEDONIA
    better = 1.0 if scale["better"] == "higher" else -1.0
    # Values above 0 are improvements, whatever the direction of the scale.
    improvement = share * common + second * hedonic
    improvement += np.sqrt(1 - share**2 - second**2) * own[0]
    value = level + spread * own[1]
    dose = scheme.share(session["treatment"], session.get("occasion"))
    value += dose * (change + better * change_spread * improvement)
    period = number(session.get("period"))
    if period is not None:
        value += (period - 1) * (better * _PERIOD_EFFECT * change_spread)
        if scheme.occasions:
            state = stream(random_seed, who, "score", name, "period", int(period))
            value += state.normal(scale=_PERIOD_SD * spread)
    own_noise = stream(random_seed, who, session["session_id"], name)
    value += own_noise.normal(scale=session_sd * spread)
    return int(np.clip(np.rint(value), float(scale["lowest"]), float(scale["highest"])))


def number(cell: object) -> float | None:
    """Return a cell as a number; None if it is missing."""
    if cell is None or str(cell) in MISSING or cell != cell:
        return None
    value: Any = cell
    return float(value)


def write_sheets(folder: str | Path, participants: Rows, sessions: Rows, scales: Rows) -> None:
    """Write participants.tsv, sessions.tsv and scales.tsv, with ``n/a`` in missing cells."""
    for name, rows in (
        ("participants", participants),
        ("sessions", sessions),
        ("scales", scales),
    ):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        write_text(Path(folder) / f"{name}.tsv", format_sheet(columns, rows))
