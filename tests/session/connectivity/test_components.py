"""Components of fMRIPost-AROMA and tedana become columns that strategies can name."""

import numpy as np
import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity.components import read_components
from crossfc.session.connectivity.confounds import columns_of
from tests.session.connectivity.test_derivative import CHOICES, N, Session, by_least_squares

ROWS = 12


@pytest.fixture
def tedana(tmp_path):
    rng = np.random.default_rng(0)
    mixing = pd.DataFrame(rng.normal(size=(ROWS, 4)), columns=[f"ICA_0{k}" for k in range(4)])
    judged = ["accepted", "rejected", "ignored", "rejected"]
    metrics = pd.DataFrame({"Component": mixing.columns, "kappa": 1.0, "classification": judged})
    files = {kind: tmp_path / f"sub-01_desc-{kind}.tsv" for kind in ("mixing", "metrics")}
    mixing.to_csv(files["mixing"], sep="\t", index=False)
    metrics.to_csv(files["metrics"], sep="\t", index=False)
    return files, mixing


def test_rejected_components_of_tedana_as_they_are_and_without_what_is_accepted(tedana):
    files, mixing = tedana
    columns, families = read_components(files, ROWS)
    assert set(columns) == {f"tedana_{kind}_{k}" for kind in ("rejected", "orth_rejected")
                            for k in ("01", "03")}  # fmt: skip
    np.testing.assert_allclose(columns["tedana_rejected_03"], mixing["ICA_03"])
    kept = mixing[["ICA_00", "ICA_02"]].to_numpy()
    for k in ("01", "03"):
        own = columns[f"tedana_orth_rejected_{k}"]
        np.testing.assert_allclose(kept.T @ own, 0, atol=1e-12)
        assert own.mean() == pytest.approx(0, abs=1e-12)
        # What was taken off is of the accepted components alone.
        rest = mixing[f"ICA_{k}"] - own
        design = np.column_stack([np.ones(ROWS), kept])
        assert np.abs(rest - design @ np.linalg.lstsq(design, rest, rcond=None)[0]).max() < 1e-12
    assert "tedana_rejected_" in families


def test_noise_of_aroma_and_a_run_without_any(tmp_path):
    path = tmp_path / "sub-01_desc-aroma_timeseries.tsv"
    table = {"aroma_motion_02": range(ROWS), "aroma_orth_motion_02": range(ROWS), "other": 1}
    pd.DataFrame(table).to_csv(path, sep="\t", index=False)
    columns, families = read_components({"aroma": path}, ROWS)
    assert list(columns) == ["aroma_motion_02", "aroma_orth_motion_02"]
    pd.DataFrame({"other": range(ROWS)}).to_csv(path, sep="\t", index=False)
    columns, families = read_components({"aroma": path}, ROWS)
    assert columns == {} and columns_of({"csf"}, "aroma_motion_*", "x.tsv", families) == []
    with pytest.raises(Fault, match="has no column aroma_motion_.*derivatives.components_dir"):
        columns_of({"csf"}, "aroma_motion_*", "x.tsv")
    assert read_components({}, ROWS) == ({}, ())


def test_tables_of_another_run_are_refused(tedana):
    files, mixing = tedana
    with pytest.raises(Fault, match=f"{ROWS} rows for a scan of 9 volumes; use the components of"):
        read_components(files, 9)
    mixing.rename(columns={"ICA_03": "ICA_99"}).to_csv(files["mixing"], sep="\t", index=False)
    with pytest.raises(Fault, match="does not tell what ICA_99 of .* are"):
        read_components(files, ROWS)


def test_a_session_is_cleaned_of_rejected_components(tmp_path):
    session = Session(tmp_path)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=N).cumsum()
    session.data += (2 * noise * rng.normal(size=(*session.data.shape[:3], 1))).astype(np.float32)
    session.runs = [session.write("run-1")]
    path = tmp_path / "aroma.tsv"
    pd.DataFrame({"aroma_motion_07": noise}).to_csv(path, sep="\t", index=False)
    session.runs[0]["aroma"] = path
    session.pipelines["primary"] = CHOICES | {"strategy": {"columns": ["aroma_motion_*"]}}
    session.run()
    assert session.qc()["regressors"] == ["aroma_motion_07"]
    left = session.timeseries()["seed_sgACC"].to_numpy()
    # What is left is orthogonal to the component within the pass band.
    session.table = pd.DataFrame(dict.fromkeys(session.table.columns, noise))
    inside = by_least_squares(session, np.ones(N, bool), left)
    np.testing.assert_allclose(inside, left, atol=1e-6 * np.abs(left).max())
