"""Cleaning is one projection: the basis against scipy, the projection against least squares."""

import numpy as np
import pytest
from scipy.fft import dct

from crossfc.session.connectivity import cleaning
from crossfc.session.connectivity.seed_map import clean

N, TR = 120, 2.0
ALL = np.ones(N, dtype=bool)


def whole_basis(n):
    """Rows of scipy's orthonormal DCT-II of the identity are its cosines."""
    return dct(np.eye(n), type=2, norm="ortho", axis=0).T


@pytest.mark.parametrize("n", [2, 7, 40, 161])
def test_cosines_are_those_of_scipy_and_orthonormal(n):
    # A pass band that is empty stops everything: the whole transform.
    cosines = cleaning.stop_band(n, TR, 1.0, None)
    assert cosines.shape == (n, n)
    np.testing.assert_allclose(cosines, whole_basis(n), atol=1e-12)
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(n), atol=1e-12)


def test_the_stop_band_is_what_lies_outside_the_edges():
    cosines = cleaning.stop_band(N, TR, 0.01, 0.1)
    frequency = np.arange(N) / (2 * N * TR)
    stopped = (frequency < 0.01) | (frequency > 0.1)
    np.testing.assert_allclose(cosines, whole_basis(N)[:, stopped], atol=1e-12)
    # 0.01 Hz and 0.1 Hz themselves pass.
    assert cosines.shape[1] == N - np.sum((frequency >= 0.01) & (frequency <= 0.1))


def test_without_edges_only_the_constant_is_stopped():
    cosines = cleaning.stop_band(N, TR, 0.0, None)
    np.testing.assert_allclose(cosines, np.full((N, 1), N**-0.5))


@pytest.mark.parametrize("frequency", [0.003, 0.2])
def test_a_sine_in_the_stop_band_is_removed(frequency):
    # Long enough that a sine is not cut in the middle of few periods.
    n = 1000
    time = np.arange(n) * TR
    basis = cleaning.basis(np.empty((n, 0)), TR, 0.008, 0.1, np.ones(n, bool))
    sine = np.sin(2 * np.pi * frequency * time)[:, None]
    assert np.linalg.norm(clean(sine, basis)) < 0.05 * np.linalg.norm(sine)


def test_a_sine_in_the_pass_band_is_kept():
    n = 1000
    basis = cleaning.basis(np.empty((n, 0)), TR, 0.008, 0.1, np.ones(n, bool))
    sine = np.sin(2 * np.pi * 0.04 * np.arange(n) * TR)[:, None]
    assert np.linalg.norm(clean(sine, basis)) > 0.99 * np.linalg.norm(sine)


@pytest.mark.parametrize("censored", [[], [0], [10, 11, 12, 60], list(range(0, N, 5))])
def test_the_projection_is_least_squares_of_everything_at_once(censored):
    rng = np.random.default_rng(len(censored))
    confounds = rng.normal(size=(N, 9)) * 10.0 ** np.arange(-4, 5) + rng.normal(size=9)
    series = rng.normal(size=(N, 5)).cumsum(axis=0) + 100
    kept = ALL.copy()
    kept[censored] = False
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, kept)
    frequency = np.arange(N) / (2 * N * TR)
    stopped = (frequency < 0.01) | (frequency > 0.1)
    # Scaled to unit length only so that lstsq need not mistake small units for rank deficiency.
    columns = confounds[kept] - confounds[kept].mean(axis=0)
    design = np.hstack(
        [whole_basis(N)[kept][:, stopped], columns / np.linalg.norm(columns, axis=0)]
    )
    fitted, _, rank, _ = np.linalg.lstsq(design, series[kept], rcond=None)
    np.testing.assert_allclose(
        clean(series[kept], basis), series[kept] - design @ fitted, atol=1e-8
    )
    assert basis.shape == (kept.sum(), rank)
    np.testing.assert_allclose(basis.T @ basis, np.eye(rank), atol=1e-10)


