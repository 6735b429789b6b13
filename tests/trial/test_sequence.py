"""The order of treatments as a number."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.trial.sequence import sequence_code

TREATMENTS = {"active": "ketamine", "control": "placebo"}


def test_active_first_is_minus_one():
    assert sequence_code("ketamine-placebo", TREATMENTS) == -1
    assert sequence_code("placebo-ketamine", TREATMENTS) == 1


@pytest.mark.parametrize("unknown", [None, "n/a", "", np.nan])
def test_unknown_order_has_no_code(unknown):
    assert sequence_code(unknown, TREATMENTS) is None


def test_slope_on_the_code_is_the_period_effect():
    drug, period = 2.0, 0.7
    response = {("ketamine", 1): drug, ("ketamine", 2): drug + period}
    response |= {("placebo", 1): 0.0, ("placebo", 2): period}
    orders = ["ketamine-placebo", "placebo-ketamine"]
    delta = []
    for order in orders:
        first, second = order.split("-")
        when = {first: 1, second: 2}
        delta.append(response["ketamine", when["ketamine"]] - response["placebo", when["placebo"]])
    design = [[1, sequence_code(order, TREATMENTS)] for order in orders]
    np.testing.assert_allclose(np.linalg.solve(design, delta), [drug, period])


def test_impossible_order_is_refused():
    with pytest.raises(Fault, match='sequence "placebo" is not one of ketamine-placebo'):
        sequence_code("placebo", TREATMENTS)
