"""One session, from an fMRIPrep-shaped triple to maps, edges and a record; or nothing at all."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from crossfc.fault import Fault
from crossfc.session import layout
from crossfc.session.connectivity import cleaning
from crossfc.session.connectivity import seed_map as connectivity
from crossfc.session.connectivity.derivative import connectivity_session
from crossfc.session.connectivity.pipeline import Pipeline
from crossfc.session.displacement import PARAMETERS
from crossfc.session.physiology.measure import read_physiology
from crossfc.session.placement import place
from tests.image import write_image
from tests.session.physiology.recorded import beat_times, belt, pulse, write

SHAPE, N, TR = (12, 14, 12), 80, 2.0
AFFINE = np.array([[10.0, 0, 0, -55], [0, 10, 0, -75], [0, 0, 10, -45], [0, 0, 0, 1]])


def sphere(x, y, z, radius=11):
    return {"kind": "sphere", "x": x, "y": y, "z": z, "radius_mm": radius}


SEEDS = [{"seed": "sgACC"} | sphere(5, 25, -5), {"seed": "dACC"} | sphere(5, 25, 35)]
TARGETS = [
    {"target": "left"} | sphere(-25, -15, 15),
    {"target": "outside"} | sphere(-55, -75, -45),
    {"target": "near"} | sphere(5, 35, -5),
    {"target": "both"} | sphere(-25, 5, 5),
    {"target": "both"} | sphere(35, 5, 5),
]
CHOICES = {
    "strategy": {"columns": list(PARAMETERS)},
    "high_pass_hz": 0.008,
    "low_pass_hz": 0.1,
    "censor_fd_mm": None,
    "censor_minimum_run": 1,
    "censored_filter": "exact",
    "fwhm_mm": 0,
    "seeds": SEEDS,
    "region_weights": "overlap",
    "reference_degrees_of_freedom": None,
}


def brain():
    grid = np.indices(SHAPE).reshape(3, -1)
    mm = AFFINE[:3, :3] @ grid + AFFINE[:3, 3:]
    return ((mm / [[50], [60], [45]]) ** 2).sum(axis=0).reshape(SHAPE) < 1


class Session:
    """A tiny session in the shape of fMRIPrep; change its parts, then run it."""

    def __init__(self, folder: Path):
        self.folder = folder
        rng = np.random.default_rng(0)
        self.mask = brain()
        motion = rng.normal(size=(N, 6)).cumsum(axis=0) * 0.02
        self.table = pd.DataFrame(motion, columns=PARAMETERS)
        fd = np.abs(np.diff(motion, axis=0)).sum(axis=1)
        self.table["framewise_displacement"] = [np.nan, *fd]
        network = rng.normal(size=N)
        self.data = 1000 + 10 * rng.normal(size=(*SHAPE, N)) + 6 * network
        self.data += (motion @ rng.normal(size=(6, 1)))[:, 0] * 30
        self.data = self.data.astype(np.float32)
        self.pipelines = {"primary": dict(CHOICES)}
        self.targets = TARGETS
        self.runs = [self.write("run-1")]
        self.options = {
            "minimum_seed_coverage": 0.5,
            "minimum_seed_tsnr": 0,
            "minimum_voxel_signal": 0,
            "minimum_voxel_tsnr": 0,
            "minimum_residual_degrees_of_freedom": 5,
            "accept_unoriented": False,
        }

    def write(self, name, **parts):
        paths = {key: self.folder / f"{name}_{key}" for key in ("bold", "mask", "confounds")}
        paths["bold"] = paths["bold"].with_suffix(".nii.gz")
        paths["mask"] = paths["mask"].with_suffix(".nii.gz")
        paths["confounds"] = paths["confounds"].with_suffix(".tsv")
        write_image(paths["bold"], parts.get("data", self.data), AFFINE)
        mask = parts.get("mask", self.mask).astype(np.uint8)
        write_image(paths["mask"], mask, parts.get("mask_affine", AFFINE))
        table = parts.get("table", self.table)
        table.to_csv(paths["confounds"], sep="\t", na_rep="n/a", index=False)
        return {"scan": name} | paths

    def rewrite(self, **parts):
        self.runs = [self.write("run-1", **parts)]
        return self

    @property
    def out(self):
        return self.folder / "out"

    def outputs(self, name):
        seeds = dict.fromkeys(row["seed"] for row in self.pipelines[name]["seeds"])
        return {
            "maps": [self.out / f"{name}_{seed}.nii.gz" for seed in seeds],
            "timeseries": self.out / f"{name}_timeseries.tsv",
            "relmat": self.out / f"{name}_relmat.tsv",
            "qc": self.out / f"{name}_qc.json",
        }

    @property
    def looked_at(self):
        return layout.inspection("sub-01", "ses-1", "rest", "MNI", self.pipelines, self.out)

    def run(self):
        connectivity_session(
            participant_id="sub-01",
            session_id="ses-1",
            runs=self.runs,
            pipelines={k: Pipeline.from_params(own) for k, own in self.pipelines.items()},
            targets=self.targets,
            outputs={name: self.outputs(name) for name in self.pipelines},
            inspection=self.looked_at,
            **self.options,
        )
        return self

    def refusal(self):
        """Run it; give the sentence it is refused with, having written nothing."""
        with pytest.raises(Fault) as caught:
            self.run()
        assert not self.out.exists(), sorted(self.out.iterdir())
        return str(caught.value)

    def left(self, name="primary"):
        """Run it; give the reasons for which the session left a pipeline, with its record only."""
        self.run()
        outputs = self.outputs(name)
        assert not any(p.exists() for p in (*outputs["maps"], outputs["relmat"]))
        return self.qc(name)["exclusion_reasons"]

    def qc(self, name="primary"):
        return json.loads(self.outputs(name)["qc"].read_text())

    def relmat(self, name="primary"):
        path = self.outputs(name)["relmat"]
        return pd.read_csv(path, sep="\t", na_values="n/a").set_index("seed")

    def timeseries(self, name="primary"):
        return pd.read_csv(self.outputs(name)["timeseries"], sep="\t", na_values="n/a")

    def maps(self, name="primary"):
        return [nibabel.load(p).get_fdata() for p in self.outputs(name)["maps"]]


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A session with nothing wrong, run once: three pipelines."""
    made = Session(tmp_path_factory.mktemp("usual"))
    made.pipelines["smooth"] = CHOICES | {"fwhm_mm": 18}
    # A limit that censors some volumes of this session.
    limit = float(np.nanquantile(made.table["framewise_displacement"], 0.85))
    made.pipelines["scrub"] = CHOICES | {"censor_fd_mm": limit, "seeds": SEEDS[:1]}
    return made.run()


