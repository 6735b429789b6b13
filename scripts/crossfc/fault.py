"""A fault of the input: one clear sentence for the person who can mend it."""

from collections.abc import Sequence


class Fault(ValueError):
    """Input that cannot be analysed.

    The message names the file, the row and column where there are such, what is wrong and what
    to do about it. Scripts print it without a traceback.
    """


def at(file: object, row: int | None = None, column: str | None = None) -> str:
    """Say where a fault is, as ``file, row 3, column "period"``.

    Rows are counted as a spreadsheet does: the header is row 1.
    """
    place = str(file)
    if row is not None:
        place += f", row {row}"
    if column is not None:
        place += f', column "{column}"'
    return place


def raise_all(faults: Sequence[str]) -> None:
    """Raise one Fault listing every sentence, so that a sheet is mended in one go.

    Raises
    ------
    Fault
        If ``faults`` is not empty.
    """
    if faults:
        raise Fault("\n".join(faults))
