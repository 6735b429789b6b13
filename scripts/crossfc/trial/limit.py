"""The limits of quality beyond which a session is excluded."""

from typing import TypedDict


class ExclusionLimits(TypedDict):
    """The limits of the key ``exclusion``, as jobs get them; None for no limit."""

    maximum_mean_fd_mm: float
    maximum_censored_share: float
    maximum_defective_share: float
    minimum_minutes_kept: float | None
    maximum_boundary_cost: float | None
    maximum_local_boundary_cost: float | None
    minimum_seed_grey_signal: float | None
    minimum_template_dice: float
