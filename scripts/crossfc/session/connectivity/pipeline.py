"""A pipeline: how a session is cleaned and smoothed, and which seeds it has."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from crossfc.trial.regions import RegionRow
from crossfc.trial.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The choices of a pipeline, with its strategy and seeds in full.

    Fields have the names of the keys below ``pipelines`` in the config.

    Attributes
    ----------
    strategy : Strategy
    high_pass_hz, low_pass_hz : float
        Edges of the pass band; no upper edge if ``low_pass_hz`` is None.
    censor_fd_mm : float or None
        Volumes with a larger framewise displacement are censored; none if None.
    censor_minimum_run : int
        Runs of fewer kept volumes in a row than this are censored too.
    censored_filter : str
        ``interpolate`` or ``exact``; see `crossfc.session.connectivity.cleaning`.
    fwhm_mm : float
        Full width at half maximum of the smoothing.
    seeds : list of RegionRow
    region_weights : str
        ``overlap`` or ``grey_matter``; see `crossfc.session.connectivity.region`.
    reference_degrees_of_freedom : float or None
        Fisher z are brought to the spread that they have with so many; left alone if None. See
        `crossfc.session.connectivity.seed_map.at_reference`.
    """

    strategy: Strategy
    high_pass_hz: float
    low_pass_hz: float | None
    censor_fd_mm: float | None
    censor_minimum_run: int
    censored_filter: str
    fwhm_mm: float
    seeds: list[RegionRow]
    region_weights: str
    reference_degrees_of_freedom: float | None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "Pipeline":
        """Return a pipeline from a job's params, as `crossfc.plan.connectivity` wrote them."""
        return cls(**{field.name: params[field.name] for field in fields(cls)})
