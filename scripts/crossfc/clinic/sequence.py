"""Changes of scores by sequence, as they are: what the CONSORT extension for crossovers asks for.

Dwan, Li, Altman and Elbourne (2019, BMJ 366:l4378, item 17a) ask for results of each treatment in
each period besides the comparison within people. Means of the scores by sequence are in
``clinic/course.tsv`` (sequence and treatment tell the period); here are the differences within the
people of each sequence. Each holds the effect of the period, with opposite sign in opposite
sequences, so none of them is the effect of a treatment, and none is tested.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crossfc.clinic.contrast import Design, groups_of
from crossfc.clinic.score import BASELINE, paired_scores
from crossfc.clinic.student import one_sample

COLUMNS = ["contrast", "scale", "group", "sequence", "n", "difference", "low", "high", "sd"]


def sequence_table(
    scores: Iterable[Mapping[str, Any]], designs: Sequence[Design], scales: Sequence[str]
) -> pd.DataFrame:
    """Describe the changes of scores in each sequence of treatments.

    Parameters
    ----------
    scores : iterable of dict
        One row per contrast, scale and person: contrast, scale, group, participant_id, sequence,
        active, control.
    designs : sequence of Design
        Those without columns of periods (parallel arms, one treatment) have no rows.
    scales : sequence of str

    Returns
    -------
    DataFrame
        The table ``clinic/sequences.tsv``: n, mean difference (active minus control) with its 95 %
        interval by Student's t, in points of the scale, and the standard deviation of the
        differences. People whose sequence is not known have a row of their own, with ``sequence``
        missing. The people are those with scores on both sides; a baseline is not asked for.
    """
    everything = pd.DataFrame(list(scores))
    rows = []
    for design in (own for own in designs if own["order"]):
        own = everything[everything["contrast"] == design["contrast"]]
        own = own.drop(columns=BASELINE, errors="ignore")
        pairs = paired_scores(own, groups_of(design), scales)
        pairs = pairs[pairs["used"]]
        for (scale, group), part in pairs.groupby(["scale", "group"], sort=False):
            known = part["sequence"].map(lambda sequence: isinstance(sequence, str))
            parts = [*part[known].groupby("sequence"), (None, part[~known])]
            for sequence, people in parts:
                if people.empty:
                    continue
                delta = people["delta"].to_numpy(dtype=float)
                test = one_sample(delta)
                names = design["contrast"], scale, group, sequence, len(delta)
                sd = float(np.std(delta, ddof=1)) if len(delta) > 1 else np.nan
                rows.append((*names, test.estimate, test.low, test.high, sd))
    return pd.DataFrame(rows, columns=COLUMNS)
