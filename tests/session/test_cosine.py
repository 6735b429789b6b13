"""The discrete cosines, against SciPy's transform."""

import numpy as np
from scipy.fft import idct

from crossfc.session.cosine import cosines


def test_columns_are_those_of_the_orthonormal_cosine_transform():
    np.testing.assert_allclose(
        cosines(30, np.arange(30)), idct(np.eye(30), axis=0, norm="ortho"), atol=1e-14
    )
    np.testing.assert_array_equal(
        cosines(30, np.array([4, 0])), cosines(30, np.arange(30))[:, [4, 0]]
    )
