"""The pose of the head in a scan: the transform from the T1w, as coregistration left it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crossfc import content
from crossfc.array import FloatArray
from crossfc.fault import Fault

# ITK's coordinates run to the left and to the back, the scan's to the right and to the front.
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def pose(sidecar: Mapping[str, Any], coregistration: str | Path | None) -> FloatArray | None:
    """Return the matrix from points of the T1w to points of the scan.

    Parameters
    ----------
    sidecar : mapping
        The preprocessed scan's; native preprocessing keeps the matrix there.
    coregistration : path or None
        fMRIPrep's transform of the run (``from-boldref_to-T1w``), a text file of ITK.

    Returns
    -------
    (4, 4) float64 or None
        mm, RAS+; None if neither says it.

    Raises
    ------
    Fault
        If the file of the transform cannot be read.
    """
    registration = sidecar.get("Registration")
    if isinstance(registration, dict) and registration.get("matrix_t1w_to_bold"):
        matrix: FloatArray = np.array(registration["matrix_t1w_to_bold"], dtype=float)
        return matrix
    return None if coregistration is None else read_itk(coregistration)


def read_itk(path: str | Path) -> FloatArray:
    """Read an affine transform from ITK's text format.

    An image transform ``from-A_to-B`` takes points of B to points of A: those from which the image
    on the grid of B is read.

    Returns
    -------
    (4, 4) float64
        The matrix in mm, RAS+.

    Raises
    ------
    Fault
        If the file holds no single affine transform.
    """
    path = Path(path)
    content.require(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    parameters = re.findall(r"^Parameters:\s*(.+)$", text, flags=re.MULTILINE)
    fixed = re.findall(r"^FixedParameters:\s*(.+)$", text, flags=re.MULTILINE)
    try:
        (values,) = ([float(word) for word in line.split()] for line in parameters)
        (middle,) = ([float(word) for word in line.split()] for line in fixed)
        linear, shift = np.reshape(values[:9], (3, 3)), np.array(values[9:])
        centre = np.array(middle)
        lps = np.eye(4)
        lps[:3, :3], lps[:3, 3] = linear, shift + centre - linear @ centre
    except ValueError:
        raise Fault(
            f"{path} holds no single affine transform of ITK; restore the file, or remove it (then "
            "the pitch of the head is not told)"
        ) from None
    matrix: FloatArray = _LPS @ lps @ _LPS
    return matrix