def test_no_order_of_steps_matters():
    rng = np.random.default_rng(1)
    confounds = rng.normal(size=(N, 4)).cumsum(axis=0)
    basis = cleaning.basis(confounds, TR, 0.01, 0.1, ALL)
    cleaned = clean(rng.normal(size=(N, 3)), basis)
    # Nothing of drift, stop band or confounds is left, whatever came last.
    np.testing.assert_allclose(confounds.T @ cleaned, 0, atol=1e-9)
    np.testing.assert_allclose(cleaning.stop_band(N, TR, 0.01, 0.1).T @ cleaned, 0, atol=1e-10)
    np.testing.assert_allclose(clean(cleaned, basis), cleaned, atol=1e-12)


def test_duplicate_and_constant_confounds_cost_nothing():
    rng = np.random.default_rng(2)
    one = rng.normal(size=(N, 2))
    plain = cleaning.basis(one, TR, 0.01, 0.1, ALL)
    drift = whole_basis(N)[:, 2:3]
    more = np.hstack(
        [one, one * 1e6, one @ [[1.0], [-2.0]], np.full((N, 1), 3e7), np.zeros((N, 1)), drift]
    )
    again = cleaning.basis(more, TR, 0.01, 0.1, ALL)
    assert again.shape == plain.shape
    np.testing.assert_allclose(again @ again.T, plain @ plain.T, atol=1e-9)


def test_no_confound_is_too_small_to_count():
    """The square of a rotation is some 1e-15 of the square of the global signal."""
    rng = np.random.default_rng(3)
    small = rng.normal(size=(N, 1)) * 1e-10
    large = 1e7 + 1e6 * rng.normal(size=(N, 1))
    basis = cleaning.basis(np.hstack([small, large]), TR, 0.0, None, ALL)
    assert basis.shape[1] == 3
    for confound in (small, large):
        assert np.linalg.norm(clean(confound, basis)) < 1e-9 * np.linalg.norm(confound)


def test_a_confound_that_is_constant_on_the_kept_volumes_costs_nothing():
    spike = np.zeros((N, 1))
    spike[7] = 1
    kept = ALL.copy()
    kept[7] = False
    assert cleaning.basis(spike, TR, 0.0, None, kept).shape == (N - 1, 1)
    assert cleaning.basis(spike, TR, 0.0, None, ALL).shape == (N, 2)


def test_more_regressors_than_volumes_leave_nothing():
    basis = cleaning.basis(np.random.default_rng(4).normal(size=(N, 2 * N)), TR, 0.01, 0.1, ALL)
    assert basis.shape == (N, N)


FD = np.array([0.9, 0.1, 0.1, 0.7, 0.1, 0.6, 0.1, 0.1, 0.1, 0.5])
STEADY = np.array([True] + [False] * 9)


@pytest.mark.parametrize(
    ("limit", "minimum", "kept"),
    [
        (None, 1, "0111111111"),
        (None, 5, "0111111111"),
        (0.5, 1, "0110101111"),
        (0.5, 2, "0110001111"),
        (0.5, 3, "0000001111"),
        (0.5, 5, "0000000000"),
        (0.05, 1, "0000000000"),
    ],
)
def test_volumes_that_stay(limit, minimum, kept):
    found = cleaning.kept_volumes(FD, STEADY, limit, minimum)
    assert "".join(str(int(k)) for k in found) == kept
    # The inputs are not changed.
    assert STEADY.sum() == 1


def gaps(share, seed, length=1):
    """Censor a share of the volumes at random, in stretches."""
    rng, kept = np.random.default_rng(seed), ALL.copy()
    while (~kept).mean() < share:
        start = rng.integers(1, N - length)
        kept[start : start + length] = False
    return kept


def pass_band(n, high=0.01, low=0.1):
    frequency = np.arange(n) / (2 * n * TR)
    return (frequency >= high) & (frequency <= low) & (np.arange(n) > 0)


@pytest.mark.parametrize("ends", [0, 3])
def test_without_gaps_filling_in_is_the_exact_projection(ends):
    kept = ALL.copy()
    kept[:ends] = False
    rng = np.random.default_rng(6)
    confounds = rng.normal(size=(N, 7)).cumsum(axis=0)
    series = rng.normal(size=(N, 4)) + 1000
    assert not cleaning.has_gaps(kept) and cleaning.has_gaps(gaps(0.1, 0))
    found = cleaning.interpolated(confounds, TR, 0.01, 0.1, kept)
    exact = cleaning.basis(confounds[kept], TR, 0.01, 0.1, np.ones(N - ends, bool))
    np.testing.assert_allclose(clean(series[kept], found), clean(series[kept], exact), atol=1e-9)
    assert found.degrees_of_freedom == pytest.approx(N - ends - exact.shape[1])


