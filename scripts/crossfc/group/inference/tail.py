"""Tail of the null distribution, for p smaller than the number of arrangements can show.

A generalised Pareto distribution is fitted to the excess of the largest null values over a
threshold. If too few arrangements reach a statistic for counting, its p is taken from this
distribution (Knijnenburg et al. 2009, Bioinformatics 25:i161; Winkler et al. 2016, NeuroImage
141:502).
"""

from dataclasses import dataclass
from typing import NotRequired, TypedDict, TypeVar

import numpy as np

from crossfc.array import BoolArray, FloatArray, RealArray

_SHARE = 0.25  # share of the null above the first threshold (both papers)
_MOST = 250  # largest number of values above the first threshold (Knijnenburg et al. 2009)
# Smallest number of values above a threshold. As 60 is a quarter of 240, a tail needs at least 240
# permutations, and these decide at 5 % by counting.
_FEWEST = 60
_DISTINCT = 6  # smallest number of different values among them
_STEP = 10  # values dropped at a time while the tail does not fit (Knijnenburg et al. 2009)
_COUNTED = 10  # permutations that must reach a statistic for its p to be counted (ibid.)
_ACCEPTED = 0.05  # goodness-of-fit p above which a tail fits (both papers)
_LOWEST_SHAPE = -0.5  # the likelihood is irregular below (Smith 1985, Biometrika 72:67)
# ASSUME: no p below one in a million is given, as the tail was measured only down to there.
_SMALLEST_P = 1e-6

