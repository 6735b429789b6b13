"""Runs that another program cleaned: nothing more is taken out; its censored volumes are known."""

import numpy as np
import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity.upstream import read_upstream
from crossfc.trial.strategy import CLEANED
from tests.session.connectivity.test_derivative import (
    AFFINE,
    CHOICES,
    SEEDS,
    SHAPE,
    TARGETS,
    N,
    Session,
    place,
)

# What strategy `cleaned` makes of a pipeline.
PLAIN = CHOICES | {
    "strategy": {"no_confounds": True, "methods": "Cleaned."},
    "high_pass_hz": 0,
    "low_pass_hz": None,
}
OUTLIERS = [3, 4, 30, 55, 79]


@pytest.fixture
def cleaned(tmp_path):
    """A session as XCP-D leaves it: without its mean, 0 outside of the brain, no mask beside it."""
    made = Session(tmp_path)
    made.data = (made.data - made.data.mean(axis=-1, keepdims=True)) * made.mask[..., None]
    made.pipelines = {"primary": PLAIN}
    made.motion = made.table.rename(columns={})
    made.motion.iloc[OUTLIERS, -1] = 2.0
    return made


def lay(made, *, data=None, motion=True, outliers=True, confounds=False):
    """Write the run's files as XCP-D names them."""
    run = made.write("run-1", data=made.data if data is None else data)
    tables = {
        "motion": made.motion if motion else None,
        "outliers": pd.DataFrame(
            {"framewise_displacement": np.isin(np.arange(N), OUTLIERS).astype(int)}
        )
        if outliers
        else None,
    }
    run = {"scan": run["scan"], "bold": run["bold"], "cleaned": True} | (
        {"confounds": run["confounds"]} if confounds else {}
    )
    for kind, table in tables.items():
        if table is not None:
            run[kind] = made.folder / f"run-1_{kind}.tsv"
            table.to_csv(run[kind], sep="\t", na_rep="n/a", index=False)
    made.runs = [run]
    return made


def weighted(made, rows, volumes):
    weight = (place(rows, "r", SHAPE, AFFINE).image() * made.mask).ravel()
    own = made.data.reshape(-1, N)[:, volumes].astype(float)
    return np.average(own, axis=0, weights=weight)


@pytest.mark.parametrize("how", ["taken out", "interpolated"])
def test_edges_and_maps_are_plain_correlations_over_the_volumes_that_were_measured(cleaned, how):
    kept = ~np.isin(np.arange(N), OUTLIERS)
    data = cleaned.data[..., kept]
    if how == "interpolated":
        data = cleaned.data.copy()
        data[..., OUTLIERS] = 50.0 * cleaned.mask[..., None]  # which must not be seen
    lay(cleaned, data=data).run()
    seed = weighted(cleaned, SEEDS[:1], kept)
    target = weighted(cleaned, TARGETS[:1], kept)
    r = np.corrcoef(seed, target)[0, 1]
    assert np.tanh(cleaned.relmat().loc["sgACC", "left"]) == pytest.approx(r, abs=1e-5)
    voxels = cleaned.data[cleaned.mask][:, kept]
    expected = np.corrcoef(seed, voxels)[0, 1:]
    np.testing.assert_allclose(np.tanh(cleaned.maps()[0][cleaned.mask]), expected, atol=1e-4)
    qc = cleaned.qc()
    assert (qc["volumes"], qc["volumes_kept"], qc["volumes_censored"]) == (N, N - 5, 5)
    # They are censored, not defective: another limit is for those.
    assert qc["volumes_defective"] == 0
    assert f"5 of {N} volumes had been {how} by the program that cleaned the run" in qc["notes"]
    assert qc["regressors"] == [] and qc["residual_degrees_of_freedom"] == N - 5 - 1
    assert "most there can be" in qc["unmeasured"]["degrees_of_freedom"]
    # Motion is that of the run as it was, with the volumes that were taken out.
    fd = cleaned.motion["framewise_displacement"].to_numpy()[1:]
    assert qc["mean_fd"] == pytest.approx(fd.mean()) and qc["max_fd"] == pytest.approx(2.0)
    series = cleaned.timeseries()["seed_sgACC"]
    np.testing.assert_array_equal(series.isna(), ~kept)
    np.testing.assert_allclose(series[kept], seed - seed.mean(), atol=1e-3)


