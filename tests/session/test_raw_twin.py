"""The raw twin, whose anatomy, pose and distortion are known, all the way to the template.

The twin's head is the template bent by eight bumps of 2 mm and an affine, in a skull with a bias
field of 18 %; this one's is among the strongest, which once blew the template up to the skin.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc import template
from crossfc.session.connectivity.grey_matter import GreyMatter, open_grey_matter
from crossfc.session.layout import anatomy, raw_twin
from crossfc.session.placement import place
from crossfc.session.preprocess.anatomy import normalise_subject, working_head
from crossfc.session.preprocess.coregistration import coregister
from crossfc.session.preprocess.motion import estimate_motion
from crossfc.session.preprocess.registration import load_ants, mask_dice, transform_points
from crossfc.session.scan import open_scan
from crossfc.twin.head import Head, draw_head
from crossfc.twin.scanner import simulate_raw_anatomy, simulate_raw_session
from tests.twin.twin_regions import SEEDS, TARGETS, planted

pytestmark = pytest.mark.slow

PERSON, SESSION = "sub-T02", "ses-placebo"
# A grid of 2 mm in the template.
AFFINE = np.array([[2.0, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
SCAN = f"{PERSON}/{SESSION}/func/{PERSON}_{SESSION}_task-rest_bold.nii.gz"


@dataclass
class Twin:
    """A person's scans, derivatives and truth."""

    root: Path
    derivatives: Path
    quality: dict
    head: Head

    @property
    def t1w(self) -> Path:
        return self.root / f"{PERSON}/anat/{PERSON}_T1w.nii.gz"

    @property
    def files(self) -> dict[str, Path]:
        return anatomy(PERSON, self.derivatives, template.SPACE)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    load_ants(threads=1, random_seed=1)
    root, derivatives = (tmp_path_factory.mktemp(name) for name in ("bids", "derivatives"))
    t1w = root / f"{PERSON}/anat/{PERSON}_T1w.nii.gz"
    simulate_raw_anatomy(PERSON, t1w, voxel_mm=1.2, random_seed=2024)
    quality = normalise_subject(
        t1w, derivatives, PERSON, random_seed=1, threads=1, accept_unoriented=False
    )
    return Twin(root, derivatives, quality, draw_head(PERSON, 2024))


def _inside(image: nib.Nifti1Image, every: int = 1) -> np.ndarray:
    """Places of the voxels above a half, mm."""
    return nib.affines.apply_affine(image.affine, np.argwhere(image.get_fdata() > 0.5)[::every])


def test_the_planted_warp_is_found(twin):
    points = _inside(template.brain_mask(2), every=5)
    found = transform_points(points, twin.files["transform"])
    error = np.linalg.norm(twin.head.to_template(found) - points, axis=1)
    print(f"warp error: mean {error.mean():.3f}, p95 {np.quantile(error, 0.95):.3f} mm")
    assert error.mean() <= 0.6  # 1.2 is what is asked; a plain SyN at 2 mm reaches 1.1
    assert np.quantile(error, 0.95) <= 1.5


def test_the_brain_lies_on_the_template_without_folds(twin):
    assert twin.quality["dice"] >= 0.97
    assert twin.quality["jacobian_min"] > 0.2
    assert twin.quality["warnings"] == []
    # The same from the transform itself, without ANTs: no fold anywhere in the picture.
    grid = template.brain(3)
    places = np.indices(grid.shape).reshape(3, -1).T
    moved = transform_points(
        nib.affines.apply_affine(grid.affine, places), twin.files["transform"]
    ).reshape(*grid.shape, 3)
    slopes = np.stack([np.gradient(moved, 3.0, axis=axis) for axis in range(3)], axis=-1)
    assert np.linalg.det(slopes).min() > 0.1


def test_the_brain_is_extracted(twin):
    own = nib.load(twin.files["mask"])
    places = np.indices(own.shape).reshape(3, -1).T.astype(np.float32)
    at = twin.head.to_template(nib.affines.apply_affine(own.affine, places).astype(np.float32))
    standard = template.brain_mask(1)
    index = nib.affines.apply_affine(np.linalg.inv(standard.affine), at)
    true = ndimage.map_coordinates(standard.get_fdata(), index.T, order=1) > 0.5
    dice = mask_dice(own.get_fdata() > 0, true.reshape(own.shape))
    print(f"brain extraction: Dice {dice:.4f}")
    assert dice >= 0.97


def test_grey_matter_lies_on_that_of_the_template(twin):
    """The head is the template bent, so what is carried back is the template's grey matter."""
    found = open_grey_matter(twin.files["gm_template"])
    true = GreyMatter(*template.load_template("gm"))
    inside = np.argwhere(template.brain_mask(2).get_fdata() > 0)[::20]
    places = inside, template.brain_mask(2).affine
    own, wanted = found.share(*places), true.share(*places)
    r = np.corrcoef(own, wanted)[0, 1]
    print(f"grey matter: r {r:.3f}")
    assert r > 0.85
    for row in SEEDS:
        where = place([row], row["seed"], (91, 109, 91), AFFINE)
        shares = [np.average(m.share(where.voxels, AFFINE), weights=where.weight)
                  for m in (found, true)]  # fmt: skip
        print(row["seed"], *np.round(shares, 3))
        assert abs(shares[0] - shares[1]) < 0.15


