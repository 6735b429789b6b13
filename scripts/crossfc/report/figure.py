"""Charts as inline SVG: they use the page's colours, and hovering a point names its person.

They are drawn without a plotting library, so that text stays text (searchable, scalable, in the
page's font), and charts follow the light and dark modes of the page.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from crossfc.report import number

# Letters of a label below a chart; longer ones would run into each other.
_LONGEST_LABEL = 18


@dataclass
class Frame:
    """The plotting area of a chart: scales from data to picture coordinates."""

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def px(self, x: float) -> float:
        """Convert a data value to the horizontal position in the picture."""
        return self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def py(self, y: float) -> float:
        """Convert a data value to the vertical position in the picture."""
        return self.bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers between two values: multiples of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not span > 0:
        return [low]
    found: list[float] = []
    while len(found) < 3:  # a scale needs at least three marks
        raw = span / about
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
        first = math.ceil(low / step - 1e-9)
        last = math.floor(high / step + 1e-9)
        found = [round(k * step, 12) for k in range(first, last + 1)]
        about += 1
    return found


def limits(values: Sequence[float], pad: float = 0.07) -> tuple[float, float]:
    """Return the range of the finite values with a margin; it is never empty."""
    array = np.asarray(list(values), dtype=float)
    array = array[np.isfinite(array)]
    if not len(array):
        return (0.0, 1.0)
    low, high = float(array.min()), float(array.max())
    margin = (high - low) * pad or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def inlined(picture: bytes, kind: str = "png") -> str:
    """Return a picture as a data URL, so that the page needs no file beside it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def svg(
    width: float, height: float, body: str, alt: str, css: str = "chart", role: str = "img"
) -> str:
    """Wrap a drawing in an SVG element; screen readers read the alternative text.

    A drawing with links in it is a ``group``, as what is in a picture (``img``) is not read.
    """
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="{role}" aria-label="{escape(alt)}">{body}</svg>'
    )


def words(x: float, y: float, text: Any, anchor: str = "middle", css: str = "") -> str:
    """Draw a piece of text."""
    css = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(str(text))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Draw a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def point(x: float, y: float, css: str, title: str = "", shape: str = "circle") -> str:
    """Draw a point; its title appears when it is hovered."""
    inner = f"<title>{escape(title)}</title>" if title else ""
    if shape == "triangle":
        path = f"M{x:.1f} {y - 4.2:.1f}l4 7h-8z"
        return f'<path class="pt {css}" d="{path}">{inner}</path>'
    if shape == "square":
        path = f"M{x - 3:.1f} {y - 3:.1f}h6v6h-6z"
        return f'<path class="pt {css}" d="{path}">{inner}</path>'
    return f'<circle class="pt {css}" cx="{x:.1f}" cy="{y:.1f}" r="3.3">{inner}</circle>'


def axis_y(frame: Frame, title: str, about: int = 5) -> str:
    """Draw the vertical axis with its grid and title."""
    out = []
    for tick in ticks(*frame.y, about):
        y = frame.py(tick)
        zero = "zero" if tick == 0 else "grid"
        out.append(line(frame.left, y, frame.right, y, zero))
        out.append(words(frame.left - 6, y + 3.5, number.general(tick), "end"))
    middle = (frame.top + frame.bottom) / 2
    out.append(
        f'<text transform="translate(12 {middle:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(title)}</text>"
    )
    return "".join(out)


def axis_x(frame: Frame, title: str, about: int = 5) -> str:
    """Draw the horizontal axis with its grid and title."""
    out = []
    for tick in ticks(*frame.x, about):
        x = frame.px(tick)
        out.append(line(x, frame.top, x, frame.bottom, "zero" if tick == 0 else "grid"))
        out.append(words(x, frame.bottom + 14, number.general(tick)))
    out.append(words((frame.left + frame.right) / 2, frame.bottom + 29, title))
    return "".join(out)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Compute mean and 95 % interval (Student's t); NaN limits with fewer than two values."""
    array = np.asarray(list(values), dtype=float)
    array = array[np.isfinite(array)]
    if not len(array):
        return math.nan, math.nan, math.nan
    mean = float(array.mean())
    if len(array) < 2:
        return mean, math.nan, math.nan
    from scipy import stats

    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array)))
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Group:
    """A group of people in a chart: its name, the class of its colour, and its people.

    ``people`` are (name, control, active) each.
    """

    name: str
    css: str
    people: Sequence[tuple[str, float, float]]


