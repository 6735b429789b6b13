"""Find a person's segmentation in template space in a folder of derivatives."""

from collections.abc import Callable, Iterable
from pathlib import Path

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.connectivity.match import names_in


def find_grey_matter(
    participant_id: str,
    session_id: str,
    derivatives_dir: str | Path,
    space: str,
    res: str | None,
    listed: Callable[[Path], Iterable[str]] = names_in,
) -> Path | str:
    """Find a map of grey matter that lies in template space.

    Probabilities (``label-GM_probseg``) go before labels (``dseg``), the resolution of the BOLD
    before another, and the session's own folder before that of the person: fMRIPrep writes the
    anatomy of several sessions into ``sub-*/anat``, that of a single one below its session.

    Parameters
    ----------
    participant_id, session_id : str
    derivatives_dir : path
    space, res : str
        Labels of the BOLD; ``res`` is None if it has no such entity.
    listed : callable, optional
        Function that lists the names in a folder.

    Returns
    -------
    Path or str
        The map, or why there is none.
    """
    person = Path(derivatives_dir) / participant_id
    folders = [person / session_id / "anat", person / "anat"]
    for folder in folders:
        ranked: dict[tuple[bool, bool, int], list[str]] = {}
        for name in listed(folder):
            if rank := _rank(name, space, res):
                ranked.setdefault(rank, []).append(name)
        if not ranked:
            continue
        best = ranked[min(ranked)]
        if len(best) > 1:
            return f"{folder} has several maps of grey matter in space-{space}: {', '.join(best)}"
        return folder / best[0]
    return (
        f"no label-GM_probseg and no dseg in space-{space} in "
        f"{' or '.join(f'{f.relative_to(derivatives_dir)}' for f in folders)}"
    )


def _rank(name: str, space: str, res: str | None) -> tuple[bool, bool, int] | None:
    """Return how far down a file is in the order of preference; None if it is no such map."""
    if not name.endswith((".nii.gz", ".nii")):
        return None
    try:
        entities, suffix, _ = parse_name(name)
    except Fault:
        return None
    if entities.get("space") != space or "desc" in entities or "hemi" in entities:
        return None
    if (suffix, entities.get("label")) not in (("probseg", "GM"), ("dseg", None)):
        return None
    return suffix == "dseg", entities.get("res") != res, len(entities)
