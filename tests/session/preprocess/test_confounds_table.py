"""The table holds what its names say, and readers of fMRIPrep's tables can read it."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from crossfc.atomic import write_json, write_table
from crossfc.session.displacement import framewise_displacement
from crossfc.session.preprocess.confounds_table import confounds_of, dvars_of
from crossfc.session.preprocess.motion import Motion, motion_parameters

VOLUMES, TR, NON_STEADY = 120, 2.0, 2
SHAPE = (12, 12, 12)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(11)
    data = rng.normal(1000, 8, (*SHAPE, VOLUMES)).astype(np.float32)
    masks = {name: np.zeros(SHAPE, dtype=bool) for name in ("brain", "csf", "wm")}
    masks["brain"][1:11, 1:11, 1:11] = True
    masks["csf"][5:7, 5:7, 3:9] = True
    masks["wm"][2:4, 2:10, 2:10] = True
    data[masks["csf"]] += 30 * np.sin(np.arange(VOLUMES) * 0.9)
    data[..., :NON_STEADY] *= 1.4
    data[..., 60] *= 1.05  # a jump of the signal: DVARS
    matrices = np.tile(np.eye(4), (VOLUMES, 1, 1))
    matrices[:, :3, 3] = rng.normal(0, 0.01, (VOLUMES, 3)).cumsum(axis=0)
    matrices[40:, 0, 3] += 0.9  # a jump of the head: FD
    motion = Motion(matrices, data[..., 0], masks["brain"], np.zeros(3))
    table, metadata = confounds_of(data, masks, motion, TR, NON_STEADY)
    return data, masks, motion, table, metadata


def test_means_and_expansions(made):
    data, masks, _, table, _ = made
    expected = data[masks["wm"]].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(table["white_matter"], expected, rtol=1e-6)
    expected = data[masks["brain"]].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(table["global_signal"], expected, rtol=1e-6)
    for name in ("csf", "white_matter", "global_signal", "trans_x", "rot_z"):
        values = table[name].to_numpy()
        derivative = table[f"{name}_derivative1"].to_numpy()
        assert np.isnan(derivative[0])
        np.testing.assert_allclose(derivative[1:], values[1:] - values[:-1])
        np.testing.assert_allclose(table[f"{name}_power2"], values**2)
        np.testing.assert_allclose(table[f"{name}_derivative1_power2"][1:], derivative[1:] ** 2)


def test_motion_and_outliers(made):
    _, _, motion, table, _ = made
    parameters = motion_parameters(motion.matrices, motion.centre)
    np.testing.assert_allclose(table["trans_x"], parameters[:, 0])
    np.testing.assert_allclose(table["framewise_displacement"], framewise_displacement(parameters))
    assert np.isnan(table["framewise_displacement"][0])
    hit = [np.flatnonzero(table[c]).tolist() for c in table if c.startswith("motion_outlier")]
    # fMRIPrep counts the bright volumes too, and the step at their end is the largest of all.
    assert hit == [[1], [2], [40], [60], [61]]
    dummy = [np.flatnonzero(table[c]).tolist() for c in table if c.startswith("non_steady")]
    assert dummy == [[0], [1]]


def test_lost_volumes_are_marked_and_spoil_nothing(made):
    data, masks, motion, table, _ = made
    lost = [30, 31, 99, 100]
    spoilt = data.copy()
    spoilt[..., lost] = 0
    converged = ~np.isin(np.arange(VOLUMES), lost)
    held = Motion(
        motion.matrices, motion.reference, motion.mask, motion.centre, converged=converged,
        losses=dict.fromkeys(lost, "empty"),
    )  # fmt: skip
    found, _ = confounds_of(spoilt, masks, held, TR, NON_STEADY)
    for name in ("framewise_displacement", "rmsd", "dvars", "std_dvars"):
        assert np.flatnonzero(np.isnan(found[name])).tolist() == [0, 30, 31, 32, 99, 100, 101]
        known = ~np.isnan(found[name])
        np.testing.assert_allclose(found[name][known], table[name][known], rtol=0.02)
    hit = [np.flatnonzero(found[c]).tolist() for c in found if c.startswith("motion_outlier")]
    assert hit == [[1], [2], *[[v] for v in lost[:2]], [40], [60], [61], *[[v] for v in lost[2:]]]
    # As of the run without them, but for the drifts, which go on through the gap.
    kept = converged & (np.arange(VOLUMES) >= NON_STEADY)
    for name in ("c_comp_cor_00", "a_comp_cor_00"):
        assert (found[name][~kept] == 0).all()
        assert abs(np.corrcoef(found[name][kept], table[name][kept])[0, 1]) > 0.99
    assert np.isfinite(found.drop(columns=[c for c in found if "deriv" in c]).iloc[1:, :3]).all(
        None
    )


def test_components_and_drifts_begin_with_the_steady_state(made):
    _, _, _, table, metadata = made
    slow = [c for c in table if "cosine" in c or "comp_cor" in c]
    assert [c for c in slow if "cosine" in c] == ["cosine00", "cosine01"]  # 2 × 236 s / 128 s
    assert (table.loc[: NON_STEADY - 1, slow] == 0).all(axis=None)
    np.testing.assert_allclose((table[slow] ** 2).sum(), 1, atol=1e-9)
    at = np.setdiff1d(np.arange(NON_STEADY, VOLUMES), [60])  # where the signal jumps
    first = table["c_comp_cor_00"][at]
    assert abs(np.corrcoef(first, np.sin(at * 0.9))[0, 1]) > 0.99


def test_metadata_tell_of_the_components_what_fmriprep_tells(made):
    _, masks, _, table, metadata = made
    tissue = {"a": "combined", "c": "CSF", "w": "WM", "t": None}
    for prefix, mask in tissue.items():
        names = sorted(c for c in table if c.startswith(f"{prefix}_comp_cor"))
        assert names and names == [f"{prefix}_comp_cor_{k:02d}" for k in range(len(names))]
        total = 0.0
        for name in names:
            said = metadata[name]
            assert said["Method"] == ("tCompCor" if prefix == "t" else "aCompCor")
            assert said.get("Mask") == mask
            assert said["Retained"] is True
            assert said["SingularValue"] > 0
            total += said["VarianceExplained"]
            assert said["CumulativeVarianceExplained"] == pytest.approx(total)
        # Retained are the fewest that explain half.
        assert total >= 0.5 > total - said["VarianceExplained"]
    assert not [name for name in metadata if name not in table]
    assert metadata["csf"] == {"Method": "Mean", "Voxels": int(masks["csf"].sum())}
    assert metadata["trans_x"]["Units"] == "mm"
    assert metadata["rot_z"]["Units"] == "rad"


def test_masks_of_components_have_a_mean_without_expansion(made):
    data, masks, _, table, _ = made
    both = data[masks["csf"] | masks["wm"]].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(table["csf_wm"], both, rtol=1e-6)
    assert np.isfinite(table["tcompcor"]).all()
    assert not {"csf_wm_derivative1", "tcompcor_derivative1"} & set(table)


def _nipype_dvars(series):
    """nipype's compute_dvars (1.11) written out: series (voxels, volumes), float32 as there."""
    series = np.float32(series)
    series = series / np.median(series) * 1000
    spread = (
        np.percentile(series, 75, axis=1, method="lower")
        - np.percentile(series, 25, axis=1, method="lower")
    ) / 1.349
    series, spread = series[spread > 1e-7], spread[spread > 1e-7]
    ratio = []
    for voxel in series:
        x = voxel - voxel.mean()
        covariance = np.correlate(x, x, mode="full")[len(x) - 1 :] / len(x)
        ratio.append(covariance[1] / covariance[0])  # Yule-Walker of order 1
    expected = (np.sqrt(2 * (1 - np.array(ratio))) * spread).mean()
    raw = np.sqrt(np.square(np.diff(series, axis=1)).mean(axis=0))
    return raw, raw / expected


