"""What the record says of the number of arrangements."""

import numpy as np
import pytest

from crossfc.group.design.arrangement import sign_flips
from crossfc.group.findings.record import few_arrangements


@pytest.mark.parametrize(("n", "least"), [(5, "0.0625"), (6, "0.0312"), (7, "0.0156")])
def test_few_people_allow_no_small_p(n, least):
    """Sign flips of n people: 2 of 2^n arrangements have the observed size of t."""
    flips = sign_flips(n, 10_000, 0)
    (said,) = few_arrangements(n, len(flips), 2, exhaustive=flips.exhaustive)
    assert f"There are only {2**n} arrangements of {n} people, 2 of which are alike" in said
    assert f"no p can be below {least}, whatever the data" in said
    assert said.endswith("nothing can be significant.") == (n == 5)


def test_enough_is_not_warned_of():
    assert few_arrangements(8, 2**8, 2, exhaustive=True) == []
    assert few_arrangements(20, 1001, 2, exhaustive=False) == []


def test_few_permutations_are_told_with_the_error_of_their_p():
    (said,) = few_arrangements(20, 300, 2, exhaustive=False)
    drawn = np.random.default_rng(0).binomial(299, 0.05, 100_000) / 299
    assert f"a standard error of {drawn.std():.2g} with 299 permutations" in said
    assert "config key group.permutations" in said
