"""The head of a simulated person: the template within a skull, bent to a shape of its own."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from crossfc.trial.template import load_template
from crossfc.twin.anatomy import coarsen
from crossfc.twin.design import stream
from crossfc.twin.motion import rigid

_MARGIN = 44  # mm of air, skin and bone around the template's box
_STEP = 2  # mm, grid of the distance from the brain

# Depths outside the brain, mm: fluid up to the first, bone to the second, fat to the third.
_LAYERS = (2.5, 8.0, 13.5)
# Template places (mm) of what is no brain: face and neck of soft tissue, eyes and sinus in them.
_FACE, _FACE_RADII = (0.0, 48.0, -52.0), (56.0, 34.0, 44.0)
_NECK, _NECK_RADIUS = (0.0, -32.0), 52.0
_EYES, _EYE_RADIUS = ((-31.0, 60.0, -38.0), (31.0, 60.0, -38.0)), 12.0
_SINUS, _SINUS_RADIUS = (0.0, 52.0, -44.0), 13.0

# T1-weighted intensity of all but the brain, whose intensity is the template's.
T1_CONTRAST = {"fluid": 0.20, "bone": 0.06, "marrow": 0.40, "fat": 0.95, "soft": 0.45, "eye": 0.18}
# T2*-weighted and fat-saturated, relative to fluid.
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
    """The map from a person's own space (world of the T1w, mm) to the template.

    ``place in template = affine @ place + sum over bumps of shift exp(-|place - centre|² / 2w²)``.

    ``affine`` (4, 4); ``centres``, ``shifts`` (n_bumps, 3) mm; ``widths`` (n_bumps,) mm.
    """

    affine: np.ndarray
    centres: np.ndarray
    shifts: np.ndarray
    widths: np.ndarray

    def to_template(self, xyz: np.ndarray) -> np.ndarray:
        """Map places (n, 3) of the person to the template."""
        kind = np.float32 if np.asarray(xyz).dtype == np.float32 else float
        xyz = np.asarray(xyz, kind)
        mapped = xyz @ self.affine[:3, :3].T.astype(kind) + self.affine[:3, 3].astype(kind)
        for centre, shift, width in zip(self.centres, self.shifts, self.widths, strict=True):
            squared = ((xyz - centre.astype(kind)) ** 2).sum(axis=1)
            mapped += np.exp(squared * kind(-0.5 / width**2))[:, None] * shift.astype(kind)
        return mapped

    def from_template(self, xyz: np.ndarray) -> np.ndarray:
        """Map places (n, 3) of the template to the person, to within 0.001 mm."""
        wanted = np.asarray(xyz, float)
        back = np.linalg.inv(self.affine[:3, :3]).T
        place = (wanted - self.affine[:3, 3]) @ back
        for _ in range(100):
            missed = wanted - self.to_template(place)
            if np.abs(missed).max() < 1e-3:
                break
            place = place + missed @ back
        return place

    def describe(self) -> dict:
        """Return the map as plain numbers for a truth file."""
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


def draw_head(participant_id: str, seed: int) -> Head:
    """Draw the head of a person: size and shear, pose in the scanner, and eight gentle bumps.

    Each bump moves less than its width allows to fold (shift below a quarter of the width).
    """
    random = stream(seed, participant_id, "head")
    size = np.eye(4)
    size[:3, :3] += np.diag(random.normal(scale=0.035, size=3))
    size[[0, 1], [1, 2]] += random.normal(scale=0.02, size=2)
    pose = np.concatenate([random.normal(scale=5, size=3), random.normal(scale=0.07, size=3)])
    # About the middle of the brain, so that a turn does not carry the head out of the scanner.
    affine = size @ rigid(pose, centre=np.array([0.0, -18.0, 8.0]))
    count = 8
    centres = np.array([0, -18, 8]) + random.uniform(-1, 1, size=(count, 3)) * [55, 70, 55]
    shifts = np.clip(random.normal(scale=2.0, size=(count, 3)), -4, 4)
    return Head(affine, centres, shifts, random.uniform(24, 36, size=count))


@lru_cache(maxsize=1)
def _distance() -> tuple[np.ndarray, np.ndarray]:
    """Distance from the brain (mm, negative within) on a 2 mm grid with a margin, and affine."""
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
    """Interpolate an image at world places, shape (n,)."""
    inverse = np.linalg.inv(affine)
    voxels = xyz @ inverse[:3, :3].T.astype(xyz.dtype) + inverse[:3, 3].astype(xyz.dtype)
    return ndimage.map_coordinates(
        data, voxels.T, order=order, mode="constant", cval=outside, output=np.float32
    )


_loaded = lru_cache(maxsize=3)(load_template)


def brain_at(kind: str, xyz: np.ndarray) -> np.ndarray:
    """Return one piece of the template ("t1", "gm", "wm") at template places (n, 3)."""
    return sample(*_loaded(kind), xyz)


def around_at(xyz: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is around the brain at template places (n, 3): one fraction per tissue.

    Returns
    -------
    dict
        ``fluid``, ``bone``, ``marrow``, ``fat``, ``soft``, ``eye``; their sum is 1 in the head
        (the brain counts as fluid here: lay it on top) and 0 in the air.
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
    return np.sqrt(((xyz - np.array(centre, np.float32)) ** 2).sum(axis=1)) - radius
