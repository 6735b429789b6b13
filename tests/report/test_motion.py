"""What the page says of head motion: which numbers, in which direction, and when it warns."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.order import adjusted_change
from crossfc.quality.motion import _numbers
from crossfc.report.motion import motion_line, motion_note

TREATMENTS = {"active": "ketamine", "control": "placebo"}


def results_of(effect, code):
    rng = np.random.default_rng(4)
    delta = effect + 0.02 * rng.standard_normal(len(code))
    adjusted = adjusted_change(delta, code, TREATMENTS)
    row = {"measure": "mean_fd", "group": "TRD", "mean_difference": delta.mean()}
    row |= _numbers(adjusted) | dict.fromkeys(
        ("unadjusted_t", "unadjusted_df", "unadjusted_p"), 1.0
    )
    return SimpleNamespace(
        motion=pd.DataFrame([row]), groups=["TRD"], active="ketamine", control="placebo",
        on_active="under ketamine", heading="",
    ), delta  # fmt: skip


@pytest.mark.parametrize(("effect", "word"), [(0.03, "more"), (-0.03, "less")])
def test_a_change_is_told_with_its_direction_and_interval(effect, word):
    code = np.repeat([1.0, -1.0], [8, 12])
    results, delta = results_of(effect, code)
    said = motion_note(results).replace("−", "-")
    assert said.startswith(
        f"Head motion (mean framewise displacement) was {word} under ketamine in"
    )
    # The mean of the two orders' means, with the interval of least squares.
    x = np.column_stack([np.ones(20), code])
    beta, rest = np.linalg.lstsq(x, delta, rcond=None)[:2]
    error = np.sqrt(rest[0] / 18 * np.linalg.inv(x.T @ x)[0, 0])
    low, high = beta[0] - 2.10092 * error, beta[0] + 2.10092 * error
    assert f"({beta[0]:+.3f} mm, 95 % interval [{low:.3f}, {high:.3f}], p = " in said


def test_no_change_is_no_warning_and_has_no_direction():
    results, _ = results_of(0.001, np.repeat([1.0, -1.0], [10, 10]))
    assert motion_note(results) == ""
    said = motion_line(results)
    assert "no significant difference in TRD between ketamine and placebo" in said
    assert "more" not in said and "less" not in said
