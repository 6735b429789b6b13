"""Images as tests write them."""

from pathlib import Path

import nibabel
import numpy as np

AFFINE = np.diag([-3.0, 3, 3, 1])


def write_image(
    path: str | Path,
    data: np.ndarray,
    affine: np.ndarray = AFFINE,
    *,
    repetition_time: float = 2.0,
    unit: str = "sec",
    codes: tuple[int, int] = (4, 4),
) -> Path:
    """Write a NIfTI image, and the folders it lies in.

    Parameters
    ----------
    path : path
    data : ndarray, shape (x, y, z) or (x, y, z, volumes)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    repetition_time : float
        Of a series, in ``unit``.
    unit : str
        Of time, by nibabel's names.
    codes : (int, int)
        sform_code and qform_code; 4 is MNI152, 1 the scanner, 0 none.

    Returns
    -------
    Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1], strip_shears=True)
    image.header.set_xyzt_units("mm", unit)
    if data.ndim == 4:
        image.header["pixdim"][4] = repetition_time
    nibabel.save(image, path)
    return path
