"""Real contrast maps: 30 people of Wager et al. 2008 (Neuron 59:1037), emotion regulation."""

import tarfile

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import pair_sessions
from tests.group.analysis_options import analysis_options

# World mm to one-sample t, computed elsewhere with other software. The maps are Analyze 7.5 of
# SPM, which do not say what is left: the values are those of the nearest voxel under nibabel's
# affine of the .img (SPM's default, first axis from right to left, origin from the header). With
# the first axis the other way round the three voxels hold 4.35, 2.04 and 5.39 instead.
KNOWN = {(7, 24, 54): 7.25, (52, -58, 32): 5.99, (-48, 14, 36): 4.95}


@pytest.fixture(scope="module")
def maps(shared_data, tmp_path_factory):
    archive = shared_data / "wager2008.tar.gz"
    if not archive.is_file():
        pytest.skip(f"real data not found at {archive}")
    folder = tmp_path_factory.mktemp("wager")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    found = sorted((folder / "wager2008").glob("*.img"))
    assert len(found) == 30
    return found


@pytest.fixture(scope="module")
def analysed(maps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wager_results")
    people = [
        {"participant_id": f"sub-{number:02}", "group": "all", "contrast": [str(path)]}
        for number, path in enumerate(maps, start=1)
    ]
    pair_sessions(
        people,
        ["reappraisal"],
        {"active": "reappraise", "control": "look"},
        {"patients": "all", "controls": None},
        "published",
        folder / "pairs",
        fwhm_mm=0,
        level="contrast",
        zero_is_missing=False,
        accept_unoriented=True,
    )
    options = analysis_options(permutations=500, seed=1, tail=False)
    result = analyse("drug_all", folder / "pairs", folder / "drug", options)
    return folder, result


def nearest(affine, point):
    return tuple(np.rint(np.linalg.inv(affine) @ (*point, 1)).astype(int)[:3])


def test_known_t_values(analysed):
    folder, _ = analysed
    image = nib.load(folder / "drug" / "seed-reappraisal_stat-t_statmap.nii.gz")
    assert image.affine[0, 0] < 0
    t = image.get_fdata()
    for point, value in KNOWN.items():
        assert round(t[nearest(image.affine, point)], 2) == value


def test_the_whole_map_is_scipys(analysed, maps):
    folder, result = analysed
    values = np.stack([nib.load(path).get_fdata()[..., 0] for path in maps])
    inside = np.isfinite(values).all(0)
    assert result["n_voxels"] == inside.sum() == 75919
    t = nib.load(folder / "drug" / "seed-reappraisal_stat-t_statmap.nii.gz").get_fdata()
    assert np.array_equal(np.isfinite(t), inside)
    theirs = stats.ttest_1samp(values[:, inside], 0).statistic
    np.testing.assert_allclose(t[inside], theirs, rtol=2e-6, atol=1e-6)


def test_record_and_clusters(analysed):
    folder, result = analysed
    assert result["model"] == "D ~ 1" and not result["sequence_adjusted"]
    assert "not known for 30 of 30 people" in result["notes"][0]
    assert result["degrees_of_freedom"] == 29 and result["n"] == {"all": 30}
    table = folder / "drug" / "clusters.tsv"
    clusters = pd.read_csv(table, sep="\t", float_precision="round_trip")
    assert clusters["p_fwe_cluster"].iloc[0] == 1 / 501
    assert clusters["mean_all_reappraise"].isna().all()  # a contrast map holds no sessions
    found = nib.load(folder / "drug" / "seed-reappraisal_stat-pfwevoxel_statmap.nii.gz")
    p = [found.get_fdata()[nearest(found.affine, point)] for point in KNOWN]
    assert p[0] < 0.01 < p[2] and p == sorted(p)  # the three t values fall
    enhanced = nib.load(folder / "drug" / "seed-reappraisal_stat-pfwetfce_statmap.nii.gz")
    highest = enhanced.get_fdata()[nearest(enhanced.affine, (7, 24, 54))]
    assert highest == np.float32(1 / 501)
    cells = pd.read_csv(folder / "drug" / "cells.tsv", sep="\t")
    assert cells["active"].isna().all() and cells["delta"].notna().all()
