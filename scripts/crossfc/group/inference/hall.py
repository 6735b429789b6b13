"""Hall's statistic: Welch's, corrected for the skewness of the effect's estimate."""

from dataclasses import dataclass, replace

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import Batch
from crossfc.group.inference.welch import Welch, single
from crossfc.group.inference.welch_kernel import hall_of_two

# Smallest residual degrees of freedom of a group for which its third moment is estimated.
_FEWEST_DF = 2


class Hall(Welch):
    """Hall's statistic T of one effect, for two groups of unequal variance.

    T = t + k/6 + k t²/3 + k² t³/27 (Hall 1992, J R Stat Soc B 54:221), with t Welch's statistic G
    and k the estimated skewness of the effect. Where errors are skewed, so is t, and its tails
    differ; T takes this off to second order. T grows with t for every k.

    With a_i the weight of person i in the effect, the third cumulant of the effect is Σ a_i³ m, and
    k is this over V^1.5, with V the variance of the effect in G. m is the third moment of the
    person's group, n Σe³ / (ν (ν - 1)) from the residuals e of its n people with ν residual degrees
    of freedom (of one group without covariates: unbiased). A group with ν below 2 counts as
    symmetric.

    Parameters
    ----------
    effect, nuisance, groups
        See `Welch`; exactly two groups.

    Raises
    ------
    Fault
        See `Welch`; also if there are more than two groups.

    Notes
    -----
    Under sign flips T is as exact as t where errors are symmetric. Where the smaller of two groups
    varied twice as much and had a skewness of 1.5, t erred in .17 to .22 of null studies, and T in
    .06 to .08, with the same power (docs/statistics.md).

    Let r = s e - Σ_j p_j u_j be the residuals under an arrangement s (signs, or an order), where
    u are orthonormal columns of the model and p their products with s e. With q_i = a_i³ times the
    factor of the person's group, Σ q r³ is the sum of

    - Σ q s e³, one column's product with the cubed data,
    - -3 Σ_j p_j Σ q e² u_j, whose inner sums do not change under sign flips,
    - 3 Σ_jk p_j p_k Σ q s e u_j u_k, products of the data with further columns, which are
      combinations of those of Welch's statistic where the model has only groups and orders, and
    - -Σ_jkm p_j p_k p_m Σ q u_j u_k u_m, whose inner sums are fixed numbers.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray, groups: LabelArray) -> None:
        super().__init__(effect, nuisance, groups)
        if len(self._group_df) != 2:
            raise Fault(
                f"Hall's statistic compares two groups, and there are {len(self._group_df)}; use "
                "Welch's"
            )
        df = np.where(self._group_df < _FEWEST_DF, np.inf, self._group_df)
        factor = self._members.sum(axis=0) / (df * (df - 1))
        self._cubed = self._members @ (factor * (self._members.T @ self._direction**3))
        alone, _, shared = self._shares
        basis = self._columns @ np.column_stack([alone, shared])
        self._group_columns, self._cube_plan = _cube_plan(
            basis, self._cubed, self._group_columns, shared.shape[1]
        )

    def third_cumulant(self, residuals: FloatArray) -> FloatArray:
        """Estimate the third cumulant of the effect along its unit direction.

        Parameters
        ----------
        residuals : ndarray, shape (..., n_people, n_voxels)
            Of the full model, in units of the data.

        Returns
        -------
        ndarray, shape (..., n_voxels)
            In cubed units of the data.
        """
        # Products, because NumPy's power takes several times as long.
        cubes = residuals * residuals * residuals
        cumulant: FloatArray = np.einsum("n,...nv->...v", self._cubed, cubes)
        return cumulant

    def _corrected(self, t: FloatArray, variance: FloatArray, rest: FloatArray) -> FloatArray:
        return corrected(t, self.third_cumulant(rest) / variance**1.5)

    def batch(self, arrangements: Arrangements) -> Batch:
        sums, plan, cube_plan = self._sums(arrangements), self._plan, self._cube_plan
        cubes = Products(self._cubed[:, None], arrangements)
        arranged = None
        if arrangements.order is not None:
            arranged = Products(cube_plan.linear, replace(arrangements, signs=None))

        def scores(work: RealArray, out: RealArray) -> None:
            squared = np.square(work)
            if arranged is None:  # sign flips do not change squares
                linear = (single(cube_plan.linear.T) @ squared)[None]
            else:
                linear = arranged(squared)
            hall_of_two(
                sums.products(work),
                sums.squares_of(squared),
                plan.owners,
                plan.contrast,
                plan.shared_contrast,
                plan.cross,
                plan.group_df,
                cubes(squared * work),
                linear,
                cube_plan.mix,
                cube_plan.pairs,
                cube_plan.pair_mix,
                out,
            )

        return scores


def corrected(t: FloatArray, skewness: FloatArray) -> FloatArray:
    """Compute Hall's cubic of a studentised estimate.

    Parameters
    ----------
    t : ndarray
        The estimate over its standard error.
    skewness : ndarray
        Skewness of the estimate, in the shape of ``t``.

    Returns
    -------
    ndarray
        In the shape of ``t``.
    """
    bend = skewness * t / 3
    return t + skewness / 6 + t * bend * (1 + bend / 3)


@dataclass
class _CubePlan:
    """The fixed numbers of a design from which the sum of cubed residuals is computed.

    Attributes
    ----------
    linear : float64 ndarray, shape (n_people, n_coefficients)
        Columns whose products with the squared data are needed: -3 q u_j.
    mix, pairs, pair_mix
        See `crossfc.group.inference.welch_kernel.hall_of_two`.
    """

    linear: FloatArray
    mix: SingleArray
    pairs: IntArray
    pair_mix: SingleArray


def _cube_plan(
    basis: FloatArray, cubed: FloatArray, columns: FloatArray, n_shared: int
) -> tuple[FloatArray, _CubePlan]:
    """Plan the sum of cubed residuals.

    Parameters
    ----------
    basis : ndarray, shape (n_people, n_coefficients)
        Orthonormal columns u of the model; the last ``n_shared`` are shared by both groups.
    cubed : ndarray, shape (n_people,)
        The weights q.
    columns : ndarray, shape (n_people, n_products)
        The columns whose products with the data Welch's statistic needs: those of one group, then
        the shared ones once for each group.
    n_shared : int

    Returns
    -------
    columns : ndarray
        The columns given, and what of q u_j u_k does not follow from them.
    plan : _CubePlan
    """
    n_coefficients = basis.shape[1]
    pairs = [(j, k) for j in range(n_coefficients) for k in range(j, n_coefficients)]
    needed = np.column_stack([cubed * basis[:, j] * basis[:, k] for j, k in pairs])
    for column in needed.T:
        rest = column - columns @ np.linalg.lstsq(columns, column, rcond=None)[0]
        length = np.linalg.norm(rest)
        if length > 1e-9 * np.abs(cubed).max():
            # What is left, at length 1: columns that nearly follow from others would be mixed with
            # large weights, which single precision does not bear.
            columns = np.column_stack([columns, rest / length])
    mix = np.zeros((n_coefficients, columns.shape[1]))
    mix[np.arange(n_coefficients), np.arange(n_coefficients)] = 1
    shared = np.arange(n_coefficients - n_shared, n_coefficients)
    mix[shared, shared + n_shared] = 1
    pair_mix = np.linalg.lstsq(columns, needed, rcond=None)[0].T
    for number, (j, k) in enumerate(pairs):
        pair_mix[number] *= 3 if j == k else 6
        # A product of three coefficients is counted once, with the pair of its first two.
        for m in range(k, n_coefficients):
            times = {1: 1, 2: 3, 3: 6}[len({j, k, m})]
            pair_mix[number] -= times * np.sum(needed[:, number] * basis[:, m]) * mix[m]
    pair_mix[np.abs(pair_mix) < 1e-9 * np.abs(cubed).max()] = 0
    used = pair_mix.any(axis=1)
    return columns, _CubePlan(
        linear=-3 * cubed[:, None] * basis,
        mix=single(mix),
        pairs=np.array(pairs, dtype=np.int32)[used],
        pair_mix=single(pair_mix[used]),
    )
