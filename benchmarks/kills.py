"""Kill a run at a random second, ten times; each time one plain command must finish the study.

    python benchmarks/kills.py [how many] [seed]

A small twin is first made and analysed without disturbance. Then the same study is started each
time in a new folder and killed with kill -9: in turn Snakemake alone, or Snakemake with all
processes that it started. The plain command is given again. Its results must equal the undisturbed
ones byte for byte, except for logs, and no job that had ended may run again, which the records
beside the results show. A study takes one to two minutes, so ten take about twenty.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles", "uv.lock")


def write_study(folder: Path) -> None:
    """Write a small twin like that of the demo, with a copy of crossfc beside it."""
    from crossfc.twin import design as twin

    folder.mkdir()
    for name in COPIED:
        # Copied, as edits or commits in the checkout during the run would appear in the records.
        if (ROOT / name).is_dir():
            aside = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=aside)
        else:
            shutil.copy(ROOT / name, folder / name)
    participants, sessions, scales = twin.parametric_design(4, 3, one_session=1, random_seed=3)
    twin.write_sheets(folder / "design", participants, sessions, scales)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config |= {"study": "small", "derivatives_dir": "results/small_twin"}
    config["sheets"] = {n: f"design/{n}.tsv" for n in ("participants", "sessions", "scales")}
    config["twin"] = {"volumes": 60, "resolution_mm": 6}
    config["pipelines"] = {"primary": {"strategy": "p9", "low_pass_hz": None}}
    config["connectivity"] = {"minimum_residual_degrees_of_freedom": 10}
    config["group"] = {
        "permutations": 99,
        "cluster_forming_p": 0.01,
        "analyses": ["drug_TRD", "group_by_drug"],
    }
    config["clinical"] = {"permutations": 99, "bootstrap": 99}
    config.pop("primary", None)
    (folder / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def start(folder: Path) -> subprocess.Popen:
    """Start the plain command; return its process."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with open(folder / "run.log", "a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of the results except logs and claims, which contain times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file() and not {"logs", ".crossfc"} & set(path.relative_to(folder).parts)
    }


def records(folder: Path) -> dict[str, int]:
    """Return the time of the record of every job that has ended."""
    found = (folder / "results").rglob("*.record")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def measure(kills: int = 10, seed: int = 0) -> dict[str, float]:
    """Kill ``kills`` runs, and count those that the plain command then finishes correctly."""
    moments, same, again = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as place:
        reference = Path(place) / "undisturbed"
        write_study(reference)
        began = time.monotonic()
        if start(reference).wait():
            raise RuntimeError((reference / "run.log").read_text()[-3000:])
        seconds, expected = time.monotonic() - began, contents(reference)
        for number in range(kills):
            folder = Path(place) / "killed"
            shutil.rmtree(folder, ignore_errors=True)
            write_study(folder)
            run, after = start(folder), moments.uniform(0.05, 0.95) * seconds
            time.sleep(after)
            if number % 2:
                os.killpg(run.pid, signal.SIGKILL)
            else:
                run.kill()
            run.wait()
            before = records(folder)
            code, now = start(folder).wait(), records(folder)
            redone = [name for name, made in before.items() if now.get(name) != made]
            found = contents(folder)
            differing = sorted(n for n in {*found, *expected} if found.get(n) != expected.get(n))
            same += not code and not differing
            again += len(redone)
            print(
                f"killed after {after:.0f} of {seconds:.0f} s with {len(before)} outputs recorded: "
                f"exit code {code}, {len(differing)} files differ {differing[:3]}, "
                f"{len(redone)} made again {redone[:3]}",
                flush=True,
            )
    return {"killed": kills, "survived_byte_equal": same, "outputs_made_again": again}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "scripts"))
    for key, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{key:40s} {value}")