@pytest.fixture(scope="module")
def run(twin):
    """A quiet run of the same person, its reference, and where the T1w's points truly lie."""
    _, truth_of_all = planted(4, 3)
    truth = truth_of_all["sessions"][PERSON][SESSION] | {"mean_fd": {SCAN: 0.03}}
    paths = raw_twin(SCAN, twin.root)
    simulate_raw_session(
        PERSON, SESSION, truth, SEEDS, TARGETS, paths, scan=SCAN, volumes=24, slices=40,
        non_steady_volumes=0, orientation="sagittal", repetition_time=2.5, random_seed=2024,
    )  # fmt: skip
    scan = open_scan(paths["bold"], sidecar=json.loads(paths["sidecar"].read_text()))
    motion = estimate_motion(scan.data, scan.affine)
    described = json.loads(paths["truth"].read_text())
    return scan.affine, motion, np.linalg.inv(np.array(described["scanner_to_t1w"]))


def _laid(twin, run, reference, mask):
    """Coregister; give the mean error over the brain by the boundary and by intensity alone."""
    affine, _, true = run
    t1w, brain, white = (nib.load(twin.files[name]) for name in ("t1w", "mask", "wm"))
    points = _inside(brain, every=200)
    goal = nib.affines.apply_affine(true, points)

    def error(found):
        return np.linalg.norm(nib.affines.apply_affine(found.matrix, points) - goal, axis=1).mean()

    by_boundary = coregister(reference, mask, affine, t1w, brain, white, twin.files["transform"])
    by_intensity = coregister(reference, mask, affine, t1w, brain)
    print(f"coregistration: boundary {error(by_boundary):.3f}, "
          f"intensity {error(by_intensity):.3f} mm")  # fmt: skip
    return by_boundary, error(by_boundary), error(by_intensity)


def test_the_run_is_laid_onto_the_t1w(twin, run):
    found, error, by_intensity = _laid(twin, run, run[1].reference, run[1].mask)
    assert found.quality["boundary_refined"]
    assert found.warnings == []
    assert found.quality["left_right"] == "as the header says"
    assert found.quality["boundary_cost_taken"] < 0.5
    assert error < 0.3  # of voxels of 3.5 mm
    assert error < by_intensity + 0.05


@pytest.mark.parametrize(("peak_mm", "most"), [(8, 0.6), (-8, 0.6), (15, 1.0)])
def test_the_run_is_laid_onto_the_t1w_under_distortion(twin, run, peak_mm, most):
    """Echo-planar distortion at sinuses and ear canals along one axis, signal conserved."""
    affine, motion, true = run
    places = np.indices(motion.reference.shape)
    world = nib.affines.apply_affine(np.linalg.inv(true) @ affine, places.reshape(3, -1).T)
    at = twin.head.to_template(world)
    field = np.zeros(len(at))
    for centre, strength, width in (
        ((0, 45, -20), 1.0, 18),
        ((48, -10, -35), 0.7, 14),
        ((-48, -10, -35), 0.7, 14),
        ((0, -60, -50), -0.4, 20),
    ):
        field += strength * np.exp(-((at - centre) ** 2).sum(axis=1) / (2 * width**2))
    axis = int(np.argmax(np.abs(affine[1, :3])))  # front to back
    shift = (peak_mm * field / field.max() / 3.5).reshape(motion.reference.shape)
    there = places.astype(float)
    there[axis] += shift
    seen = ndimage.map_coordinates(motion.reference, there, order=3, mode="nearest")
    seen *= np.clip(1 + np.gradient(shift, axis=axis), 0.2, 3)
    mask = ndimage.map_coordinates(motion.mask.astype(float), there, order=1) > 0.5
    print(f"distortion: mean {3.5 * np.abs(shift[mask]).mean():.2f} mm in the brain")
    found, error, _ = _laid(twin, run, seen.astype(np.float32), mask)
    assert found.quality["boundary_refined"]
    assert error < most


def test_how_the_axes_are_stored_makes_no_difference(twin, tmp_path):
    image = nib.load(twin.t1w)
    # Up, back, left: one of the 48 orders, none of whose axes stays.
    to = nib.orientations.axcodes2ornt("SPL")
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), to)
    path = tmp_path / f"{PERSON}_T1w.nii.gz"
    nib.save(image.as_reoriented(turn), path)
    # All that comes after starts from this, and gives the same bytes for the same numbers.
    one, other = (working_head(open_scan(t1w, dimensions=3)) for t1w in (twin.t1w, path))
    assert one.spacing == other.spacing and one.origin == other.origin
    assert (one.direction == other.direction).all()
    assert (one.numpy() == other.numpy()).all()