def by_least_squares(made, kept, series):
    """Clean series of all volumes by numpy's least squares; give the kept volumes."""
    n = np.arange(N)
    frequency = n / (2 * N * TR)
    stopped = n[(frequency < 0.008) | (frequency > 0.1)]
    cosines = np.cos(np.pi * np.outer(n + 0.5, stopped) / N)
    confounds = made.table[list(PARAMETERS)].to_numpy()
    design = np.hstack([cosines, confounds])[kept]
    return series[kept] - design @ np.linalg.lstsq(design, series[kept], rcond=None)[0]


def kept_of(made, name):
    limit = made.pipelines[name]["censor_fd_mm"]
    fd = made.table["framewise_displacement"].fillna(0).to_numpy()
    return np.ones(N, bool) if limit is None else fd <= limit


def mean_of(made, rows):
    weight = place(rows, "r", SHAPE, AFFINE).image() * made.mask
    return np.average(made.data.reshape(-1, N).astype(float), axis=0, weights=weight.ravel())


@pytest.mark.parametrize("name", ["primary", "smooth", "scrub"])
def test_maps_are_correlations_with_cleaned_voxels(usual, name):
    kept = kept_of(usual, name)
    assert kept.all() == (name != "scrub")
    fwhm = usual.pipelines[name]["fwhm_mm"]
    data = usual.data.astype(float) - usual.data.astype(float).mean(axis=-1, keepdims=True)
    if fwhm:
        sigma = [fwhm / 10 / 2.3548200450309493] * 3 + [0]
        weight = gaussian_filter(usual.mask.astype(float), sigma[:3], mode="constant", truncate=4)
        data = gaussian_filter(data * usual.mask[..., None], sigma, mode="constant", truncate=4)
        data[usual.mask] /= weight[usual.mask][:, None]
    voxels = by_least_squares(usual, kept, data[usual.mask].T)
    maps = usual.maps(name)
    assert len(maps) == (1 if name == "scrub" else 2)
    for row, found in zip(SEEDS, maps, strict=False):
        # The seed itself is not smoothed.
        seed = by_least_squares(usual, kept, mean_of(usual, [row]))
        r = np.corrcoef(seed, voxels.T)[0, 1:]
        np.testing.assert_allclose(np.tanh(found[usual.mask]), r, atol=1e-5)


@pytest.mark.parametrize("name", ["primary", "smooth", "scrub"])
def test_the_maps_are_nan_outside_the_mask_and_lie_where_the_scan_lies(usual, name):
    for path, found in zip(usual.outputs(name)["maps"], usual.maps(name), strict=True):
        np.testing.assert_array_equal(np.isfinite(found), usual.mask)
        image = nibabel.load(path)
        assert image.get_data_dtype() == np.float32
        np.testing.assert_allclose(image.affine, AFFINE)
        assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 4


@pytest.mark.parametrize("name", ["primary", "smooth", "scrub"])
def test_edges_are_correlations_of_cleaned_means(usual, name):
    kept = kept_of(usual, name)
    relmat = usual.relmat(name)
    assert list(relmat.columns) == ["left", "outside", "near", "both"]
    assert list(relmat.index) == ["sgACC", "dACC"][: len(relmat)]
    for row in usual.pipelines[name]["seeds"]:
        seed = by_least_squares(usual, kept, mean_of(usual, [row]))
        for target in ("left", "both"):
            rows = [t for t in TARGETS if t["target"] == target]
            other = by_least_squares(usual, kept, mean_of(usual, rows))
            r = np.corrcoef(seed, other)[0, 1]
            assert np.tanh(relmat.loc[row["seed"], target]) == pytest.approx(r, abs=1e-5)


def test_a_target_that_shares_voxels_with_a_seed_or_has_none_is_missing(usual):
    relmat = usual.relmat()
    assert relmat["outside"].isna().all()
    assert relmat["near"].isna().tolist() == [True, False]
    assert relmat[["left", "both"]].notna().all(axis=None)
    assert "n/a" in usual.outputs("primary")["relmat"].read_text()
    qc = usual.qc()
    assert qc["targets"]["outside"] == {
        "coverage": 0.0,
        "voxels": 0,
        "tsnr": None,
        "offset_mm": None,
        "grey_matter": None,
        "grey_signal": None,
    }
    assert qc["targets"]["both"]["coverage"] == 1.0


