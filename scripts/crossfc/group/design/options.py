"""The options of an analysis, as the config gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from crossfc.fault import Fault
from crossfc.trial.contrast import CellWeight
from crossfc.trial.limit import ExclusionLimits

AUTOMATIC = "automatic"
SIGN_FLIPS = "sign flips"
RERANDOMISATION = "re-randomisation"
# The most arrangements of each of the null studies of which sensitivity takes what is significant.
SENSITIVITY_PERMUTATIONS = 249
WITHIN = "within"
WHOLE = "whole"


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """The choices of the config section ``group`` on which the result of an analysis depends.

    Every field but ``covariates`` and the last has the name of its config key. There are no
    defaults: those of the config's schema apply.

    Attributes
    ----------
    permutations : int
        Number of arrangements besides the identity. If no more than this exist, all are used.
    seed : int
        Random seed of the arrangements.
    cluster_forming_p : float
        Parametric, uncorrected p of the cluster-forming threshold; halved per tail.
    connectivity : int
        Neighbours of a voxel that can join its cluster (also for TFCE): 6, 18 or 26.
    tfce : bool
        Also compute threshold-free cluster enhancement.
    tail : bool
        Where too few permutations reach a statistic, take its corrected p from a fitted tail.
    blocks : str or None
        Column of exchangeability blocks (strata).
    block_exchange : str
        ``within``: people change places within their block; ``whole``: blocks change places and
        sign as wholes.
    drug_arrangement : str or None
        How the mean of a group is tested: ``automatic``, ``sign flips`` or ``re-randomisation``
        (see `crossfc.group.design.model.model`). Other questions do not look at it, so that None
        is enough for them.
    covariates : mapping of str to str
        Columns to adjust for where groups are compared, and the type of each, ``categorical`` or
        ``continuous``. Other questions do not look at them.
    smallest_fisher_z : float or None
        Smallest effect of interest of means and of differences between two groups, in the unit of
        the maps; None for no test of equivalence. It is the config's ``clinical`` key.

    Raises
    ------
    Fault
        If a word is unknown, or whole blocks are to be exchanged and no column of blocks is named.
    """

    permutations: int
    seed: int
    cluster_forming_p: float
    connectivity: int
    tfce: bool
    tail: bool
    blocks: str | None
    block_exchange: str
    drug_arrangement: str | None
    covariates: Mapping[str, str]
    smallest_fisher_z: float | None

    def __post_init__(self) -> None:
        known = (AUTOMATIC, SIGN_FLIPS, RERANDOMISATION)
        if self.drug_arrangement not in (None, *known):
            raise Fault(
                f"config key group.drug_arrangement: {self.drug_arrangement!r} is none of "
                f"{', '.join(known)}; use one of these"
            )
        if self.block_exchange not in (WITHIN, WHOLE):
            raise Fault(
                f"config key group.block_exchange: {self.block_exchange!r} is neither {WITHIN} nor "
                f"{WHOLE}; use one of these"
            )
        if self.block_exchange == WHOLE and self.blocks is None:
            raise Fault(
                "config key group.block_exchange: whole blocks are to be exchanged, but "
                f"group.blocks names no column of them; name one, or write {WITHIN}"
            )

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "AnalysisOptions":
        """Return the options from a job's params, as `crossfc.plan.group.Group` wrote them."""
        return cls(**{"drug_arrangement": None, "smallest_fisher_z": None} | dict(params))


class Together(TypedDict):
    """A set of contrasts: its name, and the label of each (both of its sides)."""

    name: str
    labels: list[str]


class AnalysisChoices(TypedDict):
    """What a group analysis depends on, besides its name and the pairs.

    ``options`` are those of `AnalysisOptions` that the analysis uses; ``together`` is the set of
    contrasts that are tested, if one is.
    """

    options: dict[str, Any]
    people: Sequence[Mapping[str, Any]]
    together: NotRequired[Together]


class Baseline(TypedDict):
    """The baseline of every period that is a covariate.

    ``within`` is whether it is a contrast within people, so that its expectation is zero; else it
    is a covariate of comparisons between people only.
    """

    occasion: str
    within: bool


class PairChoices(TypedDict):
    """What the data of a contrast in a pipeline depend on, besides the maps.

    ``over_time`` is whether occasions are compared, ``because`` why nobody is in the contrast, if
    nobody is, ``left`` the word for what a person leaves whose sessions are excluded; ``limits``
    are those of exclusion; ``fwhm_mm`` to ``accept_unoriented`` are told to
    `crossfc.group.design.pairs.pair_sessions`; ``mask_seeds`` is whether seeds and their halo
    leave the search volume, ``maps_kind`` what ready maps hold.
    """

    groups: dict[str, str | None]
    treatments: dict[str, str]
    contrast: str
    effect: str
    weights: list[CellWeight]
    order: list[str]
    arms: bool
    baseline: Baseline | None
    over_time: bool
    because: str | None
    left: str
    pipeline: str
    primary: bool
    limits: ExclusionLimits
    fwhm_mm: float
    mask_seeds: bool
    level: str
    zero_is_missing: bool
    accept_unoriented: bool
    ready_maps: bool
    maps_kind: str | None
