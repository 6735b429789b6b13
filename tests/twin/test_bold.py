"""The fMRIPrep-shaped session of the twin: its signal, its confounds, its files."""

import json

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from crossfc.bids import bids_name, parse_name
from crossfc.fault import Fault
from crossfc.session.displacement import framewise_displacement
from crossfc.twin.anatomy import tissue
from crossfc.twin.bold import simulate_session
from crossfc.twin.motion import rigid, simulate_motion
from crossfc.twin.signal import complete_correlation, draw_courses
from crossfc.twin.truth import MEASUREMENT_SD
from tests.twin.twin_regions import SEEDS, TARGETS, planted

SPACE = "MNI152NLin2009aSym"
TWIN = {"resolution_mm": 4, "volumes": 120, "repetition_time": 2.5, "random_seed": 2024}


def names(scan, folder):
    """fMRIPrep's names, written out here: the product builds them on another floor."""
    entities, _, _ = parse_name(scan.rsplit("/", 1)[1])
    where = folder / scan.rsplit("/", 1)[0]
    spatial = entities | {"space": SPACE}
    return {
        "bold": where / bids_name(spatial | {"desc": "preproc"}, "bold", ".nii.gz"),
        "bold_sidecar": where / bids_name(spatial | {"desc": "preproc"}, "bold", ".json"),
        "mask": where / bids_name(spatial | {"desc": "brain"}, "mask", ".nii.gz"),
        "boldref": where / bids_name(spatial, "boldref", ".nii.gz"),
        "confounds": where / bids_name(entities | {"desc": "confounds"}, "timeseries", ".tsv"),
        "confounds_sidecar": where
        / bids_name(entities | {"desc": "confounds"}, "timeseries", ".json"),
    }


@pytest.fixture(scope="module")
def trial():
    return planted(6, 6)


def simulate(trial, index, folder, **more):
    sessions, truth = trial
    row = sessions[index]
    who, when = row["participant_id"], row["session_id"]
    here = truth["sessions"][who][when]
    paths = names(row["scan"].split(";")[0], folder)
    simulate_session(who, when, here, SEEDS, TARGETS, paths, **(TWIN | more))
    return paths, here


@pytest.fixture(scope="module")
def made(trial, tmp_path_factory):
    """Six sessions, as the demonstration has them."""
    folder = tmp_path_factory.mktemp("derivatives")
    return [simulate(trial, index, folder) for index in range(6)]


def read_confounds(path):
    import pandas

    return pandas.read_csv(path, sep="\t", na_values="n/a")


def measured(paths, edges):
    """Fisher z between spheres after smoothing and one projection; none of the product's code."""
    image = nibabel.load(paths["bold"])
    mask = np.asanyarray(nibabel.load(paths["mask"]).dataobj) > 0
    data = np.asanyarray(image.dataobj).astype(np.float32)
    table = read_confounds(paths["confounds"]).fillna(0)
    keep = table.filter(like="non_steady_state").sum(axis=1).to_numpy() == 0
    volumes, step = len(table), float(image.header.get_zooms()[3])
    motion = table.filter(regex="^(trans|rot)_").to_numpy()
    compcor = table[[f"{p}_comp_cor_{i:02d}" for p in "wc" for i in range(5)]].to_numpy()
    assert motion.shape[1] == 24
    order = np.arange(1, volumes)
    frequency = order / (2 * volumes * step)
    stop = order[(frequency < 0.008) | (frequency > 0.1)]
    filters = np.cos(np.pi * (2 * np.arange(volumes)[:, None] + 1) * stop / (2 * volumes))
    design = np.column_stack([np.ones(volumes), motion, compcor, filters])[keep]
    design /= np.linalg.norm(design, axis=0)
    left, values, _ = np.linalg.svd(design, full_matrices=False)
    basis = left[:, values > 1e-8 * values[0]]
    width = 6 / 2.3548 / float(image.header.get_zooms()[0])
    weight = gaussian_filter(mask.astype(np.float32), width)[mask]
    places = nibabel.affines.apply_affine(image.affine, np.argwhere(mask))

    def course(name, column, table):
        rows = [r for r in table if r[column] == name]
        inside = np.zeros(len(places), bool)
        for r in rows:
            offset = places - [r["x"], r["y"], r["z"]]
            inside |= (offset**2).sum(axis=1) <= r["radius_mm"] ** 2
        return smooth[:, inside].mean(axis=1)

    smooth = np.stack(
        [gaussian_filter(data[..., v] * mask, width)[mask] / weight for v in range(volumes)]
    )[keep]
    result = {}
    for edge in edges:
        seed, target = edge.split("-")
        pair = np.column_stack([course(seed, "seed", SEEDS), course(target, "target", TARGETS)])
        pair = pair - basis @ (basis.T @ pair)
        result[edge] = np.arctanh(np.corrcoef(pair.T)[0, 1])
    return result


