"""What a map of an analysis is, as the JSON beside it says: in words, for NeuroVault, and by NIDM.

Every value is that of the record of the analysis (`crossfc.group.findings.result.Result`); what a
kind of map holds, and what others call it, is in `KINDS`.

NeuroVault's words are the fields and choices of its ``StatisticMap`` (NeuroVault/NeuroVault on
GitHub, ``neurovault/apps/statmaps/models.py``). Terms are those of NIDM-Results 1.3.0 (Maumet et
al. 2016, Sci Data 3:160102), named where one exists.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossfc.group.design.question import (
    BETWEEN_SEEDS,
    CARRYOVER,
    CHANGE,
    OVER_SEEDS,
    SETS,
)
from crossfc.group.findings.result import Result
from crossfc.trial.contrast import side_in_difference

# Names of maps within the folder of an analysis.
MAP = "seed-*_stat-*_statmap.nii.gz"
_PARTS = re.compile(r"seed-([A-Za-z0-9+]+)_stat-([A-Za-z0-9]+)_statmap\.nii\.gz")
# NeuroVault's template for all spaces that it does not know by name.
_GENERIC = "GenericMNI"
_LONGEST = 200  # characters of NeuroVault's name and contrast_definition
_NIDM = "http://purl.org/nidash/nidm#NIDM_"
_OBO = "http://purl.obolibrary.org/obo/"
TERMS = {
    "nidm_Map": f"{_NIDM}0000052",
    "nidm_StatisticMap": f"{_NIDM}0000076",
    "nidm_ContrastMap": f"{_NIDM}0000002",
    "nidm_ContrastStandardErrorMap": f"{_NIDM}0000013",
    "nidm_ContrastVarianceMap": f"{_NIDM}0000135",
    "nidm_SearchSpaceMaskMap": f"{_NIDM}0000068",
    "nidm_PValueUncorrected": f"{_NIDM}0000160",
    "nidm_contrastName": f"{_NIDM}0000085",
    "nidm_statisticType": f"{_NIDM}0000123",
    "nidm_errorDegreesOfFreedom": f"{_NIDM}0000093",
    "nidm_effectDegreesOfFreedom": f"{_NIDM}0000091",
    "nidm_searchVolumeInVoxels": f"{_NIDM}0000121",
    "nidm_inWorldCoordinateSystem": f"{_NIDM}0000105",
    "nidm_numberOfSubjects": f"{_NIDM}0000171",
    "nidm_hasAlternativeHypothesis": f"{_NIDM}0000097",
    "nidm_TwoTailedTest": f"{_NIDM}0000079",
    "obo_ContrastWeightMatrix": f"{_OBO}STATO_0000323",
    "obo_TStatistic": f"{_OBO}STATO_0000176",
    "obo_FStatistic": f"{_OBO}STATO_0000282",
    "obo_FWERAdjustedPValue": f"{_OBO}OBI_0001265",
    "obo_QValue": f"{_OBO}OBI_0001442",
}
_COORDINATES = {
    "MNI152Lin": f"{_NIDM}0000040",
    "MNI152NLin2009aAsym": f"{_NIDM}0000041",
    "MNI152NLin2009aSym": f"{_NIDM}0000042",
    "MNI152NLin2009bAsym": f"{_NIDM}0000043",
    "MNI152NLin2009bSym": f"{_NIDM}0000044",
    "MNI152NLin2009cAsym": f"{_NIDM}0000045",
    "MNI152NLin2009cSym": f"{_NIDM}0000046",
    "MNI152NLin6Sym": f"{_NIDM}0000047",
    "IXI549Space": f"{_NIDM}0000050",
}
_ANY_MNI = f"{_NIDM}0000051"


@dataclass(frozen=True)
class Kind:
    """A kind of map: what its values are, and what others call it.

    Attributes
    ----------
    words : str
        What a value is.
    map_type : str
        NeuroVault's choice of ``map_type``.
    terms : tuple of str
        What it is in NIDM-Results; keys of `TERMS`.
    corrected : str
        By what p is corrected: the largest value of this over voxels and maps; empty if it is not.
    effect : bool
        Whether its values are in the unit of the effect; others have none.
    """

    words: str
    map_type: str
    terms: tuple[str, ...] = ("nidm_Map",)
    corrected: str = ""
    effect: bool = False


_P = ("nidm_Map", "obo_FWERAdjustedPValue")
KINDS = {
    "t": Kind("the statistic, t", "T", ("nidm_StatisticMap",)),
    "F": Kind("the statistic, F", "F", ("nidm_StatisticMap",)),
    "effect": Kind("the effect", "U", ("nidm_ContrastMap",), effect=True),
    "stderr": Kind(
        "standard error of the effect", "Other", ("nidm_ContrastStandardErrorMap",), effect=True
    ),
    "variance": Kind(
        "variance of the effect, its standard error squared", "V", ("nidm_ContrastVarianceMap",),
        effect=True,
    ),
    "hedgesg": Kind("Hedges' g of the effect", "Other"),
    "hedgesglow": Kind("lower end of the 95 % interval of Hedges' g", "Other"),
    "hedgesghigh": Kind("upper end of the 95 % interval of Hedges' g", "Other"),
    "partialrsq": Kind("partial R² of the effect", "Other"),
    "partialrsqlow": Kind("lower end of the 95 % interval of partial R²", "Other"),
    "partialrsqhigh": Kind("upper end of the 95 % interval of partial R²", "Other"),
    "puncorrected": Kind(
        "p, not corrected for the number of voxels", "P", ("nidm_Map", "nidm_PValueUncorrected")
    ),
    "qfdr": Kind(
        "q of the false discovery rate over voxels and maps", "Other", ("nidm_Map", "obo_QValue")
    ),
    "pfwevoxel": Kind("p corrected by the largest statistic", "P", _P, "statistic of a voxel"),
    "pfwecluster": Kind("p corrected by the largest cluster", "P", _P, "extent of a cluster"),
    "pfwemass": Kind("p corrected by the largest cluster mass", "P", _P, "mass of a cluster"),
    "pfwetfce": Kind(
        "p corrected by the largest value of threshold-free cluster enhancement", "P", _P,
        "threshold-free cluster enhancement",
    ),
    "pfweequivalence": Kind(
        "p of equivalence to nothing within plus and minus the smallest effect of interest, "
        "corrected over voxels, maps and both sides", "P", _P, "statistic of a voxel",
    ),
    "tfce": Kind("threshold-free cluster enhancement of the statistic", "Other"),
    "mask": Kind(
        "the search volume: 1 in voxels that were analysed", "R", ("nidm_SearchSpaceMaskMap",)
    ),
}  # fmt: skip
# NeuroVault's choices, and what its page "Edit metadata" calls them.
MAP_TYPES = {
    "T": "T map",
    "F": "F map",
    "U": "univariate-beta map",
    "V": "variance",
    "P": "P map (given null hypothesis)",
    "R": "ROI/mask",
    "Other": "other",
}
TEMPLATES = {
    "MNI152NLin2009cAsym": "Human (MNI152 NLin 2009c Asym)",
    _GENERIC: "Human (Generic/Unknown MNI)",
}


def parts_of(name: str) -> tuple[str, str]:
    """Return the seed and the statistic in the name of a map, such as ``sgACC`` and ``t``."""
    found = _PARTS.fullmatch(name)
    assert found is not None  # `crossfc.group.analysis.analyse` names its maps so
    return found[1], found[2]


def map_sidecar(result: Result, seed: str | None, stat: str) -> dict[str, Any]:
    """Return what the JSON beside a map says.

    Parameters
    ----------
    result : Result
        The record of an analysis that was estimated.
    seed : str or None
        Name of the map, one of ``seeds`` of the record; None for what is the same of all of them.
    stat : str
        One of `KINDS`.

    Returns
    -------
    dict
        Keys in CamelCase, as BIDS has them; ``NeuroVault`` has that repository's fields, and
        ``NIDMResults`` a list of terms with their IRI and, of properties, the value.
    """
    kind, degrees = KINDS[stat], result["degrees_of_freedom"]
    space = result.get("space")
    unit = _unit(result, stat)
    contrast = contrast_label(result)
    outside = "" if stat == "mask" else "; NaN outside the search volume"
    title = f"{result['title']}{f', {seed}' if seed else ''}: {kind.words}"
    found: dict[str, Any] = {
        "Description": f"{_sentence(kind.words)}{outside}.",
        **({"Units": unit} if unit else {}),
        "Analysis": result["analysis"],
        "Pipeline": result["pipeline"],
        **({"Seed": seed} if seed else {}),
        "Question": result["question"],
        "Contrast": contrast,
        "ContrastWeights": contrast_weights(result),
        "Model": result["model"],
        "Statistic": result["statistic"],
        "StatisticName": result["statistic_name"],
        "DegreesOfFreedom": degrees,
        "TwoSided": result["two_sided"],
        "NumberOfPeople": sum(result["n"].values()),
        "NumberOfPeopleByGroup": result["n"],
        "SmoothingFWHM": result["fwhm_mm"],
        "Space": space,
        "VoxelSize": result["voxel_mm"],
        "LengthUnits": "mm",
        "SearchVolumeVoxels": result["n_voxels"],
        "Correction": _correction(result, stat),
    }
    if stat == "pfweequivalence":
        found["SmallestEffectOfInterest"] = result["smallest_effect"]
    found["NeuroVault"] = _neurovault(result, kind, stat, title, contrast)
    found["NIDMResults"] = _terms(result, kind, stat, contrast)
    return found


def contrast_label(result: Result) -> str:
    """Return the contrast of an analysis in words: ``ketamine - placebo, TRD - HV``."""
    sides = [side_in_difference(result[side]) for side in ("active", "control")]
    within = " - ".join(sides)
    labels = list(result["n"])
    if result["kind"] in SETS:
        within = f"any of {', '.join(result['together'])}"
    if result["kind"] == CARRYOVER:
        return f"{' + '.join(sides)}, {sides[0]} first - {sides[1]} first"
    if result["kind"] == CHANGE:
        return f"{within} with the change in {result['scale']}, in {result['group']}"
    if result["group"] is not None:
        return f"{within}, in {result['group']}"
    return f"{within}, {' - '.join(labels) if len(labels) == 2 else 'any of ' + ', '.join(labels)}"


def contrast_weights(result: Result) -> dict[str, Any]:
    """Return the contrast of an analysis as weights: within people, between them, and over seeds.

    Returns
    -------
    dict
        ``WithinPeople``: of every contrast the weight of each treatment (and occasion).
        ``BetweenPeople``: of each group; of a slope, of a person's change of score; of carry-over,
        of who had which side first. ``Seeds``: of each seed's map. Where several weightings are
        tested at once, by F, words stand in place of weights.
    """
    total = result["kind"] == CARRYOVER
    within = {
        name: [cell | {"weight": abs(cell["weight"]) if total else cell["weight"]} for cell in own]
        for name, own in result["weights"].items()
    }
    labels = list(result["n"])
    between: Mapping[str, float] | str = dict.fromkeys(labels, 1.0)
    if total:
        between = {f"{result['active']} first": 1.0, f"{result['control']} first": -1.0}
    elif result["kind"] == CHANGE:
        between = {f"change in {result['scale']}": 1.0}
    elif result["group"] is None and len(labels) == 2:
        between = {labels[0]: 1.0, labels[1]: -1.0}
    elif result["group"] is None:
        between = f"any difference among {', '.join(labels)}"
    names = result["mapped_seeds"]
    seeds: Mapping[str, float] | str = "each seed's map by itself"
    if result["kind"] in OVER_SEEDS:
        seeds = dict.fromkeys(names, round(1 / len(names), 6))
    elif result["kind"] in BETWEEN_SEEDS:
        seeds = f"any difference among {', '.join(names)}"
    return {"WithinPeople": within, "BetweenPeople": between, "Seeds": seeds}


def template_of(space: str | None) -> str:
    """Return NeuroVault's ``target_template_image`` for a template space."""
    return space if space in TEMPLATES else _GENERIC


