"""A correlation divided by its own standard error: its permutation test and its interval.

Shuffles make two variables independent, but variables without correlation need not be independent.
If one variable scatters more at the ends of the other (people who change a lot in one differ more
in the other), r varies more than under shuffles, and a permutation test of r itself is wrong in up
to one of four null data sets. Divided by its standard error, r varies in the same way in both cases
(DiCiccio and Romano 2017, J Am Stat Assoc 112:1211). The statistic here is t = z / s with
z = artanh r (Fisher 1915) and s its jackknife standard error (Efron 1982, The Jackknife, the
Bootstrap and Other Resampling Plans, ch. 3; for r Duncan and Layard 1973, Biometrika 60:551). With
few people s is larger, and closer to the truth, than formulas for large samples. The error rates
of all statistics that were tried are in docs/statistics.md.

Nuisance variables (the order of treatments, covariates) are in the model: both variables are
residuals on them. The sums without one person follow from the leverages, without a new fit.
"""

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray
from crossfc.clinic.shuffle import unit
from crossfc.significance import SIGNIFICANT

# A larger |r|, and a smaller standard error, are rounding errors of points on a perfect line.
_LINE = 1 - 1e-10
_LEAST_ERROR = 1e-9

# A sum of squares below this share counts as rounding.
_ROUNDING = 1e-12

# Statistics with a relative difference below this count as equal up to rounding.
_TIE = 1e-8

# With fewer people no interval is given, as it would cover the truth too seldom or be too wide.
FEWEST_FOR_INTERVAL = 8


def nuisance_basis(blocks: LabelArray, covariates: FloatArray | None = None) -> FloatArray:
    """Compute an orthonormal basis of the nuisance that is removed from both variables.

    Parameters
    ----------
    blocks : ndarray, shape (n,)
        Each person's order of treatments, with any number of levels, or the same for all. Its
        levels together include the constant.
    covariates : ndarray, shape (n, c), optional

    Returns
    -------
    ndarray, shape (n, rank)
        Orthonormal columns.
    """
    columns = (blocks[:, None] == np.unique(blocks)).astype(float)
    if covariates is not None and covariates.shape[1]:
        scaled = (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)
        columns = np.column_stack([columns, scaled])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    basis: FloatArray = left[:, size > 1e-8 * size[0]]
    return basis


def residuals(values: FloatArray, basis: FloatArray) -> FloatArray:
    """Compute residuals on a basis, scaled to length 1.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    basis : ndarray, shape (n, rank)
        Orthonormal columns.

    Returns
    -------
    ndarray, shape (n, k)
        NaN in columns whose residuals are only rounding errors.
    """
    return unit(values - basis @ (basis.T @ values), values)


