"""Seed maps by algebra: the same numbers as least squares, correlation, and nilearn."""

import nibabel
import numpy as np
import pytest

from crossfc.session.connectivity import cleaning
from crossfc.session.connectivity import seed_map as connectivity

N, TR = 150, 2.0


def session(seed, n_voxels=40, n_seeds=2, n_confounds=6):
    rng = np.random.default_rng(seed)
    confounds = rng.normal(size=(N, n_confounds)).cumsum(axis=0)
    network = rng.normal(size=(N, 3))
    voxels = network @ rng.normal(size=(3, n_voxels)) + rng.normal(size=(N, n_voxels))
    voxels += confounds @ rng.normal(size=(n_confounds, n_voxels)) * 0.3
    seeds = network @ rng.normal(size=(3, n_seeds)) + 0.5 * rng.normal(size=(N, n_seeds)) + 1000
    return voxels, seeds, confounds


@pytest.mark.parametrize("censored", [0, 20])
def test_seed_maps_are_correlations_of_cleaned_series(censored):
    voxels, seeds, confounds = session(1)
    kept = np.ones(N, bool)
    kept[:censored] = False
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, kept)
    own = voxels[kept] - voxels[kept].mean(axis=0)
    z, share = connectivity.seed_maps(own.astype(np.float32), seeds[kept], basis)
    assert z.dtype == np.float32 and z.shape == (2, 40)

    def cleaned(series):
        return series - basis @ np.linalg.lstsq(basis, series, rcond=None)[0]

    a, b = cleaned(seeds[kept]), cleaned(own)
    r = np.corrcoef(a.T, b.T)[:2, 2:]
    # The product is made in float32: an error of 1e-6 of what there was before cleaning.
    assert (np.abs(np.tanh(z) - r) < 1e-6 / share).all()
    assert np.median(np.abs(np.tanh(z) - r)) < 1e-6
    np.testing.assert_allclose(share, b.var(axis=0) / own.var(axis=0), atol=1e-5)
    edges = connectivity.edge_table(seeds[kept], own, basis)
    np.testing.assert_allclose(np.tanh(edges), r, atol=1e-12)


def test_voxels_without_variance_are_nan():
    voxels, seeds, confounds = session(2)
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, np.ones(N, bool))
    voxels[:, 3] = 0
    voxels[:, 5] = confounds @ np.arange(1, 7) - (confounds @ np.arange(1, 7)).mean()
    z, share = connectivity.seed_maps(voxels.astype(np.float32), seeds, basis)
    assert np.flatnonzero(np.isnan(z).any(axis=0)).tolist() == [3, 5]
    assert np.isnan(z[:, [3, 5]]).all() and np.isnan(share[[3, 5]]).all()


def test_a_seed_that_follows_from_the_confounds_is_nan():
    voxels, seeds, confounds = session(3)
    seeds[:, 1] = confounds @ np.arange(1, 7)
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, np.ones(N, bool))
    z, _ = connectivity.seed_maps((voxels - voxels.mean(axis=0)).astype(np.float32), seeds, basis)
    assert np.isfinite(z[0]).all() and np.isnan(z[1]).all()
    edges = connectivity.edge_table(seeds, voxels[:, :3], basis)
    assert np.isfinite(edges[0]).all() and np.isnan(edges[1]).all()


def test_a_voxel_that_is_the_seed_is_large_and_finite():
    voxels, seeds, confounds = session(4)
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, np.ones(N, bool))
    own = seeds - seeds.mean(axis=0)
    z, _ = connectivity.seed_maps(own.astype(np.float32), seeds, basis)
    assert np.isfinite(z).all() and (np.diag(z) > 6).all()
    assert (np.diag(connectivity.edge_table(seeds, -seeds, basis)) < -6).all()


def test_fisher_z_is_artanh():
    r = np.array([-0.9, -0.1, 0.0, 0.5])
    np.testing.assert_allclose(
        connectivity.fisher_z(r), 0.5 * np.log((1 + r) / (1 - r)), atol=1e-12
    )
    assert np.isfinite(connectivity.fisher_z(np.array([-1.0, 1.0, 1.0000001]))).all()


