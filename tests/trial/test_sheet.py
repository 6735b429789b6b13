"""Sheets are read so that a fault can be located, whatever a spreadsheet has made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfc.fault import Fault
from crossfc.trial.sheet import MISSING, did_you_mean, format_sheet, read_sheet, read_text

TEXT = "participant_id\tage\nsub-01\t31\nsub-02\tn/a\n"


def write(folder, content, name="people.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def refusal(path, required=("participant_id",), allowed=None):
    with pytest.raises(Fault) as caught:
        read_sheet(path, required, allowed)
    return str(caught.value)


def test_rows_know_their_numbers_and_missing_cells(tmp_path):
    sheet = read_sheet(write(tmp_path, TEXT), ["participant_id"])
    assert sheet.columns == ["participant_id", "age"]
    assert [row.number for row in sheet.rows] == [2, 3]
    assert sheet.rows[0]["age"] == "31"
    assert sheet.rows[1].get("age") is None
    assert sheet.rows[1].get("no such column") is None
    assert sheet.at(sheet.rows[1], "age").endswith('people.tsv, row 3, column "age"')


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("sub-01\t31", " sub-01 \t 31 ").encode(),
        TEXT.replace("sub-01", '"sub-01"').encode(),
        TEXT.rstrip("\n").encode(),
    ],
    ids=["byte-order mark", "Windows", "old Macintosh", "spaces", "quoted", "no last newline"],
)
def test_what_spreadsheets_make_of_a_sheet_reads_the_same(tmp_path, content):
    sheet = read_sheet(write(tmp_path, content), ["participant_id"])
    assert [dict(r.cells) for r in sheet.rows] == [
        {"participant_id": "sub-01", "age": "31"},
        {"participant_id": "sub-02", "age": "n/a"},
    ]


def test_empty_rows_are_passed_over_and_still_counted(tmp_path):
    text = "participant_id\tage\n\t\n\nsub-01\t31\n  \t \n"
    sheet = read_sheet(write(tmp_path, text), ["participant_id"])
    assert [(r.number, r["participant_id"]) for r in sheet.rows] == [(4, "sub-01")]


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.tsv does not exist" in refusal(tmp_path / "nowhere.tsv")


def test_a_sheet_with_commas_is_not_tab_separated(tmp_path):
    for mark in (",", ";", "  "):
        said = refusal(write(tmp_path, TEXT.replace("\t", mark)))
        assert "people.tsv, row 1 has no tabs" in said and ".tsv" in said


@pytest.mark.parametrize("content", ["", "\n\n", "\t\n"])
def test_an_empty_sheet_names_the_columns_it_needs(tmp_path, content):
    assert "is empty; it needs the columns participant_id" in refusal(write(tmp_path, content))


def test_a_row_with_another_number_of_cells_is_named(tmp_path):
    said = refusal(write(tmp_path, TEXT + "sub-03\n"))
    assert "people.tsv, row 4 has 1 cells where the header has 2" in said
    said = refusal(write(tmp_path, TEXT + "sub-03\t1\t2\n"))
    assert "people.tsv, row 4 has 3 cells" in said


def test_a_missing_column_suggests_the_near_one(tmp_path):
    said = refusal(write(tmp_path, TEXT.replace("participant_id", "participant")))
    assert "lacks the column participant_id" in said and "did you mean participant?" in said


def test_unknown_repeated_and_nameless_columns_are_named(tmp_path):
    said = refusal(write(tmp_path, TEXT.replace("age", "agee")), allowed=["participant_id", "age"])
    assert 'people.tsv, row 1, column "agee" is unknown' in said and "did you mean age?" in said
    said = refusal(write(tmp_path, TEXT.replace("age", "participant_id")))
    assert 'column "participant_id" stands there twice' in said
    said = refusal(write(tmp_path, "participant_id\t\nsub-01\t3\n"))
    assert "people.tsv, row 1: column 2 has no name" in said


def test_an_open_quotation_mark_does_not_swallow_rows(tmp_path):
    said = refusal(write(tmp_path, 'participant_id\tnote\nsub-01\t"moved\nsub-02\tok\n'))
    assert "people.tsv, row 2" in said and "quotation marks" in said
    said = refusal(write(tmp_path, 'participant_id\tnote\nsub-01\t"moved\nsub-02\tok"\n'))
    assert "people.tsv, row 2" in said and "several lines" in said
    # A mark inside a cell is text.
    sheet = read_sheet(write(tmp_path, 'participant_id\tnote\nsub-01\tsaid "no"\n'), ["note"])
    assert sheet.rows[0]["note"] == 'said "no"'


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_a_fault(tmp_path, encoding):
    said = refusal(write(tmp_path, TEXT.replace("31", "é").encode(encoding)))
    assert "people.tsv is no UTF-8 text" in said


@pytest.mark.parametrize("content", [b"\x1f\x8b\x00\xff", b"PK\x03\x04\xff\xfe", b"\x00" * 9, b'"'])
def test_binary_files_are_faults(tmp_path, content):
    assert "people.tsv" in refusal(write(tmp_path, content))


def test_a_cell_larger_than_a_cell_is_a_fault(tmp_path):
    assert "people.tsv, row 2" in refusal(write(tmp_path, "participant_id\n" + "x" * 200_000))


def test_a_folder_is_no_sheet(tmp_path):
    with pytest.raises(Fault, match="is a folder where a file is due"):
        read_text(tmp_path)


def test_a_path_that_can_be_no_file_is_a_sentence(tmp_path):
    with pytest.raises(Fault, match=r"… \(\d+ characters\) cannot be read \(File name too long\)"):
        read_text(tmp_path / ("x" * 300))
    with pytest.raises(Fault, match="cannot be read .*correct its path"):
        read_text("a\0b")
    (tmp_path / "loop.tsv").symlink_to("loop.tsv")
    with pytest.raises(Fault, match="loop.tsv cannot be read .*correct its path"):
        read_text(tmp_path / "loop.tsv")


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(CELLS, st.one_of(st.none(), CELLS)), max_size=5))
def test_what_is_written_reads_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sheet") / "s.tsv"
    text = format_sheet(["a", "b"], [{"a": a, "b": b} for a, b in rows])
    path.write_text(text, encoding="utf-8")
    sheet = read_sheet(path, ["a", "b"])
    assert [(r.get("a"), r.get("b")) for r in sheet.rows] == [
        (None if a in MISSING else a, None if b in MISSING else b) for a, b in rows
    ]


def test_cells_are_written_plainly(tmp_path):
    text = format_sheet(["a", "b"], [{"a": 1, "b": None}, {"a": 0.5, "b": "two\nlines"}, {"b": ""}])
    assert text == "a\tb\n1\tn/a\n0.5\ttwo lines\nn/a\tn/a\n"


def test_only_near_words_are_suggested():
    assert did_you_mean("ketamin", ["ketamine", "placebo"]) == "; did you mean ketamine?"
    assert did_you_mean("saline", ["ketamine", "placebo"]) == ""
