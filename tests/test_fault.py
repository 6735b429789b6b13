"""A fault says where it is, and a list of faults is one sentence per line."""

import pytest

from crossfc.fault import Fault, at, raise_all


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (None, None, "sessions.tsv"),
        (3, None, "sessions.tsv, row 3"),
        (None, "period", 'sessions.tsv, column "period"'),
        (3, "period", 'sessions.tsv, row 3, column "period"'),
    ],
)
def test_place_names_file_row_and_column(row, column, said):
    assert at("sessions.tsv", row, column) == said


def test_all_sentences_are_raised_at_once():
    with pytest.raises(Fault) as caught:
        raise_all(["one is wrong", "two is wrong"])
    assert str(caught.value).splitlines() == ["one is wrong", "two is wrong"]


def test_no_fault_raises_nothing():
    assert raise_all([]) is None