def paired(
    groups: Sequence[Group],
    treatments: tuple[str, str],
    title: str,
    alt: str,
    show: Any = number.fixed,
) -> str:
    """Draw each person under both treatments, with mean and 95 % interval.

    Parameters
    ----------
    groups : sequence of Group
    treatments : (str, str)
        Labels, control first.
    title : str
        Title of the vertical axis.
    alt : str
        Alternative text.
    show : callable
        Function that formats a value for the hover text.
    """
    values = [v for g in groups for _, *pair in g.people for v in pair if not number.missing(v)]
    values += _bounds(groups, values)
    labels = _short(treatments)
    # Labels stand side by side, 0.4 of a panel apart.
    wide = max(148, round(15.5 * max(map(len, labels))))
    width, height = 58 + wide * max(1, len(groups)), 236
    frame = Frame(50, width - 6, 12, height - 44, (0, max(1, len(groups))), limits(values))
    out = [axis_y(frame, title)]
    for k, group in enumerate(groups):
        xs = (frame.px(k + 0.3), frame.px(k + 0.7))
        for name, *pair in group.people:
            ys = [frame.py(v) if not number.missing(v) else None for v in pair]
            tip = f"{name}: {show(pair[0])} ({treatments[0]}), {show(pair[1])} ({treatments[1]})"
            if ys[0] is not None and ys[1] is not None:
                out.append(line(xs[0], ys[0], xs[1], ys[1], f"person {group.css}"))
            for x, y, style in zip(xs, ys, ("hollow", "full"), strict=True):
                if y is not None:
                    out.append(point(x, y, f"{style} {group.css}", tip))
        means = []
        for side, x, away in ((0, xs[0], -13), (1, xs[1], 13)):
            mean, low, high = mean_interval([p[1:][side] for p in group.people])
            if math.isnan(mean):
                continue
            means.append((x + away, frame.py(mean)))
            if not math.isnan(low):
                # An interval may exceed the range of the points; it is cut at the frame.
                ends = [min(max(frame.py(v), frame.top), frame.bottom) for v in (low, high)]
                out.append(line(x + away, ends[0], x + away, ends[1], f"interval {group.css}"))
            out.append(point(x + away, frame.py(mean), f"mean {group.css}", "", "square"))
        if len(means) == 2:
            out.append(line(*means[0], *means[1], f"between {group.css}"))
        for x, label in zip(xs, labels, strict=True):
            out.append(words(x, frame.bottom + 16, label))
        middle = frame.px(k + 0.5)
        n = len(group.people)
        out.append(words(middle, frame.bottom + 34, f"{group.name} (n = {n})", css="strong"))
    return svg(width, height, "".join(out), alt)


def _short(treatments: tuple[str, str]) -> tuple[str, str]:
    """Return labels that fit below a chart: those of long sides of a contrast are their signs."""
    return treatments if max(map(len, treatments)) <= _LONGEST_LABEL else ("− side", "+ side")


@dataclass(frozen=True)
class Series:
    """The course of one treatment in a group: mean and interval at each occasion (by its place)."""

    name: str
    css: str
    points: Sequence[tuple[int, float, float, float, int]]


