"""Carpets before and after cleaning, below the traces that explain them, on one axis of time."""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from crossfc.array import FloatArray, RealArray
from crossfc.report import figure

if TYPE_CHECKING:
    import pandas

_LEFT, _RIGHT, _WIDTH, _GAP = 58.0, 624.0, 640.0, 22.0
_TRACE, _CARPET = 54.0, 120.0  # heights
_FD = "FD (mm)"
# Colours where there is no page that has them: those of its light mode.
_STYLE = (
    "svg{background:#fff;color:#1d2126}text{fill:#555d66;font:11px sans-serif}"
    ".strong{fill:#1d2126;font-weight:600}.grid{stroke:#e6e9ec}.zero{stroke:#9aa3ad}"
    ".level{stroke:#0a6b3d;stroke-dasharray:3 3}.trace{fill:none;stroke-width:1}"
    ".trace.before{stroke:#8b95a0}.trace.after{stroke:#0b5c8f}.left-out{fill:#c0392b;opacity:.18}"
)


@dataclass(frozen=True)
class CarpetView:
    """A session in one pipeline, as it is drawn.

    Attributes
    ----------
    volumes : DataFrame
        The session's table of volumes (``*_desc-volumes_qc.tsv``).
    pipeline : str
    repetition_time : float
        Seconds.
    before, after : str or None
        Addresses of the carpets; None where there is none.
    censor_fd_mm : float or None
        Framewise displacement (mm) above which volumes are censored.
    """

    volumes: "pandas.DataFrame"
    pipeline: str
    repetition_time: float
    before: str | None
    after: str | None
    censor_fd_mm: float | None = None


def carpet_chart(view: CarpetView, alt: str, *, standalone: bool = False) -> str:
    """Draw framewise displacement, DVARS and the global signal above the carpets.

    Parameters
    ----------
    view : CarpetView
    alt : str
        Alternative text.
    standalone : bool
        True for a file of its own, which brings its colours.

    Returns
    -------
    str
        SVG. Volumes that the pipeline leaves out are marked through all parts.
    """
    seconds = view.repetition_time * len(view.volumes)
    traces, top = _traces(view, seconds)
    carpets, bottom = _carpets(view, top)
    whole = figure.Frame(_LEFT, _RIGHT, _GAP - 4, bottom, (0, seconds), (0, 1))
    axis = [figure.words(whole.px(t), bottom + 15, f"{t:g}") for t in figure.ticks(0, seconds, 6)]
    axis.append(figure.words((whole.left + whole.right) / 2, bottom + 30, "seconds"))
    body = "".join([*_left_out(view, whole), *traces, *carpets, *axis])
    height = bottom + 36
    if not standalone:
        return figure.svg(_WIDTH, height, body, alt, "chart carpet")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'width="{_WIDTH:g}" height="{height:g}"><style>{_STYLE}</style>{body}</svg>'
    )


def inlined_carpet(view: CarpetView, alt: str) -> str:
    """Return the chart as a data URL, for a page that has no file beside it."""
    drawn = carpet_chart(view, alt, standalone=True).encode()
    return "data:image/svg+xml;base64," + base64.b64encode(drawn).decode()


def _traces(view: CarpetView, seconds: float) -> tuple[list[str], float]:
    """Draw the traces, a panel each; also return where the next part begins."""
    times = view.repetition_time * (np.arange(len(view.volumes)) + 0.5)
    # A volume that no pipeline keeps, such as one before the steady state, would flatten all else.
    used = view.volumes.filter(regex="^kept_").to_numpy(dtype=bool).any(axis=1)
    out, top = [], _GAP
    for title, lines in _panels(view):
        every = np.concatenate([own[used] for _, own in lines] or [np.empty(0)])
        values = every[np.isfinite(every)]
        if not values.size:
            continue
        low, high = figure.limits(values)
        floor = 0.0 if values.min() >= 0 else low
        frame = figure.Frame(_LEFT, _RIGHT, top, top + _TRACE, (0, seconds), (floor, high))
        out += [figure.words(_LEFT, top - 6, title, "start", "strong"), _marks(frame)]
        if title == _FD and view.censor_fd_mm is not None and view.censor_fd_mm < high:
            y = frame.py(view.censor_fd_mm)
            out.append(figure.line(frame.left, y, frame.right, y, "level"))
        out += [_path(frame, times, own, css) for css, own in lines]
        top += _TRACE + _GAP
    return out, top


def _carpets(view: CarpetView, top: float) -> tuple[list[str], float]:
    """Draw the carpets; also return where they end."""
    out = []
    for title, address in (("before cleaning", view.before), ("after cleaning", view.after)):
        if address is not None:
            out.append(figure.words(_LEFT, top - 6, f"All voxels, {title}", "start", "strong"))
            out.append(
                f'<image x="{_LEFT:g}" y="{top:g}" width="{_RIGHT - _LEFT:g}" '
                f'height="{_CARPET:g}" preserveAspectRatio="none" href="{escape(address)}"/>'
            )
            out.append(figure.words(_LEFT - 6, top + 10, "superior", "end"))
            out.append(figure.words(_LEFT - 6, top + _CARPET - 3, "inferior", "end"))
            top += _CARPET + _GAP
    return out, top - _GAP


def _left_out(view: CarpetView, whole: figure.Frame) -> Iterator[str]:
    """Shade the volumes that the pipeline leaves out."""
    kept = view.volumes[f"kept_{view.pipeline}"].to_numpy(dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~kept, [0]]).astype(int)))
    for first, last in view.repetition_time * edges.reshape(-1, 2):
        left, right = whole.px(first), whole.px(last)
        yield (
            f'<rect class="left-out" x="{left:.1f}" y="{whole.top:g}" '
            f'width="{max(right - left, 0.8):.1f}" height="{whole.bottom - whole.top:.1f}"/>'
        )


def _panels(view: CarpetView) -> Iterator[tuple[str, list[tuple[str, FloatArray]]]]:
    """Return the traces of each panel, those before cleaning first."""

    def known(*named: tuple[str, str]) -> list[tuple[str, FloatArray]]:
        table = view.volumes
        return [(css, table[name].to_numpy(dtype=float)) for css, name in named if name in table]

    own = view.pipeline
    yield _FD, known(("after", "framewise_displacement"))
    yield (
        "DVARS (% of the brain's mean), before and after cleaning",
        known(("before", "dvars"), ("after", f"dvars_{own}")),
    )
    yield (
        "Global signal (%), before and after cleaning",
        known(("before", "global_signal"), ("after", f"global_signal_{own}")),
    )


def _marks(frame: figure.Frame) -> str:
    """Draw two marks of the vertical axis, at the ends of the round numbers within it."""
    found = figure.ticks(*frame.y, 2)
    out = []
    for tick in (found[0], found[-1]):
        y = frame.py(tick)
        out.append(figure.line(frame.left, y, frame.right, y, "grid"))
        out.append(figure.words(frame.left - 6, y + 3.5, f"{tick:g}".replace("-", "−"), "end"))
    return "".join(out)


def _path(frame: figure.Frame, times: RealArray, values: FloatArray, css: str) -> str:
    """Draw a trace; it is broken where a value is not known."""
    words, pen = [], False
    for time, value in zip(times, values, strict=True):
        if math.isfinite(value):
            # A value beyond the panel, of a volume that is left out, ends at its border.
            x, y = frame.px(time), min(max(frame.py(value), frame.top), frame.bottom)
            # A value between two unknown ones would be no line.
            words.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}" + ("" if pen else "h.4"))
        pen = math.isfinite(value)
    return f'<path class="trace {css}" d="{"".join(words)}"/>'
