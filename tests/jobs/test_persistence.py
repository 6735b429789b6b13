"""Paths in records hold after folders were moved; records lie beside what they are of."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord

from crossfc.jobs.persistence import Persistence, Roots

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def roots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Roots(
        {
            "results": Path("results/demo"),
            "derivatives": "results/demo/preprocessed",
            "bids": None,
            "home": tmp_path / "clone",
        }
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("results/demo/report.html", "results:report.html"),
        ("results/demo/preprocessed/sub-1/a.nii.gz", "derivatives:sub-1/a.nii.gz"),
        ("results/demo_twin/sub-1/a.nii.gz", "results/demo_twin/sub-1/a.nii.gz"),
        ("clone/config/atlas/a.tsv", "home:config/atlas/a.tsv"),
        ("seeds/a.nii.gz", "seeds/a.nii.gz"),
        ("/data/a:b/c.nii", "/data/a:b/c.nii"),
    ],
)
def test_path_is_told_by_its_folder_and_found_again(roots, path, told):
    assert roots.told(path) == told
    assert roots.found(told) == path
    assert roots.told(os.path.abspath(path)) == (told if ":" in told else os.path.abspath(path))


def test_found_where_the_folder_is_now(roots):
    moved = Roots({"results": "elsewhere/demo", "home": "/opt/crossfc"})
    assert moved.found(roots.told("results/demo/sub-1/func")) == "elsewhere/demo/sub-1/func"
    assert os.path.abspath(moved.found("home:config/a.tsv")) == "/opt/crossfc/config/a.tsv"
    text = roots.in_text("{'group_dir': 'results/demo/group', 'title': 'of results/demo/'}")
    assert text == "{'group_dir': 'results:group', 'title': 'of results/demo/'}"
    assert moved.out_of_text(text).startswith("{'group_dir': 'elsewhere/demo/group'")


def test_record_lies_beside_what_it_is_of(roots):
    assert roots.record("results/demo/sub-1/func") == Path(
        "results/demo/logs/records/sub-1/func.record"
    )
    assert roots.record("results/demo/preprocessed/sub-1/a.nii.gz") == Path(
        "results/demo/preprocessed/.crossfc/records/sub-1/a.nii.gz.record"
    )
    assert roots.record("clone/a.txt") is None


def test_a_record_that_is_written_is_the_one_that_is_read(tmp_path, monkeypatch):
    """In a batch, the next job tells a folder by the record of the job that has just made it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Persistence, "roots", Roots({"results": "results/demo"}))
    folder = Path("results/demo/group/pairs")
    folder.mkdir(parents=True)
    store = Persistence(nolock=True)

    def write(endtime: float) -> str:
        record = MetadataRecord(starttime=1.0, endtime=endtime)
        record.record_format_version = RECORD_FORMAT_VERSION
        store._write_record(str(folder), record)
        return store._identity(str(folder))

    # The first was read, so it is remembered.
    assert write(2.0) == "made:1.0:2.0"
    assert write(3.0) == "made:1.0:3.0"
    store._delete_record(str(folder))
    assert store._identity(str(folder)).startswith("folder:")


class Job:
    """Parameters as Snakemake has them: made anew after a reset, when they are asked for."""

    rule = SimpleNamespace(snakefile=ROOT / "workflow/rules/connectivity.smk")

    def __init__(self):
        self._params, self._not_derived = None, None

    def _expand(self):
        named = {"scans": ["a.nii"], "task": "rest", "command": ["from", "output"]}
        self._params, self._not_derived = named, [named["scans"], named["task"]]

    @property
    def params(self):
        if self._params is None:
            self._expand()
        return self._params

    @property
    def non_derived_params(self):
        if self._not_derived is None:
            self._expand()
        return self._not_derived

    def reset(self):
        self._params = None


def test_parameters_by_name_are_the_same_at_another_attempt(tmp_path, monkeypatch):
    """On a cluster, what a batch left is submitted again with more memory."""
    monkeypatch.chdir(tmp_path)
    store, job = Persistence(nolock=True), Job()
    expected = {"scans": "['a.nii']", "task": "'rest'"}
    assert store.parameters(job) == expected
    job.reset()
    assert store.parameters(job) == expected
