"""What the sheets do not allow to be estimated, and why: said before any job runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfc.trial.contrast import ANY, BEFORE, Cell, Contrast
from crossfc.trial.design import Compared, Trial, sessions_of
from crossfc.trial.session import Session
from crossfc.trial.visit import ORDER


@dataclass(frozen=True)
class Limit:
    """What cannot be estimated, or cannot be told from another effect.

    Attributes
    ----------
    contrast : str
    group : str or None
        None for the whole contrast.
    why : str
    estimable : bool
        Whether there is an estimate all the same.
    """

    contrast: str
    group: str | None
    why: str
    estimable: bool = False

    def __str__(self) -> str:
        where = "" if self.group is None else f" in {self.group}"
        what = "" if self.estimable else " cannot be estimated"
        return f"contrast {self.contrast}{what}{where}: {self.why}"


def limits(
    trial: Trial, compared: Mapping[str, Sequence[Compared]], usable: Sequence[Session]
) -> list[Limit]:
    """List what cannot be estimated in maps and edges, with the reason.

    Parameters
    ----------
    trial : Trial
    compared : mapping
        Name of each contrast, and the people who have all of its sessions.
    usable : sequence of Session
        The sessions with a scan, or a ready map.

    Returns
    -------
    list of Limit
        One per contrast that has no data at all (an empty cell, or nobody in all cells),
        per group without anybody, and per effect that cannot be told from those of periods or of
        time. Empty if everything can be estimated.
    """
    said = []
    for contrast in trial.contrasts:
        name, people = contrast.name, compared[contrast.name]
        empty = [cell for cell in contrast.cells if not sessions_of(cell, usable)]
        if empty:
            said.append(Limit(name, None, f"nobody has {_scans(trial, empty)}"))
            continue
        if not people:
            cells = _scans(trial, contrast.cells)
            said.append(Limit(name, None, f"nobody has all of its sessions ({cells})"))
            continue
        of_group = {
            group: [own for own in people if own.participant.group == group]
            for group in trial.groups
        }
        for group, own in of_group.items():
            if not own:
                said.append(Limit(name, group, "nobody of it has all sessions"))
            elif why := _confounded(trial, contrast, own):
                said.append(Limit(name, group, why, estimable=True))
    return said


def _scans(trial: Trial, cells: Sequence[Cell]) -> str:
    kind = "map" if trial.config["entry"] == "maps" else "scan"
    where = [
        f"at {cell.occasion}" if cell.treatment in (ANY, BEFORE) else f"under {cell.label}"
        for cell in cells
    ]
    return f"a {kind} " + " and ".join(where)


def _confounded(trial: Trial, contrast: Contrast, people: Sequence[Compared]) -> str:
    """Say why the effect cannot be told from another in a group; empty if it can."""
    columns = trial.visit_columns(contrast)
    if trial.arms:
        return ""  # the arms are compared, which time does not touch
    if contrast.over_time or not columns:
        return (
            "it is a change over time, with nothing to compare it with, so the effects of "
            "treatment and time cannot be told apart"
        )
    known = [own.order for own in people if all(v is not None for v in own.order.values())]
    what = "order of treatments" if columns == [ORDER] else "periods"
    are = "is" if columns == [ORDER] else "are"
    if not known:
        return (
            f"the {what} {are} not known for anybody, so the effect cannot be told from that of "
            "periods, and is not adjusted for it"
        )
    if len({tuple(order[column] for column in columns) for order in known}) == 1:
        everybody = "everybody" if len(known) == len(people) else f"everybody of known {what}"
        return (
            f"{everybody} had the same {what}, so the effects of treatment and period cannot be "
            "told apart"
        )
    return ""