def with_grey_matter(session, grey, affine=AFFINE, name="sub-01_space-MNI_label-GM_probseg"):
    session.options["grey_matter"] = write_image(session.folder / f"{name}.nii.gz", grey, affine)
    session.pipelines["grey"] = CHOICES | {"region_weights": "grey_matter"}
    return session


def test_fisher_z_at_other_degrees_of_freedom(session):
    session.pipelines["scaled"] = CHOICES | {"reference_degrees_of_freedom": 102}
    session.run()
    factor = ((session.qc()["residual_degrees_of_freedom"] - 2) / 100) ** 0.5
    assert factor != pytest.approx(1, abs=0.05)
    for plain, scaled in zip(*(session.outputs(n)["maps"] for n in session.pipelines), strict=True):
        wanted = nibabel.load(plain).get_fdata() * factor
        np.testing.assert_allclose(nibabel.load(scaled).get_fdata(), wanted, rtol=1e-5)
    plain, scaled = (session.relmat(n) for n in session.pipelines)
    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-6)
    series = [session.timeseries(name) for name in session.pipelines]
    pd.testing.assert_frame_equal(*series)


def test_grey_matter_of_seeds_is_told_and_weighs_them_where_asked(session):
    rng = np.random.default_rng(2)
    grey = rng.uniform(0, 1, SHAPE).astype(np.float32)
    with_grey_matter(session, grey).run()
    weight = place(SEEDS[:1], "s", SHAPE, AFFINE).image() * session.mask
    share = np.average(grey, weights=weight)
    for name in ("primary", "grey"):
        assert session.qc(name)["seeds"]["sgACC"]["grey_matter"] == pytest.approx(share, abs=1e-5)
        assert "grey_matter" not in session.qc(name)["unmeasured"]
    both = (weight * grey).ravel()
    assert session.qc("grey")["seeds"]["sgACC"]["voxels"] == pytest.approx(
        both.sum() ** 2 / (both**2).sum(), abs=0.01
    )
    whole = np.ones(N, bool)
    mean = np.average(session.data.reshape(-1, N).astype(float), axis=0, weights=both)
    wanted = by_least_squares(session, whole, mean)
    np.testing.assert_allclose(session.timeseries("grey")["seed_sgACC"], wanted, atol=1e-3)
    assert np.abs(session.timeseries()["seed_sgACC"] - wanted).max() > 0.1
    # Targets are weighted too.
    weight = place(TARGETS[:1], "t", SHAPE, AFFINE).image() * session.mask * grey
    mean = np.average(session.data.reshape(-1, N).astype(float), axis=0, weights=weight.ravel())
    series = session.timeseries("grey")["target_left"]
    np.testing.assert_allclose(series, by_least_squares(session, whole, mean), atol=1e-3)


def test_grey_matter_that_has_lost_its_signal_is_told_in_the_mask_or_not(session):
    grey = np.full(SHAPE, 0.9, np.float32)
    grey[:4] = 0  # on one side there is nothing to lose
    weight = place(SEEDS[:1], "s", SHAPE, AFFINE).image() * grey
    rank = np.cumsum(np.argsort(np.argsort(weight.ravel() == 0))).reshape(SHAPE)
    dark = (weight > 0) & (rank <= np.median(rank[weight > 0]))
    session.data[dark] -= 600  # from 1000 to 400, under half
    half = weight.copy()
    half[dark] = 0
    assert 0.2 < half.sum() / weight.sum() < 0.8
    with_grey_matter(session.rewrite(), grey).run()
    told = session.qc()["seeds"]["sgACC"]
    assert told["grey_signal"] == pytest.approx(half.sum() / weight.sum(), abs=1e-5)
    assert told["coverage"] == 1
    # A mask that leaves out what is dark: the same grey matter has lost its signal.
    with_grey_matter(session.rewrite(mask=session.mask & ~dark), grey).run()
    told = session.qc()["seeds"]["sgACC"]
    assert told["grey_signal"] == pytest.approx(half.sum() / weight.sum(), abs=1e-5)
    assert told["coverage"] < 1
    # Demeaned series tell nothing of brightness.
    session.data -= session.data.mean(axis=-1, keepdims=True)
    with_grey_matter(session.rewrite(), grey).run()
    assert session.qc()["seeds"]["sgACC"]["grey_signal"] is None


def test_grey_matter_of_a_finer_grid_is_the_mean_over_each_voxel(session):
    # Labels of 5 mm: grey matter (1) below z = 0, white (2) above, which cuts voxels in two halves.
    affine = np.diag([5.0, 5, 5, 1])
    affine[:3, 3] = [-57.5, -77.5, -47.5]
    labels = np.full((24, 28, 24), 2, np.uint8)
    z = -47.5 + 5 * np.arange(24)
    labels[:, :, z < -5] = 1
    with_grey_matter(session, labels, affine, "sub-01_space-MNI_dseg").run()
    # The sphere's middle lies at z = -5, where the voxel of 10 mm is cut.
    assert session.qc()["seeds"]["sgACC"]["grey_matter"] == pytest.approx(0.5, abs=0.02)
    assert session.qc()["seeds"]["dACC"]["grey_matter"] == 0
    reasons = session.qc("grey")["exclusion_reasons"]
    assert reasons == ["none of seed dACC is grey matter"]


def test_without_a_map_of_grey_matter_a_session_leaves_the_pipeline_that_needs_it(session):
    session.pipelines["grey"] = CHOICES | {"region_weights": "grey_matter"}
    session.options["grey_matter_absent"] = "no label-GM_probseg in sub-01/anat"
    (reason,) = session.left("grey")
    assert reason == (
        "no map of grey matter to weight regions by (no label-GM_probseg in sub-01/anat)"
    )
    assert len(session.maps()) == 2


