"""Linear models of the group: who is analysed, and the columns of the design."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray, IntArray, LabelArray
from crossfc.fault import Fault
from crossfc.group.design.arrangement import SHUFFLES, count_shuffles
from crossfc.group.design.left import LeftPerson
from crossfc.group.design.options import (
    AUTOMATIC,
    RERANDOMISATION,
    SIGN_FLIPS,
    WHOLE,
    AnalysisOptions,
    Baseline,
)
from crossfc.group.design.order import order_terms
from crossfc.group.design.question import CARRYOVER, CHANGE, Question, group_labels
from crossfc.measure import GIVEN
from crossfc.trial.visit import ORDER

# Re-randomisation is used only if its smallest possible p is at most this; otherwise sign flips.
_SMALLEST_P = 0.01
CATEGORICAL, CONTINUOUS = "categorical", "continuous"


class Inestimable(Fault):
    """The remaining people do not allow an estimate; the input is not at fault.

    Attributes
    ----------
    rows : int ndarray
        Rows, in the people table, of the people who would be analysed.
    left : list of LeftPerson
        People who are not analysed.
    """

    def __init__(self, reason: str, rows: IntArray, left: list[LeftPerson]) -> None:
        super().__init__(reason)
        self.rows, self.left = rows, left


@dataclass
class Model:
    """The design of one analysis.

    Attributes
    ----------
    rows : int ndarray, shape (n_analysed,)
        Rows, in the people table, of the people who are analysed.
    effect : float ndarray, shape (n_analysed,)
        The column under test, times ``flip``; of shape (n_analysed, n_groups - 1) where three and
        more groups are compared at once.
    effect_names : list of str
        What its columns are: ``intercept``, ``group``, ``group[<label>]``, ``sequence`` or
        ``delta_<scale>``.
    nuisance : float ndarray, shape (n_analysed, n_nuisance)
        The other columns, times ``flip``.
    nuisance_names : list of str
    arrangement : str
        ``sign flips`` or ``shuffles``.
    variance_groups : ndarray, shape (n_analysed,), or None
        Group of each person with a variance of its own; of two groups False for the first
        (patients) and True for the second. None unless groups are compared.
    blocks : ndarray, shape (n_analysed,), or None
        Exchangeability block of each person.
    block_exchange : str
        ``within``: people change places within their block; ``whole``: blocks change places and
        sign as wholes.
    baseline : str or None
        The occasion whose contrast is a covariate, voxel by voxel; None if there is none.
    given : str
        The measure whose change is the last of the other columns; empty if none is.
    flip : float ndarray, shape (n_analysed,), or None
        +1 or -1 for each person, by which their data are multiplied before the fit; only for
        re-randomisation.
    formula : str
        The model as text.
    sequence_adjusted : bool
        Whether the effect is free of period effects.
    period_columns : list of str
        The columns by which it is: ``sequence_code``, or ``period_2``, …
    covariates : list of str
        Covariates that are in the model.
    covariate_levels : dict
        Categories of each covariate; an empty list for a continuous one.
    left : list of LeftPerson
        People who are not analysed.
    notes : list of str
    """

    rows: IntArray
    effect: FloatArray
    effect_names: list[str]
    nuisance: FloatArray
    nuisance_names: list[str]
    arrangement: str
    variance_groups: LabelArray | None
    blocks: LabelArray | None
    formula: str
    sequence_adjusted: bool
    period_columns: list[str]
    covariates: list[str]
    covariate_levels: dict[str, list[str]]
    block_exchange: str
    baseline: str | None
    given: str
    flip: FloatArray | None
    left: list[LeftPerson]
    notes: list[str]


def model(
    question: Question,
    people: pd.DataFrame,
    groups: dict[str, str | None],
    options: AnalysisOptions,
    *,
    order: Sequence[str] = (ORDER,),
    arms: bool = False,
    baseline: Baseline | None = None,
    over_time: bool = False,
) -> Model:
    """Build the design of an analysis from the people table.

    Covariates differ between people, so they are in the model only where groups are compared. How
    a mean is tested can be chosen (``drug_arrangement``); other questions have one way each.

    Coding. The sequence is coded -1 (active first) and +1 (control first) and is not centred. So
    the intercept is the effect at equal shares of both orders, free of period effects, and the
    slope of the sequence on the difference active - control is the effect of period 2 minus
    period 1 (Senn 2002, Cross-over Trials in Clinical Research, ch. 3). Groups, and the order in
    the analysis of carry-over, are coded ±1/2, so that their coefficient is a difference.
    Covariates are centred among the people analysed.

    Missing values. People whose order of treatments is not known, or who lack a covariate, leave
    the analysis. If all known orders are the same, or no order is known (when two groups are
    compared: no order in one of them), the model has no sequence term, and people of unknown
    order stay.

    Comparisons of groups, slopes and carry-over. Groups are compared by sign flips of the
    residuals. A flip keeps each person's own variance. A shuffle mixes the groups' variances, and
    then even Welch's statistic exceeds its shuffled maximum too often when the smaller group
    varies more (24 against 17 people, standard deviations 1 and 2: 13 % family-wise error instead
    of 5 %, 28 % for Hotelling's T²; flips: 3 and 5 %). Flips assume symmetric errors, and a
    difference of two sessions of the same person is symmetric whenever the sessions are
    exchangeable. Hall's statistic allows for what skewness there is. Slopes on a change of score
    are tested by sign flips too, because flips keep each person's variance together with their
    score: where the variance grows with the score's change, shuffles found a slope in 23 to 40 % of
    null studies even with a standard error that allows for it, flips in 6 to 7 %
    (docs/statistics.md). Three and more groups are compared in the same way, by F over all of them
    and by Hall's statistic in pairs. Carry-over is tested by shuffles, and so are parallel arms:
    lots were drawn between people there, and a change over time has no reason to be symmetric.

    Means of a group. A mean can also be tested by the trial's own randomisation (Fisher's
    randomisation test). If the drug changes nothing in anybody, a person's period difference,
    period 2 - period 1, is the same whichever order was drawn for them, and only the drawn order
    decides its sign in D = active - control. With s the sequence code, the period difference is
    s·D. The model D ~ 1 + s multiplied by s is s·D ~ s + 1, so the intercept of the first is the
    slope of the second, with the same t: the two-sample t of period differences in a two-period
    cross-over (Hills and Armitage 1979, Br J Clin Pharmacol 8:7; Senn 2002). Shuffling s among
    people draws the orders again, with the same number of each; strata of the randomisation are
    the blocks. No symmetry is assumed. Means are tested in this way if it can give a p of 0.01 or
    less, because sign flips are wrong where period differences are skewed and orders unbalanced
    (docs/statistics.md). Otherwise signs are flipped, and a note gives the reason.

    Baselines. The same contrast of the baselines, B, is a covariate voxel by voxel where it is a
    contrast within people. It is not centred: without an effect of the drug its expectation is
    zero, whatever the baselines of people are, so the intercept is the effect where baselines are
    equal. (A baseline of each period as a covariate of its own would mix differences between
    people with those within: Kenward and Roger 2010, Biostatistics 11:3.) In parallel arms, whose
    change since the baseline is compared, the baseline itself is a covariate of that comparison,
    and of no mean. It stands in no analysis of carry-over.

    Measures given. The change of a measure of the scan within each person, Δ, is a column that is
    not centred, so the intercept is the effect where the measure does not change (Judd, Kenny and
    McClelland 2001, Psychol Methods 6:115), and a difference of groups is that at an equal change.
    Means are then tested by sign flips: orders that are drawn again would give each person another
    Δ, which is known for the drawn order only if the drug does not change the measure.

    Parameters
    ----------
    question : Question
    people : DataFrame
        The table people.tsv: participant_id, group, sequence_code, covariates, ``delta_<scale>``,
        ``delta_<measure>``.
    groups : dict
        Labels of ``patients`` and ``controls``.
    options : AnalysisOptions
        Of these, the blocks and their exchange, ``drug_arrangement`` and the covariates.
    order : sequence of str
        Columns of ``people`` that free the effect from period effects (`crossfc.trial.visit`).
    arms : bool
        The groups are parallel arms, to which people were assigned by lot.
    baseline : Baseline, optional
        The baseline that the data come with; see Baselines.
    over_time : bool
        Occasions are compared, so that a mean may be an effect of time.

    Returns
    -------
    Model

    Raises
    ------
    Inestimable
        If nobody is left, all people have the same value of the effect, the change of the measure
        given follows from the other columns, or re-randomisation is asked for although the known
        orders are not of both kinds.
    Fault
        If a column is missing, or a covariate is not of its type.
    """
    covariates = options.covariates if question.compares_groups else {}
    arrangement = options.drug_arrangement if question.tests_mean else None
    if question.tests_mean and question.given:
        arrangement = SIGN_FLIPS
    blocks, block_exchange = options.blocks, options.block_exchange
    wanted = list(covariates) + ([blocks] if blocks else [])
    score = f"delta_{question.scale}" if question.kind == CHANGE else None
    wanted += [score] if score else []
    of_measure = GIVEN[question.given].change if question.given else None
    if of_measure is not None:
        wanted.append(of_measure)
        if of_measure not in people.columns:
            people = people.assign(**{of_measure: np.nan})  # nobody has it in all sessions
    for column in [*wanted, *order]:
        if column not in people.columns:
            raise Fault(
                f'{question.name} needs the column "{column}", which people.tsv has not; add it '
                "to the sheets or leave it out of the configuration"
            )
    label: LabelArray | None = people[blocks].astype(str).to_numpy() if blocks else None
    left: list[LeftPerson] = []
    rows: IntArray = np.arange(len(people))
    if question.group is not None:
        rows = rows[(people["group"] == question.group).to_numpy()]
    if question.groups:
        rows = rows[people["group"].isin(question.groups).to_numpy()]
    notes: list[str] = []

    def leave(column: str) -> IntArray:
        missing: BoolArray = people[column].isna().to_numpy()[rows]
        left.extend(
            {
                "participant_id": people["participant_id"].iloc[row],
                "group": people["group"].iloc[row],
                "reason": _reason(column, question),
            }
            for row in rows[missing]
        )
        present: IntArray = rows[~missing]
        return present

    for column in dict.fromkeys(wanted):
        rows = leave(column)
    used = [] if question.kind == CARRYOVER else order_terms(people.iloc[rows], order, notes)
    for column in [ORDER] if question.kind == CARRYOVER else used:
        rows = leave(column)
    if (over_time or not order) and question.tests_mean:
        notes.append(
            "Nothing else is compared with this change over time within people, so the effects of "
            "treatment and time cannot be told apart in it."
        )
    if len(rows) == 0:
        reason = f"{question.name}: nobody is left to analyse; see the reasons in left.tsv"
        if of_measure is not None and people[of_measure].isna().all():
            lacking = GIVEN[question.given].label
            reason = f"{question.name}: nobody has {lacking} in every session of the contrast"
        raise Inestimable(reason, rows, left)
    if arrangement == RERANDOMISATION and list(order) != [ORDER]:
        reason = (
            f"{question.name}: {RERANDOMISATION} draws the orders of two treatments in two periods "
            f"again, which this contrast is not of; use {SIGN_FLIPS}"
        )
        raise Inestimable(reason, rows, left)
    if arrangement == RERANDOMISATION and not used:
        known = people[ORDER].iloc[rows].notna().any()
        reason = (
            f"{question.name}: {RERANDOMISATION} draws the orders of treatments again, but of the "
            f"{len(rows)} people to analyse "
            f"{'all known orders are the same' if known else 'no order is known'}; use "
            f"{SIGN_FLIPS}"
        )
        raise Inestimable(reason, rows, left)
    chosen = people.iloc[rows]
    label = None if label is None else label[rows]
    if question.tests_mean and arrangement in (None, AUTOMATIC):
        arrangement = SIGN_FLIPS
        if used == [ORDER]:
            arrangement = _arrangement_of_a_mean(chosen[ORDER], label, block_exchange, notes)

    labels = list(question.groups) or group_labels(groups)
    is_patient: BoolArray = (chosen["group"] == labels[0]).to_numpy()
    intercept = np.ones(len(rows))
    effect: FloatArray
    nuisance: dict[str, FloatArray] = {}
    variance_groups: LabelArray | None = None
    if question.tests_mean:
        response, effect, terms, tested = "D", intercept, ["1"], ["intercept"]
    else:
        nuisance["intercept"] = intercept
        terms = ["1"]
        if score is not None:
            response, term, arranged = "D", score, chosen[score].to_numpy(dtype=float)
            effect = arranged - arranged.mean()
        elif question.kind == CARRYOVER:
            code: FloatArray = chosen[ORDER].to_numpy(dtype=float)
            response, term, effect = "S", "sequence", -code / 2
        elif len(labels) > 2:
            response, term, effect = "D", "group", _differences(chosen["group"], labels)
            variance_groups = np.array([labels.index(of) for of in chosen["group"]])
            if empty := [of for of in labels if of not in set(chosen["group"])]:
                reason = f"{question.name}: nobody of {' and '.join(empty)} is left to compare"
                raise Inestimable(reason, rows, left)
        else:
            response, term, effect = "D", "group", np.where(is_patient, 0.5, -0.5)
            variance_groups = ~is_patient
        tested = [f"group[{of}]" for of in labels[1:]] if effect.ndim > 1 else [term]
        if np.ptp(effect) == 0:
            reason = (
                f"{question.name}: {term} is the same for all {len(rows)} people analysed, so it "
                "has no effect that could be estimated"
            )
            raise Inestimable(reason, rows, left)
        terms.append(term)
    present = [of for of in labels if of in set(chosen["group"])]
    if question.kind == CARRYOVER and len(present) > 2:
        apart = _differences(chosen["group"], present).T
        nuisance |= {f"group[{of}]": own for of, own in zip(present[1:], apart, strict=True)}
        terms.append("group")
    elif question.kind == CARRYOVER and len(present) == 2:
        nuisance["group"] = np.where((chosen["group"] == present[0]).to_numpy(), 0.5, -0.5)
        terms.append("group")
    for column in used:
        name = "sequence" if column == ORDER else column
        nuisance[name] = chosen[column].to_numpy(dtype=float)
        terms.append(name)
    all_levels: dict[str, list[str]] = {}
    for name, kind in covariates.items():
        columns, levels = _covariate(name, chosen[name], kind)
        if not columns:
            notes.append(f"{name} is the same for everybody analysed and is not in the model")
            continue
        nuisance |= columns
        all_levels[name] = levels
        terms.append(name)
    if of_measure is not None:
        nuisance[of_measure] = chosen[of_measure].to_numpy(dtype=float)
        terms.append(of_measure)
        matrix = np.column_stack([effect, *nuisance.values()])
        if np.linalg.matrix_rank(matrix) <= np.linalg.matrix_rank(matrix[:, :-1]):
            reason = (
                f"{question.name}: the change of {GIVEN[question.given].label} is the same in all "
                f"{len(rows)} people analysed or follows from the other columns of the model, so "
                "the effect given it cannot be told from the effect"
            )
            raise Inestimable(reason, rows, left)
    given = _baseline(question, baseline, arms)
    if given is not None and effect.ndim > 1:
        notes.append(
            f"The baseline ({given}) is a covariate of the comparisons of two groups, and not of "
            "this comparison of all of them."
        )
        given = None
    if given is not None:
        terms.append(f"baseline({given})")
    matrix = np.column_stack(list(nuisance.values())) if nuisance else np.empty((len(rows), 0))
    flip = None
    if arrangement == RERANDOMISATION:
        arrangement, flip = SHUFFLES, nuisance["sequence"]
        effect, matrix = effect * flip, matrix * flip[:, None]
    return Model(
        rows=rows,
        effect=effect,
        effect_names=tested,
        nuisance=matrix,
        nuisance_names=list(nuisance),
        arrangement=arrangement or (SHUFFLES if _is_shuffled(question, arms) else SIGN_FLIPS),
        variance_groups=variance_groups,
        blocks=label,
        formula=f"{response} ~ " + " + ".join(terms),
        sequence_adjusted=bool(used),
        period_columns=used,
        covariates=list(all_levels),
        covariate_levels=all_levels,
        block_exchange=block_exchange,
        baseline=given,
        given=question.given,
        flip=flip,
        left=left,
        notes=notes,
    )


def _differences(group: pd.Series, labels: Sequence[str]) -> FloatArray:
    """Return a column for each group but the first: its people minus those of the first."""
    members: FloatArray = np.array([(group == label).to_numpy(dtype=float) for label in labels])
    differences: FloatArray = (members[1:] - members[0]).T
    return differences


def _baseline(question: Question, baseline: Baseline | None, arms: bool) -> str | None:
    """Return the occasion of the baseline that is a covariate of this analysis, if one is."""
    if baseline is None or question.kind == CARRYOVER:
        return None
    fits = baseline["within"] or (arms and question.compares_groups)
    return baseline["occasion"] if fits else None


def _is_shuffled(question: Question, arms: bool) -> bool:
    """Test whether people change places: where their arm or their order was drawn by lot."""
    return question.kind == CARRYOVER or (arms and question.compares_groups)


def _arrangement_of_a_mean(
    codes: pd.Series,
    blocks: LabelArray | None,
    block_exchange: str,
    notes: list[str],
) -> str:
    """Choose how the mean of a group is tested.

    Where re-randomisation is not possible, a note that gives the reason is added to ``notes``.
    """
    code = codes.to_numpy(dtype=float)
    possible = count_shuffles(code[:, None], blocks, block_exchange == WHOLE)
    # If exchanging all orders is a possible drawing, that drawing has the same t with the opposite
    # sign, so the smallest two-sided p is twice as large.
    strata = np.zeros(len(code)) if blocks is None or block_exchange == WHOLE else blocks
    sums = [code[strata == stratum].sum() for stratum in np.unique(strata)]
    mirrored = not np.any(sums) and possible > 1
    if (1 + mirrored) / possible <= _SMALLEST_P:
        return RERANDOMISATION
    first, second = int((code < 0).sum()), int((code > 0).sum())
    notes.append(
        f"The orders of treatments ({first} active first, {second} control first) can be drawn in "
        f"{possible} way{'s' if possible > 1 else ''} only, so no p could be below "
        f"{(1 + mirrored) / possible:.3g}; instead signs are flipped, which is right where the "
        "differences are symmetric about their mean."
    )
    return SIGN_FLIPS


def _reason(column: str, question: Question) -> str:
    if question.given and column == GIVEN[question.given].change:
        return f"no {GIVEN[question.given].label} in every session"
    if column == f"delta_{question.scale}":
        return f"no {question.scale} score in both sessions"
    # In a set of contrasts the name of the contrast stands before that of the column.
    if column.endswith(ORDER):
        return "order of treatments not known"
    if column.startswith("period_") or "_period_" in column:
        return "period of a session not known"
    return f"{column} missing"


def _covariate(name: str, values: pd.Series, kind: str) -> tuple[dict[str, FloatArray], list[str]]:
    """Return the centred columns of a covariate (none if it is constant), and its categories."""
    numeric = pd.api.types.is_numeric_dtype(values)
    if kind == CONTINUOUS and not numeric:
        raise Fault(f'the covariate "{name}" is declared {CONTINUOUS}, but has words; correct it')
    if numeric and kind != CATEGORICAL:
        column = values.to_numpy(dtype=float)
        return ({name: column - column.mean()} if np.ptp(column) > 0 else {}), []
    # Numeric codes are read from a table as 1.0, 2.0, …: print them as 1, 2, …. They are sorted
    # as numbers, so that 10 comes after 9.
    levels = [f"{v:.15g}" if numeric else str(v) for v in sorted(values.unique())]
    words = values.map(lambda v: f"{v:.15g}" if numeric else str(v))
    if len(levels) == 2:
        column = np.where(words == levels[1], 1.0, -1.0)
        return {name: column - column.mean()}, levels
    dummies = {f"{name}[{level}]": (words == level).to_numpy(float) for level in levels[1:]}
    return {key: column - column.mean() for key, column in dummies.items()}, levels
