"""From scans to sentences: an effect planted in either direction is told in that direction.

Orders are unequal, so that a period effect turns the plain means of some places round.
"""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import pair_sessions
from crossfc.report.maps import facts, notes
from crossfc.report.narrative import carryover_sentences, cluster_sentence, map_answer
from crossfc.report.results import read_analysis
from tests.group.analysis_options import analysis_options

SHAPE = (24, 8, 12)
TREATMENTS = {"active": "ketamine", "control": "placebo"}
GROUPS = {"patients": "TRD", "controls": "HV"}
# Planted by place: drug effect in patients, period 2 - 1, carry-over of the active treatment, and
# slope on the change of score.
PLANTED = {
    "drug up": {"drug": 1.5, "period": 6.0},
    "drug down": {"drug": -1.5, "period": -6.0},
    "carryover up": {"carryover": 1.5},
    "carryover down": {"carryover": -1.5},
    "slope up": {"slope": 0.3},
    "slope down": {"slope": -0.3},
}
CORNERS = dict(zip(PLANTED, ((i, 1, k) for k in (1, 7) for i in (1, 9, 17)), strict=True))


def block(place):
    corner = CORNERS[place]
    return tuple(slice(start, start + 4) for start in corner)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """Analyses of 16 patients (12 ketamine first) and 8 controls (2 ketamine first)."""
    folder = tmp_path_factory.mktemp("direction")
    rng = np.random.default_rng(1)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    people = []
    for group, n_first in (("TRD", (12, 4)), ("HV", (2, 6))):
        for code in np.repeat([-1, 1], n_first):
            order = ("ketamine-placebo", "placebo-ketamine")[int(code > 0)]
            person = {"participant_id": f"sub-{len(people):02d}", "group": group}
            change = float(rng.integers(-12, 6))
            person |= {"sequence": order, "mean_fd_active": 0.1, "mean_fd_control": 0.1}
            person |= {"score_MADRS_active": 30 + change, "score_MADRS_control": 30.0}
            for side in ("active", "control"):
                volume = rng.normal(0, 0.4, SHAPE)
                second = (side == "active") == (code > 0)
                for place, of in PLANTED.items():
                    value = of.get("period", 0) * second
                    if side == "active" and group == "TRD":
                        value += of.get("drug", 0) + of.get("slope", 0) * (change + 3)
                    if code < 0:  # the active treatment first: what it leaves, in both sessions
                        value += of.get("carryover", 0)
                    volume[block(place)] += value
                file = folder / f"{person['participant_id']}_{side}.nii.gz"
                nib.save(nib.Nifti1Image(volume.astype(np.float32), affine), file)
                person[side] = [file]
            people.append(person)
    pair_sessions(
        people,
        ["pgACC"],
        TREATMENTS,
        GROUPS,
        "primary",
        folder / "pairs",
        fwhm_mm=0,
        zero_is_missing=False,
    )
    names = ("drug_TRD", "group_by_drug", "carryover", "change_MADRS")
    for name in names:
        options = analysis_options(permutations=150, tfce=False)
        analyse(name, folder / "pairs", folder / name, options)
    analyses = [read_analysis(name, folder / name) for name in names]
    return SimpleNamespace(
        active="ketamine", control="placebo", groups=["TRD", "HV"], scales={"MADRS": {}},
        on_active="under ketamine", on_control="under placebo", effect="ketamine", heading="",
        crossed=("ketamine", "placebo"), minus="ketamine minus placebo",
        minus_control="minus placebo",
        better=lambda scale: "lower", analyses=analyses, config={}, folder=folder,
        of_kind=lambda *kinds: [a for a in analyses if a.kind in kinds],
        cluster_robustness=pd.DataFrame(),
    )  # fmt: skip


def told(studied, name, place):
    """The sentence of the cluster at a place, and its row."""
    analysis = next(a for a in studied.analyses if a.name == name)
    corner = np.array(CORNERS[place]) * 4
    rows = [
        row
        for row in analysis.clusters.to_dict("records")
        if (np.abs(np.array([row["x"], row["y"], row["z"]]) - corner - 6) <= 8).all()
    ]
    row = max(rows, key=lambda row: row["size_voxels"])
    assert row["p_fwe_cluster"] < 0.05
    return cluster_sentence(studied, analysis, row), row


@pytest.mark.parametrize(("place", "word"), [("drug up", "higher"), ("drug down", "lower")])
def test_drug_in_the_direction_of_the_adjusted_effect(studied, place, word):
    sentence, row = told(studied, "drug_TRD", place)
    plain = row["mean_TRD_ketamine"] - row["mean_TRD_placebo"]
    assert plain * row["effect_in_sample"] < 0
    assert f"connectivity of pgACC was {word} under ketamine than under placebo (" in sentence
    effect = f"{row['effect_in_sample']:+.2f}".replace("-", "−")
    assert f"; Δz = {effect} in the cluster adjusted for the order of treatments;" in sentence
    assert "mean z, not adjusted: TRD" in sentence and "; TRD n = 16)." in sentence
    assert f"point the other way ({plain:+.2f})".replace("-", "−") in sentence