# Upper tail points of A² when shape and scale are estimated by maximum likelihood (Choulakian and
# Stephens 2001, Technometrics 43:478, table 2; their k is minus the shape): a row per shape, a
# column per p.
_SHAPES = np.array([-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5, 0.9])
_LEVELS = np.array([0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
_POINTS = np.array(
    [
        [0.496, 0.735, 1.061, 1.321, 1.590, 1.958, 2.243, 2.922],
        [0.468, 0.688, 0.985, 1.221, 1.465, 1.799, 2.058, 2.674],
        [0.445, 0.649, 0.924, 1.140, 1.365, 1.672, 1.909, 2.475],
        [0.426, 0.617, 0.873, 1.074, 1.283, 1.567, 1.788, 2.314],
        [0.410, 0.591, 0.831, 1.020, 1.215, 1.481, 1.687, 2.176],
        [0.397, 0.569, 0.796, 0.974, 1.158, 1.409, 1.603, 2.064],
        [0.386, 0.550, 0.766, 0.935, 1.110, 1.348, 1.532, 1.966],
        [0.376, 0.534, 0.741, 0.903, 1.069, 1.296, 1.471, 1.893],
        [0.356, 0.499, 0.685, 0.830, 0.978, 1.180, 1.336, 1.707],
        [0.339, 0.471, 0.641, 0.771, 0.905, 1.086, 1.226, 1.559],
    ]
)


Places = TypeVar("Places", float, FloatArray)


class TailRecord(TypedDict):
    """The tail fitted to the null of one measure, or the reason why there is none."""

    fits: bool
    reason: NotRequired[str]
    threshold: NotRequired[float]
    shape: NotRequired[float]
    scale: NotRequired[float]
    share: NotRequired[float]
    n_exceedances: NotRequired[int]
    goodness: NotRequired[float]
    smallest_p: NotRequired[float]


@dataclass(frozen=True)
class Tail:
    """Tail of a null distribution, or the reason why none was fitted.

    Attributes
    ----------
    fits : bool
        If False, all p stay as they were counted, and the numbers below are NaN or 0.
    reason : str
        Why no tail fits; empty if one does.
    threshold : float
        Where the tail begins, on the scale of the null.
    shape, scale : float
        Parameters of the generalised Pareto distribution of the exceedances, by maximum
        likelihood. A tail of negative shape ends at a finite value.
    share : float
        Share of the permutations beyond the threshold.
    n_exceedances : int
        Number of the permutations beyond the threshold.
    goodness : float
        p of the Anderson-Darling test, between 0.001 and 0.5 (the range of the table).
    n_arrangements : int
        Length of the null, identity included.
    smallest_p : float
        Lower limit of all p that are given.
    half_step : float
        0.5 if the null holds whole numbers, such as counts of voxels; otherwise 0.
    posterior : Posterior or None
        The distributions from which p is computed.
    """

    fits: bool = False
    reason: str = ""
    threshold: float = np.nan
    shape: float = np.nan
    scale: float = np.nan
    share: float = np.nan
    n_exceedances: int = 0
    goodness: float = np.nan
    n_arrangements: int = 0
    smallest_p: float = np.nan
    half_step: float = 0.0
    posterior: "Posterior | None" = None

    def record(self) -> TailRecord:
        """Return the numbers that go into the record, as JSON takes them."""
        if not self.fits:
            return {"fits": False, "reason": self.reason}
        return {
            "fits": True,
            "threshold": self.threshold,
            "shape": self.shape,
            "scale": self.scale,
            "share": self.share,
            "n_exceedances": self.n_exceedances,
            "goodness": self.goodness,
            "smallest_p": self.smallest_p,
        }


def fit_tail(null: RealArray, possible: int | None = None, copies: int = 1) -> Tail:
    """Fit a tail to the null maxima of an analysis.

    The first threshold has a quarter of the permutations above it, but at most 250. It moves up by
    ten values at a time until the Anderson-Darling test accepts the fit (p > 0.05), as long as 60
    values, 6 of them different, are left above it.

    Parameters
    ----------
    null : ndarray, shape (n_arrangements,)
        Largest statistic of each arrangement, identity first. The identity is left out of the
        fit, as its statistic is the one to be tested. Whole numbers (such as voxels of a cluster)
        are treated as rounded: equal ones are spread evenly over the interval that rounds to
        them. If they are too coarse, no tail fits.
    possible : int, optional
        Number of arrangements that exist. If the null holds all of them, p is exact and no tail
        is fitted; otherwise no p is smaller than ``copies / possible``.
    copies : int
        Number of possible arrangements that give the observed statistic again, such as two for
        sign flips tested on both sides.

    Returns
    -------
    Tail
    """
    null = np.asarray(null)
    n_arrangements = len(null)
    if possible is not None and n_arrangements >= possible:
        return Tail(reason="all arrangements were enumerated, so p is exact")
    values = np.sort(null[1:].astype(float))
    n_values = len(values)
    most = min(_MOST, int(_SHARE * n_values))
    if most < _FEWEST:
        return Tail(reason=f"{n_values} permutations are too few for a tail; ask for 1000 or more")
    whole = bool((values == np.round(values)).all())
    spread = _spread(values) if whole else values
    ends = False
    for wanted in range(most, _FEWEST - 1, -_STEP):
        below = values[n_values - wanted - 1]
        beyond = values[values > below]
        if len(beyond) < _FEWEST or len(np.unique(beyond)) < _DISTINCT:
            continue
        threshold = (below + beyond[0]) / 2
        excess = spread[-len(beyond) :] - threshold
        posterior = _posterior(excess)
        ends = posterior is None
        if posterior is None:
            continue
        goodness = _goodness(excess, posterior)
        if goodness > _ACCEPTED:
            return Tail(
                fits=True,
                threshold=float(threshold),
                shape=posterior.shape,
                scale=posterior.scale,
                share=len(beyond) / n_values,
                n_exceedances=len(beyond),
                goodness=goodness,
                n_arrangements=n_arrangements,
                smallest_p=max(_SMALLEST_P, copies / possible if possible else 0.0),
                half_step=0.5 if whole else 0.0,
                posterior=posterior,
            )
    if ends:
        return Tail(reason="the null ends abruptly; of what lies beyond its end nothing is known")
    coarse = ", perhaps because so many are equal" if whole else ""
    return Tail(reason=f"no generalised Pareto distribution fits the largest null values{coarse}")


def tail_p(observed: RealArray, p: RealArray, tail: Tail) -> tuple[FloatArray, BoolArray]:
    """Replace the smallest p of an analysis by those of a fitted tail.

    Replaced are the p of statistics that fewer than ten permutations reach (Knijnenburg et al.
    2009; PALM replaces all below 0.10). Larger p stay as they were counted, so whether p is below
    0.05 never depends on the tail.

    p is averaged over all shapes and scales, weighted by their likelihood (the predictive
    distribution: Coles 2001, An Introduction to Statistical Modeling of Extreme Values, ch. 9).
    The two papers use the single best shape and scale instead. Small p then come up under the null
    far more often than they should, because a fitted tail often ends too early: among null maxima
    over normal voxels, p < 1e-5 came up 16 times too often with 1,000 permutations (maximum
    likelihood), 15 times with moments as in PALM, 22 with probability-weighted moments, and 5, 6
    and 9 times with 5,000 permutations.

    The table gives what was measured here, on 500 nulls each of maxima over many normal, t (9 and
    20 degrees of freedom) and F voxels, and of Gumbel maxima. Error is log10(given p / true p):
    its median, and 2.5 and 97.5 % quantiles, over nulls. Excess is the frequency of such a p under
    the null, divided by p.

    ======  ==================  =======  ==================  =======
    true p  error, 1,000 perm.  excess   error, 5,000 perm.  excess
    ======  ==================  =======  ==================  =======
    1e-3    +0.1 (-1.0, +0.5)   1.1      +0.0 (-0.4, +0.3)   1.0
    1e-4    +0.2 (-1.4, +0.9)   1.4-1.6  +0.1 (-0.9, +0.6)   1.0-1.1
    1e-5    +0.5 (-1.4, +1.4)   1.8-2.2  +0.4 (-1.1, +1.1)   0.9-1.3
    1e-6    +1.0 (-1.2, +2.1)   1.9-2.7  +0.8 (-0.9, +1.7)   0.8-1.3
    ======  ==================  =======  ==================  =======

    So p is accurate to about an order of magnitude, and is more often too large than too small.

    Parameters
    ----------
    observed : ndarray
        Statistics on the scale of the null (in absolute value if the null is).
    p : ndarray
        Their p as counted, (1 + exceedances) / (1 + permutations), in the shape of ``observed``.
    tail : Tail
        Tail of the same null.

    Returns
    -------
    p : ndarray
        In the shape of ``observed``. Never below ``tail.smallest_p``, and so never 0; never above
        the next p that is counted, so that a larger statistic never has a larger p.
    extrapolated : bool ndarray
        True where p is from the tail.
    """
    found: FloatArray = np.array(p, dtype=float)
    extrapolated: BoolArray = np.zeros(found.shape, dtype=bool)
    if tail.posterior is None:
        return found, extrapolated
    # The identity is one of those that are counted.
    extrapolated = np.rint(found * tail.n_arrangements) <= _COUNTED
    few, back = np.unique(np.asarray(observed, dtype=float)[extrapolated], return_inverse=True)
    beyond = tail.share * tail.posterior.survival(few - tail.half_step - tail.threshold)
    next_p = (_COUNTED + 1) / tail.n_arrangements
    found[extrapolated] = np.clip(beyond, tail.smallest_p, next_p)[back]
    return found, extrapolated


@dataclass(frozen=True)
class Posterior:
    """Generalised Pareto distributions that may have produced some exceedances, with their weights.

    With rate = shape / scale and total = Σ log(1 + rate · exceedance), the shape integrates out
    in closed form: given the rate, the survival function is
    (1 + log(1 + rate · x) / total) ** (1 - n), and the likelihood of the rate is
    (rate / total) ** (n - 1) · exp(-total). The prior is uniform in the shape (above -1/2) and in
    the logarithm of the scale.

    Attributes
    ----------
    n : int
        Number of exceedances.
    rate, total, weight : ndarray, shape (n_rates,)
        The grid of rates, their totals and their posterior weights, which sum to one.
    shape, scale : float
        The most likely shape and scale.
    """

    n: int
    rate: FloatArray
    total: FloatArray
    weight: FloatArray
    shape: float
    scale: float

    def survival(self, excess: FloatArray) -> FloatArray:
        """Return the probability of an excess of ``excess`` or more, given any excess."""
        excess = np.maximum(excess, 0)
        survival = np.zeros(excess.shape)
        for rate, total, weight in zip(self.rate, self.total, self.weight, strict=True):
            # At and beyond the end of a finite tail, the logarithm is -inf and p is 0.
            with np.errstate(divide="ignore"):
                logarithm = np.log(np.maximum(1 + rate * excess, 0))
            survival += weight * (1 + logarithm / total) ** (1.0 - self.n)
        return survival


def _spread(values: FloatArray) -> FloatArray:
    """Spread equal whole numbers (sorted) evenly over the interval that rounds to them."""
    _, first, count = np.unique(values, return_index=True, return_counts=True)
    rank = np.arange(len(values)) - np.repeat(first, count)
    return values - 0.5 + (rank + 0.5) / np.repeat(count, count)


def _posterior(excess: FloatArray) -> Posterior | None:
    """Weight the generalised Pareto distributions.

    Returns
    -------
    Posterior or None
        None if the likelihood still grows below shape -1/2.
    """
    from scipy.optimize import minimize_scalar

    n, largest = len(excess), excess.max()

    def rate_and_total(place: Places) -> tuple[Places, Places]:
        # From a tail that ends just beyond the largest exceedance to a very long one.
        rate = np.expm1(place) / largest
        return rate, np.log1p(np.multiply.outer(rate, excess)).sum(-1)

    # The number of places is even, so none is 0, where rate and total would be 0.
    place = np.linspace(-12, 12, 800)
    rate, total = rate_and_total(place)
    regular = total > _LOWEST_SHAPE * n
    place, rate, total = place[regular], rate[regular], total[regular]
    log_likelihood = n * np.log(rate / total) - total
    best = int(np.argmax(log_likelihood))
    if best in (0, len(place) - 1):
        return None

    def cost(place: float) -> float:
        rate, total = rate_and_total(place)
        return float(total - n * np.log(rate / total) if rate else n * np.log(excess.sum()))

    around = (place[best - 1], place[best + 1])
    found = minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-9})
    most_likely, its_total = rate_and_total(found.x)
    shape = its_total / n
    scale = shape / most_likely if most_likely else excess.mean()
    # Multiplying by d rate / d place = exp(place) / largest turns the density over rates into one
    # over places.
    log_weight = (n - 1) * np.log(rate / total) - total + place
    weight = np.exp(log_weight - log_weight.max())
    kept = weight > 1e-12
    weight = weight[kept] / weight[kept].sum()
    return Posterior(n, rate[kept], total[kept], weight, float(shape), float(scale))


