"""Paths of a session's files: inputs named as by fMRIPrep, outputs named as BIDS derivatives.

The functions only build names and never look at the disk, so that the workflow can be planned
without touching the data set.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypedDict

from crossfc.bids import bids_name, label, parse_name


def without_echo(scan: str) -> str:
    """Return the name of a run without its echo, as fMRIPrep names the series of all echoes."""
    return re.sub("_echo-[0-9]+", "", scan)


def preprocessed(
    scan: str, derivatives_dir: str | Path, space: str, res: str | None = None
) -> dict[str, Path]:
    """Name the files that fMRIPrep makes from one BOLD run.

    Parameters
    ----------
    scan : str
        Path of the raw run below the BIDS data set, such as
        ``sub-01/ses-d2/func/sub-01_ses-d2_task-rest_run-01_bold.nii.gz``. One echo stands for all.
    derivatives_dir : path
        Root of the derivative data set.
    space, res : str
        Labels of the entities ``space`` and ``res`` (fMRIPrep leaves ``res`` out if the image
        keeps the resolution of the scan).

    Returns
    -------
    dict
        ``bold``, ``bold_sidecar``, ``mask``, ``boldref``, ``confounds``, ``confounds_sidecar``.
    """
    raw = PurePosixPath(scan)
    entities, _, _ = parse_name(without_echo(raw.name))
    folder = Path(derivatives_dir) / str(raw.parent)
    spatial: dict[str, str | None] = {**entities, "space": space, "res": res}

    def name(extra: Mapping[str, str | None], suffix: str, extension: str) -> Path:
        return folder / bids_name(extra, suffix, extension)

    return {
        "bold": name(spatial | {"desc": "preproc"}, "bold", ".nii.gz"),
        "bold_sidecar": name(spatial | {"desc": "preproc"}, "bold", ".json"),
        "mask": name(spatial | {"desc": "brain"}, "mask", ".nii.gz"),
        "boldref": name(spatial, "boldref", ".nii.gz"),
        "confounds": name(entities | {"desc": "confounds"}, "timeseries", ".tsv"),
        "confounds_sidecar": name(entities | {"desc": "confounds"}, "timeseries", ".json"),
    }


def raw_twin(scan: str, bids_dir: str | Path) -> dict[str, Path]:
    """Name the files of a simulated raw run, and those of its truth (in ``sourcedata/truth``).

    Returns
    -------
    dict
        ``bold``, ``sidecar``, ``motion`` (TSV), ``truth`` (JSON).
    """
    raw = PurePosixPath(scan)
    entities, _, _ = parse_name(raw.name)
    truth = Path(bids_dir) / "sourcedata" / "truth" / str(raw.parent)
    return {
        "bold": Path(bids_dir) / str(raw),
        "sidecar": Path(bids_dir) / str(raw.parent) / bids_name(entities, "bold", ".json"),
        "motion": truth / bids_name(entities, "motion", ".tsv"),
        "truth": truth / bids_name(entities, "truth", ".json"),
    }


def run_figure(scan: str, derivatives_dir: str | Path) -> Path:
    """Name the figure of a run in template space; it lies beside the other files of the run."""
    raw = PurePosixPath(scan)
    entities, suffix, _ = parse_name(raw.name)
    name = bids_name(entities | {"desc": "registration"}, suffix, ".png")
    return Path(derivatives_dir) / raw.parent / name


def anatomy(participant_id: str, derivatives_dir: str | Path, space: str) -> dict[str, Path]:
    """Name the anatomical files of one person; all sessions share one T1w as the reference.

    Returns
    -------
    dict
        ``t1w`` (bias-corrected), ``mask``, ``t1w_template`` (T1w in the template's space),
        ``csf``, ``wm``, ``gm`` (probabilities in T1w space), ``gm_template`` (grey matter in
        the template's space), ``transform`` (T1w to template, ITK composite), ``quality``
        (JSON), ``figure`` (PNG).
    """
    sub = label(participant_id)
    folder = Path(derivatives_dir) / participant_id / "anat"

    def name(entities: Mapping[str, str], suffix: str, extension: str = ".nii.gz") -> Path:
        return folder / bids_name({"sub": sub, **entities}, suffix, extension)

    return {
        "t1w": name({"desc": "preproc"}, "T1w"),
        "mask": name({"desc": "brain"}, "mask"),
        "t1w_template": name({"space": space, "desc": "preproc"}, "T1w"),
        "csf": name({"label": "CSF"}, "probseg"),
        "gm": name({"label": "GM"}, "probseg"),
        "wm": name({"label": "WM"}, "probseg"),
        "gm_template": name({"space": space, "label": "GM"}, "probseg"),
        "transform": name({"from": "T1w", "to": space, "mode": "image"}, "xfm", ".h5"),
        "quality": name({"desc": "registration"}, "qc", ".json"),
        "figure": name({"desc": "registration"}, "T1w", ".png"),
    }


class ConnectivityFiles(TypedDict):
    """The files of one session and pipeline.

    ``maps`` are one Fisher-z map per seed, in the order of the seeds; ``timeseries`` and ``relmat``
    (seed by target) are TSV, ``qc`` is JSON.
    """

    maps: list[Path]
    timeseries: Path
    relmat: Path
    qc: Path


def connectivity(
    participant_id: str,
    session_id: str,
    task: str,
    results_dir: str | Path,
    space: str,
    pipeline: str,
    seeds: list[str],
) -> ConnectivityFiles:
    """Name the files that the connectivity job of one session writes for one pipeline."""
    base = {"sub": label(participant_id), "ses": label(session_id), "task": task, "space": space}
    folder = session_folder(participant_id, session_id, results_dir)

    def name(entities: Mapping[str, str], suffix: str, extension: str) -> Path:
        return folder / bids_name({**base, "desc": pipeline, **entities}, suffix, extension)

    return {
        "maps": [name({"seed": s, "stat": "fisherz"}, "boldmap", ".nii.gz") for s in seeds],
        "timeseries": name({}, "timeseries", ".tsv"),
        "relmat": name({"stat": "fisherz"}, "relmat", ".tsv"),
        "qc": name({}, "qc", ".json"),
    }


class PipelineInspection(TypedDict):
    """What is looked at of one session and pipeline: two pictures, and a table of correlations."""

    carpet: Path
    seeds: Path
    confounds: Path


class InspectionFiles(TypedDict):
    """What is looked at of one session.

    ``outlines``, ``targets`` and ``carpet`` are pictures, ``volumes`` is a table of traces,
    ``pipelines`` are by name.
    """

    outlines: Path
    targets: Path
    carpet: Path
    volumes: Path
    pipelines: dict[str, PipelineInspection]


def inspection(
    participant_id: str,
    session_id: str,
    task: str,
    space: str,
    pipelines: Iterable[str],
    folder: Path,
) -> InspectionFiles:
    """Name the files in a session's folder that are looked at to judge it."""
    base = {"sub": label(participant_id), "ses": label(session_id), "task": task, "space": space}

    def name(desc: str, suffix: str, extension: str, **more: str) -> Path:
        return folder / bids_name({**base, "desc": desc, **more}, suffix, extension)

    return {
        "outlines": name("outlines", "boldref", ".jpg"),
        "targets": name("targets", "boldref", ".jpg"),
        "carpet": name("carpet", "bold", ".png"),
        "volumes": name("volumes", "qc", ".tsv"),
        "pipelines": {
            own: {
                "carpet": name(own, "carpet", ".png"),
                "seeds": name(own, "seeds", ".jpg"),
                "confounds": name(own, "relmat", ".tsv", stat="pearson"),
            }
            for own in pipelines
        },
    }


def session_folder(participant_id: str, session_id: str, results_dir: str | Path) -> Path:
    """Name the folder with the connectivity of one session."""
    return Path(results_dir) / participant_id / session_id / "func"


def drawn_seeds(seeds: Mapping[str, object]) -> dict[str, str]:
    """Return, for each pipeline, the pipeline in whose picture its seeds are drawn.

    Pipelines with the same seeds share the picture of the first of them by name.

    Parameters
    ----------
    seeds : mapping
        Name of a pipeline to its seeds.
    """
    names = sorted(seeds)
    return {name: next(other for other in names if seeds[other] == seeds[name]) for name in names}
