"""Does a session look like its person? Swapped sessions look like somebody else's.

After normalisation everybody's brain has the same outline, but sulci, veins and the places where
signal is lost stay a person's own, and they are in the reference image of every session. Where a
session was laid on the T1w of another person and bent as that one, it looks like nobody: it is
unlike its own others where other people's are alike, and the white matter's boundary costs more.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

# Sessions are compared on this grid, mm, blurred by the first width (full width at half maximum),
# as noise and the grids of scans differ, and without what is wider than the second, as the coil's
# bias differs from day to day.
_GRID_MM, _NARROW_MM, _WIDE_MM = 4.0, 8.0, 24.0
# A lost signal is one feature, not the only one.
_MOST_CONTRAST = 0.5
# A session is somebody else's where it is more like theirs by this much (correlation).
MARGIN = 0.05
# A value is unusual where it leaves the median of other people's by this and by so many of their
# robust standard deviations; fewer values tell nothing.
_UNUSUAL, _TIMES_SPREAD, _FEWEST = 0.1, 5.0, 5
COLUMNS = (
    "participant_id", "session_id", "own_session", "own_correlation", "other_participant",
    "other_session", "other_correlation", "boundary_cost", "note",
)  # fmt: skip


def likeness(
    sessions: Sequence[dict[str, Any]], references: Sequence[str | Path | None]
) -> pandas.DataFrame:
    """Compare every session's reference image with the person's others and with other people's.

    Parameters
    ----------
    sessions : sequence of dict
        participant_id and session_id; boundary_cost where native preprocessing tells it.
    references : sequence of path or None
        The sessions' functional reference images in template space, in the same order; None where
        there is none.

    Returns
    -------
    DataFrame
        One row per session that has an image, `COLUMNS`: the person's own session that is most
        like it and the one of other people, with the correlations of their details; sentences in
        ``note`` where the other one is more like it by `MARGIN` or more, where its own is less
        like it than other people's own are, and where its boundary costs more than theirs. Where
        a session has no second one of the same person, ``own_correlation`` is missing.
    """
    kept = [i for i, path in enumerate(references) if path is not None]
    people = np.array([sessions[i]["participant_id"] for i in kept])
    if len(set(people)) < 2:
        return pandas.DataFrame(columns=list(COLUMNS))
    details = np.stack([_detail(references[i]) for i in kept])
    alike = np.einsum("iv,jv->ij", details, details, optimize=True).astype(float)
    np.fill_diagonal(alike, -np.inf)
    same = people[:, None] == people
    own, other = np.where(same, alike, -np.inf), np.where(same, -np.inf, alike)
    nearest = own.max(axis=1)
    nearest[~np.isfinite(nearest)] = np.nan
    costs = np.array([sessions[i].get("boundary_cost") for i in kept], dtype=float)
    rows = []
    for k, i in enumerate(kept):
        mine, theirs = sessions[kept[int(own[k].argmax())]], sessions[kept[int(other[k].argmax())]]
        alone = np.isnan(nearest[k])
        row = {key: sessions[i][key] for key in ("participant_id", "session_id")}
        row |= {
            "own_session": None if alone else mine["session_id"],
            "own_correlation": nearest[k],
            "other_participant": theirs["participant_id"],
            "other_session": theirs["session_id"],
            "other_correlation": other[k].max(),
            "boundary_cost": costs[k],
        }
        rows.append(row | {"note": " ".join(_notes(row, people != people[k], nearest, costs))})
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _notes(
    row: dict[str, Any], others: np.ndarray, nearest: np.ndarray, costs: np.ndarray
) -> list[str]:
    """Describe what is odd about a session; ``others`` are the sessions of other people."""
    name = f"{row['participant_id']} {row['session_id']}"
    own, cost = row["own_correlation"], row["boundary_cost"]
    said = []
    if row["other_correlation"] - own >= MARGIN:
        said.append(
            f"{name} looks more like {row['other_participant']} {row['other_session']} "
            f"(correlation {row['other_correlation']:.2f}) than like its own {row['own_session']} "
            f"({own:.2f}): check that no sessions were swapped between people."
        )
    usual, least = _usual(-nearest[others])
    if -own > least:
        said.append(
            f"{name} is unlike its own {row['own_session']} (correlation {own:.2f}; other "
            f"people's sessions {-usual:.2f}): check whose scan it is, and its coregistration."
        )
    usual, most = _usual(costs[others])
    if cost > most:
        said.append(
            f"The white matter's boundary costs {cost:.2f} in {name} (other people's sessions "
            f"{usual:.2f}): check whose scan it is, and its coregistration."
        )
    return said


def _usual(values: np.ndarray) -> tuple[float, float]:
    """Median, and the value above which one is unusual; nothing is where there are few."""
    values = values[np.isfinite(values)]
    if len(values) < _FEWEST:
        return np.nan, np.inf
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    return median, median + max(_UNUSUAL, _TIMES_SPREAD * spread)


def _detail(path: str | Path) -> np.ndarray:
    """Relative contrast of an image in the template's brain, of mean 0 and norm 1."""
    import nibabel
    from scipy import ndimage

    from crossfc.session import template
    from crossfc.session.image import onto_grid

    standard = template.brain_mask(_GRID_MM)
    brain = standard.get_fdata() > 0
    image = nibabel.load(path)
    values = np.nan_to_num(image.get_fdata(dtype=np.float32))
    seen = onto_grid(values, image.affine, standard.affine, standard.shape)
    shown = (brain & (seen > 0)).astype(np.float32)
    width = _WIDE_MM / 2.355 / _GRID_MM
    weight = ndimage.gaussian_filter(shown, width)
    wide = ndimage.gaussian_filter(seen * shown, width) / np.maximum(weight, 1e-6)
    contrast = np.where(shown > 0, seen / np.maximum(wide, 1e-6) - 1, 0)
    contrast = ndimage.gaussian_filter(contrast, _NARROW_MM / 2.355 / _GRID_MM)[brain]
    contrast = np.clip(contrast, -_MOST_CONTRAST, _MOST_CONTRAST)
    contrast -= contrast.mean()
    return contrast / max(float(np.linalg.norm(contrast)), 1e-12)
