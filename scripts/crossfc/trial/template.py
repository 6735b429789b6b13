"""Load the images of the template (ICBM 2009a symmetric average brain), bundled with nilearn.

The files are read from nilearn's folder without importing nilearn, because the import takes longer
than computing the connectivity of a session.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from crossfc.fault import Fault

_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


def load_template(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one image of the template at 1 mm (Fonov et al. 2011, NeuroImage 54:313).

    Parameters
    ----------
    kind : {"t1", "gm", "wm"}
        T1-weighted brain without skull, or a tissue probability.

    Returns
    -------
    data : ndarray of float32, shape (197, 233, 189)
        Between 0 and 1.
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates (mm, RAS+).

    Raises
    ------
    Fault
        If nilearn is not installed or lacks the file.
    """
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise Fault("nilearn is not installed; the twin takes its template from it")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / _FILE.format(kind)
    if not path.is_file():
        raise Fault(f"{path} is missing; install nilearn 0.9 or newer, whole")
    image: Any = nibabel.load(path)
    # dataobj keeps the 8-bit values; get_fdata would make 70 MB of float64 from them.
    data = np.asanyarray(image.dataobj).astype(np.float32)
    data /= np.float32(255)
    return data, image.affine
