"""What the scan shows of breathing, arousal and pose: by SciPy, and on signals of known make."""

from pathlib import Path

import numpy as np
import pytest
from scipy import signal, stats
from scipy.spatial.transform import Rotation

from crossfc.fault import Fault
from crossfc.session.connectivity import match
from crossfc.session.connectivity.confounds import Confounds
from crossfc.session.connectivity.pose import pose, read_itk
from crossfc.session.connectivity.scan_measure import (
    TO_T1W,
    global_signal_bursts,
    global_signal_sd,
    head_pitch,
    highest_breathing,
    respiratory_share,
    scan_measures,
)


def about_x(degrees: float) -> np.ndarray:
    """Return a rotation that tips the nose (at +y) upwards (to +z), 4 × 4."""
    matrix, angle = np.eye(4), np.radians(degrees)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def table(n=200, **columns):
    named = {name: np.zeros(n) for name in ("trans_x", "trans_y", "trans_z")}
    return Confounds(Path("confounds.tsv"), named | columns, {})


def test_the_global_signal_is_told_without_its_drift():
    rng = np.random.default_rng(0)
    time, noise = np.linspace(0, 1, 300), rng.normal(0, 0.3, 300)
    usable = np.arange(300) >= 4
    drift = 5 + 3 * time - 4 * time**2
    expected = noise[usable] - np.polyval(np.polyfit(time[usable], noise[usable], 2), time[usable])
    assert global_signal_sd(noise + drift, usable) == pytest.approx(expected.std())
    assert np.isnan(global_signal_sd(noise, np.arange(300) < 4))


def test_bursts_are_the_height_of_slow_waves_wherever_they_are():
    time = 2.0 * np.arange(300)
    everything = np.ones(300, dtype=bool)
    wave = np.cos(2 * np.pi * 0.03 * time)
    assert global_signal_bursts(wave, everything, 2.0) == pytest.approx(1, abs=0.05)
    # A burst of two minutes is as high as a wave of ten; its SD is less than half of it.
    burst = wave * (np.abs(time - 300) < 60)
    height = global_signal_bursts(burst, everything, 2.0)
    assert 0.85 < height < 1.1
    assert global_signal_sd(burst, everything) < 0.5 * global_signal_sd(wave, everything)
    # Faster and slower waves are none, and volumes that are no measurement do not count.
    assert global_signal_bursts(np.cos(2 * np.pi * 0.15 * time), everything, 2.0) < 0.05
    spiked, sound = wave.copy(), everything.copy()
    spiked[100], sound[100] = 1e6, False
    assert global_signal_bursts(spiked, sound, 2.0) == pytest.approx(1, abs=0.06)
    # An envelope by SciPy of the same band.
    rng = np.random.default_rng(1)
    values = rng.normal(size=300)
    flat = signal.detrend(values)
    spectrum = np.fft.rfft(flat)
    frequency = np.fft.rfftfreq(300, 2.0)
    spectrum[(frequency < 0.01) | (frequency > 0.05)] = 0
    envelope = np.abs(signal.hilbert(np.fft.irfft(spectrum, 300)))
    expected = np.quantile(envelope, 0.95)
    assert global_signal_bursts(values, everything, 2.0) == pytest.approx(expected)
    assert np.isnan(global_signal_bursts(values, np.arange(300) < 100, 2.0))
    assert np.isnan(global_signal_bursts(values[:20], everything[:20], 2.0))


@pytest.mark.parametrize(("breathing", "repetition_time"), [(0.3, 0.8), (0.28, 2.0), (0.22, 2.0)])
def test_breathing_is_in_the_band_also_where_it_is_folded(breathing, repetition_time):
    rng = np.random.default_rng(2)
    time = repetition_time * np.arange(400)
    usable = np.ones(400, dtype=bool)
    breath = 0.1 * np.sin(2 * np.pi * breathing * time)
    drift = 0.001 * time + 0.3 * np.sin(2 * np.pi * 0.002 * time)
    assert breathing <= highest_breathing(repetition_time)
    assert respiratory_share(breath + drift, usable, repetition_time) > 0.9
    noise = rng.normal(0, 0.1, 400)
    with_breath = respiratory_share(breath + noise, usable, repetition_time)
    without = respiratory_share(noise, usable, repetition_time)
    # The power of the sine is half of its squared height, that of the noise its variance.
    assert with_breath == pytest.approx((0.005 + without * 0.01) / 0.015, abs=0.08)
    frequency, power = signal.periodogram(
        signal.detrend(noise), 1 / repetition_time, window=np.hanning(400), detrend=False
    )
    band = (frequency >= 0.2) & (frequency <= 0.5)
    # SciPy's one-sided spectrum doubles all but the first and, of an even number, the last.
    power[-1] *= 2
    assert without == pytest.approx(power[band].sum() / power[frequency > 0.01].sum())


def test_breathing_beyond_the_scan_is_folded_below_the_band():
    usable, time = np.ones(400, dtype=bool), 2.0 * np.arange(400)
    assert highest_breathing(2.0) == pytest.approx(0.3)
    fast = np.sin(2 * np.pi * 0.4 * time)
    assert respiratory_share(fast, usable, 2.0) < 0.05
    assert highest_breathing(0.8) == 0.5 and highest_breathing(2.5) == pytest.approx(0.2)


