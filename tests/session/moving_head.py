"""A head that moves as told: the template's brain with the contrast of EPI, on any grid."""

from functools import lru_cache

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossfc import template

# Of the brain in template space: it comes to lie in the middle of the world.
MIDDLE = np.array([0.0, -18, 8])
# On the brain's surface, where turns move most.
SURFACE = np.array([[40.0, 0, 0], [-40, 0, 0], [0, 50, 0], [0, -50, 0], [0, 0, 35], [0, 0, -35]])


def movement(trans, rot, centre=(0, 0, 0)):
    """Matrix of a movement: rot (radians, right-handed, Rx Ry Rz) about centre, then trans (mm)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("XYZ", rot).as_matrix()
    matrix[:3, 3] = np.asarray(centre) + trans - matrix[:3, :3] @ np.asarray(centre, float)
    return matrix


def grid(sizes, shape, codes="RAS", tilt=0.0):
    """Affine of a grid about the world's middle, its axes as told, tilted about x (radians)."""
    axes = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, code in enumerate(codes):
        affine[axes[code], column] = sizes[column] * (-1 if code in "LPI" else 1)
    affine = movement((0, 0, 0), (tilt, 0, 0)) @ affine
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def head(affine, shape, matrix=None):
    """The head after it moved: a point p of it went to matrix p."""
    picture, standard = _picture()
    place = np.eye(4)
    place[:3, 3] = MIDDLE
    back = np.eye(4) if matrix is None else np.linalg.inv(matrix)
    index = np.linalg.inv(standard) @ place @ back @ affine
    return ndimage.affine_transform(
        picture, index[:3, :3], index[:3, 3], output_shape=shape, prefilter=False
    )


def off_mm(found, given):
    """Farthest that points of the brain's surface are off, relative to the first volume."""
    found = found @ np.linalg.inv(found[0])
    given = given @ np.linalg.inv(given[0])
    apply = nib.affines.apply_affine
    return np.array(
        [
            np.linalg.norm(apply(f, SURFACE) - apply(g, SURFACE), axis=1).max()
            for f, g in zip(found, given, strict=True)
        ]
    )


@lru_cache(maxsize=1)
def _picture():
    standard = template.brain(2)
    brain = standard.get_fdata(dtype=np.float32)
    # A scanner blurs to about its voxels; a picture without that would be aliased.
    epi = ndimage.gaussian_filter(np.where(brain > 0.1, 1500 - 900 * brain, 0), 4 / 2.355 / 2)
    return ndimage.spline_filter(epi, order=3, output=np.float32), standard.affine
