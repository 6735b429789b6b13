"""Run fMRIPrep in its container for one person, with a command line from the configuration.

Written for fMRIPrep 25.2 (Esteban et al. 2019, Nature Methods 16:111-116;
https://fmriprep.org/en/25.2.7/usage.html). All sessions of a person are given to fMRIPrep together,
so that the anatomical processing is done once and used for all of them.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from crossfc import atomic
from crossfc.bids import TEMPLATE_SPACE, label, parse_name
from crossfc.fault import Fault
from crossfc.session import layout

SERIES = "25.2"
# Paths inside the container.
_DATA, _OUT, _WORK, _LICENCE = "/data", "/out", "/work", "/licence/license.txt"
_TEMPLATES, _FILTER = "/templateflow", "/work/bids_filter.json"


def version_of(image: str) -> str:
    """Return the fMRIPrep version in the name of a container image, such as 25.2.7.

    Raises
    ------
    Fault
        If the name has no exact version, or one that is not of the supported series.
    """
    found = re.findall(r"(?<![\d.])(\d+\.\d+\.\d+)(?![\d.]*\d)", PurePosixPath(image).name)
    if not found:
        raise Fault(
            f"config key preprocessing.fmriprep.image: {image} names no exact version; write such "
            f"as docker://nipreps/fmriprep:{SERIES}.7 or images/fmriprep-{SERIES}.7.sif"
        )
    if not found[-1].startswith(f"{SERIES}."):
        raise Fault(
            f"config key preprocessing.fmriprep.image: crossfc writes the command line of fMRIPrep "
            f"{SERIES}, not of {found[-1]}; choose an image of the series {SERIES}, or run "
            "fMRIPrep yourself and use entry fmriprep"
        )
    version: str = found[-1]
    return version


def is_file(image: str) -> bool:
    """Test whether an image is a file, and not an address (``docker://…``)."""
    return "://" not in image


def check(config: dict[str, Any]) -> None:
    """Refuse a configuration with which fMRIPrep cannot be run.

    Raises
    ------
    Fault
        If a key has a value that cannot be used.
    """
    choices = config["preprocessing"]["fmriprep"]
    version_of(choices["image"])
    key = "config key preprocessing.fmriprep"
    if config["space"] == TEMPLATE_SPACE:
        raise Fault(
            f"config key space: fMRIPrep resamples to the templates of TemplateFlow, which has no "
            f"{TEMPLATE_SPACE} (the template of native preprocessing); write MNI152NLin2009cAsym"
        )
    if choices["fs_license"] is None:
        raise Fault(
            f"{key}.fs_license: fMRIPrep starts with a FreeSurfer licence only; get one at "
            "https://surfer.nmr.mgh.harvard.edu/registration.html and name its file"
        )
    for name in ("fs_license", "templateflow_dir", "image"):
        path = choices[name]
        if path is not None and (name != "image" or is_file(path)) and not Path(path).exists():
            raise Fault(f"{key}.{name}: {path} does not exist; correct the path")
    bids, work = (Path(p).absolute() for p in (config["bids_dir"], choices["work_dir"]))
    if bids == work or bids in work.parents:
        raise Fault(f"{key}.work_dir: {work} lies in bids_dir, which is only read; choose another")


def bids_filter(task: str, scans: Sequence[str], t1w: str) -> dict[str, dict[str, Any]]:
    """Return a PyBIDS filter that selects the images of one person that the sheets name.

    Parameters
    ----------
    task : str
    scans : sequence of str
        Paths of the BOLD runs relative to the root of the data set.
    t1w : str
        Path of the T1w image relative to the root of the data set.

    Returns
    -------
    dict
        Content of the file for ``--bids-filter-file``. Runs of other sessions are left out; the
        T1w image may lie in one of those sessions.
    """
    names = [parse_name(PurePosixPath(scan).name)[0] for scan in scans]
    sessions = sorted({name["ses"] for name in names if "ses" in name})
    anatomy = parse_name(PurePosixPath(t1w).name)[0]
    words = {"ses": "session", "acq": "acquisition", "run": "run", "rec": "reconstruction"}
    # All values are strings, even the run, because fMRIPrep 25.2 treats every value as a string.
    chosen = {word: anatomy[entity] for entity, word in words.items() if entity in anatomy}
    bold = {"datatype": "func", "suffix": "bold", "task": task}
    return {
        "bold": bold | ({"session": sessions} if sessions else {}),
        "t1w": {"datatype": "anat", "suffix": "T1w"} | chosen,
    }


def arguments(participant_id: str, config: dict[str, Any]) -> list[str]:
    """Return fMRIPrep's arguments for one person, with paths inside the container.

    Parameters
    ----------
    participant_id : str
    config : dict
        A checked configuration.

    Returns
    -------
    list of str
        Positional arguments come first, because ``--output-spaces`` takes all words after it.
    """
    choices = config["preprocessing"]["fmriprep"]
    space = config["space"] + (f":res-{config['res']}" if config["res"] else "")
    found = [_DATA, _OUT, "participant", "--participant-label", label(participant_id)]
    found += ["--task-id", config["task"], "--bids-filter-file", _FILTER]
    found += ["--skip-bids-validation"]  # the files in the sheets have been checked already
    found += ["--output-spaces", space]
    found += ["--subject-anatomical-reference", choices["anatomical_reference"]]
    # If it tracks sessions, fMRIPrep 25.2 does not find a T1w image that lies in no session.
    found += ["--no-track-sessions"]
    # One report per person, for any number of sessions.
    found += ["--aggregate-session-reports", "1000"]
    if not choices["reconall"]:
        found += ["--fs-no-reconall"]
    if choices["ignore"]:
        found += ["--ignore", *choices["ignore"]]
    seed = str(config["preprocessing"]["seed"])
    found += ["--random-seed", seed, "--skull-strip-fixed-seed"]
    found += ["--nthreads", str(choices["threads"]), "--omp-nthreads", str(choices["omp_threads"])]
    found += ["--mem-mb", str(int(1000 * choices["memory_gb"]))]
    found += ["--work-dir", _WORK, "--fs-license-file", _LICENCE]
    found += ["--stop-on-first-crash", "--notrack"]
    return found + list(choices["options"])


def image_file(config: dict[str, Any]) -> Path:
    """Return the path of the image file: that of the config, or where a fetched image is kept."""
    image: str = config["preprocessing"]["fmriprep"]["image"]
    if is_file(image):
        return Path(image)
    results_dir: str = config["results_dir"]
    return Path(results_dir) / "images" / f"fmriprep-{version_of(image)}.sif"


def work_dir(participant_id: str, config: dict[str, Any]) -> Path:
    """Return a person's folder for intermediate results."""
    work: str = config["preprocessing"]["fmriprep"]["work_dir"]
    study: str = config["study"]
    return Path(work) / study / participant_id


def command(participant_id: str, config: dict[str, Any], out: str | Path) -> list[str]:
    """Return the whole command line: container runner, mounted folders, fMRIPrep's arguments.

    Parameters
    ----------
    participant_id : str
    config : dict
        A checked configuration.
    out : path
        fMRIPrep's output folder.

    Returns
    -------
    list of str
    """
    choices = config["preprocessing"]["fmriprep"]
    seen = [
        (config["bids_dir"], _DATA, "ro"),
        (out, _OUT, "rw"),
        (work_dir(participant_id, config), _WORK, "rw"),
        (choices["fs_license"], _LICENCE, "ro"),
    ]
    # The user's home folder and environment variables are kept out, as they could change results.
    found = [choices["runner"], "run", "--cleanenv", "--no-home"]
    found += ["--env", "NO_ET=1"]  # no telemetry by Nipype
    if choices["templateflow_dir"]:
        seen.append((choices["templateflow_dir"], _TEMPLATES, "rw"))
        found += ["--env", f"TEMPLATEFLOW_HOME={_TEMPLATES}"]
    for path, place, mode in seen:
        found += ["--bind", f"{Path(path).absolute()}:{place}:{mode}"]
    return [*found, str(image_file(config).absolute()), *arguments(participant_id, config)]


def description(config: dict[str, Any]) -> dict[str, Any]:
    """Return the version and the arguments that can change results (not threads and memory)."""
    means = {"--nthreads", "--mem-mb"}
    words = arguments("sub-", config)
    kept = [w for w, before in zip(words, ["", *words], strict=False) if not {w, before} & means]
    return {
        "version": version_of(config["preprocessing"]["fmriprep"]["image"]),
        "arguments": kept,
    }


def fetch(runner: str, image: str, file: str | Path) -> None:
    """Fetch a container image into a file; if that fails, no file is left.

    Raises
    ------
    Fault
        If the program that runs containers is missing, or fails.
    """
    with atomic.writing(file) as temporary:
        _run([runner, "pull", str(temporary), image], None, "the image could not be fetched")


def run(command: Sequence[str], images: dict[str, Any], out: str | Path, log: str | Path) -> None:
    """Run fMRIPrep on one person and append its output to ``log``.

    Parameters
    ----------
    command : sequence of str
        From `command`.
    images : dict
        From `bids_filter`.
    out, log : path
        fMRIPrep's output folder, and the log file.

    Raises
    ------
    Fault
        If fMRIPrep fails. Its intermediate results are then kept for the next attempt.
    """
    work = next(Path(w.split(":")[0]) for w in command if w.endswith(f":{_WORK}:rw"))
    for folder in (work, Path(out)):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(work / PurePosixPath(_FILTER).name, images)
    _run(list(command), log, f"fMRIPrep failed; read {log}, and its page in {out}")
    shutil.rmtree(work)


def _run(command: list[str], log: str | Path | None, sentence: str) -> None:
    try:
        with open(log or os.devnull, "a", encoding="utf-8") as lines:
            print(shlex.join(command), file=lines, flush=True)
            done = subprocess.run(command, stdout=lines if log else None, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise Fault(
            f"{command[0]} is not found on this machine; load its module, or name the program in "
            "the config key preprocessing.fmriprep.runner"
        ) from None
    if done.returncode:
        raise Fault(f"{sentence} ({command[0]} ended with {done.returncode})")


def link(scan: str, out: str | Path, targets: dict[str, str], space: str, res: str | None) -> None:
    """Link the files that fMRIPrep made from a run to their paths in the derivatives.

    Hard links take no space; files are copied only if the file system does not support links.

    Parameters
    ----------
    scan : str
        Path of the run relative to the root of the data set.
    out : path
        fMRIPrep's output folder.
    targets : dict
        Kind of file (see `crossfc.session.layout.preprocessed`) to its path.
    space, res : str
        Labels in the names of the files; ``res`` may be None.

    Raises
    ------
    Fault
        If fMRIPrep has not made one of the files.
    """
    for kind, made in layout.preprocessed(scan, out, space, res).items():
        if not made.is_file():
            raise Fault(
                f"{made} does not exist after fMRIPrep has run; read its page {out}/"
                f"{PurePosixPath(scan).parts[0]}.html, and exclude the session with a reason where "
                "the scan is at fault"
            )
        with atomic.writing(targets[kind]) as temporary:
            try:
                os.link(made, temporary)
            except OSError:
                # Some file systems do not support hard links.
                shutil.copyfile(made, temporary)
