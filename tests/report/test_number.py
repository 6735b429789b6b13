"""Numbers in print."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crossfc.report import number


@pytest.mark.parametrize(
    ("p", "printed"),
    [
        (1.0, "1.00"), (0.214, "0.21"), (0.043, "0.043"), (0.0021, "0.0021"),
        (0.0496, "0.0496"), (0.0501, "0.0501"), (0.05, "0.050"), (0.00099, "0.00099"),
        (0.0000123, "1.2 × 10⁻⁵"), (0.00000999, "1.0 × 10⁻⁵"), (float("nan"), "n/a"),
    ],
)  # fmt: skip
def test_probability(p, printed):
    assert number.probability(p) == printed


@given(some.floats(1e-4, 1))
def test_a_printed_p_is_on_the_right_side_of_the_level(p):
    printed = float(number.probability(p))
    if abs(p - 0.05) > 1e-6:
        assert (printed < 0.05) == (p < 0.05)
    assert printed == pytest.approx(p, rel=0.051, abs=0.0051 if p >= 0.1 else 0)


def test_smallest_possible_p_says_so():
    told = number.p_equals(1 / 1001, 1000)
    assert told == "p = 0.001 (smallest possible with 1000 permutations)"
    assert number.p_equals(2 / 1001, 1000) == "p = 0.0020"
    # All 128 sign flips of 7 people: the observed one and its mirror image.
    assert "smallest possible with all 128 arrangements" in number.p_equals(2 / 128, 128, True, 2)
    assert "smallest" not in number.p_equals(4 / 128, 128, True, 2)


def test_an_extrapolated_p_is_marked():
    assert number.p_equals(0.0001, 1000, least=1e-6) == "p = 0.00010†"
    assert number.p_equals(1e-6, 1000, least=1e-6) == "p ≤ 1.0 × 10⁻⁶†"


def test_signs_and_whole_numbers():
    assert number.fixed(-0.001) == "0.00"
    assert number.fixed(-1.5, 1) == "−1.5"
    assert number.signed(0.3) == "+0.30"
    assert number.signed(-0.3) == "−0.30"
    assert number.signed(0.001) == "0.00"
    assert number.whole(5000) == "5000"
    assert number.whole(21816.0) == "21\u2009816"
    assert number.place(38, 12, -4.0) == "(38, 12, −4)"
    assert number.listed(["a", "b", "c"]) == "a, b and c"
    assert number.interval(-0.8, float("nan")) == "n/a"
