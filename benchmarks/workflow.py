"""Planning a study of 50 people: seconds of a dry run, everything still to do."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def measure() -> dict[str, float]:
    """Measure the dry run of 29 + 21 people; no scan is read, so none needs to exist."""
    from crossfc.trial import twin

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        twin.write_sheets(Path(folder), *twin.parametric_design(29, 21, one_session=0))
        config["results_dir"] = f"{folder}/results"
        config["derivatives_dir"] = f"{folder}/twin"
        for sheet in ("participants", "sessions", "scales"):
            config["sheets"][sheet] = f"{folder}/{sheet}.tsv"
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(config))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--cores", "1"]
            + ["--configfile", str(path)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env=environment,
        )
        return {"dry_run_50_people_seconds": time.monotonic() - started}
