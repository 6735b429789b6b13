"""A session's connectivity job at 3 mm and 200 volumes, three pipelines: CPU seconds."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Runs in a separate process, so that imports count as in a job.
_JOB = """
import json, sys, time
started = time.process_time()
sys.path.insert(0, sys.argv[1])
from crossfc.session.connectivity.derivative import connectivity_session
from crossfc.session.connectivity.pipeline import Pipeline
given = json.load(open(sys.argv[2]))
own = given.pop("pipelines").items()
given["pipelines"] = {name: Pipeline.from_params(choices) for name, choices in own}
connectivity_session(**given)
whole = time.process_time() - started
from crossfc.session.scan import open_scan
started = time.process_time()
open_scan(given["runs"][0]["bold"])
print(json.dumps({"job": whole, "reading": time.process_time() - started}))
"""


def measure() -> dict[str, float]:
    """Measure the job of one session, and the share of it that reads its file."""
    import yaml

    from crossfc.plan import Plan
    from crossfc.session import layout
    from crossfc.twin.bold import simulate_session

    os.chdir(ROOT)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(config | {"results_dir": folder}, ROOT)
        session = plan.sessions()[2]
        person, name, scan = session.participant_id, session.session_id, session.scans[0]
        paths = layout.preprocessed(scan, folder, config["space"])
        simulate_session(
            person,
            name,
            plan.twin.truth()["sessions"][person][name],
            plan.regions.seed_rows("primary"),
            plan.regions.target_rows(),
            paths,
            scan=scan,
            volumes=200,
            resolution_mm=3,
            repetition_time=2.5,
            random_seed=2024,
        )
        outputs = {
            p: layout.connectivity(
                person, name, "rest", folder, config["space"], p, plan.regions.seeds(p)
            )
            for p in plan.pipelines
        }
        given = {
            "participant_id": person,
            "session_id": name,
            "runs": [{"scan": scan} | {k: str(paths[k]) for k in ("bold", "mask", "confounds")}],
            "pipelines": plan.connectivity.pipeline_choices(),
            "targets": plan.regions.target_rows(),
            "outputs": json.loads(json.dumps(outputs, default=str)),
            "carpet_path": f"{folder}/carpet.png",
            "accept_unoriented": False,
        } | plan.config["connectivity"]
        (Path(folder) / "given.json").write_text(json.dumps(given))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [sys.executable, "-c", _JOB, str(ROOT / "scripts"), f"{folder}/given.json"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
    seconds = json.loads(done.stdout)
    return {
        "job_cpu_seconds": seconds["job"],
        "reading_cpu_seconds": seconds["reading"],
        "beyond_reading_cpu_seconds": seconds["job"] - seconds["reading"],
    }
