"""Expand a confound by its derivative and the squares of both, with fMRIPrep's column names."""

import numpy as np


def expanded(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Expand a confound to four columns (Friston et al. 1996; Satterthwaite et al. 2013).

    Parameters
    ----------
    name : str
    values : ndarray, shape (volumes,)

    Returns
    -------
    dict of ndarray, shape (volumes,)
        ``name``, ``name_derivative1`` (backward difference, NaN at the first volume),
        ``name_power2`` and ``name_derivative1_power2``.
    """
    derivative = np.concatenate([[np.nan], np.diff(values)])
    return {
        name: values,
        f"{name}_derivative1": derivative,
        f"{name}_power2": values**2,
        f"{name}_derivative1_power2": derivative**2,
    }