@pytest.fixture(scope="module")
def estimates(made):
    return [measured(paths, here["fisher_z"]) for paths, here in made]


def test_planted_correlations_are_recovered_from_long_runs(trial, tmp_path):
    found, planted = [], []
    for index in (1, 5, 13):
        paths, here = simulate(trial, index, tmp_path, volumes=260)
        found += list(measured(paths, here["fisher_z"]).values())
        planted += list(here["fisher_z"].values())
    found, planted = np.array(found), np.array(planted)
    error = found - planted
    # About 80 degrees of freedom are left for each of 24 values; noise within the spheres
    # takes up to a fifth of the planted value away.
    assert abs(error.mean()) < 0.06
    assert error.std() < 0.13
    assert np.polyfit(planted, found, 1)[0] == pytest.approx(0.9, abs=0.15)
    assert np.corrcoef(planted, found)[0, 1] > 0.9


def test_error_of_measurement_is_as_the_truth_says(made, estimates):
    planted = np.array([list(here["fisher_z"].values()) for _, here in made])
    error = np.array([list(values.values()) for values in estimates]) - planted
    # 48 values from runs that leave about 20 degrees of freedom each.
    assert error.std() == pytest.approx(MEASUREMENT_SD, rel=0.25)
    assert abs(error.mean()) < 3 * MEASUREMENT_SD / np.sqrt(error.size)


def test_null_edge_does_not_move_with_treatment(trial, made, estimates):
    sessions, truth = trial
    null = next(e for e in truth["edges"] if e["edge"] == "sgACC-hippocampus")
    assert not any(null["drug"].values()) and not null["ties"] and not null["period"]
    values = {}
    for row, z in zip(sessions, estimates, strict=False):
        values.setdefault(row["participant_id"], {})[row["treatment"]] = z[null["edge"]]
    change = [v["ketamine"] - v["placebo"] for v in values.values()]
    assert len(change) == 3
    # Three people, each with a standard error of sqrt(2) times the error of measurement.
    assert abs(np.mean(change)) < 2.5 * np.sqrt(2 / 3) * MEASUREMENT_SD


def test_same_bytes_alone_and_in_any_order(trial, made, tmp_path):
    paths, _ = made[1]
    again, _ = simulate(trial, 1, tmp_path)
    for name, path in paths.items():
        assert again[name].read_bytes() == path.read_bytes(), name


def test_another_seed_gives_another_session(trial, made, tmp_path):
    again, _ = simulate(trial, 1, tmp_path, random_seed=1)
    assert again["bold"].read_bytes() != made[1][0]["bold"].read_bytes()


def test_image_is_in_template_space_with_its_repetition_time(made):
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=4)
    for paths, _ in made[:2]:
        image, mask = nibabel.load(paths["bold"]), nibabel.load(paths["mask"])
        assert image.shape == (*template.shape, 120) and mask.shape == template.shape
        assert np.array_equal(image.affine, template.affine)
        assert np.array_equal(image.get_qform(), image.get_sform())
        assert image.header.get_zooms()[3] == 2.5
        assert json.loads(paths["bold_sidecar"].read_text())["RepetitionTime"] == 2.5
        inside = np.asanyarray(mask.dataobj) > 0
        data = np.asanyarray(image.dataobj)
        assert data[inside].min() > 0
        assert not inside[:, :, :2].any()  # the lowest slices are missed


