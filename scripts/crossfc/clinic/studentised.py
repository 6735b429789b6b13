"""A correlation divided by its own standard error: its test by shuffles, and its interval.

A shuffle makes two variables independent, but "no correlation" does not: where one scatters more
at the ends of the other (people who change a lot in one differ more in the other), r varies more
than under shuffles, and a permutation test of r itself is wrong in up to one of four null data
sets. Divided by its standard error, r varies alike in both (DiCiccio and Romano 2017, J Am Stat
Assoc 112:1211). The statistic here is t = z / s with z = artanh r (Fisher 1915) and s its jackknife
standard error (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, ch. 3; for r
Duncan and Layard 1973, Biometrika 60:551), which is larger, and with few people nearer to the
truth, than the formulas for large samples: docs/statistics.md has the error rates of all that were
tried.

Nuisance variables (the order of treatments, covariates) are in the model: both variables are
residuals on them, and the sums without one person follow from the leverages, without a new fit.
"""

import numpy as np

from crossfc.clinic.shuffle import unit

# r beyond this, and standard errors below this, are rounding of a perfect line.
_LINE = 1 - 1e-10
_LEAST_ERROR = 1e-9

# Share of a sum of squares that is rounding.
_ROUNDING = 1e-12

# Statistics closer than this share are one with different rounding.
_TIE = 1e-8

# An interval of fewer people would pretend: below, it covers too seldom or says nothing.
FEWEST_FOR_INTERVAL = 8

_LEVEL = 0.05


def nuisance_basis(blocks: np.ndarray, covariates: np.ndarray | None = None) -> np.ndarray:
    """Compute an orthonormal basis of what is taken out of both variables.

    Parameters
    ----------
    blocks : ndarray, shape (n,)
        Each person's order of treatments, of any number of levels, or all alike. Its levels hold
        the constant.
    covariates : ndarray, shape (n, c), optional

    Returns
    -------
    ndarray, shape (n, rank)
    """
    columns = (blocks[:, None] == np.unique(blocks)).astype(float)
    if covariates is not None and covariates.shape[1]:
        scaled = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
        columns = np.column_stack([columns, scaled])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, size > 1e-8 * size[0]]


