"""Isolation: each job runs in the environment that its rule names, and needs nothing besides.

Snakemake is started from an environment that has what planning needs and nothing else, with
`--sdm conda` and a stand-in for conda (see conda_stand_in.py). This tests the isolation of the
rules, not the conda solve, which needs a conda channel.
"""

import ast
import json
import os
import subprocess

import pytest

from crossfc.jobs.code import reached
from tests.workflow import conda_stand_in
from tests.workflow.conftest import Study, write_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def host(tmp_path_factory, root):
    """Return the PATH of a machine with envs/snakemake.yaml and the stand-in, and its Python."""
    folder = tmp_path_factory.mktemp("host")
    conda = conda_stand_in.write_conda(folder / "conda", root)
    conda_stand_in.create(root / "envs/snakemake.yaml", folder / "snakemake", root / "uv.lock")
    return conda, folder / "snakemake/bin/python"


def outside(host, command: list, folder) -> subprocess.CompletedProcess:
    """Run without anything of the environment that runs the tests."""
    conda, python = host
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["PATH"] = os.pathsep.join(
        [str(conda), str(python.parent), *environment["PATH"].split(os.pathsep)]
    )
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_host_has_no_package_of_the_jobs_alone(host):
    _, python = host
    done = outside(host, [python, "-c", "import snakemake"], "/")
    assert done.returncode == 0, done.stderr
    for package in ("pandas", "scipy", "nilearn", "matplotlib", "ants"):
        done = outside(host, [python, "-c", f"import {package}"], "/")
        assert "ModuleNotFoundError" in done.stderr, f"the host has {package}"


@pytest.fixture(scope="module")
def isolated(host, tmp_path_factory, root) -> Study:
    study = write_study(tmp_path_factory.mktemp("isolated") / "study", root)
    _, python = host
    command = [python, "-m", "snakemake", "--sdm", "conda", "--cores", "2"]
    done = outside(host, [*command, "--configfile", study.config_path], study.folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return study


def test_a_study_runs_in_the_environments_of_its_rules(isolated, root):
    record = json.loads((isolated.folder / "results/small/provenance.json").read_text())
    assert record["deployment"] == ["conda"]
    made = list((isolated.folder / ".snakemake/conda").glob("*/bin/python"))
    assert len(made) == 2  # of connectivity.yaml and analysis.yaml
    # Jobs on the packages of their YAML: none of these is part of Snakemake's environment.
    used = {"report": "analysis", "group_test": "analysis", "connectivity_session": "connectivity"}
    for rule, environment in used.items():
        pins = conda_stand_in.pins(root / f"envs/{environment}.yaml")
        for alike in record["jobs"][rule]:
            known = {p: v for p, v in alike["software"].items() if p in pins and p != "python"}
            assert known["numpy"] == pins["numpy"] and known["nibabel"] == pins["nibabel"]
            assert known == {package: pins[package] for package in known}


def test_the_same_results_as_without_conda(isolated, finished):
    """Both are at the versions of the lock."""
    folders = [study.folder / "results/small" for study in (finished, isolated)]
    (one, other) = (
        {p.relative_to(f): p.read_bytes() for p in (f / "group").rglob("*.nii.gz")} for f in folders
    )
    assert len(one) > 20 and one == other


def test_preprocessing_imports_what_its_environment_has(host, root, rules, tmp_path):
    """Running ANTs takes long; that all it needs is there is seen from the imports."""
    prefix = tmp_path / "environment"
    conda, _ = host
    create = [conda / "conda", "env", "create", "--file", root / "envs/preprocess.yaml"]
    done = outside(host, [*create, "--prefix", prefix], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = set()
    for rule in rules.values():
        if rule.environment and rule.environment.name == "preprocess.yaml":
            for path in reached(root / rule.script):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        lines.add(ast.unparse(node))
    assert any("ants" in line for line in lines) and len(lines) > 30
    command = [prefix / "bin/python", "-c", "\n".join(sorted(lines, key=len))]
    done = outside(host, command, root / "scripts")
    assert done.returncode == 0, done.stderr
