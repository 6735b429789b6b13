"""Findings: peaks, regions and values of clusters, from an inference made by hand."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from crossfc.group.design.arrangement import sign_flips
from crossfc.group.findings.finding import Analysed, _weakest, findings, no_findings
from crossfc.group.findings.leave_one_out import LeaveOneOut, effect_of
from crossfc.group.findings.peak import peaks
from crossfc.group.findings.readout import Sessions
from crossfc.group.findings.region import Atlas
from crossfc.group.inference.cluster import label, masses, neighbours
from crossfc.group.inference.permutation import Inference
from crossfc.group.inference.statistic import Student

SHAPE = (12, 12, 12)
MASK = np.ones(SHAPE, dtype=bool)
MASK[0] = False
AFFINE = np.array([[-4.0, 0, 0, 24], [0, 4, 0, -24], [0, 0, 4, -20], [0, 0, 0, 1]])
BEFORE = neighbours(MASK, 26)
GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "dACC"]
P = 0.001
N = 12  # of patients; 3 controls more


@pytest.fixture(scope="module")
def data():
    """Change and sum of 15 people, two seeds; patients change at two places for the first seed."""
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.standard_normal((15, 2, *SHAPE)), (0, 0, 1, 1, 1))
    delta = (noise / noise.std()).astype(np.float32)
    delta[:N, 0, 2:5, 2:9, 2:5] += 3
    delta[:N, 0, 8:11, 8:11, 8:11] -= 3
    total = rng.standard_normal(delta.shape).astype(np.float32)
    return delta[:, :, MASK], total[:, :, MASK]


@pytest.fixture(scope="module")
def sessions(data):
    rows = np.arange(15)
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{row:02}" for row in rows],
            "group": ["TRD"] * N + ["HV"] * 3,
            "sequence": "n/a",
        }
    )
    return Sessions(people, rows, *data, GROUPS, TREATMENTS)


def inference(statistic, maps, **changes):
    """What `infer` would give, but for p, which are numbers that can be told apart."""
    fits = [statistic.fit(values) for values in maps]
    threshold = statistic.forming_threshold(P, True)
    labelled = [label(fit.statistic.astype(np.float32), threshold, BEFORE) for fit in fits]
    labels = np.stack([of for of, _ in labelled])
    values = np.stack([fit.statistic for fit in fits])
    rank = np.abs(values).argsort(axis=1).argsort(axis=1)
    p_voxel = 1 - rank / rank.max() * 0.99
    by_cluster = np.where(labels > 0, 0.01 * labels, 1.0)
    fields = {
        "statistic": values,
        "effect": np.stack([fit.effect for fit in fits]),
        "standard_error": np.stack([fit.standard_error for fit in fits]),
        "t": values,
        "degrees_of_freedom": np.full(values.shape, statistic.df),
        "p_uncorrected": p_voxel / 10,
        "q_fdr": p_voxel / 2,
        "p_voxel": p_voxel,
        "p_cluster": by_cluster,
        "p_mass": by_cluster / 2,
        "tfce": values**3,
        "p_tfce": p_voxel / 4,
        "clusters": labels,
        "sizes": [sizes for _, sizes in labelled],
        "masses": [masses(of, fit.statistic, len(sizes))
                   for fit, (of, sizes) in zip(fits, labelled, strict=True)],
        "flat": np.zeros(values.shape, dtype=bool),
        "null": {},
        "tails": {},
        "extrapolated": {},
        "forming_threshold": threshold,
        "threshold_voxel": 5.0,
        "arrangements": sign_flips(N, 99, 0),
        "copies": 2,
        "two_sided": True,
    }  # fmt: skip
    return Inference(**(fields | changes))


def find(data, sessions, sizes=None, maps=None, apart=False, atlas=None, **changes):
    """Findings of the patients' mean change."""
    statistic = Student(np.ones(N), np.empty((N, 0)))
    columns = maps or {seed: [column] for column, seed in enumerate(SEEDS)}
    tested = [data[0][:N, of].mean(axis=1) for of in columns.values()]
    found = inference(statistic, tested, **changes)
    told = findings(
        "drug_TRD", columns, found, Analysed(statistic, tested, np.arange(N), P, 26), sessions,
        SEEDS, MASK, AFFINE, sizes or [{}] * len(columns), atlas, apart,
    )  # fmt: skip
    return told, found, statistic, tested