def test_nilearn_cleans_the_same():
    """nilearn.signal.clean with our stop band among its confounds fits the same model."""
    from nilearn.signal import clean

    voxels, seeds, confounds = session(5)
    band = cleaning.stop_band(N, TR, 0.01, 0.1)
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, np.ones(N, bool))
    theirs = clean(
        np.hstack([seeds, voxels]),
        confounds=np.hstack([band[:, 1:], confounds]),
        detrend=False,
        standardize=None,
        standardize_confounds=True,
    )
    ours = connectivity.clean(np.hstack([seeds, voxels]), basis)
    np.testing.assert_allclose(ours, theirs - theirs.mean(axis=0), atol=1e-6)


def test_nilearn_finds_the_same_map():
    """Sphere masker and brain masker with the same confounds, correlated by numpy."""
    from nilearn.maskers import NiftiMasker, NiftiSpheresMasker

    from crossfc.session.placement import place

    rng = np.random.default_rng(6)
    affine = np.array([[4.0, 0, 0, -16], [0, 4, 0, -20], [0, 0, 4, -12], [0, 0, 0, 1]])
    shape = (9, 11, 7)
    mask = np.zeros(shape, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    noise = rng.normal(size=(*shape, N))
    data = (1000 + 20 * noise + 15 * rng.normal(size=N)).astype(np.float32)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_zooms((4, 4, 4, TR))
    brain = nibabel.Nifti1Image(mask.astype(np.uint8), affine)
    confounds = rng.normal(size=(N, 5)).cumsum(axis=0)
    band = cleaning.stop_band(N, TR, 0.01, 0.1)[:, 1:]
    theirs = {"standardize": None, "detrend": False, "t_r": TR}
    regressors = np.hstack([band, confounds])
    # nilearn takes voxels by their centres. A sphere of 60 mm holds every voxel of this mask as a
    # whole, so that both have the same voxels.
    sphere = NiftiSpheresMasker([(0, 4, 0)], radius=60, mask_img=brain, **theirs)
    their_seed = sphere.fit().transform(image, confounds=regressors)
    their_voxels = NiftiMasker(brain, **theirs).fit().transform(image, confounds=regressors)
    r = np.corrcoef(their_seed.T, their_voxels.T)[0, 1:]

    rows = [{"kind": "sphere", "x": 0, "y": 4, "z": 0, "radius_mm": 60}]
    weight = place(rows, "s", shape, affine).image()
    inside = (weight == 1) & mask
    assert inside.sum() == mask.sum()
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, np.ones(N, bool))
    voxels = data[mask].T.astype(np.float64)
    voxels -= voxels.mean(axis=0)
    seeds = data[inside].mean(axis=0, dtype=np.float64)[:, None]
    z, _ = connectivity.seed_maps(voxels.astype(np.float32), seeds, basis)
    np.testing.assert_allclose(np.tanh(z[0]), r, atol=2e-4)


@pytest.mark.parametrize("left", [12, 18, 38, 120])
def test_z_of_noise_spread_alike_at_one_number_of_degrees_of_freedom(left):
    """0.27 at 18 and 0.17 at 38 where nothing is done, 0.1 at 102."""
    random = np.random.default_rng(left)
    n = 140
    confounds = np.column_stack([np.ones(n), random.standard_normal((n, n - left - 1))])
    basis = np.linalg.qr(confounds)[0]
    voxels = random.standard_normal((n, 20_000)).astype(np.float32)
    z, _ = connectivity.seed_maps(
        voxels - voxels.mean(axis=0), random.standard_normal((n, 1)), basis
    )
    assert n - basis.shape[1] == left
    assert z.std() == pytest.approx(1 / np.sqrt(left - 2), rel=0.03)
    assert (z * connectivity.at_reference(left, 102)).std() == pytest.approx(0.1, rel=0.03)
    assert connectivity.at_reference(left, None) == 1