@pytest.mark.parametrize(("place", "word"), [("drug up", "positive"), ("drug down", "negative")])
def test_groups_in_the_direction_of_the_adjusted_difference(studied, place, word):
    sentence, row = told(studied, "group_by_drug", place)
    assert (
        f"the change under ketamine (minus placebo) was more {word} in TRD than in HV" in sentence
    )
    assert (row["effect_in_sample"] > 0) == (word == "positive")
    assert "which charts show, point the other way" in sentence
    assert "; TRD n = 16, HV n = 8)." in sentence


@pytest.mark.parametrize(
    ("place", "word"), [("carryover up", "higher"), ("carryover down", "lower")]
)
def test_carryover_in_the_direction_of_the_people_who_had_the_drug_first(studied, place, word):
    sentence, row = told(studied, "carryover", place)
    assert (
        f"the sum of both sessions was {word} in people who had ketamine first than in those who "
        "had placebo first"
    ) in sentence
    assert (row["effect_in_sample"] > 0) == (word == "higher")
    # Both sessions carry it, so the sums differ by twice as much.
    assert abs(row["effect_in_sample"]) == pytest.approx(3.0, abs=0.6)


@pytest.mark.parametrize(
    ("place", "word", "way"),
    [("slope up", "positive", "worse"), ("slope down", "negative", "better")],
)
def test_slopes_in_the_direction_of_the_scale(studied, place, word, way):
    sentence, row = told(studied, "change_MADRS", place)
    assert (
        f"a more positive change of connectivity went with a more {word} change in MADRS (ketamine "
        f"minus placebo), which is the {way} direction of the scale"
    ) in sentence
    assert (row["effect_in_sample"] > 0) == (word == "positive")


def test_the_section_of_carryover_does_not_call_a_known_order_unknown(studied):
    (analysis,) = studied.of_kind("carryover")
    assert not any("order of treatments" in note for note in notes(analysis))
    assert "period adjusted" not in dict(facts(analysis))
    # All of what was found is said, not its first sentence alone.
    answer = map_answer(studied, analysis)
    assert carryover_sentences(studied) == [answer.sentence, *answer.details]
    assert len(answer.details) > 0


@pytest.mark.parametrize(
    ("config", "orders", "reason"),
    [
        ({"entry": "maps", "maps": {"level": "contrast"}}, ["n/a"], "ready maps of contrasts"),
        ({}, ["n/a", None], "the order of treatments is not known for anybody"),
        ({"group": {"analyses": ["drug_TRD"]}}, ["ketamine-placebo"], "group.analyses"),
    ],
)
def test_an_absent_carryover_has_its_true_reason(studied, config, orders, reason):
    results = SimpleNamespace(
        analyses=studied.analyses, config=config, of_kind=lambda *kinds: [], crossed=("a", "b"),
        paired=pd.DataFrame({"sequence": orders}),
    )  # fmt: skip
    (sentence,) = carryover_sentences(results)
    assert sentence.startswith("Not examined: ") and reason in sentence


def test_one_order_for_all_is_the_reason_that_is_told(studied, tmp_path):
    pairs = tmp_path / "pairs"
    pairs.symlink_to(studied.folder / "pairs")
    (tmp_path / "own").mkdir()
    for file in pairs.iterdir():
        (tmp_path / "own" / file.name).symlink_to(file.resolve())
    people = pd.read_csv(pairs / "people.tsv", sep="\t")
    (tmp_path / "own" / "people.tsv").unlink()
    people = people.assign(sequence="ketamine-placebo", sequence_code=-1)
    people.to_csv(tmp_path / "own" / "people.tsv", sep="\t", index=False)
    options = analysis_options(permutations=99, tfce=False)
    analyse("carryover", tmp_path / "own", tmp_path / "carryover", options)
    analysis = read_analysis("carryover", tmp_path / "carryover")
    answer = map_answer(studied, analysis)
    assert answer.sentence == (
        "Carry-over of ketamine could not be estimated: carryover: sequence is the same for all 24 "
        "people analysed, so it has no effect that could be estimated."
    )
    analyse("drug_TRD", tmp_path / "own", tmp_path / "drug_TRD", options)
    told = notes(read_analysis("drug_TRD", tmp_path / "drug_TRD"))
    (said,) = [note for note in told if "order" in note]
    assert said.startswith("Everybody analysed had the same order of treatments")