def test_dvars_and_displacement_are_those_of_nipype(made):
    data, masks, motion, table, _ = made
    raw, standardised = _nipype_dvars(data[masks["brain"]])
    np.testing.assert_allclose(table["dvars"][1:], raw, rtol=1e-5)
    np.testing.assert_allclose(table["std_dvars"][1:], standardised, rtol=1e-5)
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    parameters = table[names].to_numpy()
    change = parameters[:-1] - parameters[1:]
    change[:, 3:] *= 50
    np.testing.assert_allclose(
        table["framewise_displacement"][1:], np.abs(change).sum(axis=1), atol=1e-12
    )
    # FSL's rmsdiff for moves without rotation is the length of the move.
    moves = np.linalg.norm(np.diff(motion.matrices[:, :3, 3], axis=0), axis=1)
    np.testing.assert_allclose(table["rmsd"][1:], moves, atol=1e-9)


def test_a_run_in_blocks_gives_the_same_dvars(monkeypatch):
    from crossfc.session.preprocess import confounds_table

    series = np.random.default_rng(6).normal(900, 20, (50, 333))
    whole = dvars_of(series)
    monkeypatch.setattr(confounds_table, "_BLOCK", 100)
    np.testing.assert_allclose(dvars_of(series), whole, rtol=1e-12)


