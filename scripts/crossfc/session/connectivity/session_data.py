"""One session in memory: its series in the brain, and which voxels have signal."""

from typing import TYPE_CHECKING

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray
from crossfc.fault import Fault
from crossfc.session.scan import Scan

if TYPE_CHECKING:
    import nibabel


class SessionData:
    """One session in memory, with axes (t, z, y, x) as needed later, cut to the box of the mask.

    Parameters
    ----------
    scan : Scan
        The preprocessed BOLD.
    mask : (x, y, z) bool
        Brain mask; voxels without variance and voxels without signal are removed from it and
        counted.
    usable : (n_volumes,) bool, optional
        Valid volumes in the steady state; mean and standard deviation are computed over these.
        All volumes if None.
    minimum_signal : float
        A voxel whose mean is below this share of the brain's median has no signal.
    minimum_tsnr : float
        A voxel whose mean over standard deviation in time is below this has no signal.

    Raises
    ------
    Fault
        If no voxel of the mask has variance.

    Attributes
    ----------
    has_mean : bool
        Whether the series has a mean. If it was demeaned or standardised, signal and
        signal-to-noise ratio cannot be judged, and no voxel is removed for its lack of signal.
    series : (t, z, y, x) float32
        The series in the box, without their means.
    mean, deviation : (z, y, x) float32
        Mean and standard deviation in time, in the box.
    box_mask : (z, y, x) bool
        Voxels that are kept, in the box.
    mask : (z, y, x) bool
        The same on the whole grid.
    zero_variance_voxels, weak_voxels : int
        How many voxels were removed.
    """

    def __init__(
        self,
        scan: Scan,
        mask: BoolArray,
        usable: BoolArray | None = None,
        minimum_signal: float = 0.0,
        minimum_tsnr: float = 0.0,
    ):
        self.shape, self.affine = mask.shape, scan.affine
        self.voxel_mm = np.sqrt((scan.affine[:3, :3] ** 2).sum(axis=0))
        whole = mask.T
        filled = [np.flatnonzero(whole.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        self._box = tuple(slice(int(f[0]), int(f[-1]) + 1) for f in filled)
        # In the scan's array x varies fastest, so the transpose is a view; the subtraction copies.
        box = scan.data.T[(slice(None), *self._box)]
        every = usable is None or usable.all()
        self.mean = (
            (box if every else box[usable]).mean(axis=0, dtype=np.float64).astype(np.float32)
        )
        self.series = np.subtract(box, self.mean, order="C")
        settled = self.series if every else self.series[usable]
        power = np.einsum("tzyx,tzyx->zyx", settled, settled, optimize=False)
        self.deviation = np.sqrt(power / len(settled))
        varies = self.deviation > 1e-6 * np.maximum(np.abs(self.mean), 1e-6)
        self.zero_variance_voxels = int((whole[self._box] & ~varies).sum())
        self.box_mask = whole[self._box] & varies
        if not self.box_mask.any():
            raise Fault(
                f"{scan.path} has no signal inside its brain mask; look at both, then write them "
                "again or exclude the session with a reason"
            )
        weak = self._weak(minimum_signal, minimum_tsnr)
        self.weak_voxels = int(weak.sum())
        self._box_weak = weak
        self.box_mask &= ~weak
        self.mask = np.zeros(whole.shape, dtype=bool)
        self.mask[self._box] = self.box_mask

    def _weak(self, minimum_signal: float, minimum_tsnr: float) -> BoolArray:
        """Return which voxels of the mask have no signal, (z, y, x) bool.

        Variance alone does not show signal, because noise varies too.
        """
        brightness = float(np.median(self.mean[self.box_mask]))
        self.has_mean = brightness > float(np.median(self.deviation[self.box_mask]))
        if not self.has_mean:
            return np.zeros_like(self.box_mask)
        dark = self.mean < minimum_signal * brightness
        noisy = self.mean < minimum_tsnr * self.deviation
        weak = self.box_mask & (dark | noisy)
        # If that were all voxels (a scan of noise), remove none: the seeds' lack of signal is then
        # reported as the reason to leave the session out.
        return weak if (self.box_mask & ~weak).any() else np.zeros_like(weak)

    def box_places(self, voxels: IntArray) -> IntArray:
        """Return where voxels of the grid stand in the box, as numbers into a volume of it.

        Parameters
        ----------
        voxels : (n, 3) int
            Indices x, y, z; in the box.

        Returns
        -------
        (n,) int
            For ``series_at`` and for maps that are raveled.
        """
        at, _ = self._in_box(voxels)
        found: IntArray = np.ravel_multi_index(tuple(at.T), self.box_mask.shape)
        return found

    def _in_box(self, voxels: IntArray) -> tuple[IntArray, BoolArray]:
        """Return where voxels (n, 3) of the grid stand in the box, (z, y, x), and which do."""
        at = voxels[:, ::-1] - np.array([part.start for part in self._box])
        inside: BoolArray = np.asarray(((at >= 0) & (at < self.box_mask.shape)).all(axis=1))
        return at, inside

    def mean_at(self, voxels: IntArray) -> FloatArray:
        """Return the mean of voxels (n, 3) of the grid over time, (n,); NaN outside of the box."""
        at, inside = self._in_box(voxels)
        found: FloatArray = np.full(len(voxels), np.nan)
        found[inside] = self.mean[tuple(at[inside].T)]
        return found

    def weak_at(self, voxels: IntArray) -> BoolArray:
        """Test which voxels (n, 3) of the grid are in the brain mask but have no signal, (n,)."""
        at, found = self._in_box(voxels)
        found[found] = self._box_weak[tuple(at[found].T)]
        return found

    def series_at(self, places: IntArray, weight: FloatArray) -> FloatArray:
        """Return the weighted mean of the unsmoothed series of some voxels, (n_volumes,) float64.

        Parameters
        ----------
        places : (n,) int
            From ``box_places``.
        weight : (n,) float
        """
        own = self.series.reshape(len(self.series), -1)[:, places].astype(np.float64)
        found: FloatArray = own @ (weight / weight.sum())
        return found

    def to_image(self, values: RealArray) -> "nibabel.Nifti1Image":
        """Return an image on the grid of the session from one value per voxel of the mask.

        Parameters
        ----------
        values : (n_voxels,) float
            In the order of ``box_mask``.

        Returns
        -------
        nibabel.Nifti1Image
            float32; NaN outside the mask.
        """
        import nibabel

        box = np.full(self.box_mask.shape, np.nan, dtype=np.float32)
        box[self.box_mask] = values
        grid = np.full(self.shape[::-1], np.nan, dtype=np.float32)
        grid[self._box] = box
        image = nibabel.Nifti1Image(grid.T, self.affine)
        # Code 4 marks coordinates of MNI space.
        image.set_sform(self.affine, 4)
        image.set_qform(self.affine, 4)
        image.header.set_xyzt_units("mm", "sec")
        return image