def test_masks_differ_at_the_edge_only(made):
    masks = [np.asanyarray(nibabel.load(p["mask"]).dataobj) > 0 for p, _ in made]
    template = tissue(4)["brain"] > 0.5
    for mask in masks:
        dice = 2 * (mask & template).sum() / (mask.sum() + template.sum())
        assert 0.93 < dice < 0.999
    assert len({mask.sum() for mask in masks}) > 1


def test_framewise_displacement_is_as_planned(made):
    for paths, here in made:
        table = read_confounds(paths["confounds"])
        assert np.isnan(table["framewise_displacement"][0])
        planned = next(iter(here["mean_fd"].values()))
        assert table["framewise_displacement"].mean() == pytest.approx(planned, abs=1e-6)


def test_the_table_is_what_fmriprep_would_compute_of_the_data(made):
    """Scale, number of columns and centre of fMRIPrep's (nipype 1.11; fMRIPrep 25), written out."""
    paths, _ = made[0]
    table = read_confounds(paths["confounds"])
    meta = json.loads(paths["confounds_sidecar"].read_text())
    mask = np.asanyarray(nibabel.load(paths["mask"]).dataobj) > 0
    image = nibabel.load(paths["bold"])
    series = np.asanyarray(image.dataobj)[mask].T.astype(float)
    # nipype's ComputeDVARS scales the run to a median of 1000 (intensity_normalization).
    scaled = series * 1000 / np.median(series)
    raw = np.sqrt(np.mean(np.diff(scaled, axis=0) ** 2, axis=1))
    np.testing.assert_allclose(table["dvars"][1:], raw, rtol=1e-6)
    # nipype's _cosine_drift counts the constant: floor(2 × 118 × 2.5 s / 128 s) - 1.
    assert [c for c in table if c.startswith("cosine")] == ["cosine00", "cosine01", "cosine02"]
    for prefix in "tacw":
        explained = [
            meta[c]["VarianceExplained"] for c in table if c.startswith(f"{prefix}_comp_cor")
        ]
        # fMRIPrep's variance_threshold of 0.5: the fewest that explain half.
        assert sum(explained) >= 0.5 > sum(explained[:-1])
        assert len(explained) > 5  # as many as a strategy of five takes
    # rmsd about the middle of the field of view, from the change of T0 to T1.
    centre = image.affine[:3] @ [*((np.array(mask.shape) - 1) / 2), 1]
    motion = table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].to_numpy()
    matrices = [rigid(row) for row in motion]
    change = [
        np.linalg.inv(a) @ b - np.eye(4) for a, b in zip(matrices, matrices[1:], strict=False)
    ]
    shift = np.array([c[:3, :3] @ centre + c[:3, 3] for c in change])
    turn = np.array([np.sum(c[:3, :3] ** 2) for c in change])
    expected = np.sqrt(80**2 / 5 * turn + (shift**2).sum(axis=1))
    np.testing.assert_allclose(table["rmsd"][1:], expected, rtol=1e-9)


@pytest.mark.parametrize("compcor", ["anat_combined", "anat_separated", "temporal_anat_combined"])
def test_nilearn_loads_the_confounds(made, compcor):
    from nilearn.interfaces.fmriprep import load_confounds

    confounds, kept = load_confounds(
        str(made[0][0]["bold"]),
        strategy=("motion", "wm_csf", "global_signal", "high_pass", "compcor", "scrub"),
        motion="full", wm_csf="full", global_signal="full", compcor=compcor, n_compcor=5,
        fd_threshold=0.4, scrub=0,
    )  # fmt: skip
    count = {name: confounds.columns.str.contains(name).sum() for name in ("trans", "comp_cor")}
    assert count["trans"] == 12
    # nilearn 0.13 knows the separate masks from the "a" components only; there are 5 of each.
    assert count["comp_cor"] >= 5
    assert len(confounds) == 120 and len(kept) <= 118
    assert np.isfinite(confounds.to_numpy()).all()


