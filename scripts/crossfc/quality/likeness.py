"""Find sessions that may be swapped between people, by how alike their images are.

After normalisation all brains have the same outline, but sulci, veins and the places of signal loss
remain individual, and they show in the reference image of every session. So a swapped session looks
more like those of another person. A session that was coregistered with the T1w of another person,
and warped like it, looks like nobody: it is less like the person's other sessions than is usual
in other people, and the cost of its white matter boundary is higher.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from crossfc.array import BoolArray, FloatArray

# Sessions are compared on a grid of this size (mm). They are smoothed by the narrow width (full
# width at half maximum, mm), as noise and grids differ between scans, and structures above the wide
# width are removed, as the bias of the coil differs from day to day.
_GRID_MM, _NARROW_MM, _WIDE_MM = 4.0, 8.0, 24.0
# Contrast is clipped at this, so that places of signal loss do not dominate the comparison.
_MOST_CONTRAST = 0.5
# A session is reported if its correlation with another person's session exceeds that with the
# person's own by this much.
MARGIN = 0.05
# A value is unusual if its distance from the median of other people's values exceeds _UNUSUAL and
# _TIMES_SPREAD robust standard deviations. With fewer than _FEWEST values nothing is unusual.
_UNUSUAL, _TIMES_SPREAD, _FEWEST = 0.1, 5.0, 5
COLUMNS = (
    "participant_id", "session_id", "own_session", "own_correlation", "other_participant",
    "other_session", "other_correlation", "boundary_cost", "note",
)  # fmt: skip


def likeness(
    sessions: Sequence[dict[str, Any]], references: Sequence[str | Path | None]
) -> pandas.DataFrame:
    """Compare every session's reference image with those of the same person and of other people.

    Parameters
    ----------
    sessions : sequence of dict
        participant_id and session_id; boundary_cost if native preprocessing measured it.
    references : sequence of path or None
        The sessions' functional reference images in template space, in the same order; None if
        there is none.

    Returns
    -------
    DataFrame
        One row per session with an image, with the columns `COLUMNS`: the most similar other
        session of the same person, the most similar session of other people, and both
        correlations of image details. ``note`` has a sentence if the session of the other person
        is more similar by `MARGIN` or more, if the own one is less similar than is usual in other
        people, and if the boundary cost is higher than usual. ``own_correlation`` is NaN if the
        person has no other session.
    """
    paths = {i: path for i, path in enumerate(references) if path is not None}
    kept = list(paths)
    people = np.array([sessions[i]["participant_id"] for i in kept])
    if len(set(people)) < 2:
        return pandas.DataFrame(columns=list(COLUMNS))
    details = np.stack([_detail(path) for path in paths.values()])
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
    row: dict[str, Any], others: BoolArray, nearest: FloatArray, costs: FloatArray
) -> list[str]:
    """Describe what is unusual about a session; ``others`` marks the sessions of other people."""
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


def _usual(values: FloatArray) -> tuple[float, float]:
    """Return the median, and the value above which a value is unusual (infinite for few values)."""
    values = values[np.isfinite(values)]
    if len(values) < _FEWEST:
        return np.nan, np.inf
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    return median, median + max(_UNUSUAL, _TIMES_SPREAD * spread)


def _detail(path: str | Path) -> FloatArray:
    """Compute the relative contrast of an image in the template's brain, with mean 0 and norm 1."""
    from scipy import ndimage

    from crossfc import template
    from crossfc.group.design.volume import load
    from crossfc.session.gaussian import sigma_of
    from crossfc.session.image import onto_grid

    standard = template.brain_mask(_GRID_MM)
    brain = standard.get_fdata() > 0
    image = load(path)
    values = np.nan_to_num(image.get_fdata(dtype=np.float32))
    seen = onto_grid(values, np.asarray(image.affine), standard.affine, standard.shape)
    shown = (brain & (seen > 0)).astype(np.float32)
    width = sigma_of(_WIDE_MM) / _GRID_MM
    weight = ndimage.gaussian_filter(shown, width)
    wide = ndimage.gaussian_filter(seen * shown, width) / np.maximum(weight, 1e-6)
    contrast = np.where(shown > 0, seen / np.maximum(wide, 1e-6) - 1, 0)
    contrast = ndimage.gaussian_filter(contrast, sigma_of(_NARROW_MM) / _GRID_MM)[brain]
    contrast = np.clip(contrast, -_MOST_CONTRAST, _MOST_CONTRAST)
    contrast -= contrast.mean()
    detail: FloatArray = contrast / max(float(np.linalg.norm(contrast)), 1e-12)
    return detail
