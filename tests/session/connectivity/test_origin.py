"""The origin of derivatives, as the description of their folder has it, old and new."""

import json

import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity import origin


def describe(folder, **content):
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "x"} | content))
    return origin.programs(folder)


def test_both_forms_of_description_are_read(tmp_path):
    fmriprep = {"Name": "fMRIPrep", "Version": "23.2.3", "CodeURL": "https://x"}
    known = [{"name": "fMRIPrep", "version": "23.2.3"}]
    assert describe(tmp_path, GeneratedBy=[fmriprep]) == known
    assert describe(tmp_path, PipelineDescription=fmriprep) == known
    both = describe(tmp_path, GeneratedBy=[fmriprep, {"Name": "XCP-D"}])
    assert origin.told(both) == "fMRIPrep 23.2.3, XCP-D (version not known)"


def test_what_is_not_told_is_said_to_be_not_known(tmp_path):
    unknown = "version not known: no program is named in dataset_description.json"
    assert origin.told(origin.programs(tmp_path)) == unknown
    for content in ({}, {"GeneratedBy": "fMRIPrep"}, {"GeneratedBy": [{"Version": "1"}]}):
        assert origin.told(describe(tmp_path, **content)) == unknown


def test_a_description_that_cannot_be_read_is_a_fault(tmp_path):
    (tmp_path / "dataset_description.json").symlink_to(".git/annex/objects/x")
    with pytest.raises(Fault, match="dataset_description.json is a link into git-annex"):
        origin.programs(tmp_path)


def test_other_programs_of_that_version_pass(tmp_path):
    describe(tmp_path, GeneratedBy=[{"Name": "sMRIPrep", "Version": "25.1.0"}])
    origin.refuse_known_faults(tmp_path, [])
    describe(tmp_path, GeneratedBy=[{"Name": "FMRIPREP", "Version": "25.1.0"}])
    with pytest.raises(Fault, match="voxels that were never scanned"):
        origin.refuse_known_faults(tmp_path, [])
    origin.refuse_known_faults(tmp_path, ["25.1.0"])
