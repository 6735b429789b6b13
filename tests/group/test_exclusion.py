"""Sessions that leave by quality, with their reasons."""

import json

import pytest

from crossfc.group.exclusion import exclusion_reasons, quality_table, split

LIMITS = {
    "maximum_mean_fd_mm": 0.5,
    "maximum_censored_share": 0.5,
    "minimum_template_dice": 0.8,
}
GOOD = {
    "mean_fd": 0.2, "median_fd": 0.1, "max_fd": 1.0, "share_fd_above_0.5": 0.01, "mean_dvars": 1.0,
    "tsnr_median": 60.0, "mask_voxels": 9, "mask_dice_template": 0.95, "zero_variance_voxels": 0,
    "volumes": 100, "volumes_non_steady": 2, "volumes_censored": 10, "volumes_kept": 88,
    "residual_degrees_of_freedom": 30, "scan": "x", "runs_considered": [{}, {}],
    "seeds": {"sgACC": {"coverage": 0.9, "tsnr": 30.0}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean_fd": 0.51}, "mean framewise displacement 0.51 mm above 0.5 mm"),
        ({"volumes_censored": 51}, "51% of the volumes censored, more than 50%"),
        ({"mask_dice_template": 0.79}, "overlaps the template by 0.79 (Dice), less than 0.8"),
    ],
)
def test_each_limit_has_its_reason(change, words):
    assert exclusion_reasons(GOOD, LIMITS) == []
    (reason,) = exclusion_reasons(GOOD | change, LIMITS)
    assert words in reason


def test_a_person_with_one_bad_session_leaves_by_name(tmp_path):
    sessions, paths = [], []
    for person in ("sub-1", "sub-2"):
        for session in ("ses-a", "ses-b"):
            moved = (person, session) == ("sub-2", "ses-b")
            path = tmp_path / f"{person}{session}.json"
            path.write_text(json.dumps(GOOD | {"mean_fd": 0.9 if moved else 0.2}))
            paths.append(path)
            sessions.append({"participant_id": person, "group": "TRD", "session_id": session})
    table = quality_table(sessions, paths, LIMITS)
    assert list(table["excluded"]) == [False, False, False, True]
    assert list(table["coverage_sgACC"]) == [0.9] * 4
    people = [
        {"participant_id": p, "group": "TRD", "sessions": ["ses-a", "ses-b"]}
        for p in ("sub-1", "sub-2")
    ]
    staying, left = split(people, table)
    assert [p["participant_id"] for p in staying] == ["sub-1"]
    assert staying[0]["mean_fd_active"] == 0.2
    assert [(row["participant_id"], row["what"]) for row in left] == [("sub-2", "ses-b")]
    assert "0.90 mm above" in left[0]["reason"]
