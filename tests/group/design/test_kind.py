"""Ready maps that are no Fisher z are told from those that are, and none is analysed as another."""

import re

import nibabel as nib
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.group.design.kind import Judge, faults_of_maps
from crossfc.group.design.volume import Grid
from tests.image import write_image

SHAPE = (20, 20, 20)


def noise(spread=0.2, mean=0.0, seed=0):
    values = np.random.default_rng(seed).normal(mean, spread, SHAPE).astype(np.float32)
    values[0] = np.nan  # outside of the brain
    return values


def standardised():
    values = noise().astype(np.float64)
    values = (values - np.nanmean(values)) / np.nanstd(values)
    return values.astype(np.float32)


@pytest.mark.parametrize("kind", [None, "fisher_z"])
@pytest.mark.parametrize("values", [noise(), noise(0.35, 0.5), noise(0.25, -0.1), noise(1e-4)])
def test_fisher_z_passes_untouched(kind, values):
    assert Judge(kind).read(values, "a.nii.gz") is values


def test_the_seed_itself_is_no_fault():
    values = noise()
    values[5:7, 5:7, 5:7] = 8.4  # a correlation of 1, made finite
    Judge(None).read(values, "a.nii.gz")


@pytest.mark.parametrize("kind", [None, "fisher_z"])
@pytest.mark.parametrize(
    ("values", "why"),
    [
        (noise(5), "the median of its values is 3"),
        (noise(1.3), "of its values are beyond 3, which is a correlation of 0.995"),
        (noise(1, 1000), "the median of its values is 1000"),
        (noise(30, 0), "the median of its values"),
        (standardised(), "standardised to mean 0 and standard deviation 1"),
    ],
)
def test_other_quantities_are_refused_with_the_key_that_says_so(kind, values, why):
    with pytest.raises(Fault, match="a.nii.gz holds no Fisher z: .*maps.kind: other") as caught:
        Judge(kind).read(values, "a.nii.gz")
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert Judge("other").read(values, "a.nii.gz") is values


def test_correlations_are_made_fisher_z():
    r = np.clip(noise(0.3), -0.99, 0.99)
    np.testing.assert_allclose(Judge("correlation").read(r, "a"), np.arctanh(r), rtol=1e-5)
    r[3, 3, 3] = 1.0
    assert np.isfinite(Judge("correlation").read(r, "a")[3, 3, 3])
    r[3, 3, 3] = 1.2
    with pytest.raises(Fault, match="values up to 1.2, where maps.kind: correlation allows none"):
        Judge("correlation").read(r, "a.nii.gz")


def test_a_largest_value_of_exactly_one_is_a_correlation():
    r = np.clip(noise(0.3), -1, 1)
    r[3, 3, 3] = 1.0
    with pytest.raises(Fault, match="looks like correlations: its largest value is 1, .*maps.kind"):
        Judge(None).read(r, "a.nii.gz")
    assert Judge("fisher_z").read(r, "a.nii.gz") is r
    r[3, 3, 3] = 1.3
    assert Judge(None).read(r, "a.nii.gz") is r


def test_correlations_that_nobody_named_are_seen_in_their_seeds():
    def judge(largest, kind=None):
        judge = Judge(kind)
        for value in largest:
            judge.see_seed(np.array([0.5, np.nan, value]))
        judge.require_no_correlations("a.nii.gz")

    with pytest.raises(
        Fault, match="a.nii.gz and the other maps look like correlations: .*0.86 to"
    ):
        judge(np.linspace(0.86, 0.98, 12))
    judge(np.linspace(0.86, 0.98, 12), "fisher_z")  # somebody says that they are none
    judge(np.linspace(0.86, 1.3, 12))  # as Fisher z has it
    judge(np.linspace(0.2, 0.98, 12))  # noise, or seeds that were taken out
    judge(np.linspace(0.86, 0.98, 4))  # too few to tell


def test_faults_of_all_maps_are_told_at_once(tmp_path):
    def save(name, values, affine):
        return str(write_image(tmp_path / name, np.nan_to_num(values), affine))

    plain, moved = np.eye(4) * 3, np.eye(4) * 3
    moved[0, 3] = 2
    paths = [
        save("a.nii.gz", noise(), plain),
        save("b.nii.gz", noise(5), plain),
        save("c.nii.gz", noise(), moved),
        save("d.nii.gz", np.stack([noise()] * 2, axis=-1), plain),
        save("e.nii.gz", noise(), plain),
        save("f.nii.gz", noise(5), plain),
    ]
    cut = tmp_path / "e.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-60])
    faults = faults_of_maps(paths, paths[:2], None, False, True)
    said = ["b.nii.gz holds no Fisher z", "c.nii.gz lies on another grid", "d.nii.gz has shape"]
    said += ["e.nii.gz is truncated"]
    assert len(faults) == 4
    for fault, words in zip(faults, said, strict=True):
        assert words in fault


def test_a_byte_that_was_copied_wrong_is_told_with_its_file(tmp_path):
    image = nib.Nifti1Image(np.nan_to_num(noise()).astype(np.float32), np.eye(4) * 3)
    image.set_sform(np.eye(4) * 3, 4)
    nib.save(image, path := tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(Fault, match=r"a\.nii\.gz cannot be read whole"):
        Grid().read(path)


def test_a_map_on_a_surface_is_told_with_its_file(tmp_path):
    values = np.ones(3, dtype=np.float32)
    surface = nib.cifti2.BrainModelAxis.from_surface(np.arange(3), 3, "CortexLeft")
    axes = (nib.cifti2.ScalarAxis(["ketamine"]), surface)
    nib.save(nib.Cifti2Image(values[None], axes), tmp_path / "a.dscalar.nii")
    array = nib.gifti.GiftiDataArray(values, intent="NIFTI_INTENT_SHAPE")
    nib.save(nib.gifti.GiftiImage(darrays=[array]), tmp_path / "b.func.gii")
    for name in ("a.dscalar.nii", "b.func.gii"):
        with pytest.raises(Fault, match=f"{re.escape(name)} is no volume"):
            Grid().read(tmp_path / name)
