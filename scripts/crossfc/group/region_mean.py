"""The test of a mean over voxels that were not chosen by what they show in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, SingleArray
from crossfc.group.design import question as questions
from crossfc.group.design.model import Inestimable, Model
from crossfc.group.design.options import AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import Question
from crossfc.group.estimation import estimation
from crossfc.group.inference.fisher import FRatio
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.welch import Welch
from crossfc.measure import GIVEN


@dataclass(frozen=True)
class EffectTest:
    """A test with its effect, or why there is none.

    Attributes
    ----------
    n : int
        Number of people in the model.
    statistic : str
        ``t``, ``F`` or ``r``; empty where there is no test.
    value, df : float
        Of the statistic; df is NaN for r, and the second of F.
    estimate, low, high : float
        Effect with its 95 % interval; an F has none.
    unit : str
        Of the effect: ``Fisher z``, ``Fisher z per point``, ``points`` or ``r``.
    p : float
        Two-sided, by the test that is reported for the same question elsewhere.
    adjusted_for : str
        What the model holds besides the effect.
    because : str
        Why there is no test; empty where there is one.
    """

    n: int
    statistic: str
    value: float
    df: float
    estimate: float
    low: float
    high: float
    unit: str
    p: float
    adjusted_for: str
    because: str


def untested(n: int, because: str) -> EffectTest:
    """Return what is known of an effect that cannot be tested."""
    nan = float("nan")
    return EffectTest(n, "", nan, nan, nan, nan, nan, "", nan, "", because)


def mean_test(
    asked: Question,
    pairs: Pairs,
    voxels: IntArray,
    columns: Sequence[int],
    options: AnalysisOptions,
    keep: BoolArray | None = None,
    weights: FloatArray | None = None,
) -> EffectTest:
    """Test a question in the mean over voxels, by its own model, statistic and arrangements.

    Parameters
    ----------
    asked : Question
        Of one contrast.
    pairs : Pairs
        Its people with all columns that the model needs; not changed.
    voxels : int ndarray
        Their numbers in the search volume.
    columns : sequence of int
        Numbers of the seeds that the question is of.
    options : AnalysisOptions
    keep : bool ndarray, shape (n_people,), optional
        The people to analyse; by default all.
    weights : float ndarray, shape (n_voxels,), optional
        How much each voxel counts in the mean; by default alike.

    Returns
    -------
    EffectTest
        The effect is the mean change of Fisher z, a difference of it between groups, or its slope
        on a score; its interval is by Student's t on the statistic's standard error and degrees
        of freedom. p is by the arrangements of the analysis, two-sided, for this mean alone.
    """
    own = region_mean(pairs, voxels, columns, keep, weights)
    try:
        estimated = estimation(asked, own, options)
    except Inestimable as reason:
        return untested(len(reason.rows), str(reason))
    found = infer(
        estimated.data,
        estimated.statistic,
        estimated.arrangements,
        np.ones((1, 1, 1), dtype=bool),
        cluster_forming_p=options.cluster_forming_p,
        tfce=False,
        # A single test is counted: what a fitted tail adds below the smallest count is not needed.
        tail=False,
    )
    if found.flat.any():
        return untested(len(estimated.design.rows), "the values are the same in everybody")
    effect, df = float(found.effect[0, 0]), float(found.degrees_of_freedom[0, 0])
    low = high = np.nan
    if isinstance(estimated.statistic, FRatio):
        value = float(found.statistic[0, 0])
    else:
        error = float(found.standard_error[0, 0])
        if isinstance(estimated.statistic, Welch):
            # Hall's statistic corrects p for skewness; the interval is that of tables of scores.
            errors, freedom = estimated.statistic.estimate_error(estimated.data[0])
            error, df = float(errors[0]), float(freedom[0])
        value = effect / error
        low, high = _interval(effect, error, df)
    return EffectTest(
        n=len(estimated.design.rows),
        statistic="F" if isinstance(estimated.statistic, FRatio) else "t",
        value=value,
        df=df,
        estimate=effect,
        low=low,
        high=high,
        unit="Fisher z per point" if asked.kind == questions.CHANGE else "Fisher z",
        p=float(found.p_voxel[0, 0]),
        adjusted_for=_adjusted_for(estimated.design),
        because="",
    )


def region_mean(
    pairs: Pairs,
    voxels: IntArray,
    columns: Sequence[int],
    keep: BoolArray | None = None,
    weights: FloatArray | None = None,
) -> Pairs:
    """Average the maps of some seeds over voxels, of all people or of some.

    Parameters
    ----------
    pairs : Pairs
    voxels : int ndarray
        Their numbers in the search volume.
    columns : sequence of int
        Numbers of the seeds.
    keep : bool ndarray, shape (n_people,), optional
    weights : float ndarray, shape (n_voxels,), optional
        How much each voxel counts; by default alike.

    Returns
    -------
    Pairs
        With one voxel.
    """
    rows = np.arange(len(pairs.people)) if keep is None else np.flatnonzero(keep)

    def mean(data: SingleArray | None) -> SingleArray | None:
        if data is None:
            return None
        means: FloatArray = np.array(
            [
                [
                    np.average(np.asarray(data[row, column])[voxels].astype(float), weights=weights)
                    for column in columns
                ]
                for row in rows
            ]
        )
        return means[..., None].astype(np.float32)

    delta = mean(pairs.delta)
    assert delta is not None
    return replace(
        pairs,
        record={**pairs.record, "seeds": [pairs.record["seeds"][column] for column in columns]},
        people=pairs.people.iloc[rows].reset_index(drop=True),
        delta=delta,
        total=mean(pairs.total),
        baseline=mean(pairs.baseline),
    )


def _interval(effect: float, error: float, df: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    reach = float(stdtrit(df, 0.975)) * error
    return effect - reach, effect + reach


def _adjusted_for(design: Model) -> str:
    """Name what the model holds besides the effect."""
    named = list(design.period_columns) if design.sequence_adjusted else []
    baseline = [] if design.baseline is None else ["baseline"]
    given = [GIVEN[design.given].change] if design.given else []
    return ", ".join([*named, *design.covariates, *given, *baseline])
