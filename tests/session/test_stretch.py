"""Stretches of neighbours in time."""

import numpy as np
import pytest

from crossfc.session.stretch import in_stretches, stretches


def test_stretches_at_both_ends_and_of_one_element():
    true = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=bool)
    assert list(stretches(true)) == [(0, 2), (3, 4), (6, 9)]
    assert list(stretches(~true)) == [(2, 3), (4, 6)]


@pytest.mark.parametrize(("least", "kept"), [(1, "110100111"), (2, "110000111"), (3, "000000111")])
def test_short_stretches_are_left_out(least, kept):
    true = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=bool)
    assert "".join(str(int(own)) for own in in_stretches(true, least)) == kept


def test_nothing_and_everything():
    assert not in_stretches(np.zeros(3, dtype=bool), 1).any()
    assert in_stretches(np.ones(3, dtype=bool), 3).all() and not len(
        in_stretches(np.ones(0, bool), 1)
    )