def test_a_cluster_has_place_size_and_every_p(data, sessions):
    told, found, _, _ = find(data, sessions)
    first, second = (row for _, row in told.clusters[:2].iterrows())
    assert (first["seed"], first["sign"], second["sign"]) == ("sgACC", "+", "-")
    labels = found.clusters[0]
    for row in (first, second):
        voxels = np.flatnonzero(labels == row["cluster"])
        peak = voxels[np.abs(found.statistic[0, voxels]).argmax()]
        assert row["peak_stat"] == found.statistic[0, peak]
        assert row["size_voxels"] == len(voxels) and row["size_mm3"] == 64 * len(voxels)
        np.testing.assert_allclose(row["mass"], np.abs(found.statistic[0, voxels]).sum())
        place = AFFINE[:3, :3] @ np.argwhere(MASK)[peak] + AFFINE[:3, 3]
        np.testing.assert_allclose(row[["x", "y", "z"]].astype(float), place)
        assert row["p_fwe_cluster"] == 0.01 * row["cluster"]
        assert row["p_fwe_mass"] == row["p_fwe_cluster"] / 2
        assert row["p_fwe_peak"] == found.p_voxel[0, peak] == 2 * row["q_fdr_peak"]
        assert row["p_fwe_tfce"] == found.p_tfce[0, voxels].min()
    assert (told.clusters.groupby("seed")["p_fwe_cluster"].diff().dropna() >= 0).all()


def test_without_tfce_its_column_is_empty(data, sessions):
    told, *_ = find(data, sessions, tfce=None, p_tfce=None)
    assert told.clusters["p_fwe_tfce"].isna().all() and told.peaks["p_fwe_tfce"].isna().all()


def test_what_is_extrapolated_is_named(data, sessions):
    _, found, _, _ = find(data, sessions)
    nowhere = np.zeros(found.statistic.shape, dtype=bool)
    first = found.clusters == 1
    marks = {"mass": first & (np.arange(2) == 0)[:, None], "tfce": nowhere, "voxel": nowhere.copy()}
    labels = found.clusters[0]
    second = np.flatnonzero(labels == 2)
    marks["voxel"][0, second[np.abs(found.statistic[0, second]).argmax()]] = True
    told, *_ = find(data, sessions, extrapolated=marks)
    named = told.clusters.set_index(["seed", "cluster"])["extrapolated"]
    assert named["sgACC", 1] == "p_fwe_mass" and named["sgACC", 2] == "p_fwe_peak"
    assert (named.drop([("sgACC", 1), ("sgACC", 2)]) == "").all()


def test_standardised_effects_are_those_of_the_peak(data, sessions):
    names = {
        "hedgesg": "hedges_g", "hedgesglow": "hedges_g_low", "hedgesghigh": "hedges_g_high",
        "partialrsq": "partial_r2", "partialrsqlow": "partial_r2_low",
        "partialrsqhigh": "partial_r2_high",
    }  # fmt: skip
    rng = np.random.default_rng(3)
    sizes = [{name: rng.random(MASK.sum()) for name in names} for _ in SEEDS]
    told, found, _, _ = find(data, sessions, sizes)
    points = np.argwhere(MASK) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    for row in told.clusters.to_dict("records"):
        peak = np.flatnonzero((points == [row[axis] for axis in "xyz"]).all(axis=1)).item()
        for name, column in names.items():
            assert row[column] == sizes[SEEDS.index(row["seed"])][name][peak]


def test_regions_are_named_with_their_share(data, sessions, tmp_path):
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[:, :5], labels[:, 5:] = 3, 8
    labels[:, :, 4:8] = 0
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "a.nii.gz")
    (tmp_path / "a.tsv").write_text("index\tname\n3\tinsula (R)\n8\tputamen (R)\n")
    told, found, _, _ = find(data, sessions, atlas=Atlas(tmp_path / "a.nii.gz", tmp_path / "a.tsv"))
    of = labels[MASK][found.clusters[0] == told.clusters["cluster"][0]]
    shares = {"insula (R)": (of == 3).mean(), "putamen (R)": (of == 8).mean()}
    by_share = sorted(shares, key=lambda name: -shares[name])
    expected = "; ".join(f"{shares[name]:.0%} {name}" for name in by_share)
    first = told.clusters.iloc[0]
    assert first["regions"] == expected and sum(shares.values()) < 1
    # The cluster has the name of most of its voxels, the peak that of its own.
    atlas = Atlas(tmp_path / "a.nii.gz", tmp_path / "a.tsv")
    assert (first["region"], first["region_share"]) == (by_share[0], shares[by_share[0]])
    assert first["peak_region"] == atlas.name(first["x"], first["y"], first["z"])
    assert told.peaks["region"][0] == first["peak_region"]


