"""Every version is pinned once, in the lock, and everything else says the same."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml

from crossfc.jobs.code import digest, reached

CONDA_NAMES = {"matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
OWN = set(sys.stdlib_module_names) | {"crossfc"}


def locked(root) -> dict[str, str]:
    lock = tomllib.loads((root / "uv.lock").read_text())
    return {p["name"]: p["version"] for p in lock["package"] if "version" in p}


def environments(root):
    return sorted((root / "envs").glob("*.yaml"))


def test_conda_pins_equal_the_lock(root):
    versions = locked(root)
    assert len(environments(root)) >= 4
    for path in environments(root):
        for line in yaml.safe_load(path.read_text())["dependencies"]:
            name, version = re.fullmatch(r"([\w-]+) =([\w.]+)", line).groups()
            if name == "python":
                assert version.startswith("3.11.")
                continue
            assert versions[CONDA_NAMES.get(name, name)] == version, f"{path.name}: {line}"


def test_dependencies_are_exact_and_locked(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    named = project["project"]["dependencies"]
    named += [d for group in project["dependency-groups"].values() for d in group]
    versions = locked(root)
    for dependency in named:
        name, version = dependency.split("==")
        assert versions[name] == version


def required(root, name: str) -> dict[str, tuple[str, set[str]]]:
    """Read version and hashes of every package of an exported lock."""
    text = (root / name).read_text()
    found = re.findall(r"^([\w.-]+)==([\w.]+) ;.*\n((?:    --hash=.*\n)+)", text, re.MULTILINE)
    return {name: (v, set(re.findall(r"sha256:\w+", hashes))) for name, v, hashes in found}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-slurm.lock"])
def test_requirements_hold_the_locked_versions_and_files(root, name):
    lock = tomllib.loads((root / "uv.lock").read_text())
    files = {
        p["name"]: {
            f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]
        }
        for p in lock["package"]
    }
    versions, found = locked(root), required(root, name)
    assert len(found) > 50
    for package, (pinned, hashes) in found.items():
        assert versions[package] == pinned
        assert hashes and hashes <= files[package]


def test_slurm_requirements_add_the_executor_only(root):
    few, more = (required(root, f"requirements{part}.lock") for part in ("", "-slurm"))
    added = {name for name in more if name not in few}
    assert added == {"snakemake-executor-plugin-slurm", "snakemake-executor-plugin-slurm-jobstep"}
    assert all(more[name] == few[name] for name in few)


def test_lock_is_up_to_date(root):
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed; the lock is checked where it is")
    done = subprocess.run(["uv", "lock", "--check"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def brought_by(packages: set[str]) -> set[str]:
    """Return packages with all that they need, as their own metadata say."""
    found, waiting = set(), {CONDA_NAMES.get(name, name) for name in packages} - {"python"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        for line in requires(name) or ():
            if "extra ==" not in line:
                needed = re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")
                try:
                    version(needed)
                except PackageNotFoundError:
                    continue  # for another system
                waiting |= {needed} - found
    return found


def test_every_environment_has_what_its_rules_import(root, rules):
    """Also imports inside functions, and what Snakemake's own environment would lend a job."""
    of_module = packages_distributions()
    for name, rule in rules.items():
        if rule.script is None:
            continue
        text = (root / rule.environment).read_text()
        there = brought_by({line.split()[0] for line in yaml.safe_load(text)["dependencies"]})
        for path in reached(root / rule.script):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                for module in {m.split(".")[0] for m in modules} - OWN:
                    packages = {p.lower().replace("_", "-") for p in of_module[module]}
                    assert packages & there, (
                        f"{name}: {path.name} imports {module}: {rule.environment}"
                    )


def test_planning_needs_what_the_environment_of_snakemake_has(root):
    """Whatever the entry: also what the plan imports only when it looks at files."""
    of_module = packages_distributions()
    text = (root / "envs/snakemake.yaml").read_text()
    there = brought_by({line.split()[0] for line in yaml.safe_load(text)["dependencies"]})
    hidden = [
        module
        for module in ("ants", "jinja2", "matplotlib", "nilearn", "pandas", "scipy", "sklearn")
        if not {p.lower().replace("_", "-") for p in of_module[module]} & there
    ]
    assert {"pandas", "scipy", "nilearn"} <= set(hidden)
    modules = set()
    parts = [ast.parse(path.read_text()) for path in root.glob("scripts/crossfc/plan/*.py")]
    nodes = [node for part in parts for node in ast.walk(part)]
    of_types = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in (node for node in nodes if id(node) not in of_types):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "crossfc":
            modules |= {f"from {node.module} import {alias.name}" for alias in node.names}
    assert "from crossfc.session import check" in modules and len(modules) > 20
    lines = ["import sys", f"for name in {hidden}:", "    sys.modules[name] = None"]
    lines += sorted(modules)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=root / "scripts",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_no_environment_has_a_pip_section(root):
    """Explicit pins beside a YAML would drop it without a word."""
    for path in environments(root):
        listed = yaml.safe_load(path.read_text())["dependencies"]
        assert all(isinstance(line, str) for line in listed), f"{path.name} has a pip: section"


def test_every_rule_with_a_script_names_an_environment_and_its_code(root, rules):
    scripted = {name: rule for name, rule in rules.items() if rule.script}
    assert len(scripted) >= 15
    for name, rule in scripted.items():
        assert rule.environment and rule.environment.parent == Path("envs"), name
        assert (root / rule.environment).is_file() and (root / rule.script).is_file(), name
        assert rule.logs, f"rule {name} has no log"
        if name != "sheets":
            assert rule.code == digest(root / rule.script), f"rule {name} does not watch its code"


def test_every_script_belongs_to_a_rule(root, rules):
    assert {rule.script for rule in rules.values() if rule.script} == {
        path.relative_to(root) for path in (root / "scripts").glob("*.py")
    }


def test_scripts_stay_thin(root):
    for script in (root / "scripts").glob("*.py"):
        assert len(script.read_text().splitlines()) < 60, f"{script.name} is no thin script"


def test_config_reference_is_made_from_the_schema(root):
    from crossfc.trial.config import load_schema, reference

    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    assert (root / "config/README.md").read_text() == reference(schema), "run `make docs`"


def test_the_list_of_outputs_is_made_from_their_descriptions(root):
    from crossfc.outputs import captions, document, outputs

    assert (root / "docs/outputs.md").read_text() == document(outputs()), "run `make docs`"
    folder = root / "workflow/report/captions"
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == captions(outputs()), "run `make docs`"