def _goodness(excess: FloatArray, posterior: Posterior) -> float:
    """Test the most likely generalised Pareto distribution (Anderson-Darling); return p."""
    below, above = pareto_logs(excess / posterior.scale, posterior.shape)
    odd = 2 * np.arange(1, len(excess) + 1) - 1
    a_squared = -len(excess) - np.mean(odd * (below + above[::-1]))
    points = [np.interp(posterior.shape, _SHAPES, column) for column in _POINTS.T]
    return float(np.exp(np.interp(a_squared, points, np.log(_LEVELS))))


def pareto_logs(z: FloatArray, shape: float) -> tuple[FloatArray, FloatArray]:
    """Compute log-probabilities of the generalised Pareto distribution of unit scale.

    Replaces scipy.stats.genpareto, whose import takes as long as a small analysis.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Values in units of the scale, not negative.
    shape : float
        If negative, the distribution ends at -1 / shape.

    Returns
    -------
    below, above : ndarray, shape (n,)
        Logarithms of the probabilities below and above ``z``.
    """
    from scipy.special import inv_boxcox, inv_boxcox1p, log1p

    median = np.log(2) if shape == 0 else (0.5**-shape - 1) / shape
    inside = z * shape > -1
    z = np.where(inside, z, 0)
    with np.errstate(divide="ignore"):
        above = -log1p(shape * z) / shape if shape else -z
        low = np.log(-inv_boxcox1p(-z, -shape))
        high = np.log1p(-inv_boxcox(-z, -shape))
    below = np.where(z < median, low, high)
    return np.where(inside, below, 0.0), np.where(inside, above, -np.inf)
