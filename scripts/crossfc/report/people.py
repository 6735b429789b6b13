"""Who was analysed, who left, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossfc.report import number
from crossfc.report.results import Results
from crossfc.report.table import Column, Table, blank, from_frame, text

UNKNOWN_SEQUENCE = "order not known"


@dataclass
class Flow:
    """Numbers of people of one group, from the sheets to the analysis.

    ``scanned`` are those with any session to analyse, told where there are several contrasts.
    """

    group: str
    css: str
    known: int
    left_whole: int
    one_session: int
    paired: int
    by_sequence: list[tuple[str, int]]
    sessions: str = "both sessions"
    scanned: int | None = None

    @property
    def summary(self) -> str:
        """The numbers in words.

        For example ``24 people of TRD (12 ketamine then placebo, 12 placebo then ketamine)``.
        """
        return f"{self._people} of {self.group}{self._orders}"

    @property
    def line(self) -> str:
        """The same with the group first: ``TRD: 24 people (12 ketamine then placebo, …)``."""
        return f"{self.group}: {self._people}{self._orders}"

    @property
    def _people(self) -> str:
        return f"{self.paired} {'person' if self.paired == 1 else 'people'}"

    @property
    def _orders(self) -> str:
        orders = ", ".join(f"{n} {sequence}" for sequence, n in self.by_sequence if n)
        return f" ({orders})" if orders else ""


def group_css(results: Results, group: str) -> str:
    """Return the CSS class of a group's colour."""
    if group in results.groups:
        return f"g{results.groups.index(group)}"
    return "g2" if len(results.groups) < 3 else "g6"


def everybody(results: Results) -> set[str]:
    """Return the identifiers of all people in any table of the results."""
    frames = [value for value in vars(results).values() if isinstance(value, pd.DataFrame)]
    frames += list(results.quality_tables.values())
    found = {str(person) for frame in frames if "participant_id" in frame
             for person in frame["participant_id"]}  # fmt: skip
    for frame in frames:
        if "other_participant" in frame:
            found |= {str(person) for person in frame["other_participant"].dropna()}
    return {person for person in found if person.startswith("sub-")}


def group_of(results: Results) -> dict[str, str]:
    """Return the group of everybody in any table of the results."""
    found: dict[str, str] = {}
    for frame in (results.people, results.paired, results.left, results.edges, results.scores):
        if {"participant_id", "group"} <= set(frame.columns):
            for person, group in zip(frame["participant_id"], frame["group"], strict=True):
                found.setdefault(person, group)
    return found


def pairs_table(results: Results) -> pd.DataFrame:
    """Return the people with both sessions: those of the maps, or else those with both scores."""
    if len(results.paired):
        return results.paired
    if results.scores.empty:
        return pd.DataFrame(columns=["participant_id", "group", "sequence"])
    used = results.scores
    if "used" in used:
        used = used[used["used"].astype(str).str.lower() == "true"]
    return used.drop_duplicates("participant_id")


def one_session(results: Results) -> pd.DataFrame:
    """Return the people with a single analysed session, whom only the mixed model uses."""
    if results.edges.empty:
        return pd.DataFrame(columns=["participant_id", "group", "session_id", "treatment"])
    columns = ["participant_id", "group", "session_id", "treatment"]
    rows = results.edges.drop_duplicates(["participant_id", "session_id"])
    count = rows.groupby("participant_id")["session_id"].transform("nunique")
    return rows.loc[count == 1, [c for c in columns if c in rows]].reset_index(drop=True)


def trial_flows(results: Results) -> list[Flow]:
    """Count the people of every group: of one contrast, or of all contrasts together.

    Who leaves which of several contrasts is told by `contrast_table`.
    """
    views = results.views()
    if len(views) < 2:
        return flows(results)
    everyone, gone = group_of(results), left_whole(results)
    has_maps = any(len(view.paired) for view in views)
    tables = [pairs_table(view) for view in views]
    sequences = {
        row["participant_id"]: row.get("sequence") for table in tables
        for row in table.to_dict("records")
    }  # fmt: skip
    out = []
    for group, own in complete(results).items():
        known = {person for person, of in everyone.items() if of == group}
        orders = pd.Series([sequences[person] for person in own], dtype=object)
        counts = orders.fillna("n/a").replace("n/a", UNKNOWN_SEQUENCE).value_counts().sort_index()
        by_sequence = [(str(s).replace("-", " then "), int(n)) for s, n in counts.items()]
        left = known & gone if has_maps else set[str]()
        out.append(
            Flow(
                group,
                group_css(results, group),
                known=len(known),
                left_whole=len(left),
                one_session=0,
                paired=len(own),
                by_sequence=by_sequence if any(view.order for view in views) else [],
                sessions=f"all sessions of one of {len(views)} comparisons or more",
                scanned=len(known - left) if has_maps else None,
            )
        )
    return out


def left_whole(results: Results) -> set[str]:
    """Return the people who left everything: excluded, or with nothing to analyse."""
    if results.left.empty:
        return set()
    whole = (results.left["analysis"] == "all") & (results.left["level"] == "participant")
    return set(results.left.loc[whole, "participant_id"])


