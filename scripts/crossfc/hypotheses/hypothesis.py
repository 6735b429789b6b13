"""A hypothesis stated beforehand, as the jobs that test it see it: without its words."""

from typing import NotRequired, TypedDict

from crossfc.group.design.options import AnalysisOptions
from crossfc.group.design.people import PersonRow
from crossfc.trial.hypothesis import Kind
from crossfc.trial.regions import RegionRow

POSITIVE, NEGATIVE = "positive", "negative"


class HypothesisRow(TypedDict):
    """A hypothesis as plain values, as a rule hands it over.

    ``analysis`` names the test of a map or score; ``group`` is the one a correlation is of.
    ``people``, ``options`` and ``rows`` are those of a map: further columns of the people, the
    choices of the analysis, and where the region is.
    """

    hypothesis: int
    kind: Kind
    contrast: str
    analysis: str
    group: str
    seed: str
    region: str
    scale: str
    direction: str
    people: NotRequired[list[PersonRow]]
    options: NotRequired[dict[str, object]]
    rows: NotRequired[list[RegionRow]]


def options_of(row: HypothesisRow) -> AnalysisOptions:
    """Return the choices of the analysis of a map."""
    return AnalysisOptions.from_params(dict(row["options"]))
