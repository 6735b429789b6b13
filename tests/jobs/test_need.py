"""What a job asks a cluster for: by the size of its data, and more on every attempt."""

import nibabel
import numpy as np
import pytest
import yaml

from crossfc.jobs import need


@pytest.mark.parametrize("kind", ["nii", "nii.gz", "img"])
def test_size_of_an_image_by_its_header(tmp_path, kind):
    image = (nibabel.Spm2AnalyzeImage if kind == "img" else nibabel.Nifti1Image)(
        np.zeros((10, 20, 30, 5), "int16"), np.eye(4)
    )
    path = str(tmp_path / f"bold.{kind}")
    image.to_filename(path)
    assert need.image_mb(path) == pytest.approx(4e-6 * 30_000)
    small = str(tmp_path / "small.nii")
    nibabel.Nifti1Image(np.zeros((2, 2, 2), "f4"), np.eye(4)).to_filename(small)
    assert need.image_mb([small, path]) == need.image_mb(path)
    # Five volumes of 2 mm, whatever the voxels of the scan.
    assert need.resampled_mb(path, 2) == pytest.approx(5 * 4e-6 * 201 * 237 * 193 / 8)


def test_image_that_cannot_be_read_is_left_to_its_job(tmp_path):
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(b"\x1f\x8b\x08 no more")
    assert need.image_mb(str(path)) == pytest.approx(4e-6)
    with pytest.raises(FileNotFoundError):
        need.image_mb(str(tmp_path / "none.nii.gz"))


def test_first_map_in_folders_and_files(tmp_path):
    folder = tmp_path / "ses-a/func"
    with pytest.raises(FileNotFoundError):
        need.first_map([str(folder)])
    folder.mkdir(parents=True)
    # All is there but no map: the job will say so, and must be planned for that.
    assert need.image_mb(need.first_map([str(folder)])) == pytest.approx(4e-6)
    (folder / "sub-1_desc-primary_boldmap.nii.gz").touch()
    assert need.first_map([str(folder)]).endswith("primary_boldmap.nii.gz")
    assert need.first_map(["ready.nii.gz", str(folder)]) == "ready.nii.gz"


def test_shape_of_an_array_by_its_header(tmp_path):
    np.save(tmp_path / "delta.npy", np.zeros((4, 3, 7), "f4"))
    assert need.array_shape(f"{tmp_path}/delta.npy") == (4, 3, 7)


def test_array_that_cannot_be_read_is_left_to_its_job(tmp_path):
    with pytest.raises(FileNotFoundError):
        need.array_shape(f"{tmp_path}/pairs/delta.npy")
    assert need.array_shape(f"{tmp_path}/delta.npy") == (1, 1, 1)
    (tmp_path / "delta.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    assert need.array_shape(f"{tmp_path}/delta.npy") == (1, 1, 1)


def test_more_data_and_every_attempt_ask_for_more():
    asked = [need.memory_mb("connectivity_session", {"scan": mb}) for mb in (23, 357, 715)]
    assert asked == sorted(asked) and len(set(asked)) == 3
    for attempt in (2, 3):
        again = need.memory_mb("connectivity_session", {"scan": 357}, attempt)
        assert again == attempt * asked[1]
        first = need.minutes("preprocess_session", {"scan": 357})
        assert need.minutes("preprocess_session", {"scan": 357}, attempt) == attempt * first
    assert need.minutes("report", {}) >= 2


# Measured: rule, sizes (MB), resident memory (MB) and CPU time (s), as in the table of need.py.
@pytest.mark.parametrize(
    ("job", "sizes", "memory", "seconds"),
    [
        ("normalise_subject", {"scan": 161}, 2156, 134),
        ("preprocess_session", {"scan": 715}, 2270, 65),
        ("preprocess_session", {"scan": 357}, 1307, 45),
        ("connectivity_session", {"scan": 715}, 1685, 6.5),
        ("connectivity_session", {"scan": 91}, 262, 1.5),
        ("pair_sessions", {"map": 4.6, "maps": 1325}, 247, 11.6),
        ("group_test", {"data": 136, "maps": 2.82, "sweeps": 2824}, 867, 32),
        ("report", {}, 307, 7),
    ],
)
def test_what_was_measured_fits_into_what_is_asked_for(job, sizes, memory, seconds):
    assert memory < need.memory_mb(job, sizes) < 4 * memory + 1000
    assert seconds < 60 * need.minutes(job, sizes)


def test_every_rule_of_the_profile_is_there_and_asks(root, rules):
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())
    batched = dict(pair.split("=") for pair in profile["groups"])
    assert set(batched) <= set(rules)
    sizes = dict(pair.split("=") for pair in profile["group-components"])
    assert set(batched.values()) == set(sizes) and all(int(n) > 1 for n in sizes.values())
    submitted = {name for name, rule in rules.items() if rule.script and not rule.local}
    assert submitted >= set(batched) and len(submitted) > 8
    for name in submitted:
        asked = rules[name].resources
        assert set(asked) == {"mem_mb", "runtime"}, f"rule {name} does not say what it needs"
        for first, second in filter(None, asked.values()):
            assert second == 2 * first > 0, f"a second attempt at {name} has no more"
    # Its needs are the user's to say: by default 20 GB and 12 hours.
    assert rules["fmriprep_subject"].resources == {
        "mem_mb": (20_000, 40_000),
        "runtime": (720, 1440),
    }
    # What is submitted alone takes minutes, or hours.
    alone = {"normalise_subject", "fmriprep_subject"}
    assert submitted - set(batched) == alone
    edited = [k for k, v in profile["default-resources"].items() if v == "edit-me"]
    assert edited == ["slurm_account", "slurm_partition"]
