"""How a question is estimated: its model, statistic and arrangements, and the data they are of."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossfc.fault import Fault
from crossfc.group.design import question as questions
from crossfc.group.design.arrangement import Arrangements, shuffles, sign_flips
from crossfc.group.design.contrast import Contrast, WithBaseline, contrasts
from crossfc.group.design.model import Inestimable, Model, model
from crossfc.group.design.options import SIGN_FLIPS, WHOLE, AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import Question
from crossfc.group.design.unit import Unarrangeable
from crossfc.group.inference.given import Given, HallGiven, HotellingGiven, SlopeGiven
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch_f import WelchF


@dataclass(frozen=True)
class Estimation:
    """A question with all that its test needs.

    Attributes
    ----------
    asked : Question
    design : Model
    statistic : Student
        Or one of its kind.
    arrangements : Arrangements
    data : list
        One per map, in the order of `crossfc.group.design.contrast.parts`.
    """

    asked: Question
    design: Model
    statistic: Student
    arrangements: Arrangements
    data: Sequence[Contrast | WithBaseline]


def estimation(
    asked: Question, pairs: Pairs, options: AnalysisOptions, *, measures: int | None = None
) -> Estimation:
    """Build the model of a question for the people who are there.

    Parameters
    ----------
    asked : Question
    pairs : Pairs
        Its people with all columns that the model needs.
    options : AnalysisOptions
    measures : int, optional
        Values of each person in a voxel; by default the number of differences between seeds.

    Raises
    ------
    Inestimable
        If the people do not allow an estimate.
    Fault
        If their data do not fit the question.
    """
    design = model_of(asked, pairs, options)
    statistic = statistic_of(asked, design, measures or len(pairs.record["seeds"]) - 1)
    arrangements = arrangements_of(asked, design, statistic, options)
    return Estimation(asked, design, statistic, arrangements, data_of(asked, design, pairs))


def model_of(asked: Question, pairs: Pairs, options: AnalysisOptions) -> Model:
    """Build the model of a question for the people who are there; see `estimation`."""
    record = pairs.record
    return model(
        asked,
        pairs.people,
        record["groups"],
        options,
        order=record["order"],
        arms=record["arms"],
        baseline=record.get("baseline"),
        over_time=record.get("over_time", False),
    )


def data_of(asked: Question, design: Model, pairs: Pairs) -> Sequence[Contrast | WithBaseline]:
    """List the maps that a question is of, of the people in its model, with their baseline."""
    given = None if design.baseline is None else pairs.baseline
    return contrasts(asked, pairs, design.rows, design.flip, given)


def statistic_of(asked: Question, design: Model, measures: int) -> Student:
    """Choose the statistic of a question and its model.

    Parameters
    ----------
    asked : Question
    design : Model
    measures : int
        Values of each person in a voxel, of a question with several.

    Raises
    ------
    Inestimable
        If there are too few people.
    """
    try:
        if design.baseline is not None:
            return _given_baseline(asked, design, measures)
        if asked.kind in questions.MULTIVARIATE and design.effect.ndim > 1:
            return Pillai(design.effect, design.nuisance, measures)
        if asked.kind in questions.MULTIVARIATE:
            return Hotelling(design.effect, design.nuisance, measures)
        if design.variance_groups is not None and design.effect.ndim > 1:
            return WelchF(design.effect, design.nuisance, design.variance_groups)
        if design.variance_groups is not None:
            return Hall(design.effect, design.nuisance, design.variance_groups)
        if asked.kind == questions.CHANGE:
            return Slope(design.effect, design.nuisance)
        return Student(design.effect, design.nuisance)
    except Fault as reason:
        # A statistic refuses only designs with too few people or too low a rank.
        raise _inestimable(asked, design, reason) from None


def _given_baseline(asked: Question, design: Model, measures: int) -> Given:
    if asked.kind in questions.MULTIVARIATE:
        return HotellingGiven(design.effect, design.nuisance, measures, measures)
    if design.variance_groups is not None:
        return HallGiven(design.effect, design.nuisance, design.variance_groups)
    if asked.kind == questions.CHANGE:
        return SlopeGiven(design.effect, design.nuisance)
    return Given(design.effect, design.nuisance)


def arrangements_of(
    asked: Question, design: Model, statistic: Student, options: AnalysisOptions
) -> Arrangements:
    """Draw the arrangements of an analysis: the observed one, and those under the null.

    Raises
    ------
    Inestimable
        If nobody can change places.
    """
    drawn = options.permutations, options.seed, design.blocks, design.block_exchange == WHOLE
    try:
        if design.arrangement == SIGN_FLIPS:
            return sign_flips(len(design.rows), *drawn)
        return shuffles(statistic.design, *drawn)
    except Unarrangeable as reason:
        raise _inestimable(asked, design, reason) from None


def _inestimable(asked: Question, design: Model, reason: Fault) -> Inestimable:
    people = f"{len(design.rows)} {'person' if len(design.rows) == 1 else 'people'}"
    text = f"{asked.name} ({design.formula}, {people}): {reason}"
    return Inestimable(text, design.rows, design.left)
