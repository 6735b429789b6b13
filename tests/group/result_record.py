"""The record of an analysis for tests of what reads it: a drug effect in one group."""

from typing import Any


def result(**changes: Any) -> dict[str, Any]:
    """Return a record; ``changes`` overrule what it says."""
    found = {
        "analysis": "drug_TRD",
        "kind": "drug",
        "title": "Ketamine in TRD",
        "question": "In TRD, does connectivity differ between ketamine and placebo?",
        "contrast": "drug",
        "active": "ketamine",
        "control": "placebo",
        "group": "TRD",
        "scale": None,
        "pipeline": "primary",
        "estimable": True,
        "model": "D ~ 1 + sequence",
        "statistic": "t",
        "statistic_name": "t",
        "degrees_of_freedom": 12,
        "n": {"TRD": 14},
        "weights": {
            "drug": [
                {"treatment": "ketamine", "occasion": None, "weight": 1.0},
                {"treatment": "placebo", "occasion": None, "weight": -1.0},
            ]
        },
        "mapped_seeds": ["sgACC", "pgACC", "dACC"],
        "seeds": ["sgACC", "pgACC", "dACC"],
        "unit": "Fisher z",
        "fwhm_mm": 6,
        "space": "MNI152NLin2009cAsym",
        "voxel_mm": [2.0, 2.0, 2.0],
        "n_voxels": 4321,
        "n_permutations": 5000,
        "smallest_p": 0.0002,
        "exhaustive": False,
        "arrangement": "re-randomisation",
        "two_sided": True,
        "forming_threshold": 4.3,
        "cluster_forming_p": 0.001,
        "connectivity": 26,
    }
    return found | changes