def test_a_map_that_holds_no_probabilities_is_refused(session):
    grey = np.full(SHAPE, 100, np.float32)
    grey[0] = 0
    assert "holds values from 0 to 100, which are no probabilities of grey matter" in (
        with_grey_matter(session, grey).refusal()
    )


@pytest.mark.parametrize("name", ["primary", "scrub"])
def test_series_are_the_cleaned_means_with_gaps_where_censored(usual, name):
    kept = kept_of(usual, name)
    series = usual.timeseries(name)
    seeds = [f"seed_{row['seed']}" for row in usual.pipelines[name]["seeds"]]
    assert list(series.columns) == [*seeds, "target_left", "target_near", "target_both"]
    np.testing.assert_array_equal(series.notna().all(axis=1), kept)
    np.testing.assert_array_equal(series.isna().all(axis=1), ~kept)
    wanted = by_least_squares(usual, kept, mean_of(usual, SEEDS[:1]))
    np.testing.assert_allclose(series["seed_sgACC"][kept], wanted, atol=1e-3)


def test_the_record_says_what_was_done(usual):
    qc = usual.qc()
    fd = usual.table["framewise_displacement"][1:]
    assert (qc["participant_id"], qc["session_id"], qc["scan"]) == ("sub-01", "ses-1", "run-1")
    assert qc["runs_considered"] == [{"scan": "run-1", "mean_fd": pytest.approx(fd.mean())}]
    assert qc["mean_fd"] == pytest.approx(fd.mean()) and qc["max_fd"] == pytest.approx(fd.max())
    assert qc["repetition_time"] == TR
    assert (qc["volumes"], qc["volumes_non_steady"]) == (N, 0)
    assert (qc["volumes_kept"], qc["volumes_censored"]) == (N, 0)
    assert qc["regressors"] == list(PARAMETERS)
    # 80 volumes: cosines 0 to 2 below 0.008 Hz, 33 to 79 above 0.1 Hz, six motion parameters.
    assert qc["residual_degrees_of_freedom"] == 80 - 3 - 47 - 6
    assert qc["mask_voxels"] == usual.mask.sum() and qc["zero_variance_voxels"] == 0
    assert qc["mean_dvars"] is None
    data = usual.data[usual.mask].astype(float)
    snr = data.mean(axis=1) / data.std(axis=1)
    assert qc["tsnr_median"] == pytest.approx(np.median(snr), rel=1e-4)
    weight = place(SEEDS[:1], "s", SHAPE, AFFINE).image()
    own, weight = usual.data[weight > 0].astype(float), weight[weight > 0]
    snr = own.mean(axis=1) / own.std(axis=1)
    assert qc["seeds"]["sgACC"] == {
        "coverage": 1.0,
        "voxels": pytest.approx(weight.sum() ** 2 / (weight**2).sum(), abs=0.01),
        "tsnr": pytest.approx(np.average(snr, weights=weight), rel=1e-4),
        "offset_mm": pytest.approx(0, abs=0.5),
        "grey_matter": None,
        "grey_signal": None,
    }
    assert qc["unmeasured"]["grey_matter"] == "no map was given"
    assert 0.5 < qc["mask_dice_template"] < 1
    kept = kept_of(usual, "scrub").sum()
    scrub = usual.qc("scrub")
    assert (scrub["volumes_kept"], scrub["volumes_censored"]) == (kept, N - kept)
    assert 0 < N - kept < 20 and list(scrub["seeds"]) == ["sgACC"]


def test_every_output_is_written_and_nothing_else(usual):
    files = usual.looked_at
    wanted = {files[kind] for kind in ("outlines", "targets", "carpet", "volumes")}
    # Pipelines with the same seeds share their picture.
    drawn = set(layout.drawn_seeds({k: p["seeds"] for k, p in usual.pipelines.items()}).values())
    assert len(drawn) < len(usual.pipelines)
    for name, own in files["pipelines"].items():
        wanted |= {own["carpet"], own["confounds"]} | ({own["seeds"]} if name in drawn else set())
    for name in usual.pipelines:
        outputs = usual.outputs(name)
        wanted |= {*outputs["maps"], outputs["timeseries"], outputs["relmat"], outputs["qc"]}
    assert set(usual.out.iterdir()) == wanted


def test_the_same_input_gives_the_same_bytes(session):
    session.run()
    first = {p.name: p.read_bytes() for p in session.out.iterdir()}
    session.run()
    assert {p.name: p.read_bytes() for p in session.out.iterdir()} == first


def test_of_repeat_runs_the_one_with_less_motion_is_used(session):
    restless = session.table.copy()
    restless["framewise_displacement"] += 1
    noise = np.random.default_rng(9).normal(1000, 10, size=session.data.shape).astype(np.float32)
    session.runs = [
        session.write("run-1", table=restless, data=noise),
        session.write("run-2"),
    ]
    session.run()
    qc, maps = session.qc(), session.maps()
    assert qc["scan"] == "run-2"
    assert [r["scan"] for r in qc["runs_considered"]] == ["run-1", "run-2"]
    low = session.table["framewise_displacement"].mean()
    assert [r["mean_fd"] for r in qc["runs_considered"]] == pytest.approx([low + 1, low])
    session.rewrite().run()
    np.testing.assert_array_equal(session.maps(), maps)