def test_filled_in_volumes_have_no_say_and_nothing_of_confounds_and_drift_is_left():
    rng, kept = np.random.default_rng(7), gaps(0.2, 1, 3)
    confounds = rng.normal(size=(N, 5)).cumsum(axis=0)
    found = cleaning.interpolated(confounds, TR, 0.01, 0.1, kept)
    np.testing.assert_allclose(found.frame.T @ found.frame, np.eye(found.frame.shape[1]), atol=1e-9)
    drift = whole_basis(N)[:, :5]
    assert np.linalg.norm(clean(drift[kept], found)) < 0.1 * np.linalg.norm(drift[kept])
    np.testing.assert_allclose(clean(confounds[kept], found), 0, atol=1e-8)
    np.testing.assert_allclose(clean(np.full((kept.sum(), 1), 1e6), found), 0, atol=1e-6)
    spoilt = confounds.copy()
    spoilt[~kept] = 1e6
    again = cleaning.interpolated(spoilt, TR, 0.01, 0.1, kept)
    np.testing.assert_allclose(again.analysis, found.analysis, atol=1e-8)


@pytest.mark.parametrize("length", [1, 4])
def test_degrees_of_freedom_are_those_of_the_correlation_of_noise(length):
    """Var(r) of independent white series is 1 / df: counted, not hoped for."""
    rng, kept = np.random.default_rng(8), gaps(0.3, 2, length)
    found = cleaning.interpolated(rng.normal(size=(N, 5)), TR, 0.01, 0.1, kept)
    a, b = (found.analysis @ rng.normal(size=(kept.sum(), 6000)) for _ in range(2))
    r = (a * b).sum(axis=0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
    assert found.degrees_of_freedom == pytest.approx(1 / r.var(), rel=0.06)
    assert found.degrees_of_freedom < found.frame.shape[1]


@pytest.mark.parametrize(("share", "bias"), [(0.1, 0.02), (0.2, 0.04), (0.4, 0.08)])
def test_filling_in_is_nearer_to_the_truth_than_least_squares(share, bias):
    """At a short repetition time least squares has next to nothing left."""
    rng = np.random.default_rng(9)
    band = pass_band(N)
    basis = whole_basis(N)
    shared, one, other = rng.normal(size=(3, N, 4000)) * np.where(band, 1, 0.6)[None, :, None]
    a, b = (basis @ (np.sqrt(0.5) * shared + np.sqrt(0.5) * own) for own in (one, other))
    kept = gaps(share, 3)
    found = cleaning.interpolated(np.empty((N, 0)), TR, 0.01, 0.1, kept)
    x, y = clean(a[kept], found), clean(b[kept], found)
    z = np.arctanh((x * y).sum(axis=0) / np.linalg.norm(x, axis=0) / np.linalg.norm(y, axis=0))
    expected = np.arctanh(0.5)
    assert -bias < z.mean() - expected < 0.02
    exact = cleaning.basis(np.empty((N, 0)), TR, 0.01, 0.1, kept)
    left = kept.sum() - exact.shape[1]
    error = np.sqrt(((z - expected) ** 2).mean())
    # Fisher's z of a correlation with this many degrees of freedom.
    assert left < 4 or error < 0.95 / np.sqrt(left - 2)


def test_a_decomposition_that_does_not_converge_is_made_another_way(monkeypatch):
    """LAPACK's fast one gave up on 375 of 750 volumes at a repetition time of 0.8 s."""
    rng, kept = np.random.default_rng(10), gaps(0.3, 4)
    confounds = rng.normal(size=(N, 5))
    usual = cleaning.basis(confounds, TR, 0.01, 0.1, kept)

    def fails(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fails)
    again = cleaning.basis(confounds, TR, 0.01, 0.1, kept)
    np.testing.assert_allclose(again @ again.T, usual @ usual.T, atol=1e-9)
