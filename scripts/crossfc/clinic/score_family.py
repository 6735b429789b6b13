"""Tests of scores corrected together: what was not stated beforehand is one exploratory family."""

import numpy as np
import pandas as pd

from crossfc.significance import holm


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Add p corrected over all rows of a table of scores.

    Parameters
    ----------
    table : DataFrame
        With ``adjusted_p`` and ``unadjusted_p``; not changed.

    Returns
    -------
    DataFrame
        With ``p_holm``, the reported p (``adjusted_p`` where there is one, else ``unadjusted_p``)
        corrected over the ``n_tests`` rows that have one (Holm 1979, Scand J Stat 6:65).
    """
    adjusted, plain = (table[f"{name}_p"].to_numpy(float) for name in ("adjusted", "unadjusted"))
    told = np.where(np.isnan(adjusted), plain, adjusted)
    return table.assign(p_holm=holm(told), n_tests=int(np.isfinite(told).sum()))
