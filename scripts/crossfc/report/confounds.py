"""How the confounds of a session go with each other and with its mean signal."""

import numpy as np
import pandas as pd

from crossfc.report import figure, number
from crossfc.report.slices import colour, picture

_CELL = 11.0
_LETTER = 6.3  # width of a letter of a name
_WORDS = {"mask_signal": "mean of the mask", "framewise_displacement": "FD", "dvars": "DVARS"}
_STRONGEST = 3


def confound_chart(table: pd.DataFrame, alt: str) -> str:
    """Draw the correlations of confounds as colours: orange positive, blue negative.

    Parameters
    ----------
    table : DataFrame
        The session's table of correlations (``*_stat-pearson_desc-<pipeline>_relmat.tsv``).
    alt : str
        Alternative text.
    """
    names = [_WORDS.get(str(name), str(name)) for name in table["confound"]]
    r = table.drop(columns="confound").to_numpy(dtype=float)
    known = np.isfinite(r)
    pixels = np.full((*r.shape, 4), 255, dtype=np.uint8)
    # Paler towards 0, as the page is; a correlation that is not known is transparent.
    share = np.where(known, r, 0.0)
    weight = np.abs(share)[..., None]
    pixels[..., :3] = (weight * colour(share) + (1 - weight) * 245).round()
    pixels[~known, 3] = 0
    room = _LETTER * max(map(len, names)) + 8
    side = _CELL * len(names)
    out = [
        f'<image x="{room:.0f}" y="{room:.0f}" width="{side:g}" height="{side:g}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{picture(pixels)}"/>'
    ]
    for k, name in enumerate(names):
        at = room + _CELL * (k + 0.5)
        out.append(figure.words(room - 4, at + 3, name, "end"))
        out.append(
            f'<g transform="translate({at + 3:.1f} {room - 4:.1f}) rotate(-90)">'
            f"{figure.words(0, 0, name, 'start')}</g>"
        )
    return figure.svg(room + side, room + side, "".join(out), alt, "chart confounds")


def confound_sentence(table: pd.DataFrame) -> str:
    """Name the confounds that go most with the mean signal of the mask."""
    r = table.set_index("confound")["mask_signal"].drop("mask_signal").astype(float).dropna()
    if r.empty:
        return "No confound varies."
    strongest = r.reindex(r.abs().sort_values(ascending=False, kind="stable").index)
    told = [
        f"{_WORDS.get(str(name), str(name))} {number.signed(value)}"
        for name, value in strongest.head(_STRONGEST).items()
    ]
    return f"Most with the mean of the mask, before cleaning: {number.listed(told)}."
