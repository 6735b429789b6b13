"""The distribution of one measure over all sessions, with the outliers named."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from crossfc.report import figure, number

_WIDTH, _HEIGHT, _LABELS = 300.0, 96.0, 3
_ROWS = 4  # heights at which points lie, so that equal ones show


@dataclass(frozen=True)
class Dot:
    """A session in a distribution: its name, value, and what is special about it."""

    name: str
    value: float
    outlier: bool
    excluded: bool
    address: str | None


def distribution(dots: Sequence[Dot], title: str, limit: float | None, alt: str) -> str:
    """Draw the values of all sessions along an axis, with the middle half and the limit.

    Parameters
    ----------
    dots : sequence of Dot
        Sessions whose value is known.
    title : str
        The measure, with its unit.
    limit : float or None
        Beyond which sessions are excluded.
    alt : str
        Alternative text.
    """
    values = np.array([dot.value for dot in dots])
    shown = [*values, *([] if limit is None else [limit])]
    frame = figure.Frame(12, _WIDTH - 12, 26, _HEIGHT - 34, figure.limits(shown), (0, 1))
    out = [figure.words(frame.left - 6, 12, title, "start", "strong")]
    for tick in figure.ticks(*frame.x, 4):
        x = frame.px(tick)
        out.append(figure.line(x, frame.top, x, frame.bottom, "grid"))
        out.append(figure.words(x, frame.bottom + 13, number.general(tick)))
    low, middle, high = (frame.px(float(q)) for q in np.percentile(values, [25, 50, 75]))
    out.append(
        f'<rect class="zone" x="{low:.1f}" y="{frame.top}" width="{max(high - low, 0.5):.1f}" '
        f'height="{frame.bottom - frame.top:.1f}"/>'
    )
    out.append(figure.line(middle, frame.top, middle, frame.bottom, "zero"))
    if limit is not None:
        x = frame.px(limit)
        out.append(figure.line(x, frame.top - 4, x, frame.bottom, "level"))
    order = np.argsort(values, kind="stable")
    step = (frame.bottom - frame.top) / (_ROWS + 1)
    for place, at in enumerate(order):
        dot = dots[at]
        css = "g0 full" if dot.outlier else "g6"
        x, y = frame.px(dot.value), frame.top + step * (1 + place % _ROWS)
        tip = f"{dot.name}: {number.general(dot.value, 3)}"
        tip += ", excluded" if dot.excluded else ""
        drawn = figure.point(x, y, css, tip, "square" if dot.excluded else "circle")
        out.append(_linked(drawn, dot.address))
    # Only the farthest are named in the picture: the table names all.
    named = [dots[at] for at in order if dots[at].outlier]
    farthest = sorted(named, key=lambda dot: -abs(dot.value - float(np.median(values))))[:_LABELS]
    if farthest:
        told = ", ".join(dot.name for dot in farthest)
        told += f" and {len(named) - _LABELS} more" if len(named) > _LABELS else ""
        out.append(figure.words(frame.left - 6, _HEIGHT - 4, told, "start", "far"))
    return figure.svg(_WIDTH, _HEIGHT, "".join(out), alt, role="group")


def _linked(drawn: str, address: str | None) -> str:
    return drawn if address is None else f'<a href="{escape(address)}">{drawn}</a>'
