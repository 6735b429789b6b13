"""Provenance of results: versions, code, configuration, sheets, random seeds and threads."""

import copy
import hashlib
import json
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from crossfc.fault import Fault
from crossfc.jobs import code, planned
from crossfc.jobs.job import digest_of_lock, machine
from crossfc.session.connectivity import origin
from crossfc.trial.path import told

RECORD = "provenance.json"


class AlikeJobs(TypedDict):
    """Jobs of one rule that were the same in threads, versions, machine and lock: how many."""

    jobs: int
    threads: int
    software: dict[str, str]
    machine: str
    lock: str | None


class RuleCode(TypedDict):
    """The code of a rule: its digest, and the names of the definitions that it uses."""

    code: str
    definitions: list[str]


class Versions(TypedDict):
    """The version of crossfc, and how software was deployed."""

    crossfc: str
    deployment: list[str]


class Provenance(Versions):
    """What results were made of. Files are given by their SHA-256, None where there is none.

    ``preregistration`` says whether the run is its plan
    (`crossfc.report.analysis_plan.Preregistered`).
    """

    commit: str | None
    code: str
    lock: str | None
    environments: dict[str, str | None]
    packages: dict[str, str]
    machine: str
    config: dict[str, Any]
    atlas: str | None
    derivatives: list[origin.Program] | None
    seeds: dict[str, int]
    sheets: dict[str, str | None]
    jobs: dict[str, list[AlikeJobs]]
    definitions: dict[str, str]
    rules: dict[str, RuleCode]
    workflow: dict[str, str | None]
    preregistration: NotRequired[Mapping[str, Any] | None]


def provenance(
    config: dict[str, Any],
    rules: dict[str, str],
    logs_dir: str | Path,
    sessions: Iterable[tuple[str, str]],
    home: str | Path,
    versions: Versions,
    planned: Collection[str] | None = None,
    preregistration: Mapping[str, Any] | None = None,
) -> Provenance:
    """Collect from what inputs and with which software a study's results were made.

    Parameters
    ----------
    config : dict
        The configuration with defaults filled in. Paths are recorded relative to the folder of the
        study or of the workflow; of paths elsewhere only the name is recorded.
    rules : dict
        Name of each rule that runs a script, to the name of the script.
    logs_dir : path
        Folder with the records that jobs wrote (`crossfc.jobs.job`).
    sessions : iterable of (str, str)
        participant_id and session_id of the sessions in the study. Records of other sessions, left
        by earlier runs, are ignored.
    home : path
        The folder of the workflow, with its lock, environments and scripts.
    versions : Versions
        What jobs do not record.
    planned : collection of str, optional
        The jobs of the study that do not belong to a person, as paths of their logs relative to
        ``logs_dir``, without extension. Records of other such jobs, left by an earlier
        configuration, are ignored.
    preregistration : mapping, optional
        The run held against its analysis plan, if the study names one.

    Returns
    -------
    Provenance
        Content of the file `RECORD`. It contains no time and no host name, so that two runs of the
        same study with the same lock on the same kind of machine are equal.
    """
    home = Path(home)
    found = {rule: code.read(home / f"scripts/{name}.py") for rule, name in rules.items()}
    known = {k: v for own in found.values() for k, v in own.definitions.items()}
    digests = {rule: own.digest for rule, own in found.items()}
    return {
        **versions,
        "commit": _commit(home),
        "code": hashlib.sha256(json.dumps(digests).encode()).hexdigest(),
        "lock": digest_of_lock(),
        "environments": _digests(home, "envs", ("*.yaml", "*.pin.txt")),
        "packages": packages(),
        "machine": machine(),
        "config": _told(config, home),
        "atlas": file_digest(config["group"]["atlas"]) if "group" in config else None,
        "derivatives": _derivatives(config),
        "seeds": seeds(config),
        "sheets": sheet_digests(config),
        "jobs": jobs(logs_dir, rules, sessions, planned),
        "definitions": dict(sorted(known.items())),
        "rules": {
            rule: {"code": own.digest, "definitions": sorted(own.definitions)}
            for rule, own in found.items()
        },
        "preregistration": preregistration,
        "workflow": _digests(home, ".", ("Snakefile", "workflow/*/*", "profiles/default/*")),
    }


def _told(config: dict[str, Any], home: Path) -> dict[str, Any]:
    """Return the configuration without private folders in its paths (see `crossfc.trial.path`)."""
    found = copy.deepcopy(config)
    keys = ("bids_dir", "derivatives_dir", "results_dir", "strategies")
    places = [(found, key) for key in keys]
    places += [(found.get("sheets", {}), key) for key in found.get("sheets", {})]
    places += [(found.get("group", {}), key) for key in ("atlas", "atlas_names")]
    places += [(found.get("exclusion", {}), "ratings")]
    fmriprep = found.get("preprocessing", {}).get("fmriprep", {})
    places += [(fmriprep, key) for key in ("image", "fs_license", "templateflow_dir", "work_dir")]
    for section, key in places:
        if isinstance(section.get(key), str) and "://" not in section[key]:
            section[key] = told(section[key], home)
    return found


