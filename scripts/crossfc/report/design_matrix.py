"""The design matrix of an analysis as a picture."""

from html import escape
from itertools import groupby

import numpy as np
import pandas as pd

from crossfc.group.design.matrix import BLOCK, PERSON
from crossfc.report import number
from crossfc.report.figure import svg, words

_WIDTH, _ROW, _TOP, _LEFT = 74.0, 5.0, 16.0, 8.0


def design_picture(design: pd.DataFrame, tested: list[str], title: str) -> str:
    """Draw a design matrix: people in rows, sorted by the columns; columns side by side.

    Each column has a shade of its own range, dark where it is largest.

    Parameters
    ----------
    design : DataFrame
        As `crossfc.group.design.matrix.design_matrix` writes it.
    tested : list of str
        The columns under test, which are marked.
    title : str
        Of the analysis, for the alternative text.

    Returns
    -------
    str
        SVG; empty if nobody is in the matrix.
    """
    names = [str(name) for name in design.columns if name not in (PERSON, BLOCK)]
    if design.empty or not names:
        return ""
    # Groups and orders first, as what varies continuously would scatter them.
    keys = sorted(names, key=lambda name: design[name].nunique())
    rows = design.sort_values([*keys, PERSON], ascending=False, kind="stable")
    height = _TOP + len(rows) * _ROW
    drawn = []
    for at, name in enumerate(names):
        left = _LEFT + at * (_WIDTH + 4)
        drawn += _column(rows[name].to_numpy(dtype=float), left)
        drawn.append(words(left + _WIDTH / 2, _TOP - 5, _short(name)))
        drawn.append(f'<rect x="{left:g}" y="{_TOP:g}" width="{_WIDTH:g}" height="'
                     f'{len(rows) * _ROW:g}" class="frame"><title>{escape(_range(rows[name]))}'
                     "</title></rect>")  # fmt: skip
        if name in tested:
            drawn.append(words(left + _WIDTH / 2, height + 13, "under test"))
    people = f"{len(rows)} people in rows"
    columns = ", ".join(f"{name}{' (under test)' if name in tested else ''}" for name in names)
    alt = f"Design matrix of {title}: {people}; columns {columns}"
    return svg(_LEFT + len(names) * (_WIDTH + 4), height + 18, "".join(drawn), alt)


def _column(values: np.ndarray, left: float) -> list[str]:
    low, high = float(values.min()), float(values.max())
    shades = np.ones(len(values)) if low == high else (values - low) / (high - low)
    drawn, top = [], _TOP
    # Neighbours of one shade are one rectangle.
    for shade, run in groupby(0.08 + 0.72 * shades.round(2)):
        tall = len(list(run)) * _ROW
        drawn.append(f'<rect x="{left:g}" y="{top:g}" width="{_WIDTH:g}" height="{tall:g}" '
                     f'fill="currentColor" fill-opacity="{shade:.2f}"/>')  # fmt: skip
        top += tall
    return drawn


def _short(name: str) -> str:
    words_of = name.replace("delta_", "Δ ").replace("_", " ")
    return words_of if len(words_of) <= 12 else f"{words_of[:11]}…"


def _range(column: pd.Series) -> str:
    low, high = column.min(), column.max()
    told = (
        number.general(low) if low == high else f"{number.general(low)} to {number.general(high)}"
    )
    return f"{column.name}: {told}"
