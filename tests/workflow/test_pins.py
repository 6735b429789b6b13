"""Explicit pins: what envs/pin.py writes from a solution, and what it refuses.

The solution is made by hand, because the tests reach no conda channel. The solver itself is not
tested here.
"""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml


@pytest.fixture(scope="module")
def pin(root):
    spec = importlib.util.spec_from_file_location("pin", root / "envs/pin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(name: str, version: str, digest: str = "0123456789abcdef" * 2) -> SimpleNamespace:
    file = f"{name}-{version}-h0_0.conda"
    return SimpleNamespace(
        name=SimpleNamespace(normalized=name),
        version=version,
        url=f"https://conda.anaconda.org/conda-forge/linux-64/{file}",
        md5=bytes.fromhex(digest),
    )


SOLUTION = [record("scipy", "1.15.2"), record("numpy", "2.3.5"), record("libblas", "3.9.0")]
LINE = re.compile(r"(https|file)://\S+\.(conda|tar\.bz2)#[0-9a-f]{32}")


def faults_of_pins(folder: Path) -> list[str]:
    """List what is wrong with the pin files of a folder of environments."""
    faults = []
    for path in sorted(folder.glob("*.pin.txt")):
        environment = folder / (path.name.split(".")[0] + ".yaml")
        if not environment.is_file():
            faults.append(f"{path.name} lies beside no YAML")
            continue
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        if lines[:1] != ["@EXPLICIT"] or not all(LINE.fullmatch(line) for line in lines[1:]):
            faults.append(f"{path.name} is no list of explicit packages")
        for package in yaml.safe_load(environment.read_text())["dependencies"]:
            if not isinstance(package, str):
                faults.append(f"{path.name} drops the pip: section of {environment.name}")
                continue
            start = "/" + package.replace(" =", "-") + "-"
            if not any(start in line for line in lines):
                faults.append(f"{path.name} lacks {package}")
    return faults


def test_pins_of_the_environments(root):
    assert faults_of_pins(root / "envs") == []


def test_pins_are_written_from_a_solution(pin, tmp_path):
    environment = tmp_path / "small.yaml"
    text = "channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
    environment.write_text(text + "  - numpy =2.3.5\n  - scipy =1.15.2\n")
    channels, packages = pin.read(environment)
    assert (channels, packages) == (["conda-forge"], ["numpy ==2.3.5", "scipy ==1.15.2"])
    path = pin.write(environment, pin.explicit(SOLUTION, packages))
    assert path.name == "small.linux-64.pin.txt"
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# platform: linux-64", "@EXPLICIT"] and len(lines) == 5
    assert lines[3].endswith("/numpy-2.3.5-h0_0.conda#0123456789abcdef0123456789abcdef")
    assert faults_of_pins(tmp_path) == []
    # A YAML that moved on, and one that would lose a part of itself.
    environment.write_text(text + "  - numpy =2.4.0\n  - pip:\n    - scipy==1.15.2\n")
    assert faults_of_pins(tmp_path) == [
        "small.linux-64.pin.txt lacks numpy =2.4.0",
        "small.linux-64.pin.txt drops the pip: section of small.yaml",
    ]
    path.write_text("numpy=2.4.0\n")
    assert "small.linux-64.pin.txt is no list of explicit packages" in faults_of_pins(tmp_path)


def test_all_environments_can_be_read(pin, root):
    for path in (root / "envs").glob("*.yaml"):
        channels, packages = pin.read(path)
        assert channels[0] == "conda-forge" and len(packages) > 3


def test_a_pip_section_and_a_range_are_refused(pin, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("channels: [conda-forge]\ndependencies:\n  - pip:\n    - numpy==2.3.5\n")
    with pytest.raises(ValueError, match="has a pip: section"):
        pin.read(path)
    path.write_text("channels: [conda-forge]\ndependencies:\n  - numpy >=2\n")
    with pytest.raises(ValueError, match="numpy >=2 has no exact version"):
        pin.read(path)


def test_a_solution_that_is_another_is_refused(pin):
    with pytest.raises(ValueError, match=r"has numpy 2\.3\.5, not 2\.4\.0"):
        pin.explicit(SOLUTION, ["numpy ==2.4.0"])
    with pytest.raises(ValueError, match="has pandas None"):
        pin.explicit(SOLUTION, ["pandas ==3.0.5"])
    with pytest.raises(ValueError, match="libblas.* has no MD5 digest"):
        pin.explicit([*SOLUTION[:2], record("libblas", "3.9.0", "")], ["numpy ==2.3.5"])
