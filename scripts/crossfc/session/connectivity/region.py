"""Seeds and targets in a session: their series, and how well they are seen.

A region's series is the mean over its voxels in the session's mask, weighted by the share of each
voxel that lies in the region and, if asked, by how much of the voxel is grey matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossfc.array import FloatArray, IntArray, RealArray
from crossfc.session.connectivity.grey_matter import GreyMatter
from crossfc.session.connectivity.picture import Placed
from crossfc.session.connectivity.record import RegionQuality
from crossfc.session.connectivity.session_data import SessionData
from crossfc.session.placement import Place, place
from crossfc.trial.regions import RegionRow

OVERLAP, GREY_MATTER = "overlap", "grey_matter"
# Grey matter with less than this share of the brightness of the brain's grey matter has lost it.
_LOST = 0.5
# Noise of voxels that two regions share correlates their series by this; more is no connectivity.
_MOST_SHARED = 0.02


@dataclass(frozen=True)
class SessionRegion:
    """A seed or target in the scan.

    Attributes
    ----------
    coverage : float
        Share of it that lies in the mask and has signal.
    tsnr : float or None
        Weighted mean of the temporal signal-to-noise ratio of its voxels; None if not known.
    grey_matter : float or None
        Share of it that is grey matter; None if there is no map of it.
    grey_signal : float or None
        Share of its grey matter that is at least half as bright as the brain's; None without a map.
    offset_mm : float or None
        Distance of the middle of what is seen of it from where its middle should be.
    weakness : str or None
        A sentence if coverage or tSNR is too low.
    series : (n_volumes,) float64
        Weighted mean over its voxels; NaN if there are none.
    at : (n,) int
        Its voxels in the mask, as places in the box (`SessionData.box_places`).
    weight : (n,) float64
        Of these voxels.
    placed : Placed
        All of it, for pictures.
    """

    coverage: float
    tsnr: float | None
    grey_matter: float | None
    grey_signal: float | None
    offset_mm: float | None
    weakness: str | None
    series: FloatArray
    at: IntArray
    weight: FloatArray
    placed: Placed

    @property
    def seen(self) -> bool:
        """Whether any of it is in the mask."""
        return bool(self.at.size)

    @property
    def voxels(self) -> float:
        """Effective number of voxels, (Σw)² / Σw²: noise averages out as over so many."""
        return float(self.weight.sum() ** 2 / (self.weight**2).sum()) if self.seen else 0.0

    def quality(self) -> RegionQuality:
        """Return what the session's record tells of it."""
        return {
            "coverage": self.coverage,
            "voxels": round(self.voxels, 2),
            "tsnr": self.tsnr,
            "offset_mm": self.offset_mm,
            "grey_matter": self.grey_matter,
            "grey_signal": self.grey_signal,
        }

    def shares_voxels(self, other: "SessionRegion") -> bool:
        """Test whether two regions have voxels in common, so that their noise is the same.

        Neighbours that do not overlap may both reach a little into one voxel; noise that
        correlates their series by 0.02 at most, Σ w v / √(Σ w² Σ v²), does not count.
        """
        _, own, its = np.intersect1d(self.at, other.at, assume_unique=True, return_indices=True)
        both = float(self.weight[own] @ other.weight[its])
        alone = float(np.linalg.norm(self.weight) * np.linalg.norm(other.weight))
        return both > _MOST_SHARED * alone


