"""Native preprocessing of one person of the raw twin: cost of each step, and errors.

The T1w has voxels of 1.2 mm; the run has 64 x 64 x 45 voxels of 3.75 x 3.75 x 3.5 mm and 192
volumes. Costs are CPU seconds of a whole process with one thread, including imports, as in a job
of the workflow. Errors are those of motion, coregistration and normalisation, compared with what
was planted.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PERSON, SCAN = "sub-T02", "sub-T02/ses-placebo/func/sub-T02_ses-placebo_task-rest_bold.nii.gz"
T1W = "sub-T02/anat/sub-T02_T1w.nii.gz"

# Measures the time that a stage spends in each function that it calls directly, including what
# that function calls.
_STAGE = """
import functools, importlib, inspect, json, resource, sys, time
sys.path.insert(0, sys.argv[1])
given = json.load(open(sys.argv[2]))
module = importlib.import_module(given["module"])
spent, inside, kept = {}, [], {}

def timed(name, function):
    @functools.wraps(function)
    def call(*arguments, **options):
        if inside:
            return function(*arguments, **options)
        inside.append(name)
        started = time.process_time()
        result = function(*arguments, **options)
        spent[name] = spent.get(name, 0) + time.process_time() - started
        inside.pop()
        if name == "estimate_motion":
            kept["matrices"] = result.matrices.tolist()
        return result
    return call

for name, function in list(vars(module).items()):
    if inspect.isfunction(function) and name != given["stage"]:
        setattr(module, name, timed(name, function))
