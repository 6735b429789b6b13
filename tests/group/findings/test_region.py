"""Names of regions at, near and far from a labelled voxel."""

import nibabel as nib
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.group.findings.region import Atlas, names_at


@pytest.fixture
def files(tmp_path):
    labels = np.zeros((20, 20, 20), dtype=np.int16)
    labels[5, 5, 5] = 7
    labels[12:15, 5, 5] = 3
    labels[0, 0, 0] = 99  # not in the table
    affine = np.array([[-2.0, 0, 0, 20], [0, 2, 0, -20], [0, 0, 2, -20], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / "atlas.nii.gz")
    (tmp_path / "atlas.tsv").write_text("index\tname\n0\tnothing\n3\tinsula (R)\n7\tNA\n")
    return tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv"


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ((10, -10, -10), "NA"),
        ((10.9, -10.9, -10), "NA"),  # the same voxel
        ((-4, -10, -10), "insula (R)"),
        ((-4, -6, -10), "near insula (R)"),
        ((-4, -5, -10), "near insula (R)"),  # 5 mm
        ((-4, -4.9, -10), ""),
        ((15, -10, -10), "near NA"),
        ((20, -20, -20), ""),  # a label without a name
        ((500, 0, 0), ""),
    ],
)
def test_names(files, point, name):
    assert Atlas(*files).name(*point) == name


def test_the_nearest_region_wins(files):
    assert Atlas(*files, reach_mm=30).name(4, -10, -10) == "near NA"
    assert Atlas(*files, reach_mm=30).name(2, -10, -10) == "near insula (R)"


@pytest.mark.parametrize("reach_mm", [5, 30])
def test_names_of_many_points_are_those_of_each(files, reach_mm):
    atlas = Atlas(*files, reach_mm=reach_mm)
    # Between voxels too, where several labelled ones are equally near.
    across, up = np.arange(-12, 17.0), np.arange(-14, -5.0)
    points = np.stack(np.meshgrid(across, up, up), axis=-1).reshape(-1, 3)
    names, which = names_at(atlas, points)
    assert names[0] == "" and len(set(names)) == len(names)
    assert [names[n] for n in which] == [atlas.name(*point) for point in points]
    assert {"insula (R)", "near insula (R)", "near NA"} <= set(names)


def test_points_without_any_region_have_no_name(files):
    names, which = names_at(Atlas(*files), np.full((3, 3), 500.0))
    assert [names[n] for n in which] == ["", "", ""]


def test_shares_of_a_cluster(files):
    points = [(-4, -10, -10), (-6, -10, -10), (10, -10, -10), (0, 0, 0), (500, 0, 0)]
    shares = Atlas(*files).shares(np.array(points))
    assert list(shares.items()) == [("insula (R)", 0.4), ("NA", 0.2)]
    assert Atlas(*files).shares(np.array([[0.0, 0, 0]])) == {}


@pytest.mark.parametrize(
    ("voxels", "peak", "name", "share"),
    [
        # Most of the cluster is insula, though its peak is elsewhere.
        ([(12, 5, 5), (13, 5, 5), (5, 5, 5)], 2, "insula (R)", 2 / 3),
        # Equal shares: by name.
        ([(12, 5, 5), (5, 5, 5)], 0, "NA", 1 / 2),
        # Half of it in no region: the largest region still names it; more than half: it says so.
        ([(12, 5, 5), (13, 5, 5), (9, 9, 9), (9, 9, 8)], 2, "insula (R)", 1 / 2),
        (
            [(12, 5, 5), (9, 9, 9), (9, 9, 8), (9, 9, 7)],
            0,
            "mostly unlabelled tissue (25 % insula (R))",
            1 / 4,
        ),
        ([(9, 9, 9), (9, 9, 8)], 0, "unlabelled tissue", 0.0),
        ([(14, 7, 5), (9, 9, 8)], 0, "unlabelled tissue, near insula (R)", 0.0),
    ],
)
def test_a_cluster_is_named_by_what_holds_most_of_it(files, voxels, peak, name, share):
    points = np.array(voxels) * [-2.0, 2, 2] + [20, -20, -20]
    assert Atlas(*files).most(points, points[peak]) == (name, pytest.approx(share))


def test_faults(files, tmp_path):
    with pytest.raises(
        Fault, match="none.nii.gz does not exist; correct the config key group.atlas"
    ):
        Atlas(tmp_path / "none.nii.gz", files[1])
    files[1].write_text("number\tname\n1\tx\n")
    with pytest.raises(Fault, match="lacks the column index"):
        Atlas(*files)
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3, 2)), np.eye(4)), tmp_path / "four.nii.gz")
    files[1].write_text("index\tname\n1.5\tx\n")
    with pytest.raises(Fault, match="row 2.*'1.5' is no whole number"):
        Atlas(*files)
    files[1].write_text("index\tname\n1\tx\n1\ty\n")
    with pytest.raises(Fault, match="row 3.*1 stands there twice"):
        Atlas(*files)
    files[1].write_text("index\tname\n1\tx\n")
    with pytest.raises(Fault, match="one volume"):
        Atlas(tmp_path / "four.nii.gz", files[1])