def test_repeats_that_were_broken_off_or_cannot_be_read_are_passed_over(session):
    session.run()
    maps = session.maps()
    short = session.table.head(30).copy()
    short["framewise_displacement"] *= 0.5
    torn = session.write("run-3")
    bold = Path(torn["bold"])
    bold.write_bytes(bold.read_bytes()[:-2000])
    stopped = session.data.copy()
    stopped[..., -30:] = 0
    session.runs = [
        session.write("run-1", table=short, data=session.data[..., :30]),
        session.write("run-2"),
        torn,
        session.write("run-4", table=session.table * 0.5, data=stopped),
    ]
    session.run()
    qc = session.qc()
    assert qc["scan"] == "run-2"
    first, third, fourth = qc["runs_passed_over"]
    volumes = session.data.shape[3]
    reason = f"30 usable volumes where another repeat has {volumes}"
    assert first == {"scan": "run-1", "reason": reason}
    assert third["scan"] == "run-3" and "is truncated" in third["reason"]
    # As long as the others, but its end is blank.
    assert fourth["reason"].endswith(f"usable volumes where another repeat has {volumes}")
    np.testing.assert_array_equal(session.maps(), maps)


def test_volumes_before_steady_state_are_dropped_from_everything(session):
    session.run()
    plain = session.qc()
    marks = pd.DataFrame({f"non_steady_state_outlier0{i}": np.eye(N, dtype=int)[i] for i in (0, 1)})
    table = pd.concat([session.table, marks], axis=1)
    bright = session.data.copy()
    bright[..., :2] *= 3
    session.rewrite(table=table, data=bright).run()
    qc, maps = session.qc(), session.maps()
    assert (qc["volumes_non_steady"], qc["volumes_censored"], qc["volumes_kept"]) == (2, 0, N - 2)
    # What these volumes hold has no say, neither in the maps nor in the record.
    assert qc["tsnr_median"] == pytest.approx(plain["tsnr_median"], rel=0.02)
    session.rewrite(table=table).run()
    np.testing.assert_allclose(session.maps(), maps, atol=2e-4)
    assert session.qc()["tsnr_median"] == pytest.approx(qc["tsnr_median"], rel=1e-4)


def test_voxels_without_variance_are_counted_and_left_out(session):
    flat = session.data.copy()
    dead = np.argwhere(session.mask)[[0, 50, 100]]
    for index in dead:
        flat[tuple(index)] = 700
    session.rewrite(data=flat).run()
    qc = session.qc()
    assert qc["zero_variance_voxels"] == 3
    assert qc["mask_voxels"] == session.mask.sum() - 3
    finite = np.isfinite(session.maps()[0])
    assert (session.mask & ~finite).sum() == 3
    assert not any(finite[tuple(index)] for index in dead)


def test_no_targets_is_no_fault(session):
    session.targets = []
    session.run()
    assert session.outputs("primary")["relmat"].read_text() == "seed\nsgACC\ndACC\n"


def test_a_seed_outside_the_brain_leaves_its_pipeline_by_name(session):
    far = [*SEEDS, {"seed": "far"} | sphere(-55, -75, -45)]
    session.pipelines["more"] = CHOICES | {"seeds": far}
    (reason,) = session.left("more")
    assert reason == "0% of seed far lies in the brain mask with signal, less than 50%"
    assert session.qc("more")["seeds"]["far"] == {
        "coverage": 0.0,
        "voxels": 0,
        "tsnr": None,
        "offset_mm": None,
        "grey_matter": None,
        "grey_signal": None,
    }
    assert session.qc()["exclusion_reasons"] == [] and len(session.maps()) == 2


def test_a_seed_half_covered_leaves_or_stays_as_asked(session):
    mask = session.mask.copy()
    weight = place(SEEDS[:1], "s", SHAPE, AFFINE).image()
    lost = np.argwhere(weight)[:9]
    mask[tuple(lost.T)] = False
    share = 1 - weight[tuple(lost.T)].sum() / weight.sum()
    assert 0.3 < share < 0.9
    session.rewrite(mask=mask)
    session.options["minimum_seed_coverage"] = share + 0.01
    assert "of seed sgACC lies in the brain mask" in session.left()[0]
    session.options["minimum_seed_coverage"] = share - 0.01
    session.run()
    assert session.qc()["seeds"]["sgACC"]["coverage"] == pytest.approx(share)


def test_a_region_outside_the_grid_names_scan_and_region(session):
    session.targets = [{"target": "lost"} | sphere(75, 80, 90, 5)]
    said = session.refusal()
    assert "run-1_bold.nii.gz: region lost has no voxel in the grid" in said


def test_a_mask_on_another_grid(session):
    moved = AFFINE.copy()
    moved[0, 3] += 10
    session.rewrite(mask_affine=moved)
    assert "run-1_mask.nii.gz lies on another grid" in session.refusal()


def test_a_mask_without_signal(session):
    session.rewrite(data=np.where(session.mask[..., None], np.float32(5), session.data))
    assert "run-1_bold.nii.gz has no signal inside its brain mask" in session.refusal()


def test_a_bold_of_three_dimensions(session):
    session.rewrite(data=session.data[..., 0])
    assert "4 dimensions are due" in session.refusal()


def test_a_table_of_another_run(session):
    session.rewrite(table=session.table[:-1])
    assert "run-1_confounds.tsv has 79 rows for a scan of 80 volumes" in session.refusal()


def test_a_column_that_the_strategy_needs(session):
    session.pipelines["more"] = CHOICES | {"strategy": {"columns": ["global_signal"]}}
    assert "has no column global_signal" in session.refusal()


def test_a_missing_file(session):
    session.runs[0]["bold"].unlink()
    assert "run-1_bold.nii.gz does not exist" in session.refusal()


