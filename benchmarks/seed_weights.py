"""What weighting voxels by their share in a sphere changes, against taking them by their centres.

    .venv/bin/python benchmarks/seed_weights.py

prints the table of docs/preprocessing.md, and the error against the planted edges (about five CPU
minutes): sessions of the demo's twin, simulated at 4, 3 and 2 mm.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts")]

from crossfc.plan import Plan  # noqa: E402
from crossfc.session import layout, sphere  # noqa: E402
from crossfc.session.connectivity.derivative import connectivity_session  # noqa: E402
from crossfc.session.connectivity.pipeline import Pipeline  # noqa: E402
from crossfc.table import read_table  # noqa: E402
from crossfc.trial.document import load_yaml  # noqa: E402
from crossfc.twin.bold import simulate_session  # noqa: E402

SESSIONS = {4: 20, 3: 6, 2: 2}
SEED_SETS = ("aal3_spheres", "depression_5mm", "kelly2009")
by_share = sphere.shares


def by_centre(centres: np.ndarray, radii: np.ndarray, affine: np.ndarray) -> tuple:
    """Take the voxels whose centres lie in a sphere, all alike."""
    voxels, _ = by_share(centres, radii, affine)
    places = voxels @ affine[:3, :3].T + affine[:3, 3]
    apart = np.linalg.norm(places[:, None] - np.atleast_2d(centres), axis=-1)
    inside = (apart <= np.asarray(radii)).any(axis=1)
    return voxels[inside], np.ones(inside.sum())


def analysed(plan: Plan, session, made: dict, folder: Path, rule) -> dict:
    """Compute a session's connectivity by a rule; give edges, maps and records per seed set."""
    own = session.participant_id, session.session_id
    pipelines = {
        k: Pipeline.from_params(v) for k, v in plan.connectivity.pipeline_choices().items()
    }
    outputs = {
        name: layout.connectivity(
            *own, "rest", folder, "T", name, list(dict.fromkeys(r["seed"] for r in pipe.seeds))
        )
        for name, pipe in pipelines.items()
    }
    run = {"scan": session.scans[0], "sidecars": [made["bold_sidecar"]]}
    run |= {kind: made[kind] for kind in ("bold", "mask", "confounds")}
    sphere.shares = rule
    connectivity_session(
        *own, [run], pipelines, plan.regions.target_rows(), outputs,
        layout.inspection(*own, "rest", "T", list(pipelines), folder),
        accept_unoriented=False, **plan.config["connectivity"],
    )  # fmt: skip
    sphere.shares = by_share
    return {
        name: (
            read_table(files["relmat"]).set_index("seed"),
            [nibabel.load(path).get_fdata() for path in files["maps"]],
            json.loads(files["qc"].read_text())["seeds"],
        )
        for name, files in outputs.items()
        if files["relmat"].exists()
    }


def compare(voxel_mm: int) -> None:
    """Print how edges and maps of some sessions change, and how far they are from the truth."""
    config = load_yaml(ROOT / "config/config.yaml")
    config["pipelines"] = {
        ("primary" if name == SEED_SETS[0] else name.replace("_", "")): {"seed_set": name}
        for name in SEED_SETS
    }
    plan = Plan(config, ROOT)
    truth, choices = plan.twin.truth(), plan.twin.scan_choices()
    found: dict[str, list] = {}
    apart: list[tuple[float, float]] = []
    for session in plan.sessions()[: SESSIONS[voxel_mm]]:
        own = session.participant_id, session.session_id
        planted = truth["sessions"][own[0]][own[1]]
        with TemporaryDirectory() as name:
            folder = Path(name)
            made = layout.preprocessed(session.scans[0], folder, plan.config["space"])
            simulate_session(
                *own, planted, plan.regions.seed_rows("primary"), plan.regions.target_rows(),
                made, scan=session.scans[0], resolution_mm=voxel_mm, volumes=choices["volumes"],
                repetition_time=choices["repetition_time"], random_seed=choices["seed"],
            )  # fmt: skip
            share = analysed(plan, session, made, folder / "share", by_share)
            centre = analysed(plan, session, made, folder / "centre", by_centre)
        for pipeline in share.keys() & centre.keys():
            found.setdefault(pipeline, []).append((share[pipeline], centre[pipeline]))
        for edge, z in planted["fisher_z"].items():
            seed, target = edge.split("-")
            apart.append(tuple(way["primary"][0].loc[seed, target] - z for way in (share, centre)))
    for pipeline in sorted(found, reverse=True):
        pairs = found[pipeline]
        edges = np.array([[way[0].to_numpy(float).ravel() for way in pair] for pair in pairs])
        first, second = edges[:, 0].ravel(), edges[:, 1].ravel()
        both = np.isfinite(first) & np.isfinite(second)
        first, second = first[both], second[both]
        likeness = [
            np.corrcoef(a[np.isfinite(a)], b[np.isfinite(b)])[0, 1]
            for one, other in pairs
            for a, b in zip(one[1], other[1], strict=True)
        ]
        print(
            f"| {pipeline} | {voxel_mm} mm | r {np.corrcoef(first, second)[0, 1]:.3f} "
            f"| rms {np.sqrt(((first - second) ** 2).mean()):.3f} "
            f"| largest {np.abs(first - second).max():.2f} | map r {min(likeness):.2f} |"
        )
        for seed in pairs[0][0][2]:
            one, other = (way[2][seed] for way in pairs[0])
            print(
                f"    {seed}: {other['voxels']:g} voxels by centres, {one['voxels']:g} effective "
                f"by shares; off {other['offset_mm']:.2f} and {one['offset_mm']:.2f} mm"
            )
    errors = np.array(apart)
    for name, own in zip(("shares", "centres"), errors.T, strict=True):
        bias, error = own.mean(), np.sqrt((own**2).mean())
        print(f"{voxel_mm} mm, by {name}: bias {bias:+.3f}, rms error {error:.3f} (n {len(own)})")


if __name__ == "__main__":
    for size in SESSIONS:
        compare(size)
