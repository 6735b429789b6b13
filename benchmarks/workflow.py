"""Planning a study of 50 people: seconds of a dry run with all jobs to do, and with none."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def measure() -> dict[str, float]:
    """Measure the dry run of 29 + 21 people before any job has run, and after all have.

    The second dry run needs outputs and Snakemake's records of how they were made. The files are
    empty, and `--touch` writes the records as a run does.
    """
    from crossfc.twin import design as twin

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        twin.write_sheets(
            Path(folder), *twin.parametric_design(29, 21, one_session=0, random_seed=2024)
        )
        config["results_dir"] = f"{folder}/results"
        config["derivatives_dir"] = f"{folder}/twin"
        for sheet in ("participants", "sessions", "scales"):
            config["sheets"][sheet] = f"{folder}/{sheet}.tsv"
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(config))
        product = Path(folder) / "product"
        product.mkdir()
        for name in ("Snakefile", "workflow", "scripts", "config", "envs", "profiles"):
            (product / name).symlink_to(ROOT / name)

        def snakemake(*arguments: str) -> tuple[float, str]:
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
            started = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
                + ["--configfile", str(path)],
                cwd=product,
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            )
            return time.monotonic() - started, done.stdout

        planning, _ = snakemake("-n", "--quiet", "all")
        _, summary = snakemake("--summary")
        for line in summary.splitlines()[1:]:
            output = Path(line.split("\t")[0])
            if ("/group/" in str(output) or output.name == "func") and not output.suffix:
                output.mkdir(parents=True, exist_ok=True)
            else:
                output.parent.mkdir(parents=True, exist_ok=True)
                output.touch()
        snakemake("--touch", "--forceall", "--quiet", "all")
        nothing, said = snakemake("-n")
        if "Nothing to be done" not in said:
            raise RuntimeError("the finished study would still run jobs")
        return {
            "dry_run_50_people_seconds": planning,
            "nothing_to_do_50_people_seconds": nothing,
        }
