"""The head of a simulated person: the template with a skull, deformed to an individual shape."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from crossfc.array import FloatArray, RealArray, SingleArray
from crossfc.template import load_template
from crossfc.twin.anatomy import coarsen
from crossfc.twin.design import stream
from crossfc.twin.motion import rigid

_MARGIN = 44  # mm of air, skin and bone around the template's box
_STEP = 2  # mm, grid of the distance from the brain

# Distances from the brain, mm: fluid up to the first, bone up to the second, fat up to the third.
_LAYERS = (2.5, 8.0, 13.5)
# Positions and radii in template space (mm) of face and neck (soft tissue) and of the eyes and the
# sinus in them.
_FACE, _FACE_RADII = (0.0, 48.0, -52.0), (56.0, 34.0, 44.0)
_NECK, _NECK_RADIUS = (0.0, -32.0), 52.0
_EYES, _EYE_RADIUS = ((-31.0, 60.0, -38.0), (31.0, 60.0, -38.0)), 12.0
_SINUS, _SINUS_RADIUS = (0.0, 52.0, -44.0), 13.0

# T1-weighted intensity of everything but the brain, whose intensity is taken from the template.
T1_CONTRAST = {"fluid": 0.20, "bone": 0.06, "marrow": 0.40, "fat": 0.95, "soft": 0.45, "eye": 0.18}
# Intensity in a T2*-weighted, fat-saturated image, relative to fluid.
T2STAR_CONTRAST = {
    "fluid": 0.95,
    "bone": 0.04,
    "marrow": 0.10,
    "fat": 0.22,
    "soft": 0.35,
    "eye": 0.9,
}


@dataclass(frozen=True)
class Head:
    """The transform from a person's own space (world coordinates of the T1w, mm) to the template.

    ``place in template = affine @ place + sum over bumps of shift exp(-|place - centre|² / 2w²)``.

    Attributes
    ----------
    affine : ndarray, shape (4, 4)
    centres, shifts : ndarray, shape (n_bumps, 3)
        mm.
    widths : ndarray, shape (n_bumps,)
        The w of each bump, mm.
    """

    affine: np.ndarray
    centres: np.ndarray
    shifts: np.ndarray
    widths: np.ndarray

    def to_template(self, xyz: np.ndarray) -> np.ndarray:
        """Map places of the person, shape (n, 3), mm, to the template."""
        kind = np.float32 if np.asarray(xyz).dtype == np.float32 else float
        xyz = np.asarray(xyz, kind)
        linear, offset = self.affine[:3, :3].T.astype(kind), self.affine[:3, 3].astype(kind)
        mapped: RealArray = xyz @ linear + offset
        for centre, shift, width in zip(self.centres, self.shifts, self.widths, strict=True):
            squared = ((xyz - centre.astype(kind)) ** 2).sum(axis=1)
            mapped += np.exp(squared * kind(-0.5 / width**2))[:, None] * shift.astype(kind)
        return mapped

    def from_template(self, xyz: np.ndarray) -> np.ndarray:
        """Map places of the template, shape (n, 3), mm, to the person, to within 0.001 mm."""
        wanted = np.asarray(xyz, float)
        back = np.linalg.inv(self.affine[:3, :3]).T
        place: FloatArray = (wanted - self.affine[:3, 3]) @ back
        for _ in range(100):
            missed = wanted - self.to_template(place)
            if np.abs(missed).max() < 1e-3:
                break
            place = place + missed @ back
        return place

    def describe(self) -> dict[str, object]:
        """Return the transform as plain numbers, to be written to a truth file."""
        return {
            "convention": (
                "template_mm = affine @ t1w_mm + sum of shift * exp(-|t1w_mm - centre|^2 / "
                "(2 width^2)); world coordinates, mm, RAS+"
            ),
            "affine": self.affine.tolist(),
            "centres": self.centres.tolist(),
            "shifts": self.shifts.tolist(),
            "widths": self.widths.tolist(),
        }


def draw_head(participant_id: str, random_seed: int) -> Head:
    """Draw a random head: size and shear, pose in the scanner, and eight smooth local shifts.

    Each shift is below a quarter of its width, so that the deformation does not fold.
    """
    random = stream(random_seed, participant_id, "head")
    size = np.eye(4)
    size[:3, :3] += np.diag(random.normal(scale=0.035, size=3))
    size[[0, 1], [1, 2]] += random.normal(scale=0.02, size=2)
    pose = np.concatenate([random.normal(scale=5, size=3), random.normal(scale=0.07, size=3)])
    # Rotate about the middle of the brain, so that the head stays in the scanner.
    affine = size @ rigid(pose, centre=np.array([0.0, -18.0, 8.0]))
    count = 8
    centres = np.array([0, -18, 8]) + random.uniform(-1, 1, size=(count, 3)) * [55, 70, 55]
    shifts = np.clip(random.normal(scale=2.0, size=(count, 3)), -4, 4)
    return Head(affine, centres, shifts, random.uniform(24, 36, size=count))


@lru_cache(maxsize=1)
def _distance() -> tuple[np.ndarray, np.ndarray]:
    """Return the distance from the brain (mm, negative inside) on a 2 mm grid, and its affine."""
    t1, affine = load_template("t1")
    brain = coarsen(t1 > 0, _STEP) > 0.5
    pad = _MARGIN // _STEP
    brain = np.pad(brain, pad)
    # The template lacks the cisterns; without them bone would grow into the middle of the head.
    brain = ndimage.binary_closing(brain, iterations=6)
    brain = ndimage.binary_fill_holes(brain)
    outside = ndimage.distance_transform_edt(~brain, sampling=_STEP)
    within = ndimage.distance_transform_edt(brain, sampling=_STEP)
    scaled = affine.copy()
    scaled[:3, :3] *= _STEP
    scaled[:3, 3] -= _MARGIN
    distance = ndimage.gaussian_filter((outside - within).astype(np.float32), 1.0)
    return distance, scaled


def sample(
    data: np.ndarray, affine: np.ndarray, xyz: np.ndarray, order: int = 1, outside: float = 0.0
) -> np.ndarray:
    """Interpolate an image at places in world coordinates.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    xyz : ndarray, shape (n, 3)
        mm.
    order : int
        Order of the spline; 1 is trilinear.
    outside : float
        Value outside the image.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    inverse = np.linalg.inv(affine)
    voxels = xyz @ inverse[:3, :3].T.astype(xyz.dtype) + inverse[:3, 3].astype(xyz.dtype)
    values: SingleArray = ndimage.map_coordinates(
        data, voxels.T, order=order, mode="constant", cval=outside, output=np.float32
    )
    return values


