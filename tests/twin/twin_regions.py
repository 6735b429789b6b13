"""Regions, labels and the planted truth that the tests of the twin share."""

from crossfc.twin.design import parametric_design
from crossfc.twin.truth import plant

GROUPS, TREATMENTS = ("TRD", "HV"), ("ketamine", "placebo")
SEEDS = [
    {"seed": "sgACC", "kind": "sphere", "x": 1, "y": 31, "z": -5, "radius_mm": 5},
    {"seed": "pgACC", "kind": "sphere", "x": 2, "y": 43, "z": 9, "radius_mm": 5},
    {"seed": "dACC", "kind": "sphere", "x": 2, "y": 26, "z": 22, "radius_mm": 5},
]
TARGETS = [
    {"target": name, "kind": "sphere", "x": x, "y": y, "z": z, "radius_mm": 6}
    for name, x, y, z in (
        ("insulaR", 38, 12, -4),
        ("vmPFC", 0, 52, -12),
        ("ventralStriatum", 9, 9, -8),
        ("hippocampus", 26, -20, -16),
        ("PCC", -8, -56, 26),
        ("SMG", 58, -36, 32),
    )
]


def planted(patients, controls):
    """The sessions of a small twin, and the truth planted in them."""
    participants, sessions, _ = parametric_design(patients, controls, random_seed=2024)
    truth = plant(
        participants,
        sessions,
        SEEDS,
        TARGETS,
        groups=GROUPS,
        treatments=TREATMENTS,
        random_seed=2024,
    )
    return sessions, truth