def courses(
    panels: Sequence[tuple[str, Sequence[Series]]], occasions: Sequence[str], title: str, alt: str
) -> str:
    """Draw means with 95 % intervals over occasions, a panel for each group, a line a treatment.

    Parameters
    ----------
    panels : sequence of (str, sequence of Series)
        The name of each group, and its courses.
    occasions : sequence of str
        Labels, in the order of time.
    title : str
        Title of the vertical axis.
    alt : str
        Alternative text.
    """
    every = [s for _, courses in panels for s in courses]
    values = [v for s in every for _, *three, _ in s.points for v in three if not math.isnan(v)]
    wide = 40 + 58 * len(occasions)
    names = list(dict.fromkeys(s.name for s in every))
    width, height = 58 + wide * max(1, len(panels)), 236 + 14 * len(names)
    frame = Frame(50, width - 6, 12, 192, (0, max(1, len(panels))), limits(values))
    out, step = [axis_y(frame, title)], 0.8 / max(len(occasions), 1)
    for k, (group, courses) in enumerate(panels):
        places = [frame.px(k + 0.1 + step * (i + 0.5)) for i in range(len(occasions))]
        for number_of, series in enumerate(courses):
            shift = 5 * (number_of - (len(courses) - 1) / 2)
            before = None
            for place, mean, low, high, n in series.points:
                x, y = places[place] + shift, frame.py(mean)
                if before is not None:
                    out.append(line(*before, x, y, f"between {series.css}"))
                if not math.isnan(low):
                    ends = frame.py(low), frame.py(high)
                    out.append(line(x, ends[0], x, ends[1], f"interval {series.css}"))
                tip = f"{group}, {series.name}, {occasions[place]}: {number.fixed(mean)} (n = {n})"
                out.append(point(x, y, f"full {series.css}", tip))
                before = x, y
        for x, label in zip(places, occasions, strict=True):
            out.append(words(x, frame.bottom + 16, label))
        out.append(words(frame.px(k + 0.5), frame.bottom + 34, group, css="strong"))
    for row, name in enumerate(names):
        css = next(s.css for s in every if s.name == name)
        y = frame.bottom + 50 + 14 * row
        out.append(point(frame.left + 4, y - 4, f"full {css}", ""))
        out.append(words(frame.left + 14, y, name, "start"))
    return svg(width, height, "".join(out), alt)


def _bounds(groups: Sequence[Group], values: Sequence[float]) -> list[float]:
    """Return the ends of the means' intervals, limited so that the points keep enough room.

    With two or three people, an interval can be many times as wide as the range of the data.
    """
    if not values:
        return []
    low, high = min(values), max(values)
    room = 0.5 * (high - low)
    out = []
    for group in groups:
        for side in (0, 1):
            _, *ends = mean_interval([p[1:][side] for p in group.people])
            out += [min(max(v, low - room), high + room) for v in ends if not math.isnan(v)]
    return out


def scatter(
    points: Sequence[tuple[float, float, str, str, str]],
    x_title: str,
    y_title: str,
    alt: str,
) -> str:
    """Draw points with their least-squares line.

    Parameters
    ----------
    points : list of (x, y, name, css, shape)
    x_title, y_title, alt : str
    """
    kept = [p for p in points if not number.missing(p[0]) and not number.missing(p[1])]
    width, height = 268, 244
    frame = Frame(
        50, width - 8, 10, height - 40, limits([p[0] for p in kept]), limits([p[1] for p in kept])
    )
    out = [axis_y(frame, y_title), axis_x(frame, x_title, 4)]
    x = np.array([p[0] for p in kept], dtype=float)
    y = np.array([p[1] for p in kept], dtype=float)
    if len(kept) > 2 and x.std() > 0:
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        ends = [(v, y.mean() + slope * (v - x.mean())) for v in (float(x.min()), float(x.max()))]
        (x1, y1), (x2, y2) = [(frame.px(a), frame.py(b)) for a, b in ends]
        out.append(line(x1, y1, x2, y2, "fit"))
    for a, b, name, css, shape in kept:
        tip = f"{name}: {number.general(a, 3)}, {number.general(b, 3)}"
        out.append(point(frame.px(a), frame.py(b), f"full {css}", tip, shape))
    return svg(width, height, "".join(out), alt)
