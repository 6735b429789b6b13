"""Restricted maximum likelihood (REML) of a covariance that is linear in its variances.

`reml` is for independent rows, `block_reml` for sessions that share effects of people. Both have
the standard errors and the degrees of freedom of Kenward and Roger (1997, Biometrics 53:983).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np

from crossfc.array import FloatArray, IntArray

# Smallest residual degrees of freedom from which a group's variance is estimated. With less, the
# groups share their variances.
LEAST_FREEDOM = 2.0
_ITERATIONS = 200
_ROUNDING = 1e-6  # smallest ratio of two standard deviations that are told from rounding
_SMALLEST = 1e-6  # smallest ratio of two variances; below it, the smaller counts as zero


@dataclass
class Reml:
    """A model with diagonal covariance that is linear in its variances, fitted by REML.

    Attributes
    ----------
    variances : ndarray, shape (n_variances,)
        In squared units of the values.
    estimates, errors, freedom : ndarray, shape (n_terms,)
        Coefficients, with Kenward and Roger's standard errors and degrees of freedom.
    likelihood : float
        The restricted log-likelihood, up to a constant that depends only on the numbers of rows
        and terms.
    """

    variances: FloatArray
    estimates: FloatArray
    errors: FloatArray
    freedom: FloatArray
    likelihood: float


class _Climber(Protocol):
    """The restricted likelihood at given variances, which knows the way up."""

    likelihood: float
    gradient: FloatArray

    def step(self) -> FloatArray: ...

    def moved(self, step: FloatArray) -> Self | None: ...

    def vanishes(self) -> bool: ...


Climber = TypeVar("Climber", bound=_Climber)


def _summit(state: Climber) -> Climber | None:
    """Climb to the maximum; None if there is none at which the covariance is clearly positive.

    Steps are halved where the likelihood does not increase, or where they leave the covariances.
    """
    for _ in range(_ITERATIONS):
        step = state.step()
        gain = float(step @ state.gradient)  # twice the expected increase of the likelihood
        if state.vanishes():
            return None
        if gain < 1e-20:
            return state
        further = state.moved(step)
        # The last gains are smaller than the rounding of the likelihood and are not checked.
        while gain > 1e-8 and (further is None or further.likelihood < state.likelihood):
            step, gain = step / 2, gain / 2
            further = state.moved(step)
        if further is None:
            return None
        state = further
    return None


def reml(values: FloatArray, design: FloatArray, shares: FloatArray) -> Reml | None:
    """Fit values with independent errors of variance ``shares @ variances``, by REML.

    The logarithms of the variances are found by Newton steps with the exact first and second
    derivatives of the restricted likelihood. Fisher scoring is used where the second derivatives
    are not those of a maximum, and steps are halved where the likelihood does not increase. The
    covariance of the estimates is that of Kenward and Roger (1997, Biometrics 53:983) for a
    covariance that is linear in its variances. For one term their F is t² with
    2 (c'Φc)² / Σ W_kl d_k d_l degrees of freedom, where Φ is the plain covariance,
    d_k = -c'ΦP_kΦc are its derivatives, and W is the inverse expected information of the variances.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
    design : ndarray, shape (n_rows, n_terms)
    shares : ndarray, shape (n_rows, n_variances)
        Share of each variance in each row; see `crossfc.clinic.mixed.rotated`.

    Returns
    -------
    Reml or None
        None if the likelihood has no maximum at which all variances are clearly above zero.
    """
    log = np.full(shares.shape[1], np.log(np.var(values)))
    state = _summit(_Rows(values, design, shares, log))
    return None if state is None else state.result()


class _Rows:
    """The restricted likelihood of independent rows, with derivatives by logarithms."""

    def __init__(
        self, values: FloatArray, design: FloatArray, shares: FloatArray, log: FloatArray
    ) -> None:
        self._given = values, design, shares
        self.log, self.variances = log, np.exp(log)
        weight = 1 / (shares @ self.variances)
        weighted = design * weight[:, None]
        self.covariance = np.linalg.inv(design.T @ weighted)
        self.estimates = self.covariance @ (weighted.T @ values)
        rest = values - design @ self.estimates
        self.likelihood = 0.5 * float(
            np.log(weight).sum() + np.linalg.slogdet(self.covariance)[1] - weight @ np.square(rest)
        )
        # Products of the terms with the first derivatives of the inverse covariance, and with
        # products of two of them.
        self.first = -((design.T * (weight**2 * shares.T)[:, None]) @ design)
        pairs = shares.T[:, None] * shares.T
        self.second = (design.T * (weight**3 * pairs)[:, :, None]) @ design
        moved = np.einsum("ij,kjl->kil", self.covariance, self.first)
        traces = pairs @ weight**2
        traces -= 2 * np.einsum("ij,klji->kl", self.covariance, self.second)
        self.expected = 0.5 * (traces + np.einsum("kij,lji->kl", moved, moved))
        trace = weight @ shares + np.einsum("kii->k", moved)
        slope = 0.5 * (np.square(weight * rest) @ shares - trace)
        self.gradient = slope * self.variances
        projected = weight * rest
        pulled = (shares.T * (weight * projected)) @ design
        average = 0.5 * (pairs @ (weight * projected**2) - pulled @ self.covariance @ pulled.T)
        self._observed = 2 * average - self.expected

    def step(self) -> FloatArray:
        """Return the step towards the maximum, in the logarithms of the variances."""
        both = np.outer(self.variances, self.variances)
        observed = self._observed * both - np.diag(self.gradient)
        step: FloatArray = np.clip(_ascent(self.gradient, observed, self.expected * both), -2, 2)
        return step

    def moved(self, step: FloatArray) -> "_Rows":
        """Return the likelihood where a step leads to."""
        return _Rows(*self._given, self.log + step)

    def vanishes(self) -> bool:
        """Test whether a variance is next to nothing."""
        return bool(self.variances.min() < _SMALLEST * self.variances.max())

    def result(self) -> Reml:
        """Return the estimates with Kenward and Roger's errors and degrees of freedom."""
        phi, spread = self.covariance, np.linalg.pinv(self.expected, hermitian=True)
        inner = self.second - np.einsum("kij,jm,lmn->klin", self.first, phi, self.first)
        adjusted = phi + 2 * phi @ np.einsum("kl,klij->ij", spread, inner) @ phi
        change = np.einsum("ij,kjl,li->ki", phi, self.first, phi)  # change of each term's variance
        moved = np.einsum("kl,ki,li->i", spread, change, change)
        freedom = 2 * np.square(np.diag(phi)) / moved
        errors = np.sqrt(np.diag(adjusted))
        return Reml(self.variances, self.estimates, errors, freedom, self.likelihood)


def _ascent(gradient: FloatArray, observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Solve for the step with the observed information where it is that of a maximum."""
    for information in (observed, expected):
        if np.linalg.eigvalsh(information)[0] > 1e-8:
            step: FloatArray = np.asarray(np.linalg.solve(information, gradient), dtype=float)
            return step
    further: FloatArray = np.linalg.pinv(information, hermitian=True) @ gradient
    return further


@dataclass(frozen=True)
class Effect:
    """A random effect: sessions of one unit share it, each with its own weight.

    Attributes
    ----------
    unit : int ndarray, shape (n_sessions,)
        Number of the unit of each session, such as its person, or person and period.
    weight : ndarray, shape (n_sessions,)
        1 where the session has the effect and 0 where it has not; a random slope has other values.
    """

    unit: IntArray
    weight: FloatArray


@dataclass
class BlockReml:
    """A model with random effects, fitted by REML.

    Attributes
    ----------
    variances : ndarray, shape (n_effects,)
        In squared units of the values.
    estimates : ndarray, shape (n_terms,)
        Coefficients of the design.
    plain, adjusted : ndarray, shape (n_terms, n_terms)
        The covariance of the estimates: (X'V⁻¹X)⁻¹, and Kenward and Roger's, which allows for the
        variances being estimates.
    slopes : ndarray, shape (n_effects, n_terms, n_terms)
        The derivative of the plain covariance by each variance.
    spread : ndarray, shape (n_effects, n_effects)
        The covariance of the variances: the inverse of their expected information.
    likelihood : float
        The restricted log-likelihood, up to a constant that depends only on the numbers of sessions
        and terms.
    """

    variances: FloatArray
    estimates: FloatArray
    plain: FloatArray
    adjusted: FloatArray
    slopes: FloatArray
    spread: FloatArray
    likelihood: float

    def scaled(self, factor: float) -> "BlockReml":
        """Return the fit of ``factor`` times the values, but for the likelihood."""
        two = factor**2
        return BlockReml(
            self.variances * two,
            self.estimates * factor,
            self.plain * two,
            self.adjusted * two,
            self.slopes,
            self.spread * two**2,
            self.likelihood,
        )

    def tested(self, weights: FloatArray) -> tuple[float, float, float]:
        """Return a sum of weights times coefficients, its standard error and degrees of freedom.

        Parameters
        ----------
        weights : ndarray, shape (n_terms,)
        """
        change = np.einsum("i,kij,j->k", weights, self.slopes, weights)
        freedom = 2 * (weights @ self.plain @ weights) ** 2 / (change @ self.spread @ change)
        error = np.sqrt(weights @ self.adjusted @ weights)
        return float(weights @ self.estimates), float(error), float(freedom)


def block_reml(
    values: FloatArray, design: FloatArray, block: IntArray, effects: Sequence[Effect]
) -> BlockReml | None:
    """Fit values whose covariance is a sum of random effects, by REML.

    The covariance is V = Σ σ_k G_k, with G_k the products of the weights of sessions of one unit of
    effect k. Errors are an effect whose units are the sessions. A variance may be negative as long
    as V is a covariance: sessions of a person may be less alike than those of two people. Where no
    variance is negative, this is the estimate of lme4; where one is, lme4 stops at zero. Bounds at
    zero would take from the errors of differences within people what is above them by chance, and
    such tests would err more often than they should (Stroup and Littell 2002).

    Newton steps, Fisher scoring and halved steps as in `reml`, in the variances themselves.

    Parameters
    ----------
    values : ndarray, shape (n_sessions,)
    design : ndarray, shape (n_sessions, n_terms)
        Of full rank.
    block : int ndarray, shape (n_sessions,)
        Number, from 0, of the person; no effect has a unit in two people.
    effects : sequence of Effect
        Those of the errors among them.

    Returns
    -------
    BlockReml or None
        None if the likelihood has no maximum at which V is clearly a covariance.
    """
    order = np.argsort(block, kind="stable")
    counts = np.bincount(block)
    # Everybody has as many rows as the person with the most sessions. Those that are too many have
    # values, terms and effects of 0 and a variance of 1, which changes nothing.
    place = np.arange(len(block)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = block[order], place
    shape = len(counts), counts.max()
    y, x = np.zeros(shape), np.zeros((*shape, design.shape[1]))
    y[rows], x[rows] = values[order], design[order]
    shared = np.zeros((len(effects), *shape, shape[1]))
    for number, effect in enumerate(effects):
        unit, weight = np.full(shape, -1), np.zeros(shape)
        unit[rows], weight[rows] = effect.unit[order], effect.weight[order]
        alike = unit[:, :, None] == unit[:, None]
        shared[number] = alike * weight[:, :, None] * weight[:, None]
    absent = np.ones(shape)
    absent[rows] = 0
    data = _Data(y, x, shared, absent[:, :, None] * np.eye(shape[1]))
    start = np.full(len(effects), np.var(values) / len(effects))
    first = _Blocks.at(data, start)
    state = None if first is None else _summit(first)
    return None if state is None else state.result()


@dataclass(frozen=True)
class _Data:
    """Sessions by person, and what they share: (n_people, n_most, …)."""

    values: FloatArray
    design: FloatArray
    shared: FloatArray
    absent: FloatArray


class _Blocks:
    """The restricted likelihood of sessions of people, with derivatives by the variances."""

    def __init__(self, data: _Data, variances: FloatArray, root: FloatArray) -> None:
        self._data, self.variances, self._root = data, variances, root
        y, x, shared = data.values, data.design, data.shared
        whole = np.linalg.inv(root)
        inverse = np.swapaxes(whole, 1, 2) @ whole
        weighted = inverse @ x
        self.covariance = np.linalg.inv(np.einsum("bmi,bmj->ij", x, weighted))
        self.estimates = self.covariance @ np.einsum("bmi,bm->i", weighted, y)
        rest = y - x @ self.estimates
        projected = np.einsum("bmn,bn->bm", inverse, rest)
        logs = 2 * np.log(np.einsum("bmm->bm", root)).sum()
        self.likelihood = 0.5 * float(
            np.linalg.slogdet(self.covariance)[1] - logs - np.einsum("bm,bm->", rest, projected)
        )
        spread = shared @ weighted  # G_k V⁻¹ X
        self.first = -np.einsum("bmi,kbmj->kij", weighted, spread)
        both = np.tensordot(spread, inverse @ spread, axes=((1, 2), (1, 2)))
        self.second = both.swapaxes(1, 2)  # by effect, effect, term, term
        turned = inverse @ shared  # V⁻¹ G_k
        moved = np.einsum("ij,kjl->kil", self.covariance, self.first)
        traces = np.tensordot(turned, turned.swapaxes(2, 3), axes=((1, 2, 3), (1, 2, 3)))
        traces -= 2 * np.einsum("ij,klji->kl", self.covariance, self.second)
        self.expected = 0.5 * (traces + np.einsum("kij,lji->kl", moved, moved))
        pulled = np.einsum("kbmn,bn->kbm", shared, projected)  # G_k V⁻¹ (y - Xβ)
        trace = np.einsum("kbmm->k", turned) + np.einsum("kii->k", moved)
        self.gradient = 0.5 * (np.einsum("kbm,bm->k", pulled, projected) - trace)
        terms = np.einsum("kbm,bmi->ki", pulled, weighted)
        further = (inverse @ pulled[..., None])[..., 0]
        squares = np.tensordot(pulled, further, axes=((1, 2), (1, 2)))
        average = 0.5 * (squares - terms @ self.covariance @ terms.T)
        self._observed = 2 * average - self.expected

    @classmethod
    def at(cls, data: _Data, variances: FloatArray) -> "_Blocks | None":
        """Return the likelihood at given variances, None if they are those of no covariance."""
        covariance = np.einsum("k,kbmn->bmn", variances, data.shared) + data.absent
        try:
            root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        size = np.einsum("bmm->bm", root)
        if size.min() < _ROUNDING * size.max():
            return None
        return cls(data, variances, root)

    def step(self) -> FloatArray:
        """Return the step towards the maximum."""
        return _ascent(self.gradient, self._observed, self.expected)

    def moved(self, step: FloatArray) -> "_Blocks | None":
        """Return the likelihood where a step leads to."""
        return _Blocks.at(self._data, self.variances + step)

    def vanishes(self) -> bool:
        """Test whether what some sessions sum up to has next to no variance."""
        covariance = self._root @ np.swapaxes(self._root, 1, 2) - self._data.absent
        sizes = np.linalg.eigvalsh(covariance + self._data.absent * np.trace(covariance[0]))
        return bool(sizes.min() < _SMALLEST * sizes.max())

    def result(self) -> BlockReml:
        """Return the estimates with Kenward and Roger's covariance."""
        phi, spread = self.covariance, np.linalg.pinv(self.expected, hermitian=True)
        inner = self.second - np.einsum("kij,jm,lmn->klin", self.first, phi, self.first)
        adjusted = phi + 2 * phi @ np.einsum("kl,klij->ij", spread, inner) @ phi
        slopes = -np.einsum("ij,kjl,lm->kim", phi, self.first, phi)
        return BlockReml(
            self.variances, self.estimates, phi, adjusted, slopes, spread, self.likelihood
        )
