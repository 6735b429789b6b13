"""The width of a Gaussian, by its definition."""

import numpy as np

from crossfc.session.gaussian import sigma_of


def test_at_half_the_full_width_the_gaussian_is_half_its_maximum():
    fwhm = np.array([0.5, 4, 6])
    np.testing.assert_allclose(np.exp(-0.5 * (fwhm / 2 / sigma_of(fwhm)) ** 2), 0.5, rtol=1e-15)
