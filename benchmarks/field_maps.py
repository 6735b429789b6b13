"""Susceptibility distortion of the raw twin, before and after it is corrected by each field map.

A run and its field maps are scanned from one off-resonance field; the head moves between them. The
error is the distance in mm between the place at which a point of the T1w is read in the run and the
place where its signal was laid, so that it holds the error of coregistration as well. Tissues of
the T1w are the true ones, so that nothing else enters. Prints the table of docs/preprocessing.md.

    python benchmarks/field_maps.py [person …]
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
SEED = 2024
KINDS = ("none", "pair", "opposite", "fieldmap")
# Centres in template space, mm; a region is what lies within 6 mm of any of them.
REGIONS = {
    "sgACC": ((0, 21, -10), (1, 31, -5)),
    "pgACC": ((-8, 41, 5), (8, 41, 5)),
    "dACC": ((0, 22, 34),),
    "vmPFC": ((0, 52, -12),),
}
RADIUS_MM = 6.0


def simulate(folder: Path, person: str, direction: str = "j-", **options) -> str:
    """Scan a run with its distortion; return its path relative to the folder."""
    import yaml

    from crossfc.plan import Plan
    from crossfc.session.layout import raw_twin
    from crossfc.twin import scanner
    from crossfc.twin.susceptibility import Readout

    scan = f"{person}/ses-placebo/func/{person}_ses-placebo_task-rest_bold.nii.gz"
    plan = Plan(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)
    planted = plan.twin.truth()["sessions"][person]["ses-placebo"] | {"mean_fd": {scan: 0.2}}
    scanner.write_dataset(folder, [], repetition_time=2.5, task="rest")
    options = {"volumes": 16, "repetition_time": 2.5, "random_seed": SEED} | options
    scanner.simulate_raw_session(
        person, "ses-placebo", planted, plan.regions.seed_rows("primary"),
        plan.regions.target_rows(), raw_twin(scan, folder), scan=scan,
        readout=Readout(direction), **options,
    )  # fmt: skip
    return scan


def simulate_t1w(folder: Path, person: str) -> dict[str, nib.Nifti1Image]:
    """Scan a T1w; return it with the true brain and white matter."""
    from crossfc.twin import scanner
    from crossfc.twin.anatomy import world
    from crossfc.twin.head import brain_at, draw_head

    path = folder / f"{person}/anat/{person}_T1w.nii.gz"
    scanner.simulate_raw_anatomy(person, path, voxel_mm=1.5, random_seed=SEED)
    image = nib.load(path)
    mapped = draw_head(person, SEED).to_template(
        world(image.shape, image.affine).astype(np.float32)
    )
    gm, wm = (brain_at(kind, mapped).reshape(image.shape) for kind in ("gm", "wm"))
    brain = (gm + wm > 0.3).astype(np.uint8)
    return {
        "t1w": image,
        "mask": nib.Nifti1Image(brain, image.affine),
        "white": nib.Nifti1Image(wm.astype(np.float32), image.affine),
    }


def reference_of(folder: Path, scan: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return functional reference, brain and affine of a run."""
    from crossfc.session.preprocess.loss import lost_shares
    from crossfc.session.preprocess.motion import estimate_motion

    image = nib.load(folder / scan)
    data = image.get_fdata(dtype=np.float32)
    motion = estimate_motion(data, image.affine, 2, lost_shares(data, image.affine))
    return motion.reference, motion.mask, image.affine


def unwarping_of(folder: Path, scan: str, kind: str, reference, brain, affine):
    """Scan a field map and estimate the distortion from it, as a job does."""
    import shutil

    from crossfc.session.preprocess.fieldmap import choose_field_map
    from crossfc.session.preprocess.readout import read_readout
    from crossfc.session.preprocess.unwarping import estimate_unwarping
    from crossfc.session.sidecar import read_sidecar, sidecar_paths
    from crossfc.twin.field_map import simulate_field_maps
    from crossfc.twin.susceptibility import Readout

    said = read_sidecar(sidecar_paths(folder, scan))
    readout = read_readout(said, reference.shape, scan)
    person = Path(scan).parts[0]
    shutil.rmtree((folder / scan).parents[1] / "fmap", ignore_errors=True)
    simulate_field_maps(kind, scan, folder, person, Readout(readout.direction), random_seed=SEED)
    chosen = choose_field_map(folder, scan)
    return estimate_unwarping(chosen, folder, readout, reference, brain, affine)


def errors(folder: Path, scan: str, matrix: np.ndarray, affine: np.ndarray, unwarping) -> dict:
    """Return the mean error of each region and of the brain, mm."""
    from crossfc.session.layout import raw_twin
    from crossfc.session.sidecar import read_sidecar, sidecar_paths
    from crossfc.template import load_template
    from crossfc.twin.head import draw_head
    from crossfc.twin.picture import apply
    from crossfc.twin.susceptibility import Readout, off_resonance

    truth = json.loads(raw_twin(scan, folder)["truth"].read_text())
    direction = read_sidecar(sidecar_paths(folder, scan))["PhaseEncodingDirection"]
    readout = Readout(direction)
    head = draw_head(Path(scan).parts[0], SEED)
    t1, grid = load_template("t1")
    voxels = np.argwhere(t1[::3, ::3, ::3] > 0.2) * 3
    template = voxels @ grid[:3, :3].T + grid[:3, 3]
    in_t1w = head.from_template(template)
    along = affine[:3, readout.axis]  # mm of one voxel
    true = apply(np.linalg.inv(np.array(truth["scanner_to_t1w"])), in_t1w)
    true = true + (off_resonance(template) * readout.voxels_per_hz)[:, None] * along
    read = apply(matrix, in_t1w)
    if unwarping is not None:
        read = read + unwarping.at(read)[0][:, None] * along
    missed = np.linalg.norm(read - true, axis=1)
    told = {
        name: missed[
            np.min([np.linalg.norm(template - np.array(c), axis=1) for c in centres], axis=0)
            <= RADIUS_MM
        ].mean()
        for name, centres in REGIONS.items()
    }
    return told | {"brain": missed.mean(), "brain, 95 %": np.percentile(missed, 95)}


def measure(person: str) -> dict[str, dict[str, float]]:
    """Return errors and costs for each kind of field map."""
    from crossfc.session.preprocess.coregistration import coregister
    from crossfc.session.preprocess.registration import load_ants

    load_ants(threads=1, random_seed=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = simulate(folder, person)
        own = simulate_t1w(folder, person)
        reference, brain, affine = reference_of(folder, scan)
        found = {}
        for kind in KINDS:
            unwarping, still, mask = None, reference, brain
            seconds = 0.0
            if kind != "none":
                started = time.process_time()
                unwarping = unwarping_of(folder, scan, kind, reference, brain, affine)
                seconds = time.process_time() - started
                still = unwarping.undo(reference)
                mask = unwarping.undo(brain.astype(np.float32), modulate=False) > 0.5
            laid = coregister(still, mask, affine, own["t1w"], own["mask"], own["white"])
            found[kind] = errors(folder, scan, laid.matrix, affine, unwarping) | {
                "CPU s": seconds,
                "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }
        return found


if __name__ == "__main__":
    people = sys.argv[1:] or ["sub-T02", "sub-T03"]
    for person in people:
        table = measure(person)
        columns = list(next(iter(table.values())))
        print(f"| {person} | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for kind, row in table.items():
            print(f"| {kind} | " + " | ".join(f"{row[c]:.2f}" for c in columns) + " |", flush=True)