def test_too_few_degrees_of_freedom(session):
    session.pipelines["gsr"] = CHOICES | {"low_pass_hz": None}
    session.options["minimum_residual_degrees_of_freedom"] = 25
    assert session.left() == [
        "24 residual degrees of freedom, fewer than 25 (80 of 80 volumes kept, 56 dimensions "
        "removed)"
    ]
    # What stays in another pipeline is the same as without this one.
    maps = session.maps("gsr")
    assert session.qc("gsr")["exclusion_reasons"] == []
    session.pipelines = {"gsr": session.pipelines["gsr"]}
    session.run()
    np.testing.assert_array_equal(session.maps("gsr"), maps)


def test_a_session_that_is_censored_away(session):
    session.pipelines["scrub"] = CHOICES | {"censor_fd_mm": 1e-9}
    assert session.left("scrub") == ["all but 1 of 80 volumes censored"]
    scrub = session.qc("scrub")
    assert (scrub["volumes_kept"], scrub["residual_degrees_of_freedom"]) == (1, 0)
    assert session.qc()["exclusion_reasons"] == []


def test_a_seed_that_follows_from_the_confounds(session):
    table = session.table.copy()
    table["trans_x"] = mean_of(session, SEEDS[1:])
    session.rewrite(table=table)
    reason = "nothing is left of seed dACC, which follows from the confounds"
    assert session.left() == [reason]


PARTS = {
    "blank": (np.s_[..., 40], "blank"),
    "upper half of the last": (np.s_[:, :, 6:, 79], "of the brain without signal"),
    "one slice": (np.s_[:, :, 5, 40], "of the brain without signal"),
    "ten last": (np.s_[..., 70:], "blank"),
}


@pytest.mark.parametrize("part", PARTS)
def test_volumes_that_were_never_taken_say_nothing(session, part):
    """One zero volume of 80 would move the mean of the map by 2."""
    place, reason = PARTS[part]
    blank = np.zeros((*SHAPE, N), dtype=bool)
    blank[place] = True
    lost = np.flatnonzero(blank.any(axis=(0, 1, 2)))
    session.rewrite(data=np.where(blank, np.float32(0), session.data)).run()
    qc, maps, tsnr = session.qc(), session.maps(), session.qc()["tsnr_median"]
    assert [v["volume"] for v in qc["defective_volumes"]] == lost.tolist()
    assert all(reason in v["reason"] for v in qc["defective_volumes"])
    assert qc["volumes_defective"] == qc["volumes_censored"] == len(lost)
    assert session.timeseries()["seed_sgACC"].isna().sum() == len(lost)
    # The same as if these volumes had been what they should, and been censored by motion.
    table = session.table.copy()
    table.loc[lost, "framewise_displacement"] = 9.0
    session.pipelines["primary"] = CHOICES | {"censor_fd_mm": 8.0}
    session.rewrite(table=table).run()
    np.testing.assert_allclose(session.maps(), maps, atol=2e-4)
    assert tsnr == pytest.approx(session.qc()["tsnr_median"], rel=0.01)


def test_a_blank_volume_before_steady_state_is_named_and_counted_once(session):
    marks = pd.DataFrame({"non_steady_state_outlier00": np.eye(N, dtype=int)[0]})
    data = session.data.copy()
    data[..., 0] = 0
    session.rewrite(table=pd.concat([session.table, marks], axis=1), data=data).run()
    qc = session.qc()
    assert qc["defective_volumes"] == [{"volume": 0, "reason": "blank"}]
    assert (qc["volumes_non_steady"], qc["volumes_censored"]) == (1, 0)


def test_a_volume_without_displacement_is_censored_in_every_pipeline(session):
    table = session.table.copy()
    table.loc[[30, 31], ["framewise_displacement", *PARAMETERS]] = np.nan
    session.pipelines["scrub"] = CHOICES | {"censor_fd_mm": 5.0}
    session.rewrite(table=table).run()
    for name in ("primary", "scrub"):
        qc = session.qc(name)
        assert [v["volume"] for v in qc["defective_volumes"]] == [30, 31]
        assert qc["defective_volumes"][0]["reason"] == "framewise displacement is missing"
        assert qc["volumes_kept"] == N - 2
    known = session.table["framewise_displacement"].drop([0, 30, 31])
    assert qc["mean_fd"] == pytest.approx(known.mean())
    assert np.isfinite(session.maps()[0][session.mask]).all()


def test_a_scan_of_which_nothing_is_left_is_refused(session):
    data = session.data.copy()
    data[..., 2:] = 0
    session.rewrite(data=data)
    said = session.refusal()
    assert "run-1_bold.nii.gz has 2 volumes that are measurements" in said
    assert "(volume 2, counted from 0: blank); exclude the session" in said


SIGNAL = {"minimum_voxel_signal": 0.1, "minimum_voxel_tsnr": 5, "minimum_seed_tsnr": 10}


def lose_signal(session, rows, level=0.02, share=1.0):
    """Replace the signal at a region (a share of its voxels) by noise, as dropout does."""
    data, rng = session.data.copy(), np.random.default_rng(3)
    voxels = np.argwhere(place(rows, "r", SHAPE, AFFINE).image())
    for voxel in voxels[: round(share * len(voxels))]:
        noise = rng.normal(size=(2, N)) * level * 1000 / 1.25
        data[tuple(voxel)] = np.hypot(*noise)  # what a magnitude image shows of noise
    session.options |= SIGNAL
    return session.rewrite(data=data), round(share * len(voxels))