def test_left_out_people_are_read_in_their_own_fold(data, sessions):
    told, found, statistic, tested = find(data, sessions)
    delta, total = data
    active, control = (total + delta) / 2, (total - delta) / 2
    row = told.clusters.iloc[0]
    voxels = np.flatnonzero(found.clusters[0] == row["cluster"])
    leave = LeaveOneOut(statistic, tested[0], found.flat[0])
    folds = list(leave.folds([(voxels, 1)], BEFORE, P, True))
    regions = [fold.regions[0] for fold in folds]
    assert row["n_folds"] == N == len(regions)
    for name, values in (("ketamine", active), ("placebo", control)):
        in_sample = values[:N, 0][:, voxels].mean(axis=1)
        left_out = [values[person, 0, region].mean() for person, region in enumerate(regions)]
        np.testing.assert_allclose(row[f"mean_TRD_{name}"], in_sample.mean(), rtol=1e-5)
        np.testing.assert_allclose(row[f"loo_mean_TRD_{name}"], np.mean(left_out), rtol=1e-5)
        # Nobody chose these voxels for being high in controls.
        assert row[f"loo_mean_HV_{name}"] == row[f"mean_HV_{name}"]
    np.testing.assert_allclose(row["effect_in_sample"], found.effect[0, voxels].mean())
    values = np.array([fold.values[0] for fold in folds])
    np.testing.assert_allclose(row["effect_loo"], effect_of(statistic, values))
    cells = told.cells[(told.cells["seed"] == "sgACC") & (told.cells["cluster"] == row["cluster"])]
    assert len(cells) == 15
    np.testing.assert_allclose(cells["loo_delta"][:N].astype(float), values, rtol=1e-5)
    np.testing.assert_array_equal(cells["loo_delta"][N:], cells["delta"][N:])
    np.testing.assert_allclose(
        cells["active"] - cells["control"], cells["delta"], rtol=1e-5, atol=1e-6
    )
    largest = told.largest["sgACC"]
    assert set(largest) == {"+", "-"} and largest["+"]["n_folds"] == N
    assert largest["+"]["effect_in_sample"] == row["effect_in_sample"]
    assert largest["+"]["effect_loo"] == row["effect_loo"]  # its largest is the same cluster


def test_without_each_person_the_effect_is_told_and_who_weakens_it_most(data, sessions):
    delta = data[0].copy()
    told, found, *_ = find(data, sessions)
    row = told.clusters.iloc[0]
    voxels = np.flatnonzero(found.clusters[0] == row["cluster"])
    means = delta[:N, 0][:, voxels].mean(axis=1, dtype=float)
    rest = [np.delete(means, person) for person in range(N)]
    effect = np.array([values.mean() for values in rest])
    p = np.array([stats.ttest_1samp(values, 0).pvalue for values in rest])
    np.testing.assert_allclose(row["effect_without_min"], effect.min(), rtol=1e-6)
    np.testing.assert_allclose(row["effect_without_max"], effect.max(), rtol=1e-6)
    assert row["without_person"] == f"sub-{p.argmax():02}" and row["n_decisive"] == 0
    np.testing.assert_allclose(row["effect_without_person"], effect[p.argmax()], rtol=1e-6)
    np.testing.assert_allclose(row["p_without_person"], p.max(), rtol=1e-5)


def test_who_decides_by_p_or_by_sign_is_counted():
    ids = np.array(["sub-1", "sub-2", "sub-3", "sub-4"])
    told = _weakest(
        1.0, np.array([0.8, 0.4, -0.1, np.nan]), np.array([0.01, 0.2, 0.04, np.nan]), ids
    )
    assert told["n_decisive"] == 2  # one by its p, one by its sign
    assert told["without_person"] == "sub-3" and told["p_without_person"] == 0.04
    assert (told["effect_without_min"], told["effect_without_max"]) == (-0.1, 0.8)
    told = _weakest(-1.0, np.array([-0.8, -0.4]), np.array([0.05, 0.0501]), ids[:2])
    assert told["n_decisive"] == 1 and told["without_person"] == "sub-2"
    told = _weakest(1.0, np.full(2, np.nan), np.full(2, np.nan), ids[:2])
    assert told["n_decisive"] == 0 and told["without_person"] == ""


def test_who_has_no_fold_is_counted(data, sessions):
    delta = data[0].copy()
    # A cluster of the second seed that is hardly one: without most people it would not be.
    spread = np.linspace(-1, 1, N)
    delta[:N, 1, :40] = (1 + 1.15 * spread)[:, None]
    people = Sessions(sessions.people, sessions.rows, delta, data[1], GROUPS, TREATMENTS)
    told, *_ = find((delta, data[1]), people)
    folds = told.clusters["n_folds"]
    assert (folds <= N).all() and (folds < N).any()
    cells = told.cells.merge(told.clusters[["seed", "cluster", "n_folds"]], on=["seed", "cluster"])
    patients = cells[cells["group"] == "TRD"]
    counted = patients.groupby(["seed", "cluster"])["loo_delta"].count()
    expected = patients.groupby(["seed", "cluster"])["n_folds"].first()
    pd.testing.assert_series_equal(counted, expected, check_names=False)


