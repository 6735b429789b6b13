"""Trials that are simulated, each with the test that crossfc makes of it."""

from dataclasses import dataclass

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.clinic.order import adjusted_change, adjusted_difference
from crossfc.clinic.student import TTest, one_sample, welch
from crossfc.fault import Fault
from crossfc.group.sensitivity import share_interval
from crossfc.sample_size.design import TrialDesign, members
from crossfc.sample_size.power import Variation, design_power

# Drawings of drop-outs over which the power of the closed form is averaged.
_DRAWN = 200
_MOST = 20000  # people


@dataclass(frozen=True)
class Assumptions:
    """What a trial is planned with.

    Attributes
    ----------
    effect : float
        The true effect, in units of the outcome.
    variation : Variation
    dropouts : float
        Share of people who leave after some of their sessions.
    alpha : float
        Level of the two-sided test.
    covariate : bool
        Whether the baseline of parallel arms is a covariate.
    """

    effect: float
    variation: Variation
    dropouts: float = 0.0
    alpha: float = 0.05
    covariate: bool = False


@dataclass(frozen=True)
class Simulated:
    """The power of a trial with some people.

    ``power`` is that of the simulated trials with its 95 % interval, ``closed_form`` that of the
    noncentral t, mean over drawings of drop-outs; ``analysed`` is the mean number of people in the
    test.
    """

    people: int
    analysed: float
    found: int
    simulations: int
    low: float
    high: float
    closed_form: float

    @property
    def power(self) -> float:
        """Share of the simulated trials with p below the level."""
        return self.found / self.simulations


def drawn_change(
    design: TrialDesign, orders: IntArray, assumed: Assumptions, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw the change of some people, and the baseline of those in parallel arms.

    Every session of a person has the person's own value, an error and, where it is treated, the
    effect, so that sessions correlate as assumed. The change is their sum times the weights of the
    contrast.

    Returns
    -------
    change, baseline : ndarray, shape (n_people,)
        ``baseline`` is the first session.
    """
    error = assumed.variation.sd_change / np.sqrt(2)
    n_sessions = len(design.people[0].weights)
    values = error * rng.standard_normal((len(orders), n_sessions))
    if np.isfinite(assumed.variation.correlation):
        shared = assumed.variation.correlation * assumed.variation.sd**2
        values += np.sqrt(shared) * rng.standard_normal((len(orders), 1))
    values += assumed.effect * np.array([person.treated for person in design.people])[orders]
    weights = np.array([person.weights for person in design.people])[orders]
    change: FloatArray = np.einsum("ij,ij->i", values, weights)
    return change, values[:, 0]


def change_test(
    design: TrialDesign,
    orders: IntArray,
    change: FloatArray,
    baseline: FloatArray | None = None,
) -> TTest:
    """Test the change of some people as the tables of scores and edges do.

    Parameters
    ----------
    design : TrialDesign
    orders : int ndarray, shape (n_people,)
        The order, or arm, of each.
    change : ndarray, shape (n_people,)
    baseline : ndarray, shape (n_people,), optional
        A covariate, in parallel arms.

    Returns
    -------
    TTest
        Adjusted for period in a crossover (`crossfc.clinic.order.adjusted_change`); of parallel
        arms Welch's, adjusted for the baseline if there is one.
    """
    periods = design.period_columns(orders)
    if not design.arms:
        adjusted = adjusted_change(change, periods, design.sides)
        return one_sample(change) if adjusted.because else adjusted.test
    first = members(design, orders)
    compared = adjusted_difference(
        change, first, periods, ("first", "second"), design.sides, baseline
    )
    return welch(change[first], change[~first]) if compared.because else compared.test


def simulated(
    design: TrialDesign, n_people: int, assumed: Assumptions, simulations: int, seed: int
) -> Simulated:
    """Simulate trials with some people, and count in how many the effect is found.

    Parameters
    ----------
    design : TrialDesign
    n_people : int
        Who begin; orders are dealt equally often.
    assumed : Assumptions
    simulations : int
    seed : int
        Of the random numbers.
    """
    rng = np.random.default_rng([seed, n_people])
    orders, found, analysed = design.dealt(n_people), 0, 0
    for _ in range(simulations):
        own = orders[design.staying(n_people, assumed.dropouts, rng)]
        change, baseline = drawn_change(design, own, assumed, rng)
        p = change_test(design, own, change, baseline if assumed.covariate else None).p
        found += bool(p < assumed.alpha)  # no test (NaN) finds nothing
        analysed += len(own)
    low, high = share_interval(found, simulations)
    return Simulated(
        n_people,
        analysed / simulations,
        found,
        simulations,
        low,
        high,
        closed_form(design, n_people, assumed, seed),
    )


def closed_form(design: TrialDesign, n_people: int, assumed: Assumptions, seed: int = 0) -> float:
    """Compute the power by the noncentral t, as a mean over drawings of who drops out."""
    rng = np.random.default_rng([seed, n_people, 1])
    orders, known = design.dealt(n_people), dict[bytes, float]()
    drawn: list[float] = []
    for _ in range(_DRAWN if round(assumed.dropouts * n_people) else 1):
        stays = design.staying(n_people, assumed.dropouts, rng)
        # The power depends on how many of each order stay.
        key = np.bincount(orders[stays], minlength=design.n_orders).tobytes()
        if key not in known:
            known[key] = _power(design, orders, stays, assumed)
        drawn.append(known[key])
    return float(np.mean(drawn))


def _power(design: TrialDesign, orders: IntArray, stays: BoolArray, assumed: Assumptions) -> float:
    return design_power(
        design, orders, stays, assumed.effect, assumed.variation, assumed.alpha, assumed.covariate
    )


def people_needed(design: TrialDesign, assumed: Assumptions, power: float, seed: int = 0) -> int:
    """Find the smallest number of people, equally many of each order, with a power by the formula.

    Raises
    ------
    Fault
        If it takes more than 20 000 people.
    """
    block = design.n_orders
    high = 1
    while closed_form(design, high * block, assumed, seed) < power:
        high *= 2
        if high * block > _MOST:
            raise Fault(
                f"not even {_MOST} people find an effect of {assumed.effect:g} with a power of "
                f"{power:g}; give a larger effect (--effect), or look at its unit and at that of "
                "the standard deviation"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if closed_form(design, middle * block, assumed, seed) < power:
            low = middle
        else:
            high = middle
    return high * block
