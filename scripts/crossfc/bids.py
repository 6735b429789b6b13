"""Build and parse file names of the Brain Imaging Data Structure (BIDS)."""

import re
from collections.abc import Mapping

from crossfc.fault import Fault

# The template of native preprocessing and of the twin: ICBM 2009a nonlinear symmetric.
TEMPLATE_SPACE = "MNI152NLin2009aSym"

# The order of entities in BIDS 1.10. `seed` (a seed region; after `seg`) is not in BIDS, so names
# with it are in the .bidsignore of results.
ENTITY_ORDER = (
    "sub", "ses", "sample", "task", "tracksys", "acq", "ce", "trc", "stain", "rec", "dir", "run",
    "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording",
    "chunk", "seg", "seed", "res", "den", "label", "from", "to", "mode", "stat", "desc",
)  # fmt: skip

# Entities that preprocessing adds to the name of a run.
DERIVED = ("hemi", "space", "seg", "res", "den", "label", "desc")

_LABEL = "[A-Za-z0-9+]+"
_NAME = re.compile(rf"(?P<pairs>(?:[a-z]+-{_LABEL}_)+)(?P<suffix>[A-Za-z0-9]+)(?P<ext>\..+)")


def is_participant(text: str) -> bool:
    """Test whether a text identifies a participant, such as ``sub-01``."""
    return re.fullmatch("sub-[A-Za-z0-9]+", text) is not None


def bids_name(entities: Mapping[str, object], suffix: str, extension: str) -> str:
    """Build a file name from its entities.

    Parameters
    ----------
    entities : dict
        Short entity names (``sub``, ``ses``, ``task``, …) to labels. Entities whose label is None
        or "" are left out.
    suffix : str
        Such as ``bold`` or ``boldmap``.
    extension : str
        With the leading dot.

    Returns
    -------
    str
        The file name, with the entities in the order of BIDS.

    Raises
    ------
    Fault
        If an entity is unknown or a label is not alphanumeric.
    """
    unknown = sorted(set(entities) - set(ENTITY_ORDER))
    if unknown:
        raise Fault(f"BIDS knows no entity {', '.join(unknown)}; use one of its short names")
    parts = []
    for key in ENTITY_ORDER:
        label = entities.get(key)
        if label is None or label == "":
            continue
        if not re.fullmatch(_LABEL, str(label)):
            raise Fault(
                f'the BIDS label "{key}-{label}" may hold letters and digits only; rename it'
            )
        parts.append(f"{key}-{label}")
    return "_".join([*parts, suffix]) + extension


def parse_name(name: str) -> tuple[dict[str, str], str, str]:
    """Split a BIDS file name.

    Returns
    -------
    entities : dict
        Short entity name to label.
    suffix : str
    extension : str
        With the leading dot.

    Raises
    ------
    Fault
        If it is not a BIDS name (resource forks such as ``._sub-01_bold.nii.gz`` are not), or has
        an entity twice.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise Fault(f"{name} is no BIDS file name; write one such as sub-01_task-rest_bold.nii.gz")
    pairs = [pair.split("-", 1) for pair in match["pairs"].rstrip("_").split("_")]
    entities = dict(pairs)
    if len(entities) < len(pairs):
        raise Fault(f"{name} is no BIDS file name: it has one entity twice; rename the file")
    return entities, match["suffix"], match["ext"]


def label(identifier: str) -> str:
    """Return the label in an identifier: ``01`` in ``sub-01``, ``d2`` in ``ses-d2``."""
    return identifier.split("-", 1)[1] if "-" in identifier else identifier


def dataset_description(name: str, version: str) -> dict[str, object]:
    """Return the content of dataset_description.json for a derivative data set (BIDS 1.10)."""
    return {
        "Name": name,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "crossfc", "Version": version}],
    }


# What the BIDS validator would call no file of BIDS: folders of results of the group, with tables
# whose names are taken for other files; what lies beside them; data sets within the results; and,
# of sessions, quality records, carpet plots, and maps, edges and series, which BIDS does not know.
# Logs (from its version 2.1 on) and hidden files need no entry.
BIDSIGNORE = """\
bundle
checklists
clinic
group
hypotheses
quality
trial
fmriprep
preprocessed
methods.md
provenance.json
references.bib
report.html
*robustness.*
truth.json
planted_changes.*
quality.html
people
**/*_qc.json
**/*_boldmap.nii.gz
**/*_relmat.*
**/*_desc-carpet_bold.png
**/*_timeseries.*
**/*_carpet.png
**/*_boldref.jpg
**/*_seeds.jpg
**/*_desc-volumes_qc.*
"""

RESULTS_README = """\
Results of crossfc: seed connectivity of the anterior cingulate cortex in a drug-crossover trial.
report.html answers the questions, quality.html shows the sessions; trial/left.tsv says who left and
why; sub-*/ses-*/func holds the Fisher-z maps, edges and quality records of each session,
group/<pipeline>/<analysis> the tests.
"""
