"""A cluster for the tests, and small studies whose jobs say when they begin and end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from crossfc.jobs import claim
from crossfc.twin import design as twin
from tests.slurm.cluster import ACCOUNT, PARTITION, Cluster, missing_packages, wait_for
from tests.workflow.conftest import SMALL, Study, copy_product

# Only what makes a test wait; batches, resources, retries and the rest are the profile's own.
HASTE = ("--slurm-init-seconds-before-status-checks", "5", "--max-status-checks-per-second", "1")

# Appended to a copy's crossfc/jobs/job.py: a job says in diary.txt when it begins and has ended.
DIARY = """

_quiet_job = job


@contextmanager
def job(snakemake):
    path = Path(__file__).resolve().parents[3] / "diary.txt"

    def tell(word):
        where = "/".join(snakemake.wildcards)
        with open(path, "a") as diary:
            diary.write(f"{word} {os.getpid()} {snakemake.rule} {where}\\n")

    tell("begin")
    with _quiet_job(snakemake):
        yield
        tell("end")
"""


@pytest.fixture(scope="session")
def own_cluster(tmp_path_factory):
    """The cluster, or no test at all."""
    if missing := missing_packages():
        pytest.skip("no SLURM here: apt-get install --no-install-recommends " + " ".join(missing))
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no SLURM here: make slurm")
    # munge refuses a socket below a folder that others may not pass.
    folder = Path("/tmp") / f"crossfc-slurm-{os.getpid()}"
    cluster = Cluster(folder)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(own_cluster):
    """The cluster with an empty queue and all nodes at work."""
    own_cluster.revive()
    yield own_cluster
    own_cluster.empty()


@dataclass
class ClusterStudy(Study):
    """A working copy of the product that is run on a cluster, through its own profile."""

    cluster: Cluster | None = None
    started: list[subprocess.Popen] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake, as a user would, with both streams in run.log."""
        environment = dict(self.cluster.environment)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with open(self.log, "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *arguments]
                + ["--configfile", str(self.config_path)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout: float = 1500) -> int:
        """Run Snakemake to its end and give its exit code."""
        return self.start(*arguments).wait(timeout)

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    def said(self) -> str:
        """Return what Snakemake said."""
        return self.log.read_text()

    def diary(self, word: str) -> list[list[str]]:
        """List what began or ended: process, rule and wildcards."""
        path = self.folder / "diary.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split()[1:] for line in lines if line.startswith(word)]

    def ended(self) -> Counter:
        """Count how often each job has ended."""
        return Counter(" ".join(entry[1:]) for entry in self.diary("end"))

    def freeze_one(self, after: int, timeout: float = 600) -> int:
        """Stop the process of a running script once some have ended, and give its number."""
        wait_for(lambda: len(self.diary("end")) >= after, timeout, f"{after} jobs to end")
        seen = {process for process, *_ in self.diary("begin")}

        def new():
            over = {process for process, *_ in self.diary("end")}
            return [p for p, *_ in self.diary("begin") if p not in over and p not in seen]

        wait_for(new, timeout, "a job to begin")
        pid = int(new()[0])
        os.kill(pid, signal.SIGSTOP)
        return pid


def profiled(folder: Path, cluster: Cluster) -> ClusterStudy:
    """Edit the two lines of the profile that a user edits."""
    study = ClusterStudy(folder, cluster)
    study.edit("profiles/slurm/config.yaml", 'account: "edit-me"', f"account: {ACCOUNT}")
    study.edit("profiles/slurm/config.yaml", 'partition: "edit-me"', f"partition: {PARTITION}")
    return study


def write_twin(folder: Path, root: Path, people: tuple[int, int]) -> None:
    """Write a study of the demo's kind, with every kind of job, but small."""
    study = copy_product(folder, root)
    twin.write_sheets(
        folder / "design", *twin.parametric_design(*people, one_session=1, random_seed=3)
    )
    names = ("participants", "sessions", "scales")
    config = (
        yaml.safe_load((root / "config/config.yaml").read_text())
        | SMALL
        | {
            "study": "small",
            "derivatives_dir": "results/small_twin",
            "sheets": {name: f"design/{name}.tsv" for name in names},
            "twin": {"volumes": 60, "resolution_mm": 6},
        }
    )
    config["clinical"] |= {"permutations": 99, "bootstrap": 99}
    study.config_path.write_text(yaml.safe_dump(config, sort_keys=False))


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of the results but logs and claims, which hold times, hidden ones too."""
    aside = {"logs", claim.FOLDER}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not aside & set(path.relative_to(folder).parts)
    }


@pytest.fixture(scope="session")
def scans(tmp_path_factory, root) -> Study:
    """A study whose scans are there and whose sessions are not: nine jobs, in one batch.

    What the sessions come to is in the folder ``expected``.
    """
    folder = tmp_path_factory.mktemp("scans") / "study"
    write_twin(folder, root, (2, 2))
    study = Study(folder)
    study.set_config(group__analyses=["drug_TRD"])
    with open(folder / "scripts/crossfc/jobs/job.py", "a") as module:
        module.write(DIARY)
    done = study.snakemake("twin")
    assert done.returncode == 0, done.stderr[-5000:]
    # The scans come from elsewhere now; a twin would be made again where a record is missing.
    config = study.config
    del config["twin"]
    study.config_path.write_text(yaml.safe_dump(config | {"derivatives_dir": "scans"}))
    shutil.move(folder / "results/small_twin", folder / "scans")
    done = study.snakemake("connectivity")
    assert done.returncode == 0, done.stderr[-5000:]
    shutil.move(folder / "results/small", folder / "expected")
    for left in (folder / ".snakemake", folder / "results"):
        shutil.rmtree(left)
    (folder / "diary.txt").unlink()
    return study


@pytest.fixture
def interrupted(scans, cluster, tmp_path):
    """A copy of that study to be run on the cluster."""
    scans.copy(tmp_path / "study")
    study = profiled(tmp_path / "study", cluster)
    yield study
    for process in study.started:
        process.kill()


def assert_whole(study: ClusterStudy, again: bool = True) -> None:
    """After one plain re-run all is there, as it would be undisturbed, and no job ended twice."""
    if again:
        assert study.run("connectivity", *HASTE) == 0, study.said()[-8000:]
    expected = {
        name: content
        for name, content in contents(study.folder / "expected").items()
        if name.startswith("sub-")
    }
    found = contents(study.folder / "results/small")
    assert expected and {k: v for k, v in found.items() if k.startswith("sub-")} == expected
    counts = study.ended()
    sessions = {job: n for job, n in counts.items() if job.startswith("connectivity_session")}
    assert len(sessions) == 9
    assert set(sessions.values()) == {1}, counts
    assert study.run("connectivity", *HASTE, "--dry-run") == 0
    assert "Nothing to be done" in study.said()


def pause(seconds: float) -> None:
    """Wait where there is nothing to be asked."""
    time.sleep(seconds)