def session_regions(
    data: SessionData,
    snr: RealArray | None,
    rows: Sequence[RegionRow],
    column: Literal["seed", "target"],
    least_coverage: float,
    least_tsnr: float,
    grey_matter: GreyMatter | None = None,
    weights: str = OVERLAP,
    level: float | None = None,
) -> dict[str, SessionRegion]:
    """Measure the regions in some rows of a sheet.

    Parameters
    ----------
    data : SessionData
    snr : (z, y, x) float, or None
        Temporal signal-to-noise ratio in the box; None if it is not known.
    rows : sequence of RegionRow
    column : {"seed", "target"}
        Which column of the rows has the names.
    least_coverage, least_tsnr : float
        A region with less is weak.
    grey_matter : GreyMatter, optional
        The map of the person.
    weights : {"overlap", "grey_matter"}
        ``grey_matter`` multiplies the share of a voxel by that of its grey matter, and needs the
        map.
    level : float, optional
        How bright grey matter is in this scan (`grey_matter.grey_level`).

    Returns
    -------
    dict
        Name to SessionRegion.

    Raises
    ------
    Fault
        If a region has no voxel in the grid, or its image cannot be read.
    """
    names = dict.fromkeys(str(row[column]) for row in rows)
    return {
        name: _measured(
            place([row for row in rows if row[column] == name], name, data.shape, data.affine),
            data,
            snr,
            f"{column} {name}",
            (least_coverage, least_tsnr),
            grey_matter,
            weights,
            level,
        )
        for name in names
    }


def _measured(
    placed: Place,
    data: SessionData,
    snr: RealArray | None,
    name: str,
    least: tuple[float, float],
    grey_matter: GreyMatter | None,
    weights: str,
    level: float | None,
) -> SessionRegion:
    grey = None if grey_matter is None else grey_matter.share(placed.voxels, data.affine)
    weight = placed.weight
    if weights == GREY_MATTER:
        assert grey is not None  # a session without the map leaves the pipeline before
        weight = weight * grey
    seen = placed.within(data.mask.T)
    inside = seen & (weight > 0)
    coverage = float(weight[inside].sum() / weight.sum()) if weight.any() else 0.0
    # If no voxel of the region has signal, give the tSNR of its voxels without signal.
    told = inside if inside.any() else placed.in_grid & data.weak_at(placed.voxels)
    tsnr = None
    if snr is not None and told.any():
        # Those without signal count alike where none of them is grey matter.
        counted = weight[told] if weight[told].any() else placed.weight[told]
        at = data.box_places(placed.voxels[told])
        tsnr = float(np.average(snr.ravel()[at].astype(float), weights=counted))
    at, own = data.box_places(placed.voxels[inside]), weight[inside]
    series = data.series_at(at, own) if at.size else np.full(len(data.series), np.nan)
    offset, share = None, None
    if at.size:
        middle = data.affine[:3, :3] @ np.average(placed.voxels[inside], axis=0, weights=own)
        offset = float(np.linalg.norm(middle + data.affine[:3, 3] - placed.centre))
        if grey is not None:
            share = float(np.average(grey[seen], weights=placed.weight[seen]))
    weakness = _weakness(name, coverage, tsnr, least, bool(weight.any()))
    return SessionRegion(
        coverage,
        tsnr,
        share,
        _grey_signal(placed, data, grey, level),
        offset,
        weakness,
        series,
        at,
        own,
        Placed(placed, seen),
    )


def _grey_signal(
    placed: Place, data: SessionData, grey: FloatArray | None, level: float | None
) -> float | None:
    """Return the share of a region's grey matter that is bright, in the brain mask or not.

    A mask is often drawn where there is signal, so that what is lost lies outside of it. Voxels
    beyond the box of the mask have lost theirs too.
    """
    if grey is None or level is None:
        return None
    weight = placed.weight * grey
    if not weight.any():
        return None
    bright = np.nan_to_num(data.mean_at(placed.voxels), nan=0.0) >= _LOST * level
    return float(weight[bright].sum() / weight.sum())


def _weakness(
    name: str, coverage: float, tsnr: float | None, least: tuple[float, float], any_weight: bool
) -> str | None:
    least_coverage, least_tsnr = least
    if not any_weight:
        return f"none of {name} is grey matter"
    if coverage < least_coverage or coverage == 0:
        return (
            f"{coverage:.0%} of {name} lies in the brain mask with signal, less than "
            f"{least_coverage:.0%}"
        )
    if tsnr is not None and tsnr < least_tsnr:
        return f"temporal signal-to-noise ratio of {name} {tsnr:.1f}, less than {least_tsnr:g}"
    return None