def _unit(result: Result, stat: str) -> str:
    """Return the unit of a map; empty where it has none."""
    if not KINDS[stat].effect:
        return ""
    return f"({result['unit']})²" if stat == "variance" else result["unit"]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _correction(result: Result, stat: str) -> dict[str, Any]:
    """Say over what the p of a map are corrected, and how."""
    kind = KINDS[stat]
    drawn = {
        "Arrangement": result["arrangement"],
        "Arrangements": result["n_permutations"],
        "Exhaustive": result["exhaustive"],
        "SmallestP": result["smallest_p"],
    }
    if stat == "qfdr":
        return {"Kind": "false discovery rate", "Over": "voxels and maps", **drawn}
    if not kind.corrected:
        return {"Kind": "none"} | (drawn if stat == "puncorrected" else {})
    found = {"Kind": "family-wise", "Over": "voxels and maps", "By": kind.corrected, **drawn}
    if "cluster" in kind.corrected:
        found["Connectivity"] = result["connectivity"]
    if stat in ("pfwecluster", "pfwemass"):
        found["ClusterFormingP"] = result["cluster_forming_p"]
        found["ClusterFormingThreshold"] = result["forming_threshold"]
    return found


def _neurovault(result: Result, kind: Kind, stat: str, title: str, contrast: str) -> dict[str, Any]:
    """Return NeuroVault's fields of an image."""
    degrees = result["degrees_of_freedom"]
    found: dict[str, Any] = {
        "name": _cut(title),
        "description": f"{result['question']} {_sentence(kind.words)}.",
        "map_type": "Other" if _is_length(result, stat) else kind.map_type,
        "modality": "fMRI-BOLD",
        "analysis_level": "G",
        "number_of_subjects": sum(result["n"].values()),
        "target_template_image": template_of(result.get("space")),
        "contrast_definition": _cut(contrast),
        # Of the Cognitive Atlas there are `rest eyes open` and `rest eyes closed`, and which of
        # them it was stands in no record.
        "cognitive_paradigm_cogatlas": "None / Other",
        "cognitive_paradigm_name": "resting state",
        "cognitive_paradigm_short_description": "Rest, without a task.",
    }
    if stat == "t" and isinstance(degrees, int | float):
        found["statistic_parameters"] = degrees
    return found


