"""A small study with real files, made once, and a way to ask Snakemake what it would do."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from crossfc.plan import Plan
from crossfc.twin import bold as twin_bold
from crossfc.twin import design as twin
from tests.workflow import command

# Every kind of thing, little of each: two pipelines, three analyses, few permutations.
SMALL = {
    "pipelines": {
        "primary": {"strategy": "p9", "low_pass_hz": None},
        "gsr": {"strategy": "p9", "low_pass_hz": 0.1},
    },
    "connectivity": {"minimum_residual_degrees_of_freedom": 10},
    "group": {
        "permutations": 99,
        "cluster_forming_p": 0.01,
        "sensitivity": {"repeats": 20},
        "analyses": ["drug_TRD", "group_by_drug", "change_MADRS"],
    },
    "hypotheses": [{"analysis": "drug_TRD", "seed": "sgACC", "region": "hippocampus"}],
}
COPIED = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles", "uv.lock")


@dataclass
class Study:
    """A working copy of the product with a study in it."""

    folder: Path
    python: str = field(default=sys.executable, kw_only=True)

    @property
    def config_path(self) -> Path:
        return self.folder / "study.yaml"

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.config_path.read_text())

    def set_config(self, **changes) -> None:
        """Change config keys; dots go down: group__permutations=99."""
        config = self.config
        for key, value in changes.items():
            *way, last = key.split("__")
            inner = config
            for part in way:
                inner = inner.setdefault(part, {})
            inner[last] = value
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file; the text must be there once."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def snakemake(self, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess:
        """Run Snakemake in the study's folder."""
        arguments = ["--cores", "2", *arguments, "--configfile", str(config or self.config_path)]
        if self.python == sys.executable:
            return command.snakemake(arguments, self.folder)
        return subprocess.run(
            [self.python, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=command.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def would_run(self, *targets: str) -> Counter:
        """Return the jobs of a dry run: rule, or rule with its person and session."""
        done = self.snakemake("-n", *targets)
        assert done.returncode == 0, done.stderr + done.stdout
        return listed_jobs(done.stdout + done.stderr)

    def copy(self, folder: Path) -> "Study":
        """Copy with time stamps, so that nothing has changed."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Study(folder)


def listed_jobs(text: str) -> Counter:
    """Read the jobs of a dry run from Snakemake's own listing."""
    jobs: Counter = Counter()
    for block in re.split(r"\n(?=\[|(?:local)?rule )", text):
        rule = re.search(r"^(?:local)?rule (\w+):", block, re.MULTILINE)
        if rule is None:
            continue
        found = re.search(r"wildcards: (.*)", block)
        values = dict(re.findall(r"(\w+)=([^,\s]+)", found[1])) if found else {}
        where = "/".join(values[k] for k in ("participant", "session") if k in values)
        where = where or "/".join(values[k] for k in ("pipeline", "analysis") if k in values)
        jobs[f"{rule[1]} {where}".strip()] += 1
    return jobs


def copy_product(folder: Path, root: Path) -> Study:
    """Copy what a clone has, without a study's results, but with what is compiled already."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = root / name
        if source.is_dir():
            # Files that another process is just writing have other endings.
            ignore = shutil.ignore_patterns("*.pyc.*", "*.tmp.*")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy2(source, folder / name)
    return Study(folder)


def write_study(folder: Path, root: Path, people: tuple[int, int] = (5, 4)) -> Study:
    """Write a study of fMRIPrep-shaped files: small, but with every kind of thing in it."""
    study = copy_product(folder, root)
    participants, sessions, _ = twin.parametric_design(*people, one_session=1, random_seed=3)
    scales = [dict(row) for row in twin.SCALE_ROWS[:2]]
    keep = {"TEPS_A", "TEPS_C"}
    sessions = [{k: v for k, v in row.items() if k not in keep} for row in sessions]
    twin.write_sheets(folder / "design", participants, sessions, scales)
    study.config_path.write_text(
        yaml.safe_dump(
            {
                "study": "small",
                "entry": "fmriprep",
                "derivatives_dir": "derivatives",
                "space": "MNI152NLin2009aSym",
                "sheets": {
                    "participants": "design/participants.tsv",
                    "sessions": "design/sessions.tsv",
                    "scales": "design/scales.tsv",
                },
                "groups": {"patients": "TRD", "controls": "HV"},
                "treatments": {"active": "ketamine", "control": "placebo"},
                "clinical": {"permutations": 99, "bootstrap": 99},
            }
            | SMALL,
            sort_keys=False,
        )
    )
    here = Path.cwd()
    os.chdir(folder)
    try:
        plan = Plan(study.config | {"twin": {"volumes": 60}}, folder)
        truth = plan.twin.truth()
        for session in plan.sessions():
            simulate(plan, truth, session)
    finally:
        os.chdir(here)
    return study


def simulate(plan: Plan, truth: dict, session) -> None:
    """Simulate every run of a session, small."""
    for scan in session.scans:
        twin_bold.simulate_session(
            session.participant_id,
            session.session_id,
            truth["sessions"][session.participant_id][session.session_id],
            plan.regions.seed_rows("primary"),
            plan.regions.target_rows(),
            {k: Path(v) for k, v in plan.scans.preprocessed(scan).items()},
            scan=scan,
            volumes=60,
            resolution_mm=6,
            random_seed=0,
            repetition_time=2.5,
        )


@pytest.fixture(scope="session")
def finished(tmp_path_factory, root) -> Study:
    """A small study, run to its end. Do not change it: take `study`."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all processes that test, so that one makes it for all
    folder, complete = base / "finished", base / "finished.complete"
    with open(base / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            study = write_study(folder / "study", root)
            done = study.snakemake()
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
            complete.touch()
    return Study(folder / "study")


@pytest.fixture
def study(finished, tmp_path) -> Study:
    """A copy of the finished study, to be changed."""
    return finished.copy(tmp_path / "study")