def test_several_seeds_are_read_one_by_one_or_together(data, sessions):
    maps = {"pooled": [0, 1]}
    told, found, _, _ = find(data, sessions, maps=maps)
    voxels = np.flatnonzero(found.clusters[0] == told.clusters["cluster"][0])
    expected = data[0][:, :, voxels].mean(axis=(1, 2))
    one = told.cells[told.cells["cluster"] == told.clusters["cluster"][0]]
    assert set(one["map"]) == {"pooled"}
    np.testing.assert_allclose(one["delta"].astype(float), expected, rtol=1e-5, atol=1e-6)
    told, *_ = find(data, sessions, maps=maps, apart=True)
    apart = told.cells[told.cells["cluster"] == told.clusters["cluster"][0]]
    assert apart["map"].unique().tolist() == SEEDS and len(apart) == 30
    of = apart.pivot(index="participant_id", columns="map", values="delta")
    np.testing.assert_allclose(of.mean(axis=1), one["delta"].astype(float), rtol=1e-5, atol=1e-6)


def test_ready_contrasts_have_no_sessions_to_read(data, sessions):
    ready = Sessions(sessions.people, sessions.rows, data[0], None, GROUPS, TREATMENTS)
    told, *_ = find(data, ready)
    assert told.cells[["active", "control", "loo_active"]].isna().all().all()
    assert told.cells["delta"].notna().all() and told.clusters["effect_loo"].notna().any()


def test_at_most_twenty_of_each_sign(data, sessions):
    delta = np.zeros_like(data[0])
    delta += np.random.default_rng(1).standard_normal(delta.shape) * 0.1
    volume = np.zeros(SHAPE)
    volume[1::3, 1::3, 1::3] = 5
    delta[:N, 0] += volume[MASK]
    told, found, _, _ = find((delta, data[1]), sessions)
    assert len(found.sizes[0]) > 20
    assert (found.statistic[0, found.clusters[0] > 0] > 0).sum() > 20
    told = told.clusters[(told.clusters["seed"] == "sgACC") & (told.clusters["sign"] == "+")]
    assert len(told) == 20 and (np.diff(told["size_voxels"]) <= 0).all()


def test_no_clusters_no_rows():
    empty = no_findings(GROUPS, TREATMENTS)
    assert [len(table) for table in (empty.clusters, empty.peaks, empty.cells)] == [0, 0, 0]
    assert {"mean_HV_placebo", "loo_mean_TRD_ketamine", "n_folds"} <= set(empty.clusters.columns)
    alone = no_findings({"patients": "TRD", "controls": None}, TREATMENTS)
    assert not any("None" in column for column in alone.clusters.columns)


def test_peaks_table_belongs_to_the_clusters(data, sessions):
    told, found, _, _ = find(data, sessions)
    key = ["seed", "sign", "cluster"]
    assert set(map(tuple, told.peaks[key].to_numpy())) == set(
        map(tuple, told.clusters[key].to_numpy())
    )
    highest = told.peaks[told.peaks["peak"] == 1].merge(told.clusters, on=key)
    for axis in "xyz":
        assert (highest[f"{axis}_x"] == highest[f"{axis}_y"]).all()
    assert (highest["stat"] == highest["peak_stat"]).all()
    # The bar of 7 voxels (28 mm) has room for more than one, that of 3 × 3 × 3 hardly.
    assert (told.peaks.groupby(key).size() > 1).any() and told.peaks["peak"].max() <= 4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), most=st.integers(1, 6), apart=st.floats(0, 20))
def test_peaks_are_local_maxima_apart_from_each_other(seed, most, apart):
    rng = np.random.default_rng(seed)
    volume = ndimage.gaussian_filter(rng.standard_normal((9, 8, 7)), rng.random() * 1.2)
    inside = np.argwhere(rng.random(volume.shape) < 0.8)
    height = volume[tuple(inside.T)]
    points = inside * [3.0, 3.0, 4.0] - 10
    found = peaks(height, inside, points, most, apart)
    assert found[0] == height.argmax() and 1 <= len(found) <= most
    assert (np.diff(height[found]) <= 0).all()
    near = np.abs(inside[:, None] - inside[None]).max(axis=2) <= 1
    is_maximum = np.array(
        [height[voxel] == height[near[voxel]].max() for voxel in range(len(near))]
    )
    assert is_maximum[found].all()
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    among = distance[np.ix_(found, found)][~np.eye(len(found), dtype=bool)]
    assert (among >= apart - 1e-5).all()
    if len(found) < most:  # every other maximum is too near to one that is as high or higher
        for other in set(np.flatnonzero(is_maximum)) - set(found):
            close = [peak for peak in found if distance[peak, other] < apart]
            assert close and height[close].max() >= height[other]
