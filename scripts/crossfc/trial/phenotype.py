"""Scores of a BIDS data set, from its phenotype tables."""

from pathlib import Path, PurePosixPath
from typing import Any

from crossfc.fault import Fault
from crossfc.trial.sheet import Sheet, read_sheet


def read_scores(
    root: Path, mapping: dict[str, Any]
) -> dict[tuple[str, str], dict[str, str | None]]:
    """Read the scores by person and session, as the tables hold them.

    Raises
    ------
    Fault
        If a table or column that the config names is not there, or two scores contradict.
    """
    scores: dict[tuple[str, str], dict[str, str | None]] = {}
    for pattern in mapping["phenotype"]:
        if not pattern or PurePosixPath(pattern).is_absolute():
            raise Fault(
                f"config key dataset.phenotype: {pattern!r} is no path below {root}; write it "
                "from there"
            )
        paths = sorted(p for p in root.glob(pattern) if not p.name.startswith("."))
        if not paths:
            raise Fault(
                f"config key dataset.phenotype: {root / pattern} does not exist; correct the path"
            )
        for path in paths:
            sheet = read_sheet(path, ["session_id"])
            for row in sheet.rows:
                person = row.get("participant_id") or path.name.split("_")[0]
                key = person, str(row.get("session_id"))
                own = scores.setdefault(key, {})
                for scale, column in mapping["scales"].items():
                    if column in sheet.columns:
                        _add_score(sheet, row.number, own, scale, row.get(column))
    _check_scores(scores, mapping)
    return scores


def _check_scores(
    scores: dict[tuple[str, str], dict[str, str | None]], mapping: dict[str, Any]
) -> None:
    found = {scale for own in scores.values() for scale in own}
    analysed = {
        s for (_, session), own in scores.items() if session in mapping["sessions"] for s in own
    }
    for scale, column in mapping["scales"].items():
        if scale not in found:
            raise Fault(
                f"config key dataset.scales.{scale}: no table of dataset.phenotype has a column "
                f"{column}; correct it"
            )
        if scale not in analysed:
            known = sorted({session for _, session in scores})
            raise Fault(
                f"config key dataset.scales.{scale}: the tables of dataset.phenotype have "
                f"no row of {' or '.join(mapping['sessions'])}; their session_id is "
                f"{', '.join(known[:8])}"
            )


def _add_score(
    sheet: Sheet, row: int, own: dict[str, str | None], scale: str, value: str | None
) -> None:
    earlier = own.get(scale)
    if earlier is not None and value is not None and earlier != value:
        raise Fault(
            f"{sheet.path}, row {row}: a second, different score of {scale} for the same session "
            f"({earlier} and {value}); keep one"
        )
    own[scale] = earlier if value is None else value
