"""A fault says where it is, and a list of faults is one sentence per line."""

import pytest

from crossfc.fault import LONGEST, MOST, Fault, at, causes, raise_all


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


def test_one_cause_is_one_line_with_its_first_three_places_and_a_count():
    said = [
        f"s.tsv, row {n}, column \"treatment\": 'ket' is none; correct it" for n in range(2, 120)
    ]
    other = "s.tsv, row 7, column \"treatment\": 'plac' is none; correct it"
    assert causes([*said[:50], other, *said[50:]]) == [
        f"{said[0]} (118 such: row 2, row 3, row 4 and 115 more)",
        other,
    ]
    assert causes(said[:2]) == [f"{said[0]} (2 such: row 2, row 3)"]
    assert causes([said[0], said[0]]) == said[:1]


def test_files_and_persons_are_places_and_numbers_are_not():
    files = [f"d/sub-{n}/func/sub-{n}_bold.nii.gz: a header of {n}.5 s; correct it" for n in (1, 2)]
    assert causes(files) == [f"{files[0]} (2 such: sub-1_bold.nii.gz, sub-2_bold.nii.gz)"]
    # Two files of one name are told apart by their folders.
    folders = [f"/d/sub-{k}/ses-1/func has no mask" for k in (1, 2)]
    assert causes(folders)[0].endswith("(2 such: /d/sub-1/ses-1/func, /d/sub-2/ses-1/func)")
    scores = [f's.tsv, row {n}, column "MADRS": {n + 60} is outside 0 to 60' for n in (3, 4, 9, 11)]
    assert causes(scores) == [f"{scores[0]} (4 such: row 3, row 4, row 9 and 1 more)"]
    # A fault of a head is another than that of a run, and so is that of a mask.
    kinds = [f"raw/sub-1_{kind} is truncated" for kind in ("bold.nii.gz", "T1w.nii.gz", "mask.nii")]
    assert causes(kinds) == kinds
    # Another column, word or key is another cause.
    scales = ["HAMD17", "HAMD21"]
    assert len(causes([f'row 1, column "{scale}": 70 is outside' for scale in scales])) == 2
    assert len(causes(["config key a.b: 1 is low", "config key a.c: 1 is low"])) == 2


def test_an_underscore_in_a_folder_parts_no_cause():
    folders = [f"/data/my_study/deriv/sub-{k}/ses-1/func has no mask" for k in (1, 2)]
    assert len(causes(folders)) == 1


def test_a_line_of_a_fault_joins_its_like():
    with pytest.raises(Fault) as caught:
        raise_all(["row 1 is odd\nrow 1 is red", "row 2 is odd\nrow 2 is red"])
    assert str(caught.value).splitlines() == [
        "row 1 is odd (2 such: row 1, row 2)",
        "row 1 is red (2 such: row 1, row 2)",
    ]


def test_many_causes_are_cut_with_their_number():
    lines = causes([f"cause {'x' * n}" for n in range(1, MOST + 8)])
    assert len(lines) == MOST + 1
    assert lines[-1].startswith("… and 7 more causes")


def test_what_a_fault_quotes_cannot_spoil_the_terminal():
    said = str(Fault("file\x1b[31m, tab\there: \u202e is odd; é and 日本 are not"))
    assert said == "file\\x1b[31m, tab\\there: \\u202e is odd; é and 日本 are not"
    said = str(Fault("s.tsv, row 3: " + "x" * 100_000 + " is no number; correct it"))
    assert len(said) <= LONGEST
    assert said.startswith("s.tsv, row 3: xxx") and said.endswith("is no number; correct it")