def test_the_mask_is_what_was_cleaned_where_no_mask_lies_beside_it(cleaned):
    lay(cleaned, outliers=False).run()
    np.testing.assert_array_equal(np.isfinite(cleaned.maps()[0]), cleaned.mask)
    assert any("no brain mask lies beside" in note for note in cleaned.qc()["notes"])


def test_without_a_table_of_motion_its_measures_are_missing_with_the_reason(cleaned):
    cleaned.pipelines["scrub"] = PLAIN | {"censor_fd_mm": 0.5}
    lay(cleaned, motion=False, outliers=False).run()
    qc = cleaned.qc()
    assert qc["mean_fd"] is None and qc["max_fd"] is None and qc["volumes_defective"] == 0
    assert qc["unmeasured"]["motion"].startswith("no table of motion (_motion.tsv) lies beside")
    assert qc["exclusion_reasons"] == [] and qc["volumes_kept"] == N
    assert cleaned.qc("scrub")["exclusion_reasons"] == [
        "framewise displacement is not known, by which volumes above 0.5 mm are to be censored"
    ]


def test_motion_is_that_of_fmripreps_table_where_it_has_the_volumes_of_the_run(cleaned):
    lay(cleaned, motion=False, outliers=False, confounds=True).run()
    fd = cleaned.table["framewise_displacement"][1:]
    assert cleaned.qc()["mean_fd"] == pytest.approx(fd.mean())
    found = read_upstream(cleaned.runs[0], N - 4)
    assert f"has {N} rows and the cleaned run {N - 4} volumes" in found.unknown


def test_a_filter_that_is_asked_for_fills_in_what_was_taken_out(cleaned):
    kept = ~np.isin(np.arange(N), OUTLIERS)
    cleaned.pipelines = {"band": PLAIN | {"high_pass_hz": 0.01, "low_pass_hz": 0.1}}
    cleaned.pipelines["band"]["censored_filter"] = "interpolate"
    lay(cleaned, data=cleaned.data[..., kept]).run()
    qc = cleaned.qc("band")
    assert qc["censored_filter"] == "interpolate" and qc["volumes_kept"] == kept.sum()


def test_tables_that_do_not_fit_are_refused(cleaned):
    kept = ~np.isin(np.arange(N), OUTLIERS)
    lay(cleaned, data=cleaned.data[..., kept][..., :-1])
    assert f"tells of {N}, of which 5 are outliers: neither all of them nor" in cleaned.refusal()
    lay(cleaned, data=cleaned.data[..., kept], outliers=False)
    said = cleaned.refusal()
    assert f"has {N} rows for {N - 5} volumes" in said and "_outliers.tsv" in said


def test_a_smooth_series_has_no_volume_that_looks_defective(cleaned):
    """Band-pass filtering makes neighbours alike; none may be taken for a repetition."""
    rng = np.random.default_rng(4)
    spectrum = np.fft.rfft(rng.normal(size=(*SHAPE, N)), axis=-1)
    frequency = np.fft.rfftfreq(N, 0.8)
    spectrum[..., (frequency < 0.01) | (frequency > 0.08)] = 0
    cleaned.data = np.fft.irfft(spectrum, N, axis=-1).astype(np.float32) * cleaned.mask[..., None]
    lay(cleaned).run()
    assert cleaned.qc()["defective_volumes"] == []


def test_a_strategy_of_that_name_must_take_out_nothing(root, tmp_path):
    from crossfc.trial.config import load_schema
    from crossfc.trial.strategy import read_strategies

    schema = load_schema(root / "workflow/schemas/strategies.schema.yaml")
    path = tmp_path / "strategies.yaml"
    path.write_text("p1: {columns: [csf], methods: One.}\n")
    assert read_strategies(path, schema)[CLEANED]["no_confounds"]
    path.write_text("cleaned: {columns: [csf], methods: One.}\n")
    with pytest.raises(Fault, match="strategy cleaned: this is the name .* rename it"):
        read_strategies(path, schema)
