"""Scans that are whole are read; every other one is refused in a sentence that helps."""

import gzip
from functools import partial

import nibabel as nib
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.scan import open_scan
from tests.image import write_image

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -20], [0, 0, 3.3, -10], [0, 0, 0, 1]])


save = partial(write_image, affine=AFFINE, codes=(1, 1))


def _series(volumes=24, dtype=np.int16):
    generator = np.random.default_rng(3)
    return generator.integers(0, 900, (6, 7, 5, volumes)).astype(dtype)


def test_reads_values_affine_and_repetition_time(tmp_path):
    data = _series()
    scan = open_scan(save(tmp_path / "a_bold.nii.gz", data))
    np.testing.assert_array_equal(scan.data, data.astype(np.float32))
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-5)
    np.testing.assert_allclose(scan.voxel_sizes, [3, 3, 3.3], atol=1e-5)
    assert (scan.repetition_time, scan.volumes, scan.notes) == (2.0, 24, ())
    assert scan.data.dtype == np.float32


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_reads_what_nibabel_reads(tmp_path, extension, dtype):
    path = save(tmp_path / f"a{extension}", _series(dtype=dtype))
    np.testing.assert_array_equal(open_scan(path).data, nib.load(path).get_fdata())


def test_slope_intercept_and_byte_order(tmp_path):
    image = nib.Nifti1Image(_series(), AFFINE, nib.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 2
    image.header.set_slope_inter(0.25, -7)
    nib.save(image, tmp_path / "a.nii.gz")
    expected = nib.load(tmp_path / "a.nii.gz").get_fdata()
    np.testing.assert_allclose(open_scan(tmp_path / "a.nii.gz").data, expected, rtol=1e-6)


def test_reads_nifti2_and_time_in_the_fifth_dimension(tmp_path):
    image = nib.Nifti2Image(_series()[:, :, :, None], AFFINE)
    image.header["pixdim"][5] = 2.5
    nib.save(image, tmp_path / "a.nii.gz")
    scan = open_scan(tmp_path / "a.nii.gz", sidecar={"RepetitionTime": 2.5})
    assert scan.data.shape == (6, 7, 5, 24)
    assert scan.repetition_time == 2.5


@pytest.mark.parametrize(
    ("unit", "stored"), [("sec", 2.5), ("msec", 2500), ("usec", 2.5e6), ("unknown", 2500)]
)
def test_units_of_time(tmp_path, unit, stored):
    path = save(tmp_path / "a.nii.gz", _series(), repetition_time=stored, unit=unit)
    scan = open_scan(path, sidecar={"RepetitionTime": 2.5})
    assert scan.repetition_time == pytest.approx(2.5)


def test_header_without_repetition_time_is_no_disagreement(tmp_path):
    path = save(tmp_path / "a.nii.gz", _series(), repetition_time=0)
    assert open_scan(path, sidecar={"RepetitionTime": 2.5}).repetition_time == 2.5


def _broken(folder, how):
    path = folder / "a_bold.nii.gz"
    if how == "missing":
        return path, {}
    if how == "dangling":
        path.symlink_to(folder / "annex" / "object")
        return path, {}
    if how == "analyze":
        return folder / "a_bold.img", {}
    data = _series()
    if how == "three":
        return save(path, data[..., 0]), {}
    if how == "few":
        return save(path, data[..., :19]), {}
    if how == "nan":
        data = data.astype(np.float32)
        data[1, 2, 3, 4] = np.nan
        data[2, 2, 3, 4] = np.inf
        return save(path, data), {}
    if how == "constant":
        return save(path, np.zeros_like(data)), {}
    if how == "unoriented":
        return save(path, data, codes=(0, 0)), {}
    if how == "disagree":
        image = nib.Nifti1Image(data, AFFINE)
        image.set_sform(AFFINE, 1)
        image.set_qform(AFFINE @ np.diag([-1, 1, 1, 1]), 1)
        image.header["pixdim"][4] = 2
        nib.save(image, path)
        return path, {}
    if how == "singular":
        raw = bytearray(gzip.decompress(save(path, data, codes=(1, 0)).read_bytes()))
        raw[312:328] = np.array([0, 0, 0, -10], dtype="<f4").tobytes()  # srow_z
        path.write_bytes(gzip.compress(raw))
        return path, {}
    if how == "tr":
        return save(path, data, repetition_time=2.0), {"sidecar": {"RepetitionTime": 2.002}}
    if how == "no tr":
        return save(path, data, repetition_time=0), {}
    if how == "true tr":
        return save(path, data), {"sidecar": {"RepetitionTime": True}}
    if how == "tr in ms":
        return save(path, data), {"sidecar": {"RepetitionTime": 2000}}
    if how == "odd tr":
        return save(path, data), {"sidecar": {"RepetitionTime": "2"}}
    save(path, data)
    whole = path.read_bytes()
    if how == "cut gz":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "flipped":
        path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 255]) + whole[-5:])
    elif how == "no gz":
        path.write_bytes(gzip.decompress(whole))
    elif how == "cut inside":
        path.write_bytes(gzip.compress(gzip.decompress(whole)[:-100]))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "not nifti":
        path.write_bytes(gzip.compress(b"x" * 4000))
    return path, {}


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("missing", "does not exist; check the sheet"),
        ("dangling", "is a link to .*, where nothing is; fetch its content"),
        ("analyze", "neither .nii nor .nii.gz"),
        ("three", "shape 6×7×5 where 4 dimensions are due"),
        ("few", "19 volumes, fewer than 20"),
        ("nan", r"2 voxels that are NaN or infinite, the first at index \(1, 2, 3, 4\)"),
        ("constant", "value 0 in every voxel"),
        ("unoriented", "sform_code and qform_code are 0.*accept_unoriented: true"),
        ("disagree", "sform and a qform that put the same voxel up to .* mm apart"),
        ("singular", "affine that is not invertible"),
        ("tr", "2 s in its header but 2.002 s in its sidecar"),
        ("no tr", "no repetition time.*add RepetitionTime"),
        ("odd tr", 'RepetitionTime "2"; give seconds'),
        ("true tr", "RepetitionTime true; give seconds"),
        ("tr in ms", "2 s in its header but 2000 s in its sidecar; .*milliseconds: give seconds"),
        ("cut gz", "truncated or corrupt.*again"),
        ("flipped", "truncated or corrupt.*again"),
        ("no gz", "truncated or corrupt.*again"),
        ("cut inside", "truncated: it holds .* bytes of voxels where the header says"),
        ("empty", "again"),
        ("not nifti", "no valid NIfTI header"),
    ],
)
def test_faulty_scans_are_refused_in_one_sentence(tmp_path, how, sentence):
    path, options = _broken(tmp_path, how)
    with pytest.raises(Fault, match=sentence) as caught:
        open_scan(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_accepted_missing_orientation_is_noted(tmp_path):
    path = save(tmp_path / "a.nii.gz", _series(), codes=(0, 0))
    scan = open_scan(path, accept_unoriented=True)
    assert "no orientation" in scan.notes[0]


def test_forms_that_differ_by_less_than_a_voxel_are_accepted(tmp_path):
    image = nib.Nifti1Image(_series(), AFFINE)
    near = AFFINE.copy()
    near[:3, 3] += 1
    image.set_sform(AFFINE, 1)
    image.set_qform(near, 1)
    image.header["pixdim"][4] = 2
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(open_scan(tmp_path / "a.nii.gz").affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_the_header_tells_the_slice_axis(tmp_path, axis):
    image = nib.Nifti1Image(_series(), AFFINE)
    image.header["pixdim"][4] = 2
    image.header.set_dim_info(slice=axis)
    nib.save(image, tmp_path / "a.nii.gz")
    assert open_scan(tmp_path / "a.nii.gz").slice_axis == axis


# Derivatives -------------------------------------------------------------------------------------


def test_the_sidecar_of_a_derivative_wins_with_a_note(tmp_path):
    """fMRIPrep 23.2.0 wrote 1 s into the header and the right time into the sidecar."""
    path = save(tmp_path / "a.nii.gz", _series(), repetition_time=1.0)
    scan = open_scan(path, kind="derivative", sidecar={"RepetitionTime": 2.5})
    assert scan.repetition_time == 2.5
    assert scan.notes == (
        "the header says a repetition time of 1 s, the sidecar 2.5 s; the sidecar's was taken",
    )
    agreed = open_scan(path, kind="derivative", sidecar={"RepetitionTime": 1.0})
    assert agreed.notes == ()


@pytest.mark.parametrize("kind", ["raw", "derivative"])
@pytest.mark.parametrize("tr", [0, 1.0, 2.5])
def test_milliseconds_in_a_sidecar_are_never_taken_for_seconds(tmp_path, kind, tr):
    path = save(tmp_path / "a.nii.gz", _series(), repetition_time=tr)
    with pytest.raises(Fault, match=r"2500 s in its sidecar.*like milliseconds: give seconds"):
        open_scan(path, kind=kind, sidecar={"RepetitionTime": 2500})


def test_one_second_that_only_a_derivatives_header_tells_is_no_knowledge(tmp_path):
    path = save(tmp_path / "a.nii.gz", _series(), repetition_time=1.0)
    with pytest.raises(Fault, match="no RepetitionTime in a sidecar, and its header says 1 s"):
        open_scan(path, kind="derivative")
    assert open_scan(path).repetition_time == 1.0
    save(path, _series(), repetition_time=0.8)
    assert open_scan(path, kind="derivative").repetition_time == pytest.approx(0.8)


def _unmarked(path, srow=AFFINE):
    """Keep the matrix of a header and take away what vouches for it."""
    raw = bytearray(gzip.decompress(save(path, _series(), codes=(1, 0)).read_bytes()))
    raw[252:256] = bytes(4)  # qform_code and sform_code
    raw[280:328] = np.asarray(srow[:3], dtype="<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


def test_an_accepted_derivative_keeps_the_matrix_of_its_header(tmp_path):
    """nibabel's guess would put the origin into the middle, some 20 mm from the template's."""
    path = _unmarked(tmp_path / "a.nii.gz")
    with pytest.raises(Fault, match="or set derivatives.accept_unoriented: true"):
        open_scan(path, kind="derivative")
    scan = open_scan(path, kind="derivative", accept_unoriented=True)
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-5)
    assert scan.notes == (
        "the header marks no orientation; the matrix that stands in it was taken",
    )


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.eye(4), np.full((4, 4), np.nan)])
def test_a_derivative_without_a_matrix_is_refused_whatever_is_accepted(tmp_path, matrix):
    path = _unmarked(tmp_path / "a.nii.gz", matrix)
    with pytest.raises(Fault, match="no matrix of its voxel size stands in the header; write it"):
        open_scan(path, kind="derivative", accept_unoriented=True)


def test_an_unoriented_region_names_no_key_that_would_not_help(tmp_path):
    save(tmp_path / "a.nii.gz", _series()[..., 0], codes=(0, 0))
    with pytest.raises(Fault, match="so left and right are unknown; convert it again$"):
        open_scan(tmp_path / "a.nii.gz", dimensions=3, kind="region")
