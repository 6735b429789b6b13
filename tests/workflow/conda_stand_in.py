"""A stand-in for conda, for tests of isolation where no conda channel can be reached.

It answers what Snakemake asks conda. What `conda env create` makes is a virtual
environment with the packages of the YAML at its exact versions from the Python package index, and
what they need at the versions of uv.lock. It shows that a rule needs no more than its environment
names; it does not show that conda can solve the environment.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PYPI_NAMES = {"matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
ACTIVATE = """\
# Sourced by Snakemake: . activate <environment>
export PATH="$1/bin:$PATH" VIRTUAL_ENV="$1"
unset PYTHONHOME PYTHONPATH
"""


def write_conda(folder: Path, root: Path, python: str = sys.executable) -> Path:
    """Write the stand-in as a program ``conda``, with the ``activate`` beside it.

    Returns
    -------
    Path
        The folder to put on PATH.
    """
    place = folder / "bin"
    place.mkdir(parents=True)
    (place / "activate").write_text(ACTIVATE)
    conda = place / "conda"
    given = f'CONDA_STAND_IN="{folder}" CONDA_LOCK="{root}/uv.lock"'
    conda.write_text(f'#!/bin/sh\n{given} exec "{python}" "{__file__}" "$@"\n')
    conda.chmod(conda.stat().st_mode | stat.S_IXUSR)
    return place


def pins(environment: Path) -> dict[str, str]:
    """Read the packages of a YAML, by the names of the Python package index."""
    found = re.findall(r"^  - ([\w-]+) =([\w.]+)$", environment.read_text(), re.MULTILINE)
    return {PYPI_NAMES.get(name, name): version for name, version in found}


def create(environment: Path, prefix: Path, lock: Path) -> None:
    """Make the virtual environment that an environment's YAML describes."""
    packages = pins(environment)
    del packages["python"]
    locked = tomllib.loads(lock.read_text())["package"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        lines = (f"{p['name']}=={p['version']}\n" for p in locked if "version" in p)
        constraints.writelines(lines)
        constraints.flush()
        wanted = [f"{name}=={version}" for name, version in packages.items()]
        wanted += ["-c", constraints.name]
        if shutil.which("uv"):
            run("uv", "venv", "--quiet", "--python", sys.executable, str(prefix))
            python = str(prefix / "bin/python")
            run("uv", "pip", "install", "--quiet", "--compile", "--python", python, *wanted)
        else:
            run(sys.executable, "-m", "venv", str(prefix))
            run(str(prefix / "bin/pip"), "install", "--quiet", *wanted)


def run(*command: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(command, check=True, env=environment)


def main(arguments: list[str]) -> None:
    """Answer as conda does."""
    if arguments == ["--version"]:
        print("conda 25.5.1")
    elif arguments == ["info", "--json"]:
        prefix = os.environ["CONDA_STAND_IN"]
        print(json.dumps({"conda_prefix": prefix, "platform": "linux-64"}))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"]:
        file, prefix = (arguments[arguments.index(word) + 1] for word in ("--file", "--prefix"))
        create(Path(file), Path(prefix), Path(os.environ["CONDA_LOCK"]))
    elif arguments[:1] != ["clean"]:  # nothing was downloaded for it to keep
        sys.exit(f"the stand-in for conda does not know: {' '.join(arguments)}")


if __name__ == "__main__":
    main(sys.argv[1:])
