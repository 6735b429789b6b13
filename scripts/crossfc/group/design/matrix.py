"""The design matrix of an analysis, as a table for whoever checks or repeats the fit."""

import numpy as np
import pandas as pd

from crossfc.group.design.model import Model

PERSON, BLOCK = "participant_id", "exchangeability_block"


def design_matrix(design: Model, people: pd.DataFrame) -> pd.DataFrame:
    """Return the design matrix: a row for each person analysed, a column for each of the model.

    Columns stand in it as the formula has them, before the multiplication by the drawn order with
    which orders are drawn again (`crossfc.group.design.model.model`). A baseline, which is another
    covariate in every voxel, is not in it.

    Parameters
    ----------
    design : Model
    people : DataFrame
        The table of people of which ``design.rows`` are rows.

    Returns
    -------
    DataFrame
        ``participant_id``; ``exchangeability_block``, where there are blocks; the columns under
        test, then the others.
    """
    flip = np.ones(len(design.rows)) if design.flip is None else design.flip
    effect = design.effect.reshape(len(design.rows), -1)
    columns: dict[str, object] = {PERSON: people[PERSON].to_numpy()[design.rows]}
    if design.blocks is not None:
        columns[BLOCK] = design.blocks
    names = [*design.effect_names, *design.nuisance_names]
    # Both factors are 1 or -1 where they multiply, so this gives back what was multiplied.
    columns |= dict(
        zip(names, (np.hstack([effect, design.nuisance]) * flip[:, None]).T, strict=True)
    )
    return pd.DataFrame(columns)
