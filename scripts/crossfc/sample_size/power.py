"""Power of a t-test whose design is known: the noncentral t, and what its errors are."""

from dataclasses import dataclass

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.clinic.order import known_design
from crossfc.clinic.power import t_power
from crossfc.sample_size.design import TrialDesign, members


@dataclass(frozen=True)
class Variation:
    """How much an outcome varies.

    Attributes
    ----------
    sd_change : float
        Standard deviation of a person's change between two sessions, in units of the outcome.
    correlation : float
        Between two sessions of a person; it matters where the baseline is a covariate only.
    """

    sd_change: float
    correlation: float = np.nan

    @property
    def sd(self) -> float:
        """Standard deviation over people in one session: sd_change / √(2 (1 - correlation))."""
        return self.sd_change / float(np.sqrt(2 * (1 - self.correlation)))


def design_power(
    design: TrialDesign,
    orders: IntArray,
    stays: BoolArray,
    effect: float,
    variation: Variation,
    alpha: float = 0.05,
    covariate: bool = False,
) -> float:
    """Compute the power of the test that crossfc makes, given who is analysed.

    In a crossover it is exact: the intercept of D ~ 1 + P, with P the columns of periods
    (`crossfc.trial.visit`), has a variance and degrees of freedom that follow from the design. In
    parallel arms it is that of Student's t of two samples, which Welch's test is close to where
    arms vary equally. With the baseline as a covariate the variance is that within arms, 1 -
    correlation² of the outcome's, times (n - 3) / (n - 4) for the slope that is estimated (Cochran
    1957, Biometrics 13:261), which is exact on average over baselines only.

    Parameters
    ----------
    design : TrialDesign
    orders : int ndarray, shape (n_people,)
        The order of each person; see `TrialDesign.dealt`.
    stays : bool ndarray, shape (n_people,)
        Who is analysed.
    effect : float
    variation : Variation
    alpha : float
    covariate : bool
        Whether the baseline of parallel arms is a covariate.

    Returns
    -------
    float
        0 where the test cannot be made.
    """
    own = orders[stays]
    if design.arms:
        first = members(design, own)
        n_first, n_second = int(first.sum()), int((~first).sum())
        if min(n_first, n_second) < 2:
            return 0.0
        scale = float(np.sqrt(1 / n_first + 1 / n_second))
        n = n_first + n_second
        if not covariate:
            return t_power(effect, variation.sd_change * scale, n - 2, alpha)
        if n <= 4:
            return 0.0
        within = variation.sd * float(np.sqrt((1 - variation.correlation**2) * (n - 3) / (n - 4)))
        return t_power(effect, within * scale, n - 3, alpha)
    columns: FloatArray = known_design(design.period_columns(own))[0]
    n, k = columns.shape
    if n <= k or n < 3 or np.linalg.matrix_rank(columns) < k:
        return 0.0
    error = variation.sd_change * float(np.sqrt(np.linalg.inv(columns.T @ columns)[0, 0]))
    return t_power(effect, error, n - k, alpha)
