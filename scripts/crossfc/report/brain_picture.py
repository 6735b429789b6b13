"""Pictures of a session's brain on its page: the words beside the slices, and single regions."""

from collections.abc import Sequence
from html import escape

from crossfc.report import figure
from crossfc.session.connectivity.picture import (
    SEED_AXES,
    TARGET_AXES,
    outline_tiles,
    region_tiles,
)

_AXES = "xyz"


def outlines(address: str, alt: str) -> str:
    """Show the mean image with outlines, say where its slices are, and lead to the picture.

    Parameters
    ----------
    address : str
        Of the picture that `crossfc.session.connectivity.picture.draw_outlines` wrote.
    alt : str
        Alternative text.
    """
    tiles, (width, height) = outline_tiles()
    out = [_image(address, width, height)]
    for tile, mm in tiles:
        place = f"{_AXES[tile.axis]} {mm}".replace("-", "−")
        out.append(figure.words(tile.left + 3, tile.top + 10, place, "start"))
        if tile.axis > 0 and tile.left == 0:
            middle = tile.top + tile.height / 2
            out.append(figure.words(tile.left + 1, middle, "L", "start"))
            out.append(figure.words(tile.left + tile.width - 1, middle, "R", "end"))
    drawn = figure.svg(width, height, "".join(out), alt, "slices")
    return f'<a href="{escape(address)}">{drawn}</a>'


def region(address: str, number: int, n: int, alt: str, *, seed: bool) -> str:
    """Cut the slices of one region out of the picture of all.

    Parameters
    ----------
    address : str
        Of the picture that `crossfc.session.connectivity.picture.draw_regions` wrote.
    number, n : int
        Which region it is, from 0, and how many there are.
    alt : str
        Alternative text.
    seed : bool
        Whether it is a seed, in three planes, or a target, in one.
    """
    axes: Sequence[int] = SEED_AXES if seed else TARGET_AXES
    tiles, (width, height) = region_tiles(n, axes)
    own = tiles[number]
    left, top = own[0].left, own[0].top
    wide, tall = sum(tile.width for tile in own), own[0].height
    return (
        f'<svg class="slices" viewBox="{left} {top} {wide} {tall}" width="{wide}" height="{tall}" '
        f'role="img" aria-label="{escape(alt)}">{_image(address, width, height)}</svg>'
    )


def _image(address: str, width: int, height: int) -> str:
    return f'<image width="{width}" height="{height}" href="{escape(address)}"/>'