@pytest.mark.parametrize("level", [0.005, 0.02, 0.08, 0.5])
def test_a_seed_whose_signal_is_lost_is_seen(session, level):
    session, lost = lose_signal(session, SEEDS[:1], level)
    session.pipelines["other"] = CHOICES | {"seeds": SEEDS[1:]}
    assert session.left() == ["0% of seed sgACC lies in the brain mask with signal, less than 50%"]
    qc = session.qc("other")
    seed = session.qc()["seeds"]["sgACC"]
    # The ratio of a magnitude image of noise is 1.91 (Gudbjartsson and Patz 1995).
    assert seed["voxels"] == 0 and seed["tsnr"] == pytest.approx(1.91, abs=0.1)
    assert qc["voxels_without_signal"] == lost
    assert qc["mask_voxels"] == session.mask.sum() - lost
    # What is no signal is no value of a map either.
    assert np.isnan(session.maps("other")[0][session.mask]).sum() == lost


def test_a_seed_that_lost_part_of_its_signal_keeps_the_rest(session):
    session, lost = lose_signal(session, SEEDS[:1], share=0.4)
    session.run()
    seed = session.qc()["seeds"]["sgACC"]
    weight = place(SEEDS[:1], "s", SHAPE, AFFINE).image()
    weight, every = weight[weight > 0][lost:], weight.sum()
    assert seed["voxels"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), abs=0.01)
    assert seed["coverage"] == pytest.approx(weight.sum() / every)
    assert seed["tsnr"] > 50 and seed["offset_mm"] > 1


def test_a_weak_seed_leaves_by_its_signal_to_noise(session):
    session.options |= SIGNAL | {"minimum_seed_tsnr": 200}
    reasons = session.left()
    assert len(reasons) == 2
    assert reasons[0].startswith("temporal signal-to-noise ratio of seed sgACC ")
    assert reasons[0].endswith(", less than 200")


def test_a_target_whose_signal_is_lost_has_no_edges(session):
    session, _ = lose_signal(session, TARGETS[:1], share=0.7)
    session.run()
    relmat, qc = session.relmat(), session.qc()
    assert relmat["left"].isna().all() and relmat["both"].notna().all()
    assert any("of target left lies" in reason for reason in qc["targets_left_out"])


def test_a_series_without_its_mean_is_analysed_and_its_signal_is_not_judged(session):
    session.options |= SIGNAL
    session.run()
    maps = session.maps()
    data = session.data - session.data.mean(axis=-1, keepdims=True)
    session.rewrite(data=data).run()
    np.testing.assert_allclose(session.maps(), maps, atol=1e-4)
    qc = session.qc()
    assert qc["tsnr_median"] is None and qc["voxels_without_signal"] is None
    assert qc["seeds"]["sgACC"]["tsnr"] is None and qc["defective_volumes"] == []


def test_a_scan_of_noise_leaves_by_name(session):
    rng = np.random.default_rng(5)
    session.options |= SIGNAL
    session.rewrite(data=np.hypot(*rng.normal(size=(2, *SHAPE, N))).astype(np.float32) * 9)
    assert session.left()[0].startswith("temporal signal-to-noise ratio of seed sgACC 1.9")


def test_censored_volumes_are_filled_in_for_the_filter_alone(session):
    """Least squares leaves too little of this session; what is censored has no say."""
    limit = float(np.nanquantile(session.table["framewise_displacement"], 0.75))
    scrub = CHOICES | {"censor_fd_mm": limit}
    session.pipelines = {"exact": scrub, "filled": scrub | {"censored_filter": "interpolate"}}
    session.options["minimum_residual_degrees_of_freedom"] = 15
    assert "4 residual degrees of freedom, fewer than 15" in session.left("exact")[0]
    qc, maps, series = session.qc("filled"), session.maps("filled"), session.timeseries("filled")
    assert qc["censored_filter"] == "interpolate" and qc["volumes_censored"] == 20
    assert 15 <= qc["residual_degrees_of_freedom"] < 24
    kept = kept_of(session, "filled")
    np.testing.assert_array_equal(series.notna().all(axis=1), kept)
    # The map is the correlation of the cleaned series, which the table of edges holds too.
    basis = cleaning.interpolated(session.table[list(PARAMETERS)].to_numpy(), TR, 0.008, 0.1, kept)
    seed, voxels = mean_of(session, SEEDS[:1]), session.data[session.mask].astype(float).T
    cleaned = connectivity.clean(np.column_stack([seed, voxels])[kept], basis)
    np.testing.assert_allclose(series["seed_sgACC"][kept], cleaned[:, 0], atol=1e-3)
    r = np.corrcoef(cleaned.T)[0, 1:]
    np.testing.assert_allclose(np.tanh(maps[0][session.mask]), r, atol=2e-4)
    other = connectivity.clean(mean_of(session, TARGETS[:1])[kept][:, None], basis)[:, 0]
    edge = session.relmat("filled").loc["sgACC", "left"]
    assert np.tanh(edge) == pytest.approx(np.corrcoef(cleaned[:, 0], other)[0, 1], abs=1e-5)
    data = session.data.copy()
    data[..., ~kept] *= 1.02
    session.rewrite(data=data).run()
    np.testing.assert_allclose(session.maps("filled"), maps, atol=1e-4)


def test_the_record_repeats_what_is_known_of_the_coregistration(session, tmp_path):
    session.run()
    assert session.qc()["boundary_cost"] is None
    said = {"RepetitionTime": TR}
    said["Registration"] = {"boundary_cost_taken": 0.83, "left_right": "swapped?"}
    (tmp_path / "bold.json").write_text(json.dumps(said))
    session.runs[0]["sidecars"] = [tmp_path / "bold.json"]
    session.run()
    record = session.qc()
    assert (record["boundary_cost"], record["left_right"]) == (0.83, "swapped?")


