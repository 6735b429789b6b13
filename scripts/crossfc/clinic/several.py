"""Three and more groups: whether their mean changes differ at all, by Welch's F."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from crossfc.array import FloatArray, LabelArray
from crossfc.clinic.order import ALIKE, known_design, no_order
from crossfc.fault import Fault


class FTest(NamedTuple):
    """Welch's F with its two degrees of freedom; NaN where it cannot be computed."""

    f: float
    df_effect: float
    df: float
    p: float


NO_F = FTest(*(np.nan,) * 4)


class AdjustedF(NamedTuple):
    """Welch's F with the order of treatments in the model, or the reason why there is none."""

    test: FTest = NO_F
    n: int = 0
    because: str = ""


def welch_f(delta: FloatArray, member: LabelArray, nuisance: FloatArray | None = None) -> FTest:
    """Compare the means of several groups of unequal variance (Welch 1951, Biometrika 38:330).

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D = active - control of each person.
    member : ndarray, shape (n,)
        Group of each person.
    nuisance : ndarray, shape (n, n_columns), optional
        Other columns of the model, the intercept among them; by default the intercept alone.

    Returns
    -------
    FTest
        NaN if a group is too small to have a variance, or the change does not vary.
    """
    from scipy.special import fdtrc

    from crossfc.group.inference.welch_f import WelchF

    groups = np.unique(member)
    if nuisance is None:
        nuisance = np.ones((len(delta), 1))
    try:
        statistic = WelchF((member[:, None] == groups[1:]).astype(float), nuisance, member)
    except Fault:
        return NO_F
    fit = statistic.fit(delta[:, None])
    if fit.flat[0]:
        return NO_F
    f, df = float(fit.statistic[0]), float(fit.degrees_of_freedom[0])
    return FTest(f, statistic.df_effect, df, float(fdtrc(statistic.df_effect, df, f)))


def adjusted_f(
    delta: FloatArray,
    member: LabelArray,
    order: FloatArray,
    groups: Sequence[str],
    treatments: Mapping[str, str],
) -> AdjustedF:
    """Compare several groups with the order of treatments in the model.

    Parameters
    ----------
    delta, member
        See `welch_f`.
    order : ndarray, shape (n,) or (n, n_columns)
        As `crossfc.clinic.order.order_columns` returns it.
    groups : sequence of str
        Labels of the groups.
    treatments : mapping
        Names of ``active`` and ``control``.
    """
    nuisance, known = known_design(order)
    because = no_order(order, treatments)
    for group in groups:
        if not because and not known[member == group].any():
            what = "order of treatments is" if order.ndim == 1 else "periods are"
            because = f"the {what} not known for anybody of {group}"
    if because:
        return AdjustedF(because=because)
    test = welch_f(delta[known], member[known], nuisance)
    if np.isnan(test.p):
        few = min((known & (member == group)).sum() for group in groups) < 3
        return AdjustedF(because="too few people of known order" if few else ALIKE)
    return AdjustedF(test, int(known.sum()))