_loaded = lru_cache(maxsize=3)(load_template)


def brain_at(kind: str, xyz: np.ndarray) -> np.ndarray:
    """Interpolate an image of the template at places in it.

    Parameters
    ----------
    kind : {"t1", "gm", "wm"}
        As in `load_template`.
    xyz : ndarray, shape (n, 3)
        mm.

    Returns
    -------
    ndarray of float32, shape (n,)
        0 to 1; 0 outside the template.
    """
    return sample(*_loaded(kind), xyz)


def around_at(xyz: np.ndarray) -> dict[str, np.ndarray]:
    """Return the fractions of the tissues around the brain at places in the template.

    Parameters
    ----------
    xyz : ndarray, shape (n, 3)
        mm.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``fluid``, ``bone``, ``marrow``, ``fat``, ``soft``, ``eye``. Their sum is 1 in the head and
        0 in the air. The brain counts as fluid here; callers put the brain in its place.
    """
    xyz = np.asarray(xyz, np.float32)
    distance, affine = _distance()
    depth = sample(distance, affine, xyz, outside=99.0)

    def within(value: np.ndarray) -> np.ndarray:
        return np.clip(0.5 - value / 1.5, 0, 1)  # a soft edge of 1.5 mm

    inner, outer, skin = (within(depth - layer) for layer in _LAYERS)
    x, y, z = xyz.T
    face = sum(
        ((c - middle) / radius) ** 2
        for c, middle, radius in zip((x, y, z), _FACE, _FACE_RADII, strict=True)
    )
    neck = np.hypot(x - _NECK[0], y - _NECK[1]) - _NECK_RADIUS
    below = np.maximum(within(30 * (np.sqrt(face) - 1)), within(np.maximum(neck, z + 45)))
    eyes = sum(within(_ball(xyz, centre, _EYE_RADIUS)) for centre in _EYES)
    sinus = within(_ball(xyz, _SINUS, _SINUS_RADIUS))
    free = 1 - outer  # outside the skull
    middle = sum(_LAYERS[:2]) / 2
    marrow = (outer - inner) * np.exp(-(((depth - middle) / 1.2) ** 2))
    soft = free * below * (1 - sinus)
    return {
        "fluid": inner,
        "bone": outer - inner - marrow,
        "marrow": marrow,
        "fat": free * np.maximum(skin - below, 0),
        "soft": soft * (1 - np.minimum(eyes, 1)),
        "eye": soft * np.minimum(eyes, 1),
    }


def _ball(xyz: np.ndarray, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    apart = xyz - np.array(centre, np.float32)
    distance: RealArray = np.sqrt((apart**2).sum(axis=1)) - radius
    return distance
