"""The sidecar of a map says what the record says, in words that repositories accept."""

import pytest

from crossfc.group.findings.map_sidecar import (
    KINDS,
    MAP_TYPES,
    TEMPLATES,
    TERMS,
    map_sidecar,
    parts_of,
)
from tests.group.result_record import result

BOTH = {"analysis": "group_by_drug", "kind": "group_by_drug", "group": None,
        "n": {"TRD": 14, "HV": 10}}  # fmt: skip
# NeuroVault's choices, from `MAP_TYPE_CHOICES` and `POSSIBLE_TEMPLATES` of its statmaps/models.py.
NEUROVAULT_TYPES = {"T", "Z", "F", "X2", "P", "IP", "M", "U", "R", "Pa", "A", "V", "Other"}
NEUROVAULT_TEMPLATES = {"GenericMNI", "Dorr2008", "NMT", "MNI152NLin2009cAsym"}


def terms(said) -> dict:
    return {own["Term"]: own.get("Value", own["IRI"]) for own in said["NIDMResults"]}


def test_a_name_has_seed_and_statistic():
    assert parts_of("seed-sgACC_stat-pfwetfce_statmap.nii.gz") == ("sgACC", "pfwetfce")


def test_the_statistic_of_a_drug_effect():
    said = map_sidecar(result(), "sgACC", "t")
    assert said["DegreesOfFreedom"] == 12 and said["NumberOfPeopleByGroup"] == {"TRD": 14}
    assert said["SmoothingFWHM"] == 6 and said["VoxelSize"] == [2.0, 2.0, 2.0]
    assert said["Contrast"] == "ketamine - placebo, in TRD"
    assert said["ContrastWeights"] == {
        "WithinPeople": result()["weights"],
        "BetweenPeople": {"TRD": 1.0},
        "Seeds": "each seed's map by itself",
    }
    assert said["Correction"] == {"Kind": "none"} and "Units" not in said
    assert said["NeuroVault"] == {
        "name": "Ketamine in TRD, sgACC: the statistic, t",
        "description": "In TRD, does connectivity differ between ketamine and placebo? "
        "The statistic, t.",
        "map_type": "T",
        "modality": "fMRI-BOLD",
        "analysis_level": "G",
        "number_of_subjects": 14,
        "target_template_image": "MNI152NLin2009cAsym",
        "contrast_definition": "ketamine - placebo, in TRD",
        "cognitive_paradigm_cogatlas": "None / Other",
        "cognitive_paradigm_name": "resting state",
        "cognitive_paradigm_short_description": "Rest, without a task.",
        "statistic_parameters": 12,
    }
    told = terms(said)
    assert told["nidm_StatisticMap"] == "http://purl.org/nidash/nidm#NIDM_0000076"
    assert told["nidm_statisticType"] == "http://purl.obolibrary.org/obo/STATO_0000176"
    assert told["nidm_errorDegreesOfFreedom"] == 12 and told["nidm_numberOfSubjects"] == 14
    assert told["nidm_inWorldCoordinateSystem"] == "http://purl.org/nidash/nidm#NIDM_0000045"


@pytest.mark.parametrize(
    ("stat", "correction"),
    [
        ("pfwevoxel", {"Kind": "family-wise", "By": "statistic of a voxel"}),
        ("pfwecluster", {"Kind": "family-wise", "By": "extent of a cluster", "Connectivity": 26,
                         "ClusterFormingP": 0.001, "ClusterFormingThreshold": 4.3}),
        ("pfwemass", {"Kind": "family-wise", "By": "mass of a cluster", "Connectivity": 26,
                      "ClusterFormingP": 0.001, "ClusterFormingThreshold": 4.3}),
        ("pfwetfce", {"Kind": "family-wise", "By": "threshold-free cluster enhancement",
                      "Connectivity": 26}),
        ("qfdr", {"Kind": "false discovery rate"}),
    ],
)  # fmt: skip
def test_a_corrected_p_says_by_what(stat, correction):
    drawn = {"Over": "voxels and maps", "Arrangement": "re-randomisation", "Arrangements": 5000,
             "Exhaustive": False, "SmallestP": 0.0002}  # fmt: skip
    assert map_sidecar(result(), "sgACC", stat)["Correction"] == drawn | correction


def test_a_comparison_of_groups_whose_degrees_of_freedom_vary():
    of_welch = {"min": 10.5, "max": 22.0}
    said = map_sidecar(result(**BOTH, degrees_of_freedom=of_welch), "dACC", "t")
    assert said["Contrast"] == "ketamine - placebo, TRD - HV"
    assert said["ContrastWeights"]["BetweenPeople"] == {"TRD": 1.0, "HV": -1.0}
    assert said["NumberOfPeople"] == 24 and said["DegreesOfFreedom"] == of_welch
    assert "statistic_parameters" not in said["NeuroVault"]
    assert "nidm_errorDegreesOfFreedom" not in terms(said)


