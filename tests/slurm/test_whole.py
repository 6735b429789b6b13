"""The whole twin study through sbatch: the same results as here, and nothing submitted alone."""

import re

import pytest

from tests.slurm.conftest import contents, profiled, write_twin
from tests.workflow.conftest import Study

pytestmark = pytest.mark.slurm

# Too short for a submission of their own, and needed at once: where Snakemake itself runs.
LOCAL = {"all", "clinical_change", "provenance", "trial", "truth"}


@pytest.fixture(scope="module")
def local(tmp_path_factory, root) -> Study:
    """The study run without a cluster."""
    study = Study(tmp_path_factory.mktemp("local") / "study")
    write_twin(study.folder, root, (5, 4))
    done = study.snakemake()
    assert done.returncode == 0, done.stderr[-5000:]
    return study


def test_whole_study_through_sbatch_equals_the_local_run(local, own_cluster, tmp_path, root):
    write_twin(tmp_path / "study", root, (5, 4))
    study = profiled(tmp_path / "study", own_cluster)
    before = len(own_cluster.ended())
    assert study.run() == 0, study.said()[-8000:]

    for folder in ("small", "small_twin"):
        here, there = (contents(s.folder / "results" / folder) for s in (local, study))
        assert len(here) > 50 and list(here) == list(there)
        assert [name for name in here if here[name] != there[name]] == []

    said, jobs = study.said(), own_cluster.ended()[before:]
    assert all(job["JobState"] == "COMPLETED" for job in jobs)
    # What one run of Snakemake would have submitted one by one: 20 scans, 19 sessions, ...
    steps = int(re.search(r"(\d+) of \1 steps \(100%\)", said)[1])
    assert steps > 50 and len(jobs) <= 7
    assert set(re.findall(r"^localrule (\w+):", said, re.MULTILINE)) == LOCAL
    assert not re.findall(r"^rule (\w+):", said, re.MULTILINE), "a job was submitted alone"
    sizes = batch_sizes(said)
    assert len(sizes) == len(jobs) and min(sizes) > 1 and sum(sizes) == steps - len(LOCAL)

    # SLURM keeps no log of what went well; the rules' own are where README says.
    assert not list((study.folder / "logs/slurm").rglob("*.log"))
    logs = study.folder / "results/small/logs"
    assert len(list((logs / "connectivity_session").glob("*.log"))) == 19

    assert study.run("--dry-run") == 0
    assert "Nothing to be done" in study.said()


def batch_sizes(said: str) -> list[int]:
    """Count the jobs of each group as Snakemake lists them before it submits it."""
    blocks = re.split(r"^.*Group job \w+ \(jobs in", said, flags=re.MULTILINE)[1:]
    ends = (block.split("has been submitted")[0] for block in blocks)
    return [len(re.findall(r"^    rule \w+:", block, re.MULTILINE)) for block in ends]
