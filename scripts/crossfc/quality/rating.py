"""The table of ratings: what each rater said, and what follows for the session."""

from collections.abc import Sequence

import pandas

from crossfc.trial.rating import RatingRow, disagreed, excluding

_COLUMNS = ["participant_id", "session_id", "rater", "rating", "exclude", "reason"]


def rating_table(ratings: Sequence[RatingRow]) -> pandas.DataFrame:
    """List the ratings: ``quality/ratings.tsv``.

    Parameters
    ----------
    ratings : sequence of RatingRow

    Returns
    -------
    DataFrame
        The columns of `RatingRow`, session_excluded (any rater excludes it) and raters_disagree
        (another rater keeps it).
    """
    table = pandas.DataFrame(ratings, columns=_COLUMNS)
    sessions = list(zip(table["participant_id"], table["session_id"], strict=True))
    gone, apart = excluding(ratings), disagreed(ratings)
    table["session_excluded"] = [session in gone for session in sessions]
    table["raters_disagree"] = [session in apart for session in sessions]
    return table