def test_the_record_says_what_made_the_scan_and_what_was_noted(session):
    sidecar = session.folder / "run-1_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 2.0}))
    session.runs[0]["sidecars"] = [sidecar]
    image = nibabel.load(session.runs[0]["bold"])
    image.header["pixdim"][4] = 1.0
    nibabel.save(
        nibabel.Nifti1Image(session.data, image.affine, image.header), session.runs[0]["bold"]
    )
    left = {"scan": "run-2", "reason": "run-2_bold.nii.gz is truncated"}
    session.options |= {"preprocessed_by": "fMRIPrep 23.2.0", "passed_over": [left]}
    record = session.run().qc()
    assert record["repetition_time"] == 2.0
    (note,) = record["notes"]
    assert note.startswith("the header says a repetition time of 1 s, the sidecar 2 s")
    assert record["preprocessed_by"] == "fMRIPrep 23.2.0"
    assert record["runs_passed_over"] == [left]


def recorded(session, **columns):
    """Put a recording beside the run: a pulse and a belt, or what is given in their place."""
    times = np.arange(-10, N * TR + 5, 0.05)
    usual = {"cardiac": pulse(times, beat_times(N * TR)), "respiratory": belt(times, 14.0)}
    session.runs[0]["recordings"] = [write(session.folder, usual | columns, hz=20.0, start=-10.0)]


RICOR = {"retroicor": {"cardiac": 2, "respiratory": 2, "interaction": False}}


def test_recordings_are_measured_for_the_record(session):
    recorded(session)
    record = session.run().qc()
    assert record["heart_rate"] == pytest.approx(66, abs=0.5)
    assert record["respiration_rate"] == pytest.approx(14, abs=0.2)
    # Sampled too coarsely for it.
    assert record["heart_rate_variability"] is None and record["physiology_note"] is None


def test_a_session_without_recordings_says_nothing_of_them(session):
    record = session.run().qc()
    assert record["heart_rate"] is None and record["physiology_note"] is None


def test_regressors_of_recordings_are_taken_out(session):
    recorded(session)
    ricor = CHOICES["strategy"] | RICOR | {"respiratory_volume": True}
    session.pipelines["ricor"] = CHOICES | {"strategy": ricor}
    session.run()
    names = session.qc("ricor")["regressors"]
    assert len(names) == 6 + 4 + 4 + 1 and names[-1] == "respiratory_volume"
    assert session.qc()["regressors"] == list(PARAMETERS)
    # The same columns by their own functions, taken out by numpy's least squares.
    found = read_physiology(session.runs[0]["recordings"], N * TR, TR)
    columns = found.regressors(ricor, np.arange(N) * TR + TR / 2)
    made = session.table.copy()
    n = np.arange(N)
    frequency = n / (2 * N * TR)
    stopped = n[(frequency < 0.008) | (frequency > 0.1)]
    cosines = np.cos(np.pi * np.outer(n + 0.5, stopped) / N)
    design = np.hstack(
        [cosines, made[list(PARAMETERS)].to_numpy(), np.column_stack(list(columns.values()))]
    )
    series = mean_of(session, SEEDS[:1])
    left = series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
    assert session.timeseries("ricor")["seed_sgACC"].to_numpy() == pytest.approx(left, abs=1e-3)
    fewer = session.qc()["residual_degrees_of_freedom"]
    assert session.qc("ricor")["residual_degrees_of_freedom"] < fewer


def test_moments_are_those_that_slice_timing_says(session):
    recorded(session)
    session.pipelines["ricor"] = CHOICES | {"strategy": RICOR}
    session.run()
    middle = session.timeseries("ricor")
    sidecar = session.folder / "run-1_bold.json"
    said = {"RepetitionTime": TR, "SliceTimingCorrected": True, "StartTime": TR / 2}
    session.runs[0]["sidecars"] = [sidecar]
    for start, same in ((TR / 2, True), (0.2, False)):
        sidecar.write_text(json.dumps(said | {"StartTime": start}))
        assert session.run().timeseries("ricor").equals(middle) == same


def test_a_session_without_a_usable_recording_leaves_that_pipeline_alone(session):
    recorded(session, cardiac=np.full(len(np.arange(-10, N * TR + 5, 0.05)), 2.0))
    session.pipelines["ricor"] = CHOICES | {"strategy": CHOICES["strategy"] | RICOR}
    (reason,) = session.left("ricor")
    assert reason == (
        "no usable cardiac recording, which the confound strategy needs: "
        "sub-01_ses-1_task-rest_physio, cardiac: constant at 2 during the scan"
    )
    assert session.qc()["exclusion_reasons"] == []
    del session.runs[0]["recordings"]
    assert session.left("ricor") == [
        f"no {kind} recording, which the confound strategy needs"
        for kind in ("cardiac", "respiratory")
    ]


def test_volumes_outside_the_recording_are_told(session):
    times = np.arange(0, N * TR - 8, 0.05)
    files = write(session.folder, {"respiratory": belt(times, 14.0)}, hz=20.0)
    session.runs[0]["recordings"] = [files]
    session.pipelines["rvt"] = CHOICES | {"strategy": {"respiratory_volume": True}}
    assert session.left("rvt") == [
        "4 of 80 kept volumes were taken outside the recording that the confound strategy needs"
    ]
