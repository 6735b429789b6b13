"""Every version is pinned once, in the lock, and everything else says the same."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version

import pytest
import yaml

from crossfc.jobs.code import reached

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


def rules_of(text: str) -> dict[str, str]:
    parts = re.split(r"^\s*rule (\w+):", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def script_and_environment(body: str) -> tuple[str, str]:
    script = re.search(r"\.\./\.\./scripts/(\w+)\.py", body)
    environment = re.search(r"conda:\s+\"\.\./\.\./envs/([\w.]+)\"", body)
    return script[1], environment[1]


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


def test_every_environment_has_what_its_rules_import(root):
    """Also imports inside functions, and what Snakemake's own environment would lend a job."""
    of_module = packages_distributions()
    rules = [rules_of(p.read_text()) for p in (root / "workflow/rules").glob("*.smk")]
    bodies = {name: body for part in rules for name, body in part.items() if "script:" in body}
    for name, body in bodies.items():
        script, environment = script_and_environment(body)
        text = (root / "envs" / environment).read_text()
        there = brought_by({line.split()[0] for line in yaml.safe_load(text)["dependencies"]})
        for path in reached(root / f"scripts/{script}.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                for module in {m.split(".")[0] for m in modules} - OWN:
                    packages = {p.lower().replace("_", "-") for p in of_module[module]}
                    assert packages & there, f"{name}: {path.name} imports {module}: {environment}"


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
    for node in (node for part in parts for node in ast.walk(part)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "crossfc":
            whole = (root / "scripts" / node.module.replace(".", "/")).is_dir()
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules |= set(names) if whole else {node.module}
    assert "crossfc.session.check" in modules and len(modules) > 20
    lines = ["import sys", f"for name in {hidden}:", "    sys.modules[name] = None"]
    lines += [f"import {module}" for module in sorted(modules)]
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


def test_every_rule_with_a_script_names_an_environment_and_its_code(root):
    seen = 0
    for path in sorted((root / "workflow/rules").glob("*.smk")):
        for name, body in rules_of(path.read_text()).items():
            if "script:" not in body:
                continue
            seen += 1
            environment = re.search(r"conda:\s+\"\.\./\.\./(envs/[\w.]+)\"", body)
            assert environment, f"{path.name}: rule {name} names no environment"
            assert (root / environment[1]).is_file()
            script = re.search(r"\.\./\.\./scripts/(\w+)\.py", body)[1]
            assert (root / f"scripts/{script}.py").is_file()
            assert "log:" in body, f"{path.name}: rule {name} has no log"
            if name != "sheets":
                assert f'code=code("{script}")' in body, f"rule {name} does not watch its code"
    assert seen >= 15


def test_every_script_belongs_to_a_rule(root):
    text = "".join(p.read_text() for p in (root / "workflow/rules").glob("*.smk"))
    for script in (root / "scripts").glob("*.py"):
        assert f"scripts/{script.name}" in text, f"no rule runs {script.name}"


def test_scripts_stay_thin_and_the_package_free_of_snakemake(root):
    for script in (root / "scripts").glob("*.py"):
        assert len(script.read_text().splitlines()) < 60, f"{script.name} is no thin script"
    # What mends or starts Snakemake itself is of Snakemake; the rules and the command use it.
    machinery = {"persistence", "executable", "dry_run", "command", "patch", "hook"}
    for module in (root / "scripts/crossfc").rglob("*.py"):
        own = module.parent.name == "jobs" and module.stem in machinery
        own = own or module.name == "__main__.py"
        words = rf"(snakemake|crossfc\.jobs\.({'|'.join(machinery)}))"
        words += rf"|from crossfc.jobs import .*\b({'|'.join(machinery)})\b"
        imported = re.search(rf"^\s*(import|from) {words}", module.read_text(), re.MULTILINE)
        assert bool(imported) == own, f"{module} imports snakemake"


# Each part imports from its own line and those above it; `jobs` is asked by those named below.
FLOORS = (
    {"fault", "atomic", "bids", "content", "expansion", "tie", "mapped", "compiled"},
    {"trial"},
    {"session.layout", "session.image", "session.template", "session.hdf5", "session.scan",
     "session.sidecar"},
    {"session.preprocess", "session.connectivity"},
    {"session.check"},
    {"group.design"},
    {"group.inference"},
    {"group.findings"},
    {"group.analysis", "group.edges"},
    {"clinic"},
    {"quality"},
    {"twin"},
    {"report"},
    {"provenance"},
    {"plan"},
)  # fmt: skip
ASK_MACHINERY = {"trial.sheet", "provenance"}


def floor_of(module: str) -> int | None:
    """Give the floor of a module of the package, such as group.design.model."""
    parts = module.split(".")
    names = {".".join(parts[:n]) for n in (1, 2)}
    return next((i for i, floor in enumerate(FLOORS) if floor & names), None)


def test_data_goes_down_only(root):
    package = root / "scripts/crossfc"
    seen = 0
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        own = floor_of(module)
        if module in ("__init__", "__main__") or module.startswith("jobs"):
            continue
        assert own is not None or module in ("session", "group"), f"{module} is on no floor"
        for node in ast.walk(ast.parse(path.read_text())):
            source = node.module if isinstance(node, ast.ImportFrom) else None
            if not (source or "").startswith("crossfc"):
                continue
            for alias in node.names:
                used = f"{source}.{alias.name}".removeprefix("crossfc.")
                if used.startswith("jobs"):
                    asks = module in ASK_MACHINERY or module.startswith("plan")
                    assert asks, f"{module} uses crossfc.{used}"
                elif (floor := floor_of(used)) is not None:
                    assert floor <= own, f"{module} uses crossfc.{used}"
                    seen += 1
    assert seen > 300


def test_config_reference_is_made_from_the_schema(root):
    from crossfc.trial.config import load_schema, reference

    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    assert (root / "config/README.md").read_text() == reference(schema), "run `make docs`"
