"""Every table that a job writes gets a sidecar with all its columns, and other files none."""

import json

from crossfc.jobs.sidecar import write_sidecars


def test_a_table_is_described_column_by_column(tmp_path):
    path = tmp_path / "quality/defects.tsv"
    path.parent.mkdir()
    path.write_text("participant_id\tvolume\nsub-01\t3\n")
    write_sidecars([path], tmp_path)
    said = json.loads(path.with_suffix(".json").read_text())
    assert said == {
        "Description": "Volumes that are no measurement.",
        "participant_id": {"Description": "Label of the person."},
        "volume": {"Description": "Number of the volume, from 0."},
    }


def test_tables_in_a_folder_that_a_job_makes_with_labels_in_their_columns(tmp_path):
    func = tmp_path / "sub-01/ses-1/func"
    func.mkdir(parents=True)
    path = func / "sub-01_ses-1_task-rest_desc-primary_timeseries.tsv"
    path.write_text("seed_sgACC\ttarget_insulaR\n1\t2\n")
    write_sidecars([func], tmp_path)
    said = json.loads(path.with_suffix(".json").read_text())
    assert said["seed_sgACC"] == {
        "Description": "Mean over the voxels of the seed.",
        "Units": "as the scan",
    }
    assert list(said) == ["Description", "seed_sgACC", "target_insulaR"]


def test_sidecars_of_others_are_left_alone(tmp_path):
    study, other = tmp_path / "study", tmp_path / "derivatives/sub-01/func"
    for folder in (study / "preprocessed/sub-01/ses-1/func", other):
        folder.mkdir(parents=True)
        (folder / "sub-01_ses-1_desc-confounds_timeseries.tsv").write_text("trans_x\n0\n")
        own = folder / "sub-01_ses-1_desc-confounds_timeseries.json"
        own.write_text('{"trans_x": {"Units": "mm"}}')
        write_sidecars([folder], study)
        assert json.loads(own.read_text()) == {"trans_x": {"Units": "mm"}}