def test_dvars_by_hand():
    series = np.array([[1.0, 3], [2, 1], [4, 2], [3, 5], [1, 4], [2, 6]])
    dvars, std_dvars = dvars_of(series)
    scaled = series * 1000 / np.median(series)
    by_hand = [np.nan]
    for t in range(1, 6):
        a, b = scaled[t] - scaled[t - 1]
        by_hand.append(np.sqrt((a * a + b * b) / 2))
    np.testing.assert_allclose(dvars, by_hand)
    expected = []
    for voxel in scaled.T:
        ordered = np.sort(voxel)
        spread = (ordered[3] - ordered[1]) / 1.349  # points 3.75 and 1.25, the lower ones
        d = voxel - voxel.mean()
        expected.append(np.sqrt(2 * (1 - (d[1:] * d[:-1]).sum() / (d * d).sum())) * spread)
    np.testing.assert_allclose(std_dvars[1:], np.array(by_hand[1:]) / np.mean(expected))


def test_standardised_dvars_of_noise_is_one():
    rng = np.random.default_rng(2)
    white = 1000 + rng.normal(0, 10, (400, 500))
    assert np.nanmean(dvars_of(white)[1]) == pytest.approx(1, abs=0.02)
    slow = np.zeros((400, 500))
    for t in range(1, 400):
        slow[t] = 0.6 * slow[t - 1] + rng.normal(0, 8, 500)
    assert np.nanmean(dvars_of(1000 + slow)[1]) == pytest.approx(1, abs=0.03)


def test_dvars_of_nothing_is_missing():
    for series in (np.zeros((5, 3)), np.ones((5, 3)), np.zeros((5, 0))):
        dvars, std_dvars = dvars_of(series)
        assert np.isnan(dvars).all()
        assert np.isnan(std_dvars).all()


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    data, _, _, table, metadata = made
    folder = tmp_path_factory.mktemp("func")
    stem = "sub-01_ses-a_task-rest"
    bold = folder / f"{stem}_space-MNI152NLin2009aSym_desc-preproc_bold.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4)), bold)
    write_table(folder / f"{stem}_desc-confounds_timeseries.tsv", table)
    write_json(folder / f"{stem}_desc-confounds_timeseries.json", metadata)
    return str(bold), table


LEVELS = {"basic": 1, "derivatives": 2, "power2": 2, "full": 4}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("strategy", "base"), [("motion", 6), ("wm_csf", 2), ("global_signal", 1)])
def test_nilearn_loads_every_expansion(written, strategy, base, level):
    from nilearn.interfaces.fmriprep import load_confounds

    bold, _ = written
    loaded, kept = load_confounds(bold, strategy=(strategy, "high_pass"), **{strategy: level})
    assert loaded.shape == (VOLUMES, base * LEVELS[level] + 2)  # two cosines
    assert np.isfinite(loaded.to_numpy()).all()
    assert kept.tolist() == list(range(NON_STEADY, VOLUMES))


@pytest.mark.parametrize(
    ("compcor", "prefixes"),
    [
        ("anat_combined", {"a"}),
        ("anat_separated", {"c", "w"}),
        ("temporal", {"t"}),
        ("temporal_anat_combined", {"t", "a"}),
        ("temporal_anat_separated", {"t", "c", "w"}),
    ],
)
@pytest.mark.parametrize("number", ["all", 1])
def test_nilearn_loads_components(written, compcor, prefixes, number):
    from nilearn.interfaces.fmriprep import load_confounds

    bold, table = written
    loaded, _ = load_confounds(
        bold, strategy=("high_pass", "compcor"), compcor=compcor, n_compcor=number
    )
    expected = {c for c in table if "comp_cor" in c and c[0] in prefixes}
    if number == 1:
        expected = {f"{prefix}_comp_cor_00" for prefix in prefixes}
    assert {c for c in loaded if "comp_cor" in c} == expected


@pytest.mark.parametrize("segment", [0, 5, 30])
def test_nilearn_scrubs(written, segment):
    from nilearn.interfaces.fmriprep import load_confounds

    bold, _ = written
    _, kept = load_confounds(
        bold, strategy=("motion", "scrub"), scrub=segment, fd_threshold=0.5, std_dvars_threshold=1.5
    )
    gone = set(range(VOLUMES)) - set(kept.tolist())
    assert {0, 1, 2, 40, 60, 61} <= gone
    assert (gone == {0, 1, 2, 40, 60, 61}) == (segment < 19)  # 41 to 59 are 19 volumes


@pytest.mark.parametrize("strategy", ["simple", "scrubbing", "compcor"])
def test_nilearn_loads_its_ready_made_strategies(written, strategy):
    from nilearn.interfaces.fmriprep import load_confounds_strategy

    bold, _ = written
    loaded, _ = load_confounds_strategy(bold, denoise_strategy=strategy)
    assert isinstance(loaded, pd.DataFrame)
    assert len(loaded) == VOLUMES
    assert np.isfinite(loaded.to_numpy()).all()


def test_ica_aroma_is_not_offered(written):
    from nilearn.interfaces.fmriprep import load_confounds

    bold, table = written
    assert not [name for name in table if "aroma" in name]
    with pytest.raises(ValueError, match="ica_aroma"):
        load_confounds(bold, strategy=("ica_aroma", "high_pass"), ica_aroma="basic")
