"""What NeuroVault asks of a collection and of its images, in the words of its forms.

Fields are those of ``Collection`` and ``StatisticMap`` in ``neurovault/apps/statmaps/models.py`` of
NeuroVault/NeuroVault on GitHub; the table of images has the columns of its page "Edit metadata"
(``image_metadata.py``), with the words that it shows for choices.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from crossfc.bundle.maps import SharedMap
from crossfc.group.findings.map_sidecar import MAP_TYPES, TEMPLATES
from crossfc.group.findings.result import Result

GRID = [
    *("Filename", "name", "description", "target_template_image", "map_type", "analysis_level"),
    *("number_of_subjects", "modality", "contrast_definition", "cognitive_paradigm_cogatlas"),
    "statistic_parameters",
]
_LEVELS = {"G": "group"}


def image_table(maps: Sequence[SharedMap]) -> pd.DataFrame:
    """Return one row for each map with the columns `GRID`, for NeuroVault's table of images."""
    rows = []
    for shared in maps:
        fields: Mapping[str, Any] = shared.sidecar["NeuroVault"]
        words = {
            "map_type": MAP_TYPES[fields["map_type"]],
            "analysis_level": _LEVELS[fields["analysis_level"]],
            "target_template_image": TEMPLATES[fields["target_template_image"]],
        }
        rows.append({"Filename": PurePosixPath(shared.path).name} | dict(fields) | words)
    return pd.DataFrame(rows, columns=GRID)


def collection(
    name: str, description: str, results: Sequence[Result], version: str
) -> dict[str, Any]:
    """Return the fields of a collection that the record of a study knows.

    Parameters
    ----------
    name, description : str
        Of the collection.
    results : sequence of Result
        The analyses whose maps are shared.
    version : str
        Of crossfc.

    Returns
    -------
    dict
    """
    found: dict[str, Any] = {
        "name": name,
        "description": description,
        "type_of_design": "other",
        "software_package": "crossfc",
        "software_version": version,
        "group_repeated_measures": True,
        "group_inference_type": "randommixedeffects",
    }
    if results:
        first = results[0]
        groups = dict.fromkeys(label for result in results for label in result["n"])
        found |= {
            "group_comparison": len(groups) > 1,
            "group_description": ", ".join(groups),
            "coordinate_space": "mni",
            "target_template_image": first["space"],
            "used_smoothing": first["fwhm_mm"] > 0,
            "smoothing_fwhm": first["fwhm_mm"],
            "resampled_voxel_size": first["voxel_mm"][0],
        }
    return found