def contrast_table(results: Results) -> Table | None:
    """Tabulate who is in each of several contrasts, and who leaves it, by name and with reason."""
    views = results.views()
    if len(views) < 2:
        return None
    rows = []
    for view in views:
        paired, left = pairs_table(view), _left_of(results, str(view.design["contrast"]))
        row: dict[str, Any] = {"contrast": view.design["contrast"], "compared": view.heading}
        row |= {f"n_{group}": int((paired["group"] == group).sum()) for group in view.groups}
        row["left"] = left["participant_id"].nunique() if len(left) else 0
        row["who"] = "; ".join(_leaves(own) for own in left.to_dict("records"))
        rows.append(row)
    columns: list[Column] = [("contrast", "contrast", text), ("compared", "compared", text)]
    columns += [(f"n_{group}", f"n {group}", number.whole) for group in results.groups]
    if any(row["left"] for row in rows):
        columns += [("left", "left", number.whole), ("who", "who left, and why", blank)]
    caption = "Who is in each comparison"
    if left_whole(results) and any(len(view.paired) for view in views):
        caption += ", besides those who left the whole study"
    return from_frame(pd.DataFrame(rows), columns, caption)


def _left_of(results: Results, contrast: str) -> pd.DataFrame:
    """Return the rows of who left a contrast."""
    return results.left[results.left["analysis"] == contrast] if len(results.left) else results.left


def _leaves(row: Mapping[Any, Any]) -> str:
    """Name a person, the session if it is one that leaves, and the reason."""
    session = f" {row['what']}" if row["level"] == "session" else ""
    return f"{row['participant_id']}{session} ({row['reason']})"


def flows(results: Results) -> list[Flow]:
    """Count the people of every group in the order of the study; other groups come last."""
    everyone = group_of(results)
    paired = pairs_table(results)
    alone = set(one_session(results)["participant_id"])
    groups = results.groups + sorted(set(paired["group"]) - set(results.groups))
    out = []
    for group in groups:
        own = {person for person, g in everyone.items() if g == group}
        rows = paired[paired["group"] == group]
        both = set(rows["participant_id"])
        single = len((own & alone) - both)
        sequence = rows["sequence"] if "sequence" in rows else pd.Series(["n/a"] * len(rows))
        counts = sequence.replace("n/a", UNKNOWN_SEQUENCE).value_counts()
        pair = results.crossed
        expected = [f"{a}-{b}" for a, b in (pair, pair[::-1])] if pair else []
        order = [s for s in expected if len(both)] + sorted(set(counts.index) - set(expected))
        if set(counts.index) == {UNKNOWN_SEQUENCE}:
            order = [UNKNOWN_SEQUENCE]
        out.append(
            Flow(
                group,
                group_css(results, group),
                len(own),
                len(own - both) - single,
                single,
                len(both),
                [(str(s).replace("-", " then "), int(counts.get(s, 0))) for s in order]
                if results.order
                else [],
                results.sessions_of_people,
            )
        )
    return out


def complete(results: Results) -> dict[str, set[str]]:
    """Return the people with all sessions of some contrast, by group."""
    found: dict[str, set[str]] = {}
    for view in results.views():
        paired = pairs_table(view)
        groups = view.groups + sorted(set(paired["group"]) - set(view.groups))
        for group in groups:
            own = paired.loc[paired["group"] == group, "participant_id"]
            found.setdefault(group, set()).update(own)
    return found


def left_table(results: Results) -> Table | None:
    """List by name who left which analysis, sessions included, and why.

    Who left one of several contrasts is in `contrast_table`.
    """
    left = results.left
    if results.n_contrasts > 1 and len(left):
        names = {str(design["contrast"]) for design in results.designs}
        left = left[~left["analysis"].isin(names)]
    if left.empty:
        return None
    columns = [
        ("participant_id", "person", text),
        ("group", "group", text),
        ("level", "what left", text),
        ("what", "session", blank),
        ("analysis", "left which analysis", text),
        ("reason", "why", text),
    ]
    return from_frame(left, columns, "Who left which analysis, and why")


def one_session_table(results: Results) -> Table | None:
    """List the people with one session."""
    rows = one_session(results)
    if rows.empty or (results.n_contrasts > 1 and results.mixed.empty):
        return None
    columns = [
        ("participant_id", "person", text),
        ("group", "group", text),
        ("session_id", "session", text),
        ("treatment", "treatment", text),
    ]
    caption = "People with one session: outside the paired analyses, inside the mixed model"
    return from_frame(rows, columns, caption)


def analysed_table(results: Results) -> Table | None:
    """List the people of the paired analyses, with their motion."""
    if results.paired.empty:
        return None
    known = {"participant_id", "group", "sequence", *results.order}
    covariates = [
        (c, c, number.general if results.paired[c].dtype.kind in "fiu" else text)
        for c in results.paired.columns
        if c not in known and not c.startswith(("mean_fd", "delta_", "score_"))
    ]
    columns: list[tuple[str, str, Any]] = [
        ("participant_id", "person", text),
        ("group", "group", text),
        ("sequence", "sequence", text),
        *covariates,
        ("mean_fd_active", f"mean FD, {results.active} (mm)", lambda v: number.fixed(v, 3)),
        ("mean_fd_control", f"mean FD, {results.control} (mm)", lambda v: number.fixed(v, 3)),
    ]
    which = f" ({results.heading})" if results.heading else ""
    title = f"Who was analysed, with {results.sessions_of_people}{which}"
    return from_frame(results.paired, columns, title)
