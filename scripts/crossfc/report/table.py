"""Tables of the page: columns with titles, and cells that are already formatted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from crossfc.report import number

if TYPE_CHECKING:
    import pandas

# A column of a frame, its title on the page, and what prints its values.
Column: TypeAlias = tuple[str, str, Callable[[Any], str]]


@dataclass
class Table:
    """One table: ``columns`` are (title, numeric) pairs, ``rows`` lists of text.

    ``marked`` holds the indices of the rows that are set in bold, such as significant ones.
    """

    caption: str
    columns: list[tuple[str, bool]]
    rows: list[list[str]]
    marked: set[int] = field(default_factory=set)


def text(value: Any) -> str:
    """Format any value that is not a measure."""
    if number.missing(value):
        return number.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value == round(value) and abs(value) < 1e15:
        return number.fixed(value, 0)
    return str(value)


def blank(value: Any) -> str:
    """Format text that may be empty."""
    return "" if number.missing(value) or value == number.MISSING else str(value)


WORDS = (text, blank)


def from_frame(
    frame: "pandas.DataFrame",
    columns: Iterable[Column],
    caption: str,
    marked: Iterable[bool] = (),
) -> Table:
    """Make a table from the columns of a data frame.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of (column, title, printer)
        Columns that the frame lacks are left out.
    caption : str
    marked : sequence of bool
        One per row: whether to mark it.
    """
    present = [(key, title, show) for key, title, show in columns if key in frame.columns]
    rows = [[show(row[key]) for key, _, show in present] for row in frame.to_dict("records")]
    return Table(
        caption,
        [(title, show not in WORDS) for _, title, show in present],
        rows,
        {i for i, mark in enumerate(marked) if mark},
    )


def everything(frame: "pandas.DataFrame", caption: str) -> Table:
    """Make a table of all columns of a frame whose columns are not known beforehand."""
    columns: list[Column] = []
    for key in frame.columns:
        numeric = frame[key].dtype.kind in "fiu"
        named = str(key) == "p" or str(key).startswith(("p_", "q_")) or str(key).endswith("_p")
        show = number.probability if numeric and named else number.general if numeric else text
        columns.append((key, str(key).replace("_", " "), show))
    return from_frame(frame, columns, caption)
