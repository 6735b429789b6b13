"""Planning a large trial: a dry run with all jobs to do, and the start of one cluster job.

The trial is generated: the sheets of a two-by-two crossover, and one simulated session. The files
of all other sessions are hard links to it, so that planning reads and checks as much as with real
scans.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import yaml
from fresh import fresh

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = 2000


def write_trial(folder: Path, people: int) -> Path:
    """Write a trial of ``people`` with two sessions each, as fMRIPrep would have left it.

    Returns
    -------
    Path
        Path of the trial's configuration.
    """
    from crossfc.session import layout
    from crossfc.twin import design as twin

    patients = people // 2
    design = twin.parametric_design(patients, people - patients, one_session=0, random_seed=2024)
    twin.write_sheets(folder, *design)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    del config["twin"]
    config |= {"study": "large", "entry": "fmriprep", "results_dir": str(folder / "results")}
    config["derivatives_dir"] = str(folder / "derivatives")
    for sheet in ("participants", "sessions", "scales"):
        config["sheets"][sheet] = str(folder / f"{sheet}.tsv")
    specimen: dict[str, Path] = {}
    for scan in (scan for row in design[1] for scan in row["scan"].split(";")):
        paths = layout.preprocessed(scan, config["derivatives_dir"], config["space"])
        if not specimen:
            # In a separate process, as memory used here would count for processes started later.
            own = multiprocessing.get_context("spawn").Process(
                target=simulate, args=(config, scan, paths)
            )
            own.start()
            own.join()
            specimen = {kind: path for kind, path in paths.items() if path.is_file()}
            continue
        for kind, source in specimen.items():
            paths[kind].parent.mkdir(parents=True, exist_ok=True)
            os.link(source, paths[kind])
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def simulate(config: dict, scan: str, paths: dict[str, Path]) -> None:
    """Simulate one session like those of the demo's twin."""
    from crossfc.plan import Plan
    from crossfc.twin import bold as twin_bold

    plan = Plan(config | {"twin": {}}, ROOT)
    person, session = scan.split("/")[:2]
    twin_bold.simulate_session(
        person,
        session,
        plan.twin.truth()["sessions"][person][session],
        plan.regions.seed_rows(plan.primary),
        plan.regions.target_rows(),
        paths,
        scan=scan,
        volumes=160,
        resolution_mm=4,
        random_seed=0,
        repetition_time=2.5,
    )


def planned(config: Path, *arguments: str) -> tuple[float, float, str]:
    """Do a dry run on one core; return CPU seconds, the largest memory (MB) and its output."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *arguments]
    command += ["--configfile", str(config)]
    cpu, memory, code, text = fresh(command, cwd=ROOT, env=environment)
    if code:
        raise RuntimeError(text[-3000:])
    return cpu, memory, text


def measure() -> dict[str, float]:
    """Measure the dry run of 2,000 x 2 sessions and of a quarter of them, and the start of one job.

    A cluster job starts Snakemake, parses the Snakefile and the sheets, and plans itself, before
    its script starts.
    """
    numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        for people in (PEOPLE // 4, PEOPLE):
            trial = Path(folder) / str(people)
            trial.mkdir()
            config = write_trial(trial, people)
            seconds, megabytes, _ = planned(config, "--quiet", "all")
            numbers[f"dry_run_{people}_people_cpu_seconds"] = seconds
            numbers[f"dry_run_{people}_people_mb"] = megabytes
        job = "connectivity_session:participant=T01,session=placebo"
        seconds, megabytes, said = planned(config, "--mode", "remote", "--target-jobs", job)
        if "rule connectivity_session:" not in said:
            raise RuntimeError("the job was not planned:\n" + said[-3000:])
        numbers[f"job_start_{people}_people_cpu_seconds"] = seconds
        numbers[f"job_start_{people}_people_mb"] = megabytes
    return numbers


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "scripts"))
    for key, value in measure().items():
        print(f"{key:40s} {value:10.4g}")