def measured(confounds, repetition_time=2.0, sidecar=None, where=None, has_mean=True, **changes):
    rng = np.random.default_rng(3)
    inside = np.zeros((3, 4, 5), dtype=bool)
    inside[1:, 1:3] = True
    mean = np.full((3, 4, 5), 800, dtype=np.float32)
    common = changes.pop("common", rng.normal(0, 8, 200))
    series = (common[:, None, None, None] + rng.normal(0, 1, (200, 3, 4, 5))).astype(np.float32)
    series[:, ~inside] = 1e5
    usable = np.arange(200) >= 3
    given = (series, mean, inside, usable, repetition_time, confounds, sidecar or {}, where)
    return scan_measures(*given, has_mean=has_mean), common, usable


def test_a_session_has_all_measures_in_its_record():
    time = 2.0 * np.arange(200)
    rng = np.random.default_rng(4)
    breath = np.sin(2 * np.pi * 0.22 * time) + rng.normal(0, 0.1, 200)
    confounds = table(trans_z=breath, trans_y=rng.normal(size=200))
    found, common, usable = measured(
        confounds, sidecar={"PhaseEncodingDirection": "k-"}, where=about_x(7.0)
    )
    assert found["global_signal_sd"] == pytest.approx(100 * common[usable].std() / 800, rel=0.05)
    assert found["global_signal_bursts"] > 0
    assert found["respiratory_motion"] > 0.9
    assert found["respiratory_motion_axis"] == "z (phase encoding)"
    assert found["respiratory_motion_to_hz"] == pytest.approx(0.3)
    assert found["head_pitch"] == pytest.approx(7)
    assert found["head_pitch_source"] == TO_T1W and found["unmeasured"] == {}
    unknown, *_ = measured(confounds)
    assert unknown["respiratory_motion"] < 0.5
    assert unknown["respiratory_motion_axis"] == "y (phase encoding not stated)"


def test_what_cannot_be_measured_says_why():
    slow, *_ = measured(table(), repetition_time=2.5, has_mean=False)
    assert slow["respiratory_motion"] is slow["head_pitch"] is slow["global_signal_sd"] is None
    assert slow["unmeasured"] == {
        "global_signal": "the series has no mean, of which a percentage could be told",
        "respiratory_motion": "a repetition time of 2.5 s samples frequencies up to 0.20 Hz, so "
        "that breathing is folded to below 0.2 Hz",
        "head_pitch": "the coregistration with the T1w is not known",
    }
    still, *_ = measured(table())
    assert "motion is not known" in still["unmeasured"]["respiratory_motion"]
    bare = Confounds(Path("c.tsv"), {"framewise_displacement": np.zeros(200)}, {})
    without, *_ = measured(bare, where=np.eye(4))
    assert without["unmeasured"]["respiratory_motion"] == "the confounds have no trans_y"
    assert without["head_pitch"] == pytest.approx(0) and "head_pitch" not in without["unmeasured"]


def test_pitch_is_the_rotation_that_tips_the_nose():
    nose = about_x(10.0) @ [0, 100, 0, 1]
    assert nose[2] > 0  # the nose is up
    assert head_pitch(about_x(10.0)) == pytest.approx(10)
    # A scaled matrix has the same rotation nearly, and a turn about the nose or the neck adds none.
    assert head_pitch(np.diag([1.01, 1.01, 1.01, 1]) @ about_x(-4.0)) == pytest.approx(-4)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("y", 8, degrees=True).as_matrix()
    assert head_pitch(turned) == pytest.approx(0)
    both = np.eye(4)
    both[:3, :3] = Rotation.from_euler("xyz", [5, 3, 2], degrees=True).as_matrix()
    assert head_pitch(both) == pytest.approx(5)


def test_a_transform_of_itk_is_read_in_the_scans_coordinates(tmp_path):
    import nibabel as nib

    rng = np.random.default_rng(5)
    rotation = stats.special_ortho_group.rvs(3, random_state=rng)
    shift, centre = rng.normal(size=3), rng.normal(size=3)
    words = " ".join(repr(float(v)) for v in (*rotation.ravel(), *shift))
    path = tmp_path / "sub-1_ses-2_task-rest_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt"
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\n"
        f"Parameters: {words}\nFixedParameters: {' '.join(repr(float(v)) for v in centre)}\n"
    )
    point = rng.normal(size=3)
    lps = point * [-1, -1, 1]
    moved = (rotation @ (lps - centre) + centre + shift) * [-1, -1, 1]
    assert nib.affines.apply_affine(read_itk(path), point) == pytest.approx(moved)
    assert pose({}, path) == pytest.approx(read_itk(path)) and pose({}, None) is None
    own = about_x(5.0)
    assert (
        pose({"Registration": {"matrix_t1w_to_bold": own.tolist()}}, path).tolist() == own.tolist()
    )
    path.write_text("Transform: something\n")
    with pytest.raises(Fault, match="holds no single affine transform"):
        read_itk(path)


def test_a_run_has_its_own_transform():
    names = [
        "sub-1_ses-2_task-rest_run-1_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
        "sub-1_ses-2_task-rest_run-2_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt",
        "sub-1_ses-2_task-rest_run-2_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt",
        "sub-1_ses-2_task-rest_run-2_desc-confounds_timeseries.tsv",
    ]
    scan = "sub-1/ses-2/func/sub-1_ses-2_task-rest_run-02_bold.nii.gz"
    assert match.coregistration(scan, names) == names[1]
    assert match.coregistration(scan.replace("run-02", "run-03"), names) is None
    older = "sub-1_ses-2_task-rest_run-3_from-scanner_to-T1w_mode-image_xfm.txt"
    assert match.coregistration(scan.replace("run-02", "run-03"), [*names, older]) == older
    # Two that fit are none: which is the right one is not known.
    both = [names[1], names[1].replace("_desc-coreg", "").replace("boldref", "scanner")]
    assert match.coregistration(scan, both) is None