getattr(module, given["stage"])(**given["arguments"])
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which also counts what the process held before it became this program.
status = open("/proc/self/status").read().partition("VmHWM:")[2]
peak = int(status.split()[0]) / 2**20
print(json.dumps({
    "cpu": used.ru_utime + used.ru_stime, "peak_gb": peak, "steps": spent,
} | kept))
"""


def measure() -> dict[str, float]:
    """Simulate a person, preprocess them, and compare the result with the truth."""
    with tempfile.TemporaryDirectory() as folder:
        bids_dir, derivatives_dir = Path(folder) / "raw", Path(folder) / "derivatives"
        head, truth = _simulate(bids_dir)
        person = _run(
            folder,
            "crossfc.session.preprocess.anatomy",
            "normalise_subject",
            t1w=str(bids_dir / T1W),
            derivatives_dir=str(derivatives_dir),
            participant_id=PERSON,
        )
        session = _run(
            folder,
            "crossfc.session.preprocess.run",
            "preprocess_session",
            scan=SCAN,
            bids_dir=str(bids_dir),
            participant_id=PERSON,
            derivatives_dir=str(derivatives_dir),
        )
        numbers = {}
        for stage, cost in (("person", person), ("session", session)):
            numbers[f"{stage}_cpu_seconds"] = cost["cpu"]
            numbers[f"{stage}_peak_gb"] = cost["peak_gb"]
            for step, seconds in sorted(cost["steps"].items(), key=lambda item: -item[1]):
                if seconds > 0.01 * cost["cpu"]:
                    numbers[f"{stage}_share.{step.strip('_')}"] = seconds / cost["cpu"]
        floor = sum(session["steps"][name] for name in ("open_scan", "save_image", "resample_run"))
        numbers["session_floor_cpu_seconds"] = floor  # reading, writing, one interpolation
        numbers["session_above_floor"] = session["cpu"] / floor
        matrices = session["matrices"]
        return numbers | _errors(bids_dir, derivatives_dir, head, truth, matrices)


def _simulate(bids_dir: Path) -> tuple:
    import yaml

    from crossfc.plan import Plan
    from crossfc.session.layout import raw_twin
    from crossfc.twin import scanner
    from crossfc.twin.head import draw_head

    os.chdir(ROOT)
    plan = Plan(yaml.safe_load((ROOT / "config/config.yaml").read_text()), ROOT)
    planted = plan.twin.truth()["sessions"][PERSON]["ses-placebo"]
    planted = planted | {"mean_fd": {SCAN: 0.2}}
    scanner.write_dataset(bids_dir, [], repetition_time=2.5, task="rest")
    scanner.simulate_raw_anatomy(PERSON, bids_dir / T1W, random_seed=2024)
    paths = raw_twin(SCAN, bids_dir)
    scanner.simulate_raw_session(
        PERSON,
        "ses-placebo",
        planted,
        plan.regions.seed_rows("primary"),
        plan.regions.target_rows(),
        paths,
        scan=SCAN,
        slices=45,
        voxel_mm=(3.75, 3.75, 3.5),
        volumes=192,
        repetition_time=2.5,
        random_seed=2024,
    )
    return draw_head(PERSON, 2024), json.loads(paths["truth"].read_text())


def _run(folder: str, module: str, stage: str, **arguments) -> dict:
    given = Path(folder) / f"{stage}.json"
    given.write_text(json.dumps({"module": module, "stage": stage, "arguments": arguments}))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _STAGE, str(ROOT / "scripts"), str(given)],
        check=True,
        capture_output=True,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def _errors(bids_dir: Path, derivatives_dir: Path, head, truth: dict, matrices: list) -> dict:
    """Compare the estimated positions and rotations of the brain with the true ones."""
    import nibabel
    import numpy as np
    import pandas as pd

    from crossfc import template
    from crossfc.session.displacement import PARAMETERS
    from crossfc.session.layout import anatomy, preprocessed, raw_twin
    from crossfc.session.preprocess.registration import transform_points
    from crossfc.twin.motion import rigid

    moved = nibabel.affines.apply_affine
    mask = template.brain_mask(2)
    places = moved(mask.affine, np.argwhere(mask.get_fdata() > 0)[::20])
    files = anatomy(PERSON, derivatives_dir, template.SPACE)
    in_t1w = head.from_template(places)
    normalised = np.linalg.norm(transform_points(places, files["transform"]) - in_t1w, axis=1)
    quality = json.loads(files["quality"].read_text())

    # For each volume, the matrix from the estimated reference to the true one. If the motion is
    # estimated correctly, it is the same for all volumes.
    table = pd.read_csv(raw_twin(SCAN, bids_dir)["motion"], sep="\t")
    centre = np.array(truth["motion"]["centre"])
    to_true = np.array(
        [
            np.linalg.inv(rigid(row, centre)) @ np.array(matrix)
            for row, matrix in zip(table[list(PARAMETERS)].to_numpy(), matrices, strict=True)
        ]
    )
    to_true = to_true[3:]  # the first volumes are not in the steady state
    shift = np.array([moved(m, centre) for m in to_true])
    shift = np.linalg.norm(shift - shift.mean(axis=0), axis=1)
    middle = np.linalg.svd(to_true[:, :3, :3].mean(axis=0))
    middle = middle[0] @ middle[2]
    traces = np.array([np.trace(middle.T @ m[:3, :3]) for m in to_true])
    turn = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))

    sidecar = preprocessed(SCAN, derivatives_dir, template.SPACE)["bold_sidecar"]
    registration = json.loads(sidecar.read_text())["Registration"]
    found = moved(to_true.mean(axis=0) @ np.array(registration["matrix_t1w_to_bold"]), in_t1w)
    true = moved(np.linalg.inv(np.array(truth["scanner_to_t1w"])), in_t1w)
    return {
        "motion_error_rms_mm": float(np.sqrt((shift**2).mean())),
        "motion_error_rms_degrees": float(np.sqrt((turn**2).mean())),
        "motion_error_most_mm": float(shift.max()),
        "coregistration_error_mean_mm": float(np.linalg.norm(found - true, axis=1).mean()),
        "normalisation_error_mean_mm": float(normalised.mean()),
        "normalisation_error_p95_mm": float(np.quantile(normalised, 0.95)),
        "normalisation_dice": quality["dice"],
        "normalisation_jacobian_min": quality["jacobian_min"],
    }
