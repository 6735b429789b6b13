"""The record of an analysis, ``result.json``: its type and its reader."""

import json
import os
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from crossfc.fault import Fault
from crossfc.group.design.left import LeftPerson
from crossfc.group.inference.tail import TailRecord
from crossfc.trial.contrast import CellWeight

RESULT_FILE = "result.json"


class LargestCluster(TypedDict):
    """The effect in a map's largest cluster of one sign.

    ``effect_in_sample`` is that in the people who found it, ``effect_loo`` that where each person
    is read out in the largest cluster of the others, ``n_folds`` the number of people so read out.
    """

    effect_in_sample: float
    effect_loo: float
    n_folds: int


class MapSummary(TypedDict):
    """The results of one map in numbers.

    Places are in mm, p are corrected over voxels and maps. ``extrapolated`` names the measures with
    a p from a fitted tail; ``largest`` has an entry for each sign with a cluster.
    ``equivalent_share`` is that of the voxels that are equivalent to nothing at a corrected 5 %.
    """

    max: float
    min: float
    peak_mm_max: list[float]
    peak_mm_min: list[float]
    p_fwe_voxel_min: float
    p_fwe_cluster_min: float
    p_fwe_mass_min: float
    p_fwe_tfce_min: NotRequired[float]
    q_fdr_min: float
    n_clusters: int
    n_clusters_significant: int
    extrapolated: list[str]
    skewness: NotRequired[float | None]
    largest: NotRequired[dict[str, LargestCluster]]
    equivalent_share: NotRequired[float]


class Result(TypedDict):
    """The record of an analysis.

    ``contrast`` is the name of the within-person contrast, ``effect`` what it shows in a few words,
    ``order`` the columns of periods that it has, ``active`` and ``control`` are the labels of its
    sides. ``group`` is None where all groups are analysed, ``scale`` unless change in
    a score is the effect. ``groups`` are those that are compared in a trial of three and more.

    An analysis that cannot be estimated has the required keys only, and the reason in ``notes``.
    ``n`` counts the people of each group. ``copies`` counts the arrangements that give the observed
    statistic again, whatever the data; ``smallest_p`` is the smallest p that they allow to be
    counted. ``degrees_of_freedom`` is one number, or those of F
    (``numerator``, ``denominator``), or a range over voxels (``min``, ``max``). ``skewness`` is
    that of the differences (of the group where it is larger), as root mean square over the maps.
    ``baseline`` is the occasion whose contrast is a covariate, where there is one; ``given``
    is the measure whose change is in the model, where one is; ``tested_columns`` are those of
    ``design.tsv`` under test; ``together`` are the labels of the
    contrasts of a set. ``smallest_effect`` is the smallest one of interest,
    within which equivalence to nothing was tested, if one is stated.
    ``weights`` are those of each contrast's cells, ``mapped_seeds`` the seeds whose maps were
    analysed (``seeds`` are the maps tested, such as their mean), ``unit`` is that of the effect,
    ``space`` the template space (None where it is not known).
    ``arrangement_digest`` is equal for analyses of the same people under the same arrangements.
    """

    analysis: str
    kind: str
    title: str
    question: str
    contrast: str
    effect: str
    order: list[str]
    active: str
    control: str
    group: str | None
    groups: NotRequired[list[str]]
    scale: str | None
    pipeline: str
    estimable: bool
    n: dict[str, int]
    seeds: list[str]
    per_seed: dict[str, MapSummary]
    left: list[LeftPerson]
    notes: list[str]
    model: NotRequired[str]
    statistic: NotRequired[str]
    statistic_name: NotRequired[str]
    degrees_of_freedom: NotRequired[float | dict[str, float]]
    weights: NotRequired[dict[str, list[CellWeight]]]
    mapped_seeds: NotRequired[list[str]]
    unit: NotRequired[str]
    fwhm_mm: NotRequired[float]
    space: NotRequired[str | None]
    voxel_mm: NotRequired[list[float]]
    n_voxels: NotRequired[int]
    n_permutations: NotRequired[int]
    n_possible: NotRequired[int]
    copies: NotRequired[int]
    smallest_p: NotRequired[float]
    exhaustive: NotRequired[bool]
    arrangement: NotRequired[str]
    arrangement_digest: NotRequired[str]
    block_exchange: NotRequired[str | None]
    two_sided: NotRequired[bool]
    forming_threshold: NotRequired[float]
    cluster_forming_p: NotRequired[float]
    connectivity: NotRequired[int]
    random_seed: NotRequired[int]
    tested_columns: NotRequired[list[str]]
    sequence_adjusted: NotRequired[bool]
    period_columns: NotRequired[list[str]]
    covariates: NotRequired[list[str]]
    covariate_levels: NotRequired[dict[str, list[str]]]
    threshold_fwe_voxel: NotRequired[float | None]
    tfce: NotRequired[bool]
    tail: NotRequired[dict[str, TailRecord]]
    skewness: NotRequired[float | None]
    baseline: NotRequired[str]
    given: NotRequired[str]
    together: NotRequired[list[str]]
    smallest_effect: NotRequired[float]


def read_result(folder: str | os.PathLike[str]) -> Result:
    """Read the record of an analysis from its folder.

    Raises
    ------
    Fault
        If there is none, or it is not valid JSON.
    """
    path = Path(folder) / RESULT_FILE
    if not path.is_file():
        raise Fault(f"{path} is missing; run this analysis for this pipeline first")
    try:
        return cast(Result, json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise Fault(f"{path} is not JSON ({error}); remove it and run its rule again") from error
