"""Pairs: the right subtraction in the right voxels, and a sentence where that cannot be."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import Pairs, no_pairs, pair_sessions
from crossfc.group.design.volume import read_mask
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (8, 9, 7)
AFFINE = np.array([[-3.0, 0, 0, 12], [0, 3, 0, -12], [0, 0, 3, -9], [0, 0, 0, 1]])
GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "dACC"]
READING = {"fwhm_mm": 0, "zero_is_missing": False}


def save(values, path, affine=AFFINE):
    return str(write_image(path, np.asarray(values, dtype=np.float32), affine))


@pytest.fixture
def trial(tmp_path):
    """Four people with two seeds each, and the values in their maps."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 2, 2, *SHAPE)).astype(np.float32)  # person, session, seed
    values[:, :, :, 0] = np.nan
    values[2, 1, 1, 5, 5, 5] = np.nan  # one person, one map
    values[3, :, :, 6, 6, 6] = np.nan
    people = []
    for row in range(4):
        maps = [
            {
                seed: save(
                    values[row, session, column], tmp_path / f"{row}_{session}_{seed}.nii.gz"
                )
                for column, seed in enumerate(SEEDS)
            }
            for session in range(2)
        ]
        people.append(
            {
                "participant_id": f"sub-0{row + 1}",
                "group": "TRD" if row < 2 else "HV",
                "sequence": ["ketamine-placebo", "placebo-ketamine"][row % 2],
                "age": 30 + row,
                "mean_fd_active": 0.2,
                "mean_fd_control": 0.1,
                "score_MADRS_active": 10 + row,
                "score_MADRS_control": None if row == 3 else 20,
                "active": maps[0],
                "control": list(maps[1].values()),
            }
        )
    return people, values


def pair(people, out, **options):
    return pair_sessions(people, SEEDS, TREATMENTS, GROUPS, "primary", out, **(READING | options))


def test_difference_and_sum_in_what_everybody_covers(trial, tmp_path):
    people, values = trial
    record = pair(people, tmp_path / "pairs")
    expected = np.isfinite(values).all(axis=(0, 1, 2))
    pairs = Pairs.read(tmp_path / "pairs")
    mask = pairs.mask.get_fdata() > 0
    assert np.array_equal(mask, expected)
    np.testing.assert_array_equal(pairs.delta, (values[:, 0] - values[:, 1])[:, :, expected])
    np.testing.assert_array_equal(pairs.total, (values[:, 0] + values[:, 1])[:, :, expected])
    assert pairs.delta.dtype == np.float32
    assert record["left_voxels"]["not covered in everybody"] == 2
    assert record["lost_to_one_person"] == {"sub-03": 1, "sub-04": 1}
    assert record["n_voxels"] == expected.sum() == 7 * 9 * 7 - 2
    assert record == json.loads((tmp_path / "pairs" / "pairs.json").read_text())
    assert np.allclose(pairs.mask.affine, AFFINE) and int(pairs.mask.header["sform_code"]) == 4