def jackknife(
    a: FloatArray, b: FloatArray, leverage: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute Fisher z of residuals, its jackknife standard error, and r without each person.

    Without person i, a sum of products of residuals is Σab - aᵢbᵢ / (1 - hᵢ), with h the leverage.
    So the model need not be fitted again.

    Parameters
    ----------
    a : ndarray, shape (n,)
        Residuals of length 1.
    b : ndarray, shape (..., n)
        Residuals on the same basis, in any number of versions; they need not have length 1.
    leverage : ndarray, shape (n,)
        Diagonal of the projection on the basis. A person with leverage 1 has no influence on r.

    Returns
    -------
    z, error : ndarray, shape (...)
        Fisher z and its standard error.
    without_one : ndarray, shape (..., n)
        r without each person; 0 if the remaining values do not vary.
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
    """Correlations of every column of x with every column of y, adjusted for a nuisance.

    Parameters
    ----------
    x : ndarray, shape (n, k)
    y : ndarray, shape (n, m)
    basis : ndarray, shape (n, rank)
        Orthonormal columns that include the constant; see `nuisance_basis`.
    shuffles : ndarray of int, shape (p, n)
        Arrangements of the people, from `crossfc.clinic.shuffle.shuffles_within`; the observed
        one is not included if these are all. If the order of treatments is in the basis, people
        must change places within their order. Then, and without further columns in the basis, the
        test is exact if y is independent of x within each order. The residuals of y are shuffled
        and then regressed on the basis again (Freedman and Lane 1983).
    smallest : float, optional
        The smallest correlation of interest, for `p_equivalence`.

    Attributes
    ----------
    r : ndarray, shape (k, m)
        The partial correlation; NaN if a side does not vary or no degree of freedom is left.
    p : ndarray, shape (k, m)
        Two-sided: the larger of two p. One is the share of arrangements that reach |t| (Phipson
        and Smyth 2010), which is exact under independence. The other is Student's p of t with
        n - 1 - rank degrees of freedom, which protects small samples in which the variance of one
        side depends on the other.
    low, high : ndarray, shape (k, m)
        The 95 % interval tanh(z ± c s), with c the |t| at which p is 0.05, so that it contains 0 if
        p is above 0.05. NaN with fewer than eight people, and if the people lie on a line.
    without_one : ndarray, shape (n, k, m)
        r when each person is left out.
    df : int
        n - 1 - rank.
    error : ndarray, shape (k, m)
        Jackknife standard error of artanh r; NaN if the people lie on a line.
    p_equivalence : ndarray, shape (k, m)
        Whether r lies within ± ``smallest``, by two one-sided tests (Schuirmann 1987) of z against
        ± artanh of it, each with the larger p of the shuffles and of Student's t, as above; the
        larger of both. NaN without ``smallest``, and where there is no interval.
    """

    def __init__(
        self,
        x: FloatArray,
        y: FloatArray,
        basis: FloatArray,
        shuffles: IntArray,
        smallest: float | None = None,
    ) -> None:
        from scipy import stats

        n, rank = basis.shape
        df = n - 1 - rank
        shape = (x.shape[1], y.shape[1])
        self.r, self.p, self.low, self.high = (np.full(shape, np.nan) for _ in range(4))
        self.error, self.p_equivalence = (np.full(shape, np.nan) for _ in range(2))
        self.without_one = np.full((n, *shape), np.nan)
        self.df = df
        if df < 1:
            return
        a, b = residuals(x, basis), residuals(y, basis)
        leverage = np.square(basis).sum(axis=1)
        # Index from the top of the largest |t| of the arrangements at which p is still above 0.05.
        beyond = int(np.floor(SIGNIFICANT * (1 + len(shuffles)) + 1e-9)) - 1
        within = _stays(basis, shuffles)
        for j in np.flatnonzero(np.isfinite(b[0])):
            shuffled = b[:, j][shuffles]
            if not within:
                shuffled -= (shuffled @ basis) @ basis.T
            for i in np.flatnonzero(np.isfinite(a[0])):
                z, error, without_one = jackknife(a[:, i], b[:, j], leverage)
                self.r[i, j] = np.clip(a[:, i] @ b[:, j], -1, 1)
                self.without_one[:, i, j] = without_one
                t = abs(float(z)) / max(float(error), _LEAST_ERROR)
                z_shuffled, error_shuffled, _ = jackknife(a[:, i], shuffled, leverage)
                signed = z_shuffled / np.maximum(error_shuffled, _LEAST_ERROR)
                t_shuffled = np.abs(signed)
                reached = int((t_shuffled >= t * (1 - _TIE)).sum())
                by_shuffles = (1 + reached) / (1 + len(shuffles))
                self.p[i, j] = max(by_shuffles, 2 * stats.t.sf(t, df))
                if error > _LEAST_ERROR:
                    self.error[i, j] = error
                if n >= FEWEST_FOR_INTERVAL and error > _LEAST_ERROR:
                    if smallest is not None:
                        bound = np.arctanh(smallest)
                        above, below = (bound + z) / error, (bound - z) / error
                        sides = (_one_sided(above, signed, df), _one_sided(below, -signed, df))
                        self.p_equivalence[i, j] = max(sides)
                    far = np.inf
                    if beyond >= 0:
                        far = float(np.partition(t_shuffled, -beyond - 1)[-beyond - 1])
                    reach = max(far, stats.t.isf(SIGNIFICANT / 2, df)) * error
                    self.low[i, j], self.high[i, j] = np.tanh([z - reach, z + reach])


def _one_sided(t: float, shuffled: FloatArray, df: int) -> float:
    """Compute the share of shuffles that reach t, but not less than Student's p of it."""
    from scipy import stats

    reached = int((shuffled >= t - abs(t) * _TIE).sum())
    return max((1 + reached) / (1 + len(shuffled)), float(stats.t.sf(t, df)))


def _stays(basis: FloatArray, shuffles: IntArray) -> bool:
    """Test whether the arrangements leave the basis unchanged, so that residuals stay residuals."""
    projection = basis @ basis.T
    blocks, member = np.unique(np.round(projection, 9), axis=0, return_inverse=True)
    if len(blocks) != basis.shape[1]:
        return False
    member = member.ravel()
    return bool((member[shuffles] == member).all())
