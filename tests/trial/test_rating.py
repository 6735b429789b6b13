"""Ratings: what excludes a session, and which tables are refused."""

import pytest

from crossfc.fault import Fault
from crossfc.trial.rating import disagreed, excluding, read_ratings
from crossfc.trial.sheet import read_sheet

SESSIONS = "participant_id\tsession_id\nsub-01\tses-a\nsub-01\tses-b\nsub-02\tses-a\n"
HEAD = "participant_id\tsession_id\trater\trating\treason\n"


def read(folder, text):
    (folder / "sessions.tsv").write_text(SESSIONS)
    (folder / "ratings.tsv").write_text(text)
    return read_ratings(folder / "ratings.tsv", read_sheet(folder / "sessions.tsv", ()))


def refusal(folder, text):
    with pytest.raises(Fault) as caught:
        read(folder, text)
    return str(caught.value)


def test_any_rater_who_excludes_is_enough(tmp_path):
    rows = [
        "sub-02\tses-a\tAB\tGood\tn/a",
        "sub-01\tses-a\tCD\tpoor\tringing",
        "sub-01\tses-a\tAB\tbad\tno signal in the vmPFC",
        "sub-01\tses-b\tAB\tn/a\tn/a",
    ]
    found = read(tmp_path, HEAD + "\n".join(rows) + "\n")
    # In the order of sessions and raters; what is not rated yet is no rating.
    assert [(own["participant_id"], own["rater"]) for own in found] == [
        ("sub-01", "AB"),
        ("sub-01", "CD"),
        ("sub-02", "AB"),
    ]
    session = "sub-01", "ses-a"
    assert excluding(found) == {session: ["rated bad by AB: no signal in the vmPFC"]}
    assert disagreed(found) == {session}


def test_a_column_of_decisions_does_too(tmp_path):
    text = "participant_id\tsession_id\trater\texclude\treason\n"
    text += "sub-01\tses-a\tAB\tyes\tsleep\nsub-02\tses-a\tAB\tno\tn/a\n"
    found = read(tmp_path, text)
    assert [(own["rating"], own["exclude"]) for own in found] == [
        ("exclude", True),
        ("include", False),
    ]
    graded = text.replace("exclude\treason", "exclude\treason\trating")
    graded = graded.replace("sleep", "sleep\tpoor").replace("n/a\n", "n/a\tpoor\n")
    assert [own["exclude"] for own in read(tmp_path, graded)] == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "sub-1\tses-a\tAB\tgood\tn/a\n",
         'row 2, column "participant_id": sub-1 has no row in'),
        (HEAD + "sub-02\tses-b\tAB\tgood\tn/a\n",
         'row 2, column "session_id": sub-02 has no ses-b in'),
        (HEAD + "sub-01\tses-a\tAB\tbda\tx\n", "'bda' is none of exclude, bad, include"),
        (HEAD + "sub-01\tses-a\tAB\tbad\tn/a\n", 'row 2, column "reason" is missing; a session'),
        (HEAD + "sub-01\tses-a\tn/a\tbad\tx\n", 'row 2, column "rater" is missing; a session'),
        (HEAD + 2 * "sub-01\tses-a\tAB\tgood\tn/a\n", "rates sub-01 ses-a by AB again after row 2"),
        (HEAD.replace("rating", "rated"), 'column "rated" is unknown; remove it or use one of'),
        (HEAD.replace("rating\t", ""), "has neither a column rating (exclude, bad, include"),
        (HEAD.replace("\trater", ""), "lacks the column rater; add it"),
        (HEAD.replace("rating", "exclude") + "sub-01\tses-a\tAB\tmaybe\tx\n",
         "'maybe' is neither yes nor no"),
        ("participant_id\tsession_id\trater\trating\texclude\treason\n"
         "sub-01\tses-a\tAB\tbad\tno\tx\n",
         'column "exclude" is no, and the rating is bad; correct one of the two'),
    ],
)  # fmt: skip
def test_what_cannot_be_a_rating_is_refused_in_a_sentence(tmp_path, text, words):
    told = refusal(tmp_path, text)
    assert words in told and "ratings.tsv" in told and "\n" not in told


def test_a_table_that_is_not_there_is_named_by_its_key(tmp_path):
    (tmp_path / "sessions.tsv").write_text(SESSIONS)
    with pytest.raises(Fault, match=r"config key exclusion.ratings: .*none.tsv does not exist"):
        read_ratings(tmp_path / "none.tsv", read_sheet(tmp_path / "sessions.tsv", ()))
