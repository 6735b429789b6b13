"""Does a session look like its person? Swapped sessions look like somebody else's.

After normalisation everybody's brain has the same outline, but sulci, veins and the places where
signal is lost stay a person's own, and they are in the reference image of every session.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

# Sessions are compared on this grid, mm, after what is wider than this (full width at half
# maximum) is divided out: the coil's bias differs from day to day.
_GRID_MM, _WIDE_MM = 4.0, 24.0
# A lost signal is one feature, not the only one.
_MOST_CONTRAST = 0.5
# A session is somebody else's where it is more like theirs by this much (correlation).
MARGIN = 0.05
COLUMNS = (
    "participant_id", "session_id", "own_session", "own_correlation", "other_participant",
    "other_session", "other_correlation", "note",
)  # fmt: skip


def likeness(
    sessions: Sequence[dict[str, Any]], references: Sequence[str | Path | None]
) -> pandas.DataFrame:
    """Compare every session's reference image with the person's others and with other people's.

    Parameters
    ----------
    sessions : sequence of dict
        participant_id and session_id.
    references : sequence of path or None
        The sessions' functional reference images in template space, in the same order; None where
        there is none.

    Returns
    -------
    DataFrame
        One row per session that has an image, `COLUMNS`: the person's own session that is most
        like it and the one of other people, with the correlations of their details; a sentence in
        ``note`` where the other one is more like it by `MARGIN` or more. Where a session has no
        second one of the same person, ``own_correlation`` is missing and nothing is noted.
    """
    kept = [i for i, path in enumerate(references) if path is not None]
    people = np.array([sessions[i]["participant_id"] for i in kept])
    if len(set(people)) < 2:
        return pandas.DataFrame(columns=list(COLUMNS))
    details = np.stack([_detail(references[i]) for i in kept])
    alike = np.einsum("iv,jv->ij", details, details, optimize=True).astype(float)
    np.fill_diagonal(alike, -np.inf)
    rows = []
    for k, i in enumerate(kept):
        own = np.where(people == people[k], alike[k], -np.inf)
        other = np.where(people != people[k], alike[k], -np.inf)
        mine, theirs = int(own.argmax()), int(other.argmax())
        row = {key: sessions[i][key] for key in ("participant_id", "session_id")}
        row |= {
            "own_session": sessions[kept[mine]]["session_id"] if np.isfinite(own[mine]) else None,
            "own_correlation": own[mine] if np.isfinite(own[mine]) else np.nan,
            "other_participant": people[theirs],
            "other_session": sessions[kept[theirs]]["session_id"],
            "other_correlation": other[theirs],
            "note": "",
        }
        if np.isfinite(own[mine]) and other[theirs] - own[mine] >= MARGIN:
            row["note"] = (
                f"{row['participant_id']} {row['session_id']} looks more like "
                f"{row['other_participant']} {row['other_session']} (correlation "
                f"{other[theirs]:.2f}) than like its own {row['own_session']} ({own[mine]:.2f}): "
                "check that no sessions were swapped between people"
            )
        rows.append(row)
    return pandas.DataFrame(rows, columns=list(COLUMNS))


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
    contrast = np.where(shown > 0, seen / np.maximum(wide, 1e-6) - 1, 0)[brain]
    contrast = np.clip(contrast, -_MOST_CONTRAST, _MOST_CONTRAST)
    contrast -= contrast.mean()
    return contrast / max(float(np.linalg.norm(contrast)), 1e-12)