def test_people_table(trial, tmp_path):
    pair(trial[0], tmp_path / "pairs")
    people = read_table(tmp_path / "pairs" / "people.tsv")
    assert people["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert people["sequence_code"].tolist() == [-1, 1, -1, 1]
    np.testing.assert_allclose(people["delta_mean_fd"], 0.1)
    assert people["delta_MADRS"].tolist()[:3] == [-10, -9, -8]
    assert np.isnan(people["delta_MADRS"][3])
    assert not {"active", "control"} & set(people.columns)


def test_identifiers_stay_text(trial, tmp_path):
    people = trial[0]
    for row, person in enumerate(people):
        person["participant_id"] = f"00{row}"
    pair(people, tmp_path / "pairs")
    assert read_table(tmp_path / "pairs" / "people.tsv")["participant_id"][1] == "001"


def test_seeds_and_their_halo_leave(trial, tmp_path):
    label = np.zeros((16, 18, 14))
    label[2:4, 2:4, 2:4] = 5
    label[8, 8, 8] = 6
    finer = AFFINE.copy()
    finer[:3, :3] /= 2
    path = save(label, tmp_path / "label.nii.gz", finer)
    definitions = [
        {"seed": "sgACC", "kind": "sphere", "x": 0, "y": 0, "z": 0, "radius_mm": 2},
        {"seed": "sgACC", "kind": "sphere", "x": -9, "y": 9, "z": 6, "radius_mm": 1},
        {"seed": "dACC", "kind": "label", "file": path, "label": 5},
        {"seed": "elsewhere", "kind": "sphere", "x": 0, "y": 0, "z": 9, "radius_mm": 50},
    ]
    record = pair(trial[0], tmp_path / "pairs", seed_definitions=definitions, fwhm_mm=2.5)
    mask = nib.load(tmp_path / "pairs" / "mask.nii.gz").get_fdata() > 0
    points = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    halo = np.linalg.norm(points, axis=-1) <= 4.5
    halo |= np.linalg.norm(points - (-9, 9, 6), axis=-1) <= 3.5
    seed = np.argwhere(label == 5) @ finer[:3, :3].T + finer[:3, 3]
    apart = np.linalg.norm(points[..., None, :] - seed, axis=-1).min(-1)
    halo |= apart <= 2.5 + np.linalg.norm((0.75, 0.75, 0.75))
    covered = np.isfinite(trial[1]).all(axis=(0, 1, 2))
    assert np.array_equal(mask, covered & ~halo)
    assert record["left_voxels"]["seed and its smoothing halo"] == (covered & halo).sum() > 20
    with pytest.raises(Fault, match='seed "dACC" has no definition'):
        pair(trial[0], tmp_path / "pairs", seed_definitions=definitions[:2])
    definitions[2]["label"] = 8
    with pytest.raises(Fault, match="holds no voxel of seed"):
        pair(trial[0], tmp_path / "pairs", seed_definitions=definitions)


def test_a_given_mask_and_flat_voxels(trial, tmp_path):
    people, values = trial
    values[:, 0, 0, 4, 4, 4] = values[:, 1, 0, 4, 4, 4]
    for row in range(4):
        for session, given in enumerate((people[row]["active"].values(), people[row]["control"])):
            save(values[row, session, 0], list(given)[0])
    inside = np.ones(SHAPE)
    inside[:, :, 0] = 0
    record = pair(people, tmp_path / "pairs", mask_file=save(inside, tmp_path / "mask.nii.gz"))
    assert record["left_voxels"]["outside the given mask"] == 7 * 9
    assert record["left_voxels"]["the same in everybody"] == 1
    mask = nib.load(tmp_path / "pairs" / "mask.nii.gz").get_fdata() > 0
    assert not mask[4, 4, 4] and not mask[:, :, 0].any()


def test_contrast_maps(trial, tmp_path):
    people, values = trial
    for row, person in enumerate(people):
        difference = np.nan_to_num(values[row, 0, 0] - values[row, 1, 0])
        person["contrast"] = save(difference[..., None], tmp_path / f"con_{row}.nii.gz")
        del person["active"], person["control"], person["sequence"]
    options = READING | {"level": "contrast", "zero_is_missing": True}
    record = pair_sessions(
        people, ["contrast"], TREATMENTS, GROUPS, "lab", tmp_path / "pairs", **options
    )
    pairs = Pairs.read(tmp_path / "pairs")
    assert pairs.total is None and pairs.delta.shape == (4, 1, record["n_voxels"])
    assert record["n_voxels"] == 7 * 9 * 7 - 1  # this seed lacks one voxel in one person
    assert pairs.people["sequence_code"].isna().all()
    record = pair_sessions(
        people,
        ["contrast"],
        TREATMENTS,
        GROUPS,
        "lab",
        tmp_path / "pairs",
        **(options | {"zero_is_missing": False}),
    )
    assert record["left_voxels"]["the same in everybody"] == 9 * 7  # zeros count as values now


def test_another_grid_is_refused(trial, tmp_path):
    people, values = trial
    moved = AFFINE.copy()
    moved[0, 3] += 1
    path = people[2]["active"]["dACC"]
    save(values[2, 0, 1], path, moved)
    with pytest.raises(Fault, match=r"2_0_dACC.nii.gz lies on another grid .* resample"):
        pair(people, tmp_path / "pairs")
    save(values[2, 0, 1][:-1], path)
    with pytest.raises(Fault, match="another grid"):
        pair(people, tmp_path / "pairs")
    rounded = AFFINE.copy()
    rounded[:3, 3] += 0.01  # of voxels of some mm
    save(values[2, 0, 1], path, rounded)
    pair(people, tmp_path / "rounded")
    flipped = AFFINE.copy()
    flipped[0] *= -1
    save(values[2, 0, 1], path, flipped)
    with pytest.raises(Fault, match="another grid"):
        pair(people, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize(("value", "word"), [(0, "zero"), (np.nan, "not a number")])
def test_empty_maps_are_refused_by_name(trial, tmp_path, value, word):
    save(np.full(SHAPE, value), trial[0][1]["control"][1])
    with pytest.raises(Fault, match=f"1_1_dACC.nii.gz is empty: every voxel is {word}"):
        pair(trial[0], tmp_path / "pairs")


def test_unoriented_images_need_consent(trial, tmp_path):
    people, values = trial
    contrasts = READING | {"level": "contrast"}
    path = tmp_path / "old.img"
    nib.save(nib.AnalyzeImage(values[0, 0, 0], None), path)
    for person in people:
        person["contrast"] = [str(path)]
    with pytest.raises(Fault, match=r"old.img carries no orientation .* maps.accept_unoriented"):
        pair_sessions(people, ["a"], TREATMENTS, GROUPS, "lab", tmp_path / "p", **contrasts)
    bare = nib.Nifti1Image(values[0, 0, 0], None)
    nib.save(bare, tmp_path / "bare.nii")
    people[0]["contrast"] = [str(tmp_path / "bare.nii")]
    with pytest.raises(Fault, match="carries no orientation"):
        pair_sessions(people, ["a"], TREATMENTS, GROUPS, "lab", tmp_path / "p", **contrasts)


def test_other_faults(trial, tmp_path):
    people, values = trial
    with pytest.raises(Fault, match="sub-01 is listed twice"):
        pair([people[0], people[0]], tmp_path / "p")
    with pytest.raises(Fault, match="nobody has the sessions"):
        pair([], tmp_path / "p")
    with pytest.raises(Fault, match='in group "BP"'):
        pair([people[0] | {"group": "BP"}], tmp_path / "p")
    with pytest.raises(Fault, match="maps of both sessions are the same"):
        pair([people[0] | {"control": people[0]["active"]}], tmp_path / "p")
    with pytest.raises(Fault, match="no map for seed dACC"):
        pair([people[0] | {"active": {"sgACC": "x"}}], tmp_path / "p")
    with pytest.raises(Fault, match="1 maps for 2 seeds"):
        pair([people[0] | {"active": ["x"]}], tmp_path / "p")
    with pytest.raises(Fault, match="x.nii does not exist"):
        pair([people[0] | {"active": ["x.nii", "y.nii"]}], tmp_path / "p")
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"not an image")
    with pytest.raises(Fault, match="cannot be read"):
        pair([people[0] | {"active": [broken, broken]}], tmp_path / "p")
    save(np.stack([values[0, 0, 0]] * 2, axis=-1), broken)
    with pytest.raises(Fault, match="one volume"):
        pair([people[0] | {"active": [broken, broken]}], tmp_path / "p")
    elsewhere = AFFINE + [[0, 0, 0, 500], [0] * 4, [0] * 4, [0] * 4]
    far = save(np.ones(SHAPE), tmp_path / "far.nii.gz", elsewhere)
    with pytest.raises(Fault, match="no voxel is left"):
        pair(people, tmp_path / "p", mask_file=far)
    with pytest.raises(Fault, match="pair the sessions first"):
        Pairs.read(tmp_path / "p")


def test_a_mask_on_another_grid_is_brought_onto_that_of_the_maps(trial, tmp_path):
    people, _ = trial
    pair(people, tmp_path / "all")
    covered = nib.load(tmp_path / "all" / "mask.nii.gz").get_fdata() > 0
    # Half as wide, x to the right where the maps have it to the left: 4 mm to 12 mm of x.
    affine = np.array([[1.5, 0, 0, -12], [0, 1.5, 0, -15], [0, 0, 1.5, -12], [0, 0, 0, 1]])
    fine = np.zeros((19, 22, 18))
    fine[11:] = 1
    pair(people, tmp_path / "pairs", mask_file=save(fine, tmp_path / "fine.nii.gz", affine))
    mask = nib.load(tmp_path / "pairs" / "mask.nii.gz").get_fdata() > 0
    x = AFFINE[0, 0] * np.arange(SHAPE[0]) + AFFINE[0, 3]
    np.testing.assert_array_equal(mask, covered & (x > 4.5 - 1e-6)[:, None, None])


@pytest.mark.parametrize(
    ("shape", "value", "said"),
    [
        (SHAPE, 0, "holds no voxel above 0; make the mask again"),
        ((*SHAPE, 2), 1, "has shape (8, 9, 7, 2); a mask is one volume, so take one of them"),
    ],
)
def test_a_mask_that_is_none(tmp_path, shape, value, said):
    path = save(np.full(shape, value), tmp_path / "mask.nii.gz")
    with pytest.raises(Fault) as refused:
        read_mask(path)
    assert str(refused.value) == f"{path} {said}"
    assert read_mask(save(np.ones(SHAPE), path))[0].all()


def test_a_folder_that_does_not_belong_together(trial, tmp_path):
    pair(trial[0], tmp_path / "pairs")
    table = pd.read_csv(tmp_path / "pairs" / "people.tsv", sep="\t")
    table.iloc[:3].to_csv(tmp_path / "pairs" / "people.tsv", sep="\t", index=False)
    with pytest.raises(Fault, match="pair the sessions again"):
        Pairs.read(tmp_path / "pairs")


def test_memory_does_not_grow_with_the_number_of_people(tmp_path, root):
    rng = np.random.default_rng(5)
    shape, n_maps = (60, 50, 50), 3
    for name in range(n_maps * 2):
        save(rng.standard_normal(shape), tmp_path / f"{name}.nii")
    program = """
import sys
from crossfc.group.design.pairs import pair_sessions

n_people, folder = int(sys.argv[1]), sys.argv[2]
people = [
    {"participant_id": f"sub-{n}", "group": "TRD", "active": [f"{folder}/{n % 3}.nii"] * 2,
     "control": [f"{folder}/{3 + n % 3}.nii"] * 2}
    for n in range(n_people)
]
pair_sessions(people, ["a", "b"], {"active": "k", "control": "p"},
              {"patients": "TRD", "controls": None}, "primary", f"{folder}/{n_people}",
              fwhm_mm=0, zero_is_missing=False)
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0])
"""

    def peak(n_people):
        command = [sys.executable, "-c", program, str(n_people), str(tmp_path)]
        done = subprocess.run(command, cwd=root / "scripts", capture_output=True, check=True)
        return int(done.stdout) / 1024  # MB

    few, many = peak(3), peak(60)
    held = 57 * 2 * np.prod(shape) * 4 / 2**20  # MB that the further people's differences take
    assert held > 60 and many - few < 0.1 * held, (few, many)
    pairs = Pairs.read(tmp_path / "60")
    assert pairs.delta.shape == (60, 2, np.prod(shape))
    expected = nib.load(tmp_path / "2.nii").get_fdata() - nib.load(tmp_path / "5.nii").get_fdata()
    np.testing.assert_allclose(pairs.delta[59, 1], expected.ravel(), atol=1e-6)


def test_a_pipeline_that_everybody_left_has_pairs_of_nobody(tmp_path):
    """So that its analyses say that they cannot be estimated, and the study goes on."""
    people = [
        {"participant_id": f"sub-{i}", "group": group, "sequence": "placebo-ketamine"}
        for i, group in enumerate(("TRD", "TRD", "HV"))
    ]
    treatments = {"active": "ketamine", "control": "placebo"}
    groups = {"patients": "TRD", "controls": "HV"}
    no_pairs(people, ["sgACC", "dACC"], treatments, groups, "scrub", tmp_path / "pairs", 6)
    read = Pairs.read(tmp_path / "pairs")
    assert read.delta.shape == (0, 2, 0) and len(read.people) == 0
    options = analysis_options(permutations=99)
    result = analyse("drug_TRD", tmp_path / "pairs", tmp_path / "drug_TRD", options)
    assert result["estimable"] is False and result["n"] == {"TRD": 0}
    assert "nobody is left to analyse" in result["notes"][0]
