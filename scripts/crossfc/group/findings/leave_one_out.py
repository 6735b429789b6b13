"""Leave one person out: the clusters that the others find, and the person's values in them.

The voxels of a cluster were selected because the values of these people are high there. So the
cluster's mean in the same people is too far from zero (Kriegeskorte et al. 2009, Nat Neurosci
12:535). Here each person is read out in the cluster that the analysis of all others finds (Esterman
et al. 2010, NeuroImage 50:572).

Reading out at the place of a cluster of the whole sample removes the bias from selecting voxels,
but not the bias from selecting the place: even without an effect, the whole sample shows a cluster
where everybody happens to be somewhat high, whoever is left out. Only a choice that does not use
the whole sample is free of both: the largest cluster of each fold, wherever it lies
(`Fold.largest`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, MapData, RealArray
from crossfc.fault import Fault
from crossfc.group.inference.cluster import label
from crossfc.group.inference.given import Given, HotellingGiven, SlopeGiven
from crossfc.group.inference.hall import Hall, corrected
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import FLOOR, Student, chunks
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF


@dataclass
class Others:
    """The analysis of everybody but one person.

    Attributes
    ----------
    statistic : Student, Slope, Welch, Hall, WelchF, Hotelling or Pillai
    values : float64 ndarray, shape (n_voxels,)
        The statistic's map, equal to the one of its ``fit``.
    effect : float64 ndarray, shape (n_measures, n_voxels)
        In units of the data per unit of the effect column; with several of these of shape
        (n_columns, n_measures, n_voxels).
    left : float64 ndarray, shape (n_measures, n_voxels)
        Data of the person left out.
    """

    statistic: Student
    values: FloatArray
    effect: FloatArray
    left: FloatArray

    def read(self, voxels: IntArray) -> float:
        """Average the left-out person over voxels; several measures along the effect.

        Several effect columns have the direction in which they explain most. Of its two signs it
        has that with which its largest component is positive.
        """
        mean = self.left[:, voxels].mean(axis=1)
        if len(mean) == 1:
            return float(mean[0])
        direction = self.effect[..., voxels].mean(axis=-1)
        if direction.ndim > 1:
            direction = np.linalg.svd(
                _scale(self.statistic.effect, self.statistic.nuisance) @ direction
            )[2][0]
            direction *= np.sign(direction[np.argmax(np.abs(direction))])
        return float(mean @ direction / np.linalg.norm(direction))


@dataclass
class Fold:
    """The results with one person left out.

    Attributes
    ----------
    person : int
        Row of the data.
    regions : list of int ndarray or None
        For each cluster of the whole sample, the voxels of the fold's own cluster there; None if
        there is none.
    values : float64 ndarray, shape (n_clusters,)
        The person's mean in each region (see `Others.read`); NaN if there is none.
    largest : dict of int to float
        For each sign (1 or -1), the person's mean in the fold's largest cluster of that sign;
        signs without a cluster are left out.
    """

    person: int
    regions: list[IntArray | None]
    values: FloatArray
    largest: dict[int, float]


class LeaveOneOut:
    """One map of an analysis, fitted without each person in turn.

    Coefficients and residual squares of the whole sample are updated for the removed person. This
    gives exactly the fit of the others and costs only a few operations per voxel and person.

    Parameters
    ----------
    statistic : Student, Slope, Welch, Hall, WelchF, Hotelling or Pillai
        The statistic of all people.
    data : array, shape (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        Only ``shape``, ``[..., part]`` and ``[person]`` are used, so it may be a file on disk.
    flat : bool ndarray, shape (n_voxels,)
        True for voxels that are not analysed; the statistic is 0 there.
    """

    def __init__(self, statistic: Student, data: MapData, flat: BoolArray) -> None:
        self._statistic, self._data, self._flat = statistic, data, flat
        if isinstance(statistic, Given):
            self._coefficients = _effects(statistic, data)[None]
            return
        self._model = np.column_stack([statistic.effect, statistic.nuisance])
        self._inverse = np.linalg.inv(self._model.T @ self._model)
        n_columns, n_voxels = self._model.shape[1], data.shape[-1]
        measures = data.shape[1] if len(data.shape) == 3 else 1
        self._coefficients = np.empty((n_columns, measures, n_voxels))
        self._precision = np.empty((measures, measures, n_voxels))  # inverse of residual products
        if isinstance(statistic, Welch):
            # ASSUME: two variance groups, as in all analyses with variance groups.
            self._members = np.array([statistic.groups == 0, statistic.groups == 1])
            self._squares = np.empty((2, n_voxels))  # of each group's residuals
            self._cross = np.empty((n_columns, n_voxels))  # model times residuals, first group
        for part in chunks(data.shape):
            self._fit(part)

    def _fit(self, part: slice) -> None:
        y = np.asarray(self._data[..., part], dtype=float)
        y = y.reshape(len(y), -1, y.shape[-1])
        coefficients = np.tensordot(self._inverse @ self._model.T, y, 1)
        e = y - np.tensordot(self._model, coefficients, 1)
        products = np.einsum("nav,nbv->vab", e, e)
        products[self._flat[part]] = np.eye(products.shape[-1])
        self._coefficients[..., part] = coefficients
        self._precision[..., part] = np.moveaxis(np.linalg.inv(products), 0, -1)
        if isinstance(self._statistic, Welch):
            first, second = (e[members, 0] for members in self._members)
            self._squares[:, part] = np.square(first).sum(axis=0), np.square(second).sum(axis=0)
            self._cross[:, part] = self._model[self._members[0]].T @ first

    def effect_in(self, voxels: IntArray) -> float:
        """Average the effect of the whole sample over voxels; for several measures, its length.

        Of several effect columns it is the standard deviation over people that they explain.
        """
        if self._statistic.effect.ndim > 1:
            scale = _scale(self._statistic.effect, self._statistic.nuisance)
            several = self._coefficients[: len(scale), :, voxels].mean(axis=-1)
            return float(np.linalg.norm(scale @ several))
        mean = self._coefficients[0][:, voxels].mean(axis=1)
        return float(mean[0] if len(mean) == 1 else np.linalg.norm(mean))

    def without(self, person: int) -> Others | None:
        """Fit everybody but one person; None if the others do not allow the model."""
        try:
            others = _others(self._statistic, person)
        except Fault:
            return None
        if isinstance(others, Given):
            return self._given(others, person)
        row = self._model[person]
        pull = self._inverse @ row
        room = 1 - row @ pull  # 1 minus the person's leverage
        y = np.asarray(self._data[person], dtype=float).reshape(-1, self._data.shape[-1])
        error = y - np.tensordot(row, self._coefficients, 1)
        if others.effect.ndim > 1:
            # The statistic of several columns is fitted again: no update of it is known that is
            # exact and as simple.
            n_effect = others.effect.shape[1]
            change = pull[:n_effect, None, None] * error / room
            values = others.fit(_Rest(self._data, person)).statistic
            return Others(
                others,
                np.where(self._flat, 0, values),
                self._coefficients[:n_effect] - change,
                y,
            )
        effect = self._coefficients[0] - pull[0] * error / room
        weighed = np.einsum("abv,bv->av", self._precision, error)
        # Share of the residual squares (of their determinant) that is not due to the person.
        share = 1 - np.einsum("av,av->v", error, weighed) / room
        flat = self._flat | (share <= 1e-10)
        share[flat] = 1
        # Sherman and Morrison: b'E⁻¹b after the person's products are subtracted from E.
        explained = np.einsum("av,abv,bv->v", effect, self._precision, effect)
        explained += np.square(np.einsum("av,av->v", effect, weighed)) / (room * share)
        explained /= self._inverse[0, 0] + pull[0] ** 2 / room
        if isinstance(others, Hotelling):
            values = explained * others.df_error / others.measures
        elif isinstance(others, Welch):
            standard_error = self._welch_error(others, person, error[0] / room, explained)
            values = effect[0] / standard_error
            if isinstance(others, Hall):
                cumulant = self._third_cumulant(others, person)
                values = corrected(values, cumulant / standard_error**3)
        elif isinstance(others, Slope):
            squares = share / self._precision[0, 0] * (1 + explained)
            values = effect[0] / self._slope_error(others, person, squares)
        else:
            values = np.sign(effect[0]) * np.sqrt(explained * others.df)
        return Others(others, np.where(flat, 0, values), effect, y)

    def _given(self, others: Given, person: int) -> Others:
        """Fit everybody but one person, given a covariate by voxel.

        The person's data are adjusted by the slopes of the others, so that they are compared with
        the same effect.
        """
        data = _Rest(self._data, person)
        fit = others.fit(data)
        left = others.adjusted(data, np.asarray(self._data[person], dtype=float))
        values = np.where(self._flat | fit.flat, 0, fit.statistic)
        return Others(others, values, _effects(others, data), left)

    def _welch_error(
        self, others: Welch, person: int, missed: FloatArray, explained: FloatArray
    ) -> FloatArray:
        """Compute the standard error of Welch's statistic from the person's prediction error."""
        from scipy.linalg import eigh

        pull = self._inverse @ self._model[person]
        shift = 2 * missed * (pull @ self._cross)
        squares = self._squares + np.stack([shift, -shift])
        for group, members in enumerate(self._members):
            lean = np.square(self._model[members] @ pull).sum() - members[person]
            squares[group] += lean * np.square(missed)
        total = squares.sum(axis=0) * (1 + explained)
        squares = np.maximum(squares, FLOOR * total)  # as in `Welch.fit`
        squares[:, total <= 0] = 1
        model = np.column_stack([others.effect, others.nuisance])
        first = model[others.groups == 0]
        # In this basis the groups' cross-products are diagonal, and add up to 1.
        shares, basis = eigh(first.T @ first, model.T @ model)
        freedom = np.bincount(others.groups) - [shares.sum(), (1 - shares).sum()]
        weight = freedom[:, None] / squares
        inverse = 1 / (np.outer(shares, weight[0]) + np.outer(1 - shares, weight[1]))
        error: FloatArray = np.sqrt(np.square(basis[0]) @ inverse)
        return error

    def _residuals(self, person: int) -> Iterator[tuple[slice, FloatArray]]:
        """Compute the residuals of everybody but one person, some voxels at a time."""
        keep = np.arange(len(self._model)) != person
        pull = self._inverse @ self._model[person]
        room = 1 - self._model[person] @ pull
        for part in chunks(self._data.shape):
            y = np.asarray(self._data[..., part], dtype=float)
            rest = y - self._model @ self._coefficients[:, 0, part]
            yield part, rest[keep] + np.outer(self._model[keep] @ pull, rest[person] / room)

    def _third_cumulant(self, others: Hall, person: int) -> FloatArray:
        """Compute the third cumulant of the others' effect, per unit of the effect column."""
        cumulant = np.empty(len(self._flat))
        for part, rest in self._residuals(person):
            cumulant[part] = others.third_cumulant(rest)
        scaled: FloatArray = cumulant * others.effect_variance**1.5
        return scaled

    def _slope_error(self, others: Slope, person: int, squares: FloatArray) -> FloatArray:
        """Compute the robust standard error of the others' slope from their residuals.

        ``squares`` is the sum of squares of the others' residuals on the nuisance alone.
        """
        variance = np.empty(len(squares))
        for part, rest in self._residuals(person):
            variance[part] = others.weights @ np.square(rest)
        least = np.where(self._flat | (squares <= 0), 1, others.floor * squares)
        error: FloatArray = np.sqrt(np.maximum(variance, least) * others.effect_variance)
        return error

    def folds(
        self,
        clusters: Sequence[tuple[IntArray, int]],
        before: IntArray,
        cluster_forming_p: float,
        two_sided: bool,
    ) -> Iterator[Fold]:
        """Leave out each person in turn, and find the clusters of the others.

        The region of a cluster of the whole sample is the fold's cluster of the same sign that
        shares most voxels with it.

        Parameters
        ----------
        clusters : sequence of (int ndarray, int)
            Voxels and sign of each cluster of the whole sample.
        before : ndarray
            Table from `crossfc.group.inference.cluster.neighbours`.
        cluster_forming_p : float
        two_sided : bool

        Yields
        ------
        Fold
            One per person.
        """
        for person in range(len(self._statistic.effect)):
            fold = Fold(person, [None] * len(clusters), np.full(len(clusters), np.nan), {})
            others = self.without(person)
            if others is not None:
                threshold = others.statistic.forming_threshold(cluster_forming_p, two_sided)
                values = others.values.astype(np.float32)
                labels, sizes = label(values, threshold, before, two_sided)
                self._read(fold, others, clusters, labels, len(sizes))
            yield fold

    @staticmethod
    def _read(
        fold: Fold,
        others: Others,
        clusters: Sequence[tuple[IntArray, int]],
        labels: IntArray,
        count: int,
    ) -> None:
        beyond = np.flatnonzero(labels)
        signs = np.zeros(count + 1)
        signs[labels[beyond]] = np.sign(others.values[beyond])
        for number, (voxels, sign) in enumerate(clusters):
            shared = np.bincount(labels[voxels], minlength=count + 1)
            shared[signs != sign] = 0
            if shared.any():
                region = beyond[labels[beyond] == np.argmax(shared)]
                fold.regions[number] = region
                fold.values[number] = others.read(region)
        for sign in (1, -1):
            if np.any(signs == sign):  # clusters are numbered from the largest
                largest = beyond[labels[beyond] == np.argmax(signs == sign)]
                fold.largest[sign] = others.read(largest)


class _Rest:
    """The data of everybody but one person, read some voxels at a time."""

    def __init__(self, data: MapData, person: int) -> None:
        self._data, self._person = data, person
        self.shape = (data.shape[0] - 1, *data.shape[1:])

    def __getitem__(self, key: Any) -> RealArray:
        if isinstance(key, tuple):
            rest: RealArray = np.delete(np.asarray(self._data[key]), self._person, axis=0)
            return rest
        return self._data[key + (key >= self._person)]


def _effects(statistic: Given, data: MapData) -> FloatArray:
    """Estimate the effect on each measure, shape (n_measures, n_voxels)."""
    if isinstance(statistic, HotellingGiven):
        return statistic.effects(data)
    return statistic.fit(data).effect[None]


def _scale(effect: FloatArray, nuisance: FloatArray) -> FloatArray:
    """Return S: S b has the length of what coefficients b of several columns explain.

    That is its root mean square over people, beyond the nuisance.
    """
    basis = np.linalg.qr(nuisance)[0]
    left = effect - basis @ (basis.T @ effect)
    scale: FloatArray = np.linalg.qr(left)[1] / np.sqrt(len(left))
    return scale


def _others(statistic: Student, person: int) -> Student:
    """Return the statistic of everybody but one person.

    Raises
    ------
    Fault
        If the others do not allow the model.
    """
    keep = np.arange(len(statistic.effect)) != person
    columns = statistic.effect[keep], statistic.nuisance[keep]
    if isinstance(statistic, HotellingGiven):
        return HotellingGiven(*columns, statistic.measures, statistic.n_covariates)
    if isinstance(statistic, SlopeGiven):
        return SlopeGiven(*columns)
    if isinstance(statistic, Welch | WelchF):
        return type(statistic)(*columns, statistic.groups[keep])
    if isinstance(statistic, Given):
        return Given(*columns, statistic.n_covariates)
    if isinstance(statistic, Hotelling | Pillai):
        return type(statistic)(*columns, statistic.measures)
    if isinstance(statistic, Slope):
        return Slope(*columns)
    return Student(*columns)


def without_each(
    statistic: Student, values: FloatArray, two_sided: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Compute the effect and its p without each person, from values that stay as they are.

    Parameters
    ----------
    statistic : Student, Slope, Welch, Hall, WelchF, Hotelling or Pillai
        The statistic of all people.
    values : ndarray, shape (n_people, n_clusters) or (n_people, n_measures, n_clusters)
        One value per person (and measure), such as the mean in each cluster of the whole sample.
    two_sided : bool
        Ignored for statistics without a sign.

    Returns
    -------
    effect : float64 ndarray, shape (n_people, n_clusters)
        Effect in all others; for several measures its length, as in `LeaveOneOut.effect_in`.
    p : float64 ndarray, shape (n_people, n_clusters)
        From the statistic's own distribution (t or F), uncorrected. Effect and p are NaN where
        the others do not allow the model.
    """
    from scipy.special import fdtrc, stdtr

    effect, p = np.full((2, len(values), values.shape[-1]), np.nan)
    for person in range(len(values)):
        try:
            others = _others(statistic, person)
        except Fault:
            continue
        fit = others.fit(np.delete(values, person, axis=0))
        effect[person] = fit.effect
        if isinstance(others, WelchF):
            p[person] = fdtrc(others.df_effect, fit.degrees_of_freedom, fit.statistic)
        elif isinstance(others, Hotelling | Pillai):
            p[person] = fdtrc(others.df_effect, others.df_error, fit.statistic)
        else:
            t = -np.abs(fit.statistic) if two_sided else -fit.statistic
            p[person] = stdtr(fit.degrees_of_freedom, t) * (2 if two_sided else 1)
        effect[person, fit.flat] = p[person, fit.flat] = np.nan
    return effect, p


def effect_of(statistic: Student, values: FloatArray) -> float:
    """Fit the model of an analysis to one value per person.

    Parameters
    ----------
    statistic : Student, Slope, Welch, Hall, WelchF, Hotelling or Pillai
    values : ndarray, shape (n_people,)
        NaN for people without a value, who are left out.

    Returns
    -------
    float
        The coefficient of the effect, in units of the values per unit of the effect column; of
        several columns the standard deviation over people that they explain. NaN if the people
        with a value do not allow the model.
    """
    there = np.isfinite(values)
    model = np.column_stack([statistic.effect, statistic.nuisance])[there]
    if len(model) < model.shape[1] or np.linalg.matrix_rank(model) < model.shape[1]:
        return float("nan")
    coefficients = np.linalg.lstsq(model, values[there], rcond=None)[0]
    if statistic.effect.ndim > 1:
        scale = _scale(statistic.effect[there], statistic.nuisance[there])
        return float(np.linalg.norm(scale @ coefficients[: len(scale)]))
    return float(coefficients[0])
