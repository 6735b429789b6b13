"""Sessions that lie far from the others."""

import numpy as np
import pandas as pd

from crossfc.measure import Measure
from crossfc.quality.outlier import modified_z, outliers


def test_the_modified_z_of_iglewicz_and_hoaglin():
    # Median 3, absolute deviations 2, 1, 0, 1, 97: their median is 1.
    found = modified_z(np.array([1.0, 2, 3, 4, 100, np.nan]))
    assert np.allclose(found[:5], 0.6745 * np.array([-2, -1, 0, 1, 97])) and np.isnan(found[5])
    # Where most values are equal there is no scale by which another would be far.
    assert np.isnan(modified_z(np.array([0.0, 0, 0, 1, 9]))).all()


def test_the_farthest_session_comes_first():
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{k}" for k in range(6)],
            "session_id": "ses-a",
            "mean_fd": [0.1, 0.2, 0.3, 0.4, 2.0, np.nan],
            "tsnr_median": [60, 61, 62, 63, 64, 5],
            "head_pitch": np.nan,
        }
    )
    names = {"mean_fd": "mean FD", "tsnr_median": "median tSNR", "head_pitch": "head pitch"}
    found = outliers(table, [Measure(name, label) for name, label in names.items()])
    assert found[["participant_id", "measure"]].to_numpy().tolist() == [
        ["sub-5", "median tSNR"],
        ["sub-4", "mean FD"],
    ]
    assert found.loc[1, ["value", "median"]].tolist() == [2.0, 0.3]
    assert found["z"].round(2).tolist() == [-25.41, 11.47]
