"""The small study through real sbatch, on a cluster that this machine is part of."""

import shutil
import sys

import pytest
import yaml

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(shutil.which("sbatch") is None, reason="no SLURM on this machine"),
]


def test_group_level_through_sbatch(study):
    profile = yaml.safe_load((study.folder / "profiles/slurm/config.yaml").read_text())
    profile["default-resources"].pop("slurm_account")
    profile["default-resources"].pop("slurm_partition")
    (study.folder / "profiles/slurm/config.yaml").write_text(yaml.safe_dump(profile))
    study.set_config(group__permutations=199)
    done = study.snakemake("--profile", "profiles/slurm", "--jobs", "4", "group")
    assert done.returncode == 0, done.stderr
    assert "slurm" in done.stderr.lower(), sys.executable
    assert not study.would_run("group")