def _derivatives(config: dict[str, Any]) -> list[origin.Program] | None:
    """List the programs that made the derivatives given to a study; None if it has none."""
    if config.get("entry") != "fmriprep" or not config.get("derivatives_dir"):
        return None
    return origin.programs(config["derivatives_dir"])


def packages() -> dict[str, str]:
    """Return the version of every package in the environment of this process."""
    found = {dist.name.lower().replace("_", "-"): dist.version for dist in distributions()}
    return {"python": platform.python_version()} | dict(sorted(found.items()))


def _digests(home: Path, folder: str, patterns: Iterable[str]) -> dict[str, str | None]:
    files = {p for pattern in patterns for p in (home / folder).glob(pattern) if p.is_file()}
    return {path.relative_to(home).as_posix(): file_digest(path) for path in sorted(files)}


def sheet_paths(config: dict[str, Any]) -> dict[str, str]:
    """Return the paths of the files that define the design: sheets, strategies and ratings."""
    paths: dict[str, str] = config["sheets"] | {"strategies": config["strategies"]}
    if ratings := config.get("exclusion", {}).get("ratings"):
        paths["ratings"] = ratings
    return paths


def sheet_contents(config: dict[str, Any]) -> dict[str, bytes | None]:
    """Return the contents of the files of the design when the run was planned.

    They may have been edited since. The content is None if there is no such file.
    """
    found = {}
    for name, path in sheet_paths(config).items():
        known = planned.content(path)
        there = known is None and Path(path).is_file()
        found[name] = Path(path).read_bytes() if there else known
    return found


def sheet_digests(config: dict[str, Any]) -> dict[str, str | None]:
    """Return the SHA-256 of each file of the design (see `sheet_contents`)."""
    return {
        name: None if text is None else hashlib.sha256(text).hexdigest()
        for name, text in sheet_contents(config).items()
    }


def file_digest(path: str | Path) -> str | None:
    """Return the SHA-256 of a file, as printed by ``sha256sum``; None if there is no such file."""
    path = Path(path)
    if not path.is_file():
        return None
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def seeds(config: dict[str, Any], path: str = "") -> dict[str, int]:
    """Return every random seed in a configuration, by its dotted key.

    A key ``seed`` whose value is a word is a seed region and not included.
    """
    found: dict[str, int] = {}
    for key, value in config.items():
        place = f"{path}{key}"
        if isinstance(value, dict):
            found |= seeds(value, f"{place}.")
        elif key in ("seed", "random_seed") and isinstance(value, int):
            found[place] = value
    return found


def jobs(
    logs_dir: str | Path,
    rules: Iterable[str],
    sessions: Iterable[tuple[str, str]],
    planned: Collection[str] | None = None,
) -> dict[str, list[AlikeJobs]]:
    """Count the jobs of every rule by threads, versions and machine, from the records of jobs.

    Parameters are as in `provenance`.

    Returns
    -------
    dict
        Rule to its jobs, the most frequent first. There is one entry if all jobs of a rule
        were the same in these.
    """
    known = {label for person, session in sessions for label in (person, f"{person}_{session}")}
    alike: dict[str, Counter[str]] = {rule: Counter() for rule in rules}
    for path in sorted(Path(logs_dir).rglob("*.json")):
        own = re.match(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", path.stem)
        if own and own[0] not in known:
            continue
        label = path.relative_to(logs_dir).with_suffix("").as_posix()
        if not own and planned is not None and label not in planned:
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        rule = record.pop("rule")
        if rule in alike:
            alike[rule][json.dumps(record, sort_keys=True)] += 1
    return {
        rule: [{"jobs": n} | json.loads(text) for text, n in counts.most_common()]
        for rule, counts in alike.items()
        if counts
    }


def read(results: str | Path) -> Provenance:
    """Read the provenance of a folder of results.

    Raises
    ------
    Fault
        If the folder has none.
    """
    path = Path(results) / RECORD
    if not path.is_file():
        raise Fault(
            f"{path} does not exist; name a folder such as results/demo, of a study that was run "
            "to its end"
        )
    content: Provenance = json.loads(path.read_text(encoding="utf-8"))
    return content


def _commit(home: Path) -> str | None:
    """Return the commit of the workflow's folder; None if it is not a clone or git is missing."""
    try:
        head = _git(home, "rev-parse", "HEAD")
        code = ("Snakefile", "workflow", "scripts", "envs", "profiles", "uv.lock")
        edited = _git(home, "status", "--porcelain", "--untracked-files=no", "--", *code)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}, edited since" if edited else head


def _git(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(home), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