def test_compcor_captures_what_white_matter_and_fluid_share(made):
    paths, _ = made[0]
    mask = np.asanyarray(nibabel.load(paths["mask"]).dataobj) > 0
    series = np.asanyarray(nibabel.load(paths["bold"]).dataobj)[mask].T[2:].astype(float)
    series -= series.mean(axis=0)
    table = read_confounds(paths["confounds"])
    basis = np.linalg.qr(
        table[[f"{p}_comp_cor_{i:02d}" for p in "wc" for i in range(5)]].to_numpy()[2:]
    )[0]
    random = np.linalg.qr(np.random.default_rng(0).normal(size=basis.shape))[0]
    white = series[:, tissue(4)["wm"][mask] > 0.9]

    def share(q):
        return ((q.T @ white) ** 2).sum() / (white**2).sum()

    assert share(basis) > 2 * share(random)


def test_regions_that_are_no_spheres_are_refused(trial, tmp_path):
    sessions, truth = trial
    row = sessions[0]
    here = truth["sessions"][row["participant_id"]][row["session_id"]]
    seeds = [SEEDS[0] | {"kind": "mask"}, *SEEDS[1:]]
    with pytest.raises(Fault, match="sgACC is a mask"):
        simulate_session(
            row["participant_id"], row["session_id"], here, seeds, TARGETS,
            names(row["scan"].split(";")[0], tmp_path), **TWIN,
        )  # fmt: skip


def test_half_millimetres_are_refused():
    with pytest.raises(Fault, match="give a whole number"):
        tissue(3.5)


def test_short_runs_and_other_grids(trial, tmp_path):
    paths, _ = simulate(
        trial, 3, tmp_path, volumes=40, resolution_mm=6, repetition_time=2.0, non_steady_volumes=0
    )
    image = nibabel.load(paths["bold"])
    assert image.shape[3] == 40 and image.header.get_zooms() == (6, 6, 6, 2)
    assert not any("non_steady" in c for c in read_confounds(paths["confounds"]))


def test_courses_have_the_correlation_asked_for_and_stay_in_band():
    wanted = np.array([[1, 0.6, 0], [0.6, 1, -0.3], [0, -0.3, 1]])
    times = (np.arange(120) + 0.5) * 2.5
    courses = draw_courses(np.random.default_rng(1), wanted, times, (0.01, 0.1))
    assert np.corrcoef(courses.at(times).T) == pytest.approx(wanted, abs=1e-9)
    assert courses.at(times).mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert courses.at(times).std(axis=0) == pytest.approx(1, abs=1e-9)
    assert courses.frequencies.min() >= 0.01 and courses.frequencies.max() < 0.1


def test_completion_keeps_what_is_fixed():
    wanted = np.full((6, 6), 0.9)
    fixed = {(0, 1): -0.8, (1, 2): 0.8, (0, 3): 0.7}
    matrix = complete_correlation(fixed, wanted)
    for (i, j), value in fixed.items():
        assert matrix[i, j] == matrix[j, i] == value
    assert np.linalg.eigvalsh(matrix)[0] > 0 and np.diag(matrix) == pytest.approx(1)


def test_contradicting_correlations_are_refused():
    fixed = {(0, 1): 0.9, (1, 2): 0.9, (0, 2): -0.9}
    with pytest.raises(Fault, match="contradict each other"):
        complete_correlation(fixed, np.eye(3))


def test_motion_starts_at_rest():
    motion = simulate_motion(np.random.default_rng(0), 50, 2.0, 0.2)
    assert np.array_equal(motion[0], np.zeros(6))
    assert framewise_displacement(motion)[1:].mean() == pytest.approx(0.2)