def _is_length(result: Result, stat: str) -> bool:
    """Test whether an effect is the length of several, which is no estimate of a coefficient."""
    return stat == "effect" and result["statistic"] == "F"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _terms(result: Result, kind: Kind, stat: str, contrast: str) -> list[dict[str, Any]]:
    """List the terms of NIDM-Results that hold for a map."""
    terms = ("nidm_Map",) if _is_length(result, stat) else kind.terms
    found = [_term(name) for name in terms]
    statistic = {"t": "obo_TStatistic", "F": "obo_FStatistic"}[result["statistic"]]
    found.append(_term("nidm_contrastName", contrast))
    found.append(_term("nidm_statisticType", TERMS[statistic]))
    degrees = result["degrees_of_freedom"]
    if isinstance(degrees, int | float):
        found.append(_term("nidm_effectDegreesOfFreedom", 1))
        found.append(_term("nidm_errorDegreesOfFreedom", degrees))
    elif "denominator" in degrees:
        found.append(_term("nidm_effectDegreesOfFreedom", degrees["numerator"]))
        found.append(_term("nidm_errorDegreesOfFreedom", degrees["denominator"]))
    if result["two_sided"]:
        found.append(_term("nidm_hasAlternativeHypothesis", TERMS["nidm_TwoTailedTest"]))
    found.append(_term("nidm_numberOfSubjects", sum(result["n"].values())))
    found.append(_term("nidm_searchVolumeInVoxels", result["n_voxels"]))
    coordinates = _COORDINATES.get(result.get("space") or "", _ANY_MNI)
    found.append(_term("nidm_inWorldCoordinateSystem", coordinates))
    found.append(_term("obo_ContrastWeightMatrix", "see ContrastWeights"))
    return found


def _term(name: str, value: Any = None) -> dict[str, Any]:
    return {"Term": name, "IRI": TERMS[name]} | ({} if value is None else {"Value": value})