def test_what_is_asked_of_a_slope():
    own = {"kind": "change", "scale": "MADRS", "unit": "Fisher z per point of MADRS"}
    said = map_sidecar(result(**own), "sgACC", "effect")
    assert said["Contrast"] == "ketamine - placebo with the change in MADRS, in TRD"
    assert said["ContrastWeights"]["BetweenPeople"] == {"change in MADRS": 1.0}
    assert said["Units"] == "Fisher z per point of MADRS" and said["NeuroVault"]["map_type"] == "U"
    said = map_sidecar(result(**own), "sgACC", "variance")
    assert said["Units"] == "(Fisher z per point of MADRS)²"
    assert said["NeuroVault"]["map_type"] == "V"


def test_carry_over_is_the_sum_of_both_sides():
    own = {"kind": "carryover", "group": None, "n": {"TRD": 14, "HV": 10}}
    said = map_sidecar(result(**own), "sgACC", "t")
    assert said["Contrast"] == "ketamine + placebo, ketamine first - placebo first"
    weights = said["ContrastWeights"]
    assert [cell["weight"] for cell in weights["WithinPeople"]["drug"]] == [1.0, 1.0]
    assert weights["BetweenPeople"] == {"ketamine first": 1.0, "placebo first": -1.0}


def test_the_mean_over_seeds_and_the_differences_between_them():
    weights = map_sidecar(result(kind="drug_pooled"), "pooled", "t")["ContrastWeights"]
    assert sum(weights["Seeds"].values()) == pytest.approx(1, abs=1e-5)
    assert set(weights["Seeds"]) == {"sgACC", "pgACC", "dACC"}
    several = {"kind": "drug_by_subregion", "statistic": "F",
               "degrees_of_freedom": {"numerator": 2, "denominator": 11}}  # fmt: skip
    said = map_sidecar(result(**several), "subregion", "F")
    assert said["ContrastWeights"]["Seeds"] == "any difference among sgACC, pgACC, dACC"
    told = terms(said)
    assert told["nidm_statisticType"] == "http://purl.obolibrary.org/obo/STATO_0000282"
    assert told["nidm_effectDegreesOfFreedom"] == 2 and told["nidm_errorDegreesOfFreedom"] == 11
    # The length of several differences is no estimate of one coefficient.
    effect = map_sidecar(result(**several), "subregion", "effect")
    assert effect["NeuroVault"]["map_type"] == "Other" and "nidm_ContrastMap" not in terms(effect)


def test_three_groups_and_a_set_of_contrasts_are_told_in_words():
    three = {"kind": "group_by_drug", "group": None, "n": {"A": 5, "B": 6, "C": 7}}
    said = map_sidecar(result(**three), "sgACC", "t")
    assert said["Contrast"] == "ketamine - placebo, any of A, B, C"
    assert said["ContrastWeights"]["BetweenPeople"] == "any difference among A, B, C"
    together = ["low − placebo", "high − placebo"]
    said = map_sidecar(result(kind="together", together=together), "sgACC", "t")
    assert said["Contrast"] == "any of low − placebo, high − placebo, in TRD"


def test_equivalence_says_to_what():
    said = map_sidecar(result(smallest_effect=0.1), "sgACC", "pfweequivalence")
    assert said["SmallestEffectOfInterest"] == 0.1


def test_long_words_fit_the_fields_of_neurovault():
    said = map_sidecar(result(title="x" * 300, active="y" * 150, control="z" * 150), "a", "t")
    own = said["NeuroVault"]
    assert max(len(own["name"]), len(own["contrast_definition"])) == 200


def test_words_are_those_of_neurovault_and_terms_are_named_once():
    assert {kind.map_type for kind in KINDS.values()} == set(MAP_TYPES)
    assert set(MAP_TYPES) <= NEUROVAULT_TYPES and set(TEMPLATES) <= NEUROVAULT_TEMPLATES
    assert {term for kind in KINDS.values() for term in kind.terms} <= set(TERMS)
    assert len(set(TERMS.values())) == len(TERMS)


def test_an_unversioned_space_is_generic():
    said = map_sidecar(result(space="MNI152"), "sgACC", "t")
    assert said["NeuroVault"]["target_template_image"] == "GenericMNI"
    mni = "http://purl.org/nidash/nidm#NIDM_0000051"
    assert terms(said)["nidm_inWorldCoordinateSystem"] == mni
