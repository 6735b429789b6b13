"""Paths: which can be used as they stand, and what is said of the others."""

import pytest

from crossfc.trial.path import is_file, path_fault


@pytest.mark.parametrize(
    "path",
    [
        "results",
        "/data/My Study (1)/bids",
        "../OneDrive - Uni/ä 日本",
        "a*b?[c]",
        "x" * 255,
        "C:/x",
    ],
)
def test_unusual_names_are_paths(path):
    assert path_fault(path) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("$SCRATCH/x", "$SCRATCH/x has a variable or ~"),
        ("/data/${USER}/x", "has a variable or ~"),
        ("~anna/x", "has a variable or ~"),
        ("s3://bucket/x", "is an address; fetch what is there"),
        ("file:///data", "is an address"),
        ("a/{sub}/b", "has { in it, which Snakemake takes for"),
        ("a\tb", "'a\\tb' has a line break, a tab"),
        ("a\0b", "has a line break, a tab or another sign"),
        ("d/" + "é" * 128 + "/x", "has 256 bytes, but a name can have 255"),
        ("abcd/" * 800, "is longer than 3500 bytes"),
    ],
)
def test_a_path_that_cannot_be_used_is_one_sentence_with_a_remedy(path, said):
    fault = path_fault(path)
    assert said in fault and ";" in fault and len(fault) < 300


def test_a_variable_that_is_set_is_filled_in_for_the_remedy(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/anna")
    assert path_fault("$SCRATCH/x").endswith("write the path itself, such as /scratch/anna/x")
    monkeypatch.delenv("SCRATCH")
    assert path_fault("$SCRATCH/x").endswith("write the path itself")


def test_what_cannot_be_a_file_is_none(tmp_path):
    assert is_file(__file__)
    assert not is_file(tmp_path)
    assert not is_file(tmp_path / ("x" * 300))
    assert not is_file("a\0b")
