"""Write explicit pins beside the environments: every package by address and digest.

Not part of the workflow. Run on a machine that reaches the conda channels, after a change of envs/:

    uv run --no-project --python 3.11 --with py-rattler==0.28.0 --with pyyaml==6.0.3 \
        python envs/pin.py

writes envs/<name>.linux-64.pin.txt, which `snakemake --sdm conda` takes before the YAML. A pin file
is written whole or not at all, and only from a solution of its YAML; it is not edited by hand.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

PLATFORM = "linux-64"
# ASSUME: compute nodes have the C library of Debian 10 or RHEL 8, or a newer one.
GLIBC = "2.28"


def read(environment: Path) -> tuple[list[str], list[str]]:
    """Give the channels and packages of an environment's YAML.

    Raises
    ------
    ValueError
        If it has a ``pip:`` section, which Snakemake would drop where there are explicit pins, or
        a package without an exact version.
    """
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    channels = [channel for channel in content["channels"] if channel != "nodefaults"]
    for package in content["dependencies"]:
        if not isinstance(package, str):
            raise ValueError(
                f"{environment} has a pip: section, which explicit pins would drop; name conda "
                "packages only"
            )
        if " =" not in package:
            raise ValueError(f"{environment}: {package} has no exact version; write name =version")
    return channels, [package.replace(" =", " ==") for package in content["dependencies"]]


def explicit(records: Iterable, packages: Iterable[str]) -> str:
    """Give the text of a pin file.

    Parameters
    ----------
    records : iterable
        A solution: each with ``name``, ``version``, ``url`` and ``md5`` (bytes).
    packages : iterable of str
        What was asked for, such as ``numpy ==2.3.5``.

    Raises
    ------
    ValueError
        If the solution lacks a package, has another version of it, or has no digest of one.
    """
    records = sorted(records, key=lambda record: str(record.url).rpartition("/")[2])
    solved = {_name(record): str(record.version) for record in records}
    for package in packages:
        name, _, version = package.partition(" ==")
        if solved.get(name) != version:
            raise ValueError(f"the solution has {name} {solved.get(name)}, not {version}")
    lines = [f"# platform: {PLATFORM}", "@EXPLICIT"]
    for record in records:
        if not record.md5:
            raise ValueError(f"{record.url} has no MD5 digest")
        lines.append(f"{record.url}#{bytes(record.md5).hex()}")
    return "\n".join(lines) + "\n"


def _name(record) -> str:
    return getattr(record.name, "normalized", record.name)


async def solve(channels: list[str], packages: list[str]) -> list:
    """Solve an environment with py-rattler, for the platform and not for this machine."""
    import rattler

    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in (
            ("__unix", "0", "0"),
            ("__linux", "4.18", "0"),
            ("__glibc", GLIBC, "0"),
            ("__archspec", "1", "x86_64"),
        )
    ]
    return await rattler.solve(
        channels, packages, platforms=[PLATFORM, "noarch"], virtual_packages=virtual
    )


def write(environment: Path, text: str) -> Path:
    """Write a pin file beside its YAML."""
    path = environment.with_suffix(f".{PLATFORM}.pin.txt")
    temporary = path.with_name(f".part_{path.name}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def main(arguments: list[str]) -> None:
    """Solve all environments, then write all pin files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = Path(__file__).resolve().parent
    parser.add_argument("environments", nargs="*", type=Path, default=sorted(folder.glob("*.yaml")))
    parser.add_argument("--channel", action="append", help="in place of the YAML's channels")
    given = parser.parse_args(arguments)
    texts = {}
    for environment in given.environments:
        try:
            channels, packages = read(environment)
            records = asyncio.run(solve(given.channel or channels, packages))
            texts[environment] = explicit(records, packages)
        except Exception as error:  # a solver's error has many classes, and says what is missing
            sys.exit(f"{environment}: {error}")
    for environment, text in texts.items():
        print(write(environment, text))


if __name__ == "__main__":
    main(sys.argv[1:])