def residuals(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Compute residuals on a basis, of length 1; NaN where what is left is rounding.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    basis : ndarray, shape (n, rank)
    """
    return unit(values - basis @ (basis.T @ values), values)


def jackknife(
    a: np.ndarray, b: np.ndarray, leverage: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute Fisher z of residuals, its jackknife standard error, and r without each person.

    Without person i a sum of products of residuals is Σab - aᵢbᵢ / (1 - hᵢ), so the model is not
    fitted again.

    Parameters
    ----------
    a : ndarray, shape (n,)
        Residuals of length 1.
    b : ndarray, shape (..., n)
        Residuals on the same basis, any number of versions, of any length.
    leverage : ndarray, shape (n,)
        Diagonal of the basis' projection. Who has leverage 1 has no part in r.

    Returns
    -------
    z, error : ndarray, shape (...)
    without_one : ndarray, shape (..., n)
        Where nothing varies without somebody, r without them is 0.
    """
    n = len(a)
    share = np.where(leverage < 1 - 1e-9, 1 / np.maximum(1 - leverage, 1e-9), 0.0)
    both = b * a
    squares = np.square(b)
    total = squares.sum(axis=-1, keepdims=True)
    covariance = both.sum(axis=-1, keepdims=True)
    left_a = 1 - np.square(a) * share
    squares *= share
    left_b = total - squares
    both *= share
    both = covariance - both
    varies = (left_a > _ROUNDING) & (left_b > _ROUNDING * total)
    left_b *= np.maximum(left_a, _ROUNDING)
    np.sqrt(np.maximum(left_b, _ROUNDING**2 * total, out=left_b), out=left_b)
    both /= left_b
    without_one = np.where(varies, np.clip(both, -1, 1, out=both), 0.0)
    each = np.arctanh(np.clip(without_one, -_LINE, _LINE))
    error = np.sqrt(np.square(each - each.mean(axis=-1, keepdims=True)).sum(axis=-1) * (n - 1) / n)
    r = covariance[..., 0] / np.sqrt(total[..., 0])
    return np.arctanh(np.clip(r, -_LINE, _LINE)), error, without_one


class Studentised:
    """Correlations of every column of x with every column of y, given a nuisance.

    Parameters
    ----------
    x : ndarray, shape (n, k)
    y : ndarray, shape (n, m)
    basis : ndarray, shape (n, rank)
        Orthonormal; holds the constant. See `nuisance_basis`.
    shuffles : ndarray of int, shape (p, n)
        Arrangements of the people, without the observed one where they are all
        (`crossfc.clinic.shuffle.shuffles_within`). Where the order of treatments is in the
        basis, they are to stay within it: then, and without further columns, the test is exact
        if y is independent of x within each order. Residuals of y are what is shuffled, and what
        shuffled ones have in the basis is taken out again (Freedman and Lane 1983).

    Attributes
    ----------
    r : ndarray, shape (k, m)
        The partial correlation; NaN where a side does not vary or no degree of freedom is left.
    p : ndarray, shape (k, m)
        Two-sided: the larger one of the share of arrangements (Phipson and Smyth 2010) that reach
        |t|, and Student's p of t with n - 1 - rank degrees of freedom. The first is exact under
        independence, the second is what holds with few people where one side's variance goes
        with the other.
    low, high : ndarray, shape (k, m)
        Interval of 95 %: tanh(z ± c s), c the |t| at which p is 0.05, so that it holds 0 where p
        is above 0.05. NaN with fewer than eight people, and where people lie on a line.
    without_one : ndarray, shape (n, k, m)
        r when each person is left out.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, basis: np.ndarray, shuffles: np.ndarray
    ) -> None:
        from scipy import stats

        n, rank = basis.shape
        df = n - 1 - rank
        shape = (x.shape[1], y.shape[1])
        self.r, self.p, self.low, self.high = (np.full(shape, np.nan) for _ in range(4))
        self.without_one = np.full((n, *shape), np.nan)
        if df < 1:
            return
        a, b = residuals(x, basis), residuals(y, basis)
        leverage = np.square(basis).sum(axis=1)
        # The farthest |t| of the arrangements that p of 0.05 leaves beyond the observed one.
        beyond = int(np.floor(_LEVEL * (1 + len(shuffles)) + 1e-9)) - 1
        within = _stays(basis, shuffles)
        for j in np.flatnonzero(np.isfinite(b[0])):
            shuffled = b[:, j][shuffles]
            if not within:
                shuffled -= (shuffled @ basis) @ basis.T
            for i in np.flatnonzero(np.isfinite(a[0])):
                z, error, without_one = jackknife(a[:, i], b[:, j], leverage)
                self.r[i, j] = np.clip(a[:, i] @ b[:, j], -1, 1)
                self.without_one[:, i, j] = without_one
                t = abs(z) / max(error, _LEAST_ERROR)
                z_shuffled, error_shuffled, _ = jackknife(a[:, i], shuffled, leverage)
                t_shuffled = np.abs(z_shuffled) / np.maximum(error_shuffled, _LEAST_ERROR)
                reached = int((t_shuffled >= t * (1 - _TIE)).sum())
                by_shuffles = (1 + reached) / (1 + len(shuffles))
                self.p[i, j] = max(by_shuffles, 2 * stats.t.sf(t, df))
                if n >= FEWEST_FOR_INTERVAL and error > _LEAST_ERROR:
                    far = np.inf if beyond < 0 else np.partition(t_shuffled, -beyond - 1)
                    far = far if beyond < 0 else far[-beyond - 1]
                    reach = max(far, stats.t.isf(_LEVEL / 2, df)) * error
                    self.low[i, j], self.high[i, j] = np.tanh([z - reach, z + reach])


def _stays(basis: np.ndarray, shuffles: np.ndarray) -> bool:
    """Return whether arrangements leave the basis as it is, so that residuals stay residuals."""
    projection = basis @ basis.T
    blocks, member = np.unique(np.round(projection, 9), axis=0, return_inverse=True)
    if len(blocks) != basis.shape[1]:
        return False
    member = member.ravel()
    return bool((member[shuffles] == member).all())
