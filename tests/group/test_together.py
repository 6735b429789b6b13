"""Sets of contrasts, tested together on the people and voxels that all of them have."""

import nibabel as nib
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import Pairs, no_pairs, pair_sessions
from crossfc.group.findings.result import read_result
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (7, 6, 5)
AFFINE = np.diag([4.0, 4, 4, 1])
GROUPS = {"patients": "MDD", "controls": "HV"}
SEEDS = ["sgACC", "pgACC"]
TOGETHER = {"name": "dose", "labels": ["low − placebo", "high − placebo"]}
OPTIONS = {"permutations": 99, "seed": 1, "cluster_forming_p": 0.05}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three treatments; one person lacks one of them, and each contrast lacks a corner."""
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(5)
    maps = {}
    for number in range(20):
        of_person = rng.normal(size=SHAPE)
        for corner, label in enumerate(("placebo", "low", "high")):
            for seed in SEEDS:
                values = of_person + rng.normal(size=SHAPE) + (label == "high") * (number < 11)
                values[-1, -1, -1 - corner] = np.nan
                path = folder / f"{number}_{label}_{seed}.nii.gz"
                write_image(path, values.astype(np.float32), AFFINE)
                maps.setdefault((number, label), []).append(str(path))
    found = []
    for contrast in ("low", "high"):
        people = [
            {
                "participant_id": f"sub-{number:02}",
                "group": "MDD" if number < 11 else "HV",
                "sequence": "n/a",
                "active": maps[number, contrast],
                "control": maps[number, "placebo"],
                "period_2": [0.5, 0, -0.5][number % 3],
                "period_3": [-0.5, 0.5, 0.5 if contrast == "low" else 0][number % 3],
                "mean_fd_active": 0.1,
                "mean_fd_control": 0.1,
            }
            for number in range(20)
            if (number, contrast) != (4, "low")
        ]
        pair_sessions(
            people,
            SEEDS,
            {"active": contrast, "control": "placebo"},
            GROUPS,
            "primary",
            folder / f"pairs_{contrast}",
            contrast=contrast,
            order=["period_2", "period_3"],
            fwhm_mm=0,
            zero_is_missing=False,
        )
        found.append(folder / f"pairs_{contrast}")
    return found


def data_of(folders, group):
    """Both contrasts in the people and voxels of all, by plain indexing."""
    parts = [Pairs.read(folder) for folder in folders]
    masks = [part.mask.get_fdata() > 0 for part in parts]
    both = masks[0] & masks[1]
    tables = [part.people.set_index("participant_id") for part in parts]
    names = [name for name in tables[0].index if name in tables[1].index]
    names = [name for name in names if group is None or tables[0].loc[name, "group"] == group]
    values, columns = [], [np.ones(len(names))]
    for part, mask, table in zip(parts, masks, tables, strict=True):
        rows = table.index.get_indexer(names)
        values.append(np.asarray(part.delta, dtype=float)[rows][:, :, both[mask]])
        columns += [table.loc[names, c].to_numpy(float) for c in ("period_2", "period_3")]
    model = np.column_stack(columns)
    kept = [0]
    for column in range(1, model.shape[1]):
        if np.linalg.matrix_rank(model[:, [*kept, column]]) > len(kept):
            kept.append(column)
    label = tables[0].loc[names, "group"].to_numpy()
    return np.stack(values, axis=2), model[:, kept], both, label


def hotelling(y, model, effect):
    """F of one column on several measures (Rencher 2002), from determinants."""
    full = np.column_stack([effect, model])
    of = [y - m @ np.linalg.lstsq(m, y, rcond=None)[0] for m in (full, model)]
    wilks = np.linalg.det(of[0].T @ of[0]) / np.linalg.det(of[1].T @ of[1])
    p, df = y.shape[1], len(y) - full.shape[1]
    return (1 - wilks) / wilks * (df - p + 1) / p


def test_a_set_is_hotellings_test_of_its_contrasts(folders, tmp_path):
    out = tmp_path / "dose_MDD"
    result = analyse("dose_MDD", folders, out, analysis_options(**OPTIONS), together=TOGETHER)
    values, model, both, _ = data_of(folders, "MDD")
    assert result["n"] == {"MDD": 10} and result["n_voxels"] == both.sum() == 7 * 6 * 5 - 3
    assert result["kind"] == "together" and result["contrast"] == "dose"
    assert result["together"] == TOGETHER["labels"] and result["arrangement"] == "sign flips"
    assert result["degrees_of_freedom"]["numerator"] == 2
    for column, seed in enumerate(SEEDS):
        f = nib.load(out / f"seed-{seed}_stat-F_statmap.nii.gz").get_fdata()[both]
        for voxel in range(0, len(f), 17):
            expected = hotelling(values[:, column, :, voxel], model[:, 1:], model[:, 0])
            assert f[voxel] == pytest.approx(expected, rel=1e-4)
    cells = read_table(out / "cells.tsv")
    assert set(cells["map"]) == set(TOGETHER["labels"])
    assert not list(tmp_path.glob(".together*"))
    assert result["left"] == [
        {"participant_id": "sub-04", "group": "MDD", "reason": "not in the contrast low"}
    ]
    assert read_result(out)["analysis"] == "dose_MDD"


def test_groups_are_compared_in_a_set(folders, tmp_path):
    out = tmp_path / "group_by_dose"
    result = analyse("group_by_dose", folders, out, analysis_options(**OPTIONS), together=TOGETHER)
    values, model, both, label = data_of(folders, None)
    assert result["n"] == {"MDD": 10, "HV": 9}
    f = nib.load(out / "seed-pgACC_stat-F_statmap.nii.gz").get_fdata()[both]
    effect = np.where(label == "MDD", 0.5, -0.5)
    for voxel in range(0, len(f), 17):
        expected = hotelling(values[:, 1, :, voxel], model, effect)
        assert f[voxel] == pytest.approx(expected, rel=1e-4)


def test_an_analysis_that_a_set_has_not_is_refused(folders, tmp_path):
    with pytest.raises(Fault, match='no analysis "dose_TRD" of this set; there are dose_MDD'):
        analyse("dose_TRD", folders, tmp_path / "x", analysis_options(**OPTIONS), together=TOGETHER)
    with pytest.raises(Fault, match="only as a set"):
        analyse("dose_MDD", folders, tmp_path / "x", analysis_options(**OPTIONS))


def test_a_set_of_which_one_contrast_has_nobody_says_so(folders, tmp_path):
    sides, because = {"active": "high", "control": "placebo"}, "nobody has a scan under high"
    place = tmp_path / "pairs_high"
    order = ["period_2", "period_3"]
    no_pairs([], SEEDS, sides, GROUPS, "primary", place, 0.0, because, contrast="high", order=order)
    out = tmp_path / "dose_MDD"
    pair = [folders[0], place]
    result = analyse("dose_MDD", pair, out, analysis_options(**OPTIONS), together=TOGETHER)
    assert not result["estimable"]
    assert result["notes"] == [f"This analysis cannot be estimated. {because}."]
