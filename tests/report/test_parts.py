"""Parts of the page: flow of people, charts, what was planted, methods."""

import dataclasses
import re

import pandas as pd
import pytest

from crossfc.clinic.cells import cell_model
from crossfc.report import carryover, clinic, figure, number, people, planted, quality
from crossfc.report.citation import FILE, Citations, read_references, reference
from crossfc.report.maps import change_chart, facts, seed_maps
from crossfc.report.methods import methods, model_clause
from crossfc.report.narrative import cluster_sentence, goes_with
from crossfc.report.page import TEMPLATES, environment_of
from crossfc.report.pipeline import band
from crossfc.report.results import ContrastData
from tests.report.report_page import page_of
from tests.report.report_specimen import CONTROLS, PATIENTS

COMPARISONS = ("group_by_drug", "group_by_drug_pooled", "group_by_drug_by_subregion")


def test_flow_adds_up(found_results):
    patients, controls = people.flows(found_results)
    told = (patients.known, patients.paired, patients.one_session, patients.left_whole)
    assert told == (PATIENTS + 2, PATIENTS, 1, 1)
    assert (controls.known, controls.paired) == (CONTROLS, CONTROLS)
    assert sum(n for _, n in patients.by_sequence) == PATIENTS
    assert patients.by_sequence[0][0] == "ketamine then placebo"


def test_several_contrasts_have_one_flow_and_a_row_each(found_results):
    """Sub-01 leaves one contrast, sub-98 both; sub-99 left the study."""
    (design,) = found_results.designs
    first = design | {"contrast": "early"}
    sum_of_two = {"active": "ketamine", "control": "placebo + n/a"}
    second = design | {"contrast": "late", "treatments": sum_of_two}
    paired = found_results.paired
    fewer = paired[paired["participant_id"] != "sub-01"]
    whole = found_results.left[found_results.left["analysis"] == "all"]
    rows = [
        ("sub-98", "TRD", "participant", "n/a", "early", "no scan under placebo"),
        ("sub-98", "TRD", "participant", "n/a", "late", "no scan under placebo"),
        ("sub-01", "TRD", "session", "ses-p2", "late", "FD 0.9 mm"),
    ]
    left = pd.concat([whole, pd.DataFrame(rows, columns=whole.columns)])
    results = dataclasses.replace(
        found_results, designs=[first, second], n_contrasts=2, left=left, mixed=pd.DataFrame(),
        of_contrast={"early": ContrastData(paired), "late": ContrastData(fewer)},
    )  # fmt: skip
    patients, controls = people.trial_flows(results)
    told = (patients.known, patients.left_whole, patients.scanned, patients.paired)
    assert told == (PATIENTS + 2, 1, PATIENTS + 1, PATIENTS)
    assert (controls.known, controls.scanned, controls.paired) == (CONTROLS,) * 3
    assert sum(n for _, n in patients.by_sequence) == PATIENTS
    assert patients.sessions == "all sessions of one of 2 comparisons or more"
    table = people.contrast_table(results)
    assert [title for title, _ in table.columns] == [
        "contrast", "compared", "n TRD", "n HV", "left", "who left, and why",
    ]  # fmt: skip
    assert table.rows == [
        ["early", "ketamine − placebo", str(PATIENTS), str(CONTROLS), "1",
         "sub-98 (no scan under placebo)"],
        ["late", "ketamine − (placebo + n/a)", str(PATIENTS - 1), str(CONTROLS), "2",
         "sub-98 (no scan under placebo); sub-01 ses-p2 (FD 0.9 mm)"],
    ]  # fmt: skip
    assert table.caption.endswith("besides those who left the whole study")
    # Who is in that table is in no other.
    assert {row[0] for row in people.left_table(results).rows} == {"sub-99"}
    assert people.one_session_table(results) is None


def test_one_contrast_keeps_its_flows(found_results):
    assert people.trial_flows(found_results) == people.flows(found_results)
    assert people.contrast_table(found_results) is None
    assert all(flow.scanned is None for flow in people.flows(found_results))


def test_paired_chart_has_everybody_twice_and_a_mean():
    group = figure.Group("G", "g0", [("a<b", 1.0, 2.0), ("c", 2.0, 4.0), ("d", 3, 3)])
    drawn = figure.paired([group], ("p", "k"), "z", "alt")
    assert drawn.count("<circle") == 6
    assert drawn.count('class="pt mean') == 2
    assert "a&lt;b" in drawn
    assert "a<b" not in drawn


def test_words_in_charts_are_escaped():
    group = figure.Group("<G>", "g0", [("a", 1.0, 2.0)])
    drawn = figure.paired([group], ("p<", "k"), "<z>", '"alt"')
    assert not re.search(r"<(G|z|alt)>|p<<", drawn)
    assert "&lt;G&gt;" in drawn


def test_mean_interval_is_students():
    mean, low, high = figure.mean_interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt(3)
    assert (mean, low, high) == pytest.approx((2.0, 2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_scatter_line_is_least_squares():
    points = [(0.0, 1.0, "a", "g0", "circle"), (1.0, 3.0, "b", "g0", "circle"),
              (2.0, 5.0, "c", "g0", "triangle")]  # fmt: skip
    drawn = figure.scatter(points, "x", "y", "alt")
    x1, y1, x2, y2 = map(
        float,
        re.search(
            r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="fit"', drawn
        ).groups(),
    )
    circles = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)
    # The points lie on one line, so the first is its left end.
    assert (float(circles[0][0]), float(circles[0][1])) == pytest.approx((x1, y1), abs=0.2)
    assert x2 > x1
    assert y2 < y1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.37, 0.02), (3.0, 3.4), (1200.0, 5000.0)])
def test_ticks_are_inside_and_enough(low, high):
    found = figure.ticks(low, high)
    assert len(found) >= 3
    assert min(found) >= low - 1e-9
    assert max(found) <= high + 1e-9


def test_what_was_planted_is_found_or_missed(found_results, null_results):
    table = planted.table(found_results)
    verdicts = {(row[0], row[2].split(",")[0]): row[3] for row in table.rows}
    assert verdicts["pgACC–insulaR", "drug effect in TRD"] == "found"
    assert verdicts["dACC–SMG", "drug effect in TRD"] == "found"
    assert verdicts["dACC–insulaR", "no drug effect in TRD"] == "nothing found, as planted"
    # The same claims about data without an effect: none may be called found.
    claimed = dataclasses.replace(
        null_results,
        truth=found_results.truth,
        planted_changes=found_results.planted_changes,
    )
    missed = [row[3] for row in planted.table(claimed).rows if row[2].startswith("drug effect")]
    assert missed == ["missed", "missed"]
    # And what was planted there: nothing.
    rows = planted.table(null_results).rows
    kept = [row[3] for row in rows if row[2].startswith("no drug effect")]
    assert len(kept) == 6 and set(kept) == {"nothing found, as planted"}


def test_what_was_planted_is_told_in_the_labels_of_the_trial(found_results):
    """The same data, as if of another contrast: of doses, and of a change over time."""
    (design,) = found_results.designs

    def words(**own):
        told = dataclasses.replace(found_results, designs=[dict(design) | own])
        return {row[2]: row[3] for row in planted.table(told).rows if row[0] == "pgACC–insulaR"}

    doses = words(contrast="high", treatments={"active": "high", "control": "placebo"})
    assert doses["high − placebo in TRD, Δz = −0.80"] == "found"
    assert "no high − placebo in HV" in doses
    assert "high − placebo, TRD against HV, difference of Δz = −0.80" in doses
    sides, effect = ["active", "control"], "change from before to after"
    course = words(contrast="time", occasions=sides, effect=effect)
    assert course["change from before to after in TRD, Δz = −0.80"] == "found"
    assert "drug" not in " ".join([*doses, *course])


SUMS = {"active": "ketamine post + placebo pre", "control": "placebo post + ketamine pre"}
DIFFERENCE = "(ketamine post + placebo pre) − (placebo post + ketamine pre)"


def designed(results, **own):
    """The same results, of a contrast with another design."""
    (design,) = results.designs
    return dataclasses.replace(results, designs=[dict(design) | own])


def test_sums_are_in_brackets_wherever_they_are_subtracted(found_results):
    results = designed(found_results, treatments=SUMS, contrast="both")
    assert results.difference == DIFFERENCE
    minus = DIFFERENCE.replace("−", "minus")
    assert f"drug is {DIFFERENCE}, group TRD − HV" in quality.mixed_table(results).caption
    change = clinic.change_table(results)
    assert change.caption.startswith(f"Change of each score ({DIFFERENCE}) by group")
    titles = [title for title, _ in change.columns]
    assert {f"{DIFFERENCE}, adjusted for period", f"{DIFFERENCE}, not adjusted"} <= set(titles)
    assert any(row[2].startswith(f"{DIFFERENCE} in TRD") for row in planted.table(results).rows)
    assert f"change in MADRS ({minus})" in goes_with(results, "MADRS", True)
    assert f"Every change is {minus} within a person." in text_of(results)
    (drug,) = (a for a in results.analyses if a.name == "drug_TRD")
    scale, _ = seed_maps(results, drug)
    assert f"t ({DIFFERENCE})" in scale
    (between,) = (a for a in results.analyses if a.name == "drug_TRD_by_subregion")
    said = cluster_sentence(results, between, between.significant().iloc[0].to_dict())
    assert f"the change under {SUMS['active']} (minus ({SUMS['control']})) depended" in said


def test_what_a_baseline_adjusts_is_said_where_it_does(found_results):
    given = designed(found_results, baseline={"occasion": "pre", "within": True})
    both = "adjusted for period and baseline where the order is known"
    for results, said in (
        (found_results, "adjusted for period where the order is known"), (given, both),
    ):  # fmt: skip
        assert f"in bold where p < 0.05, {said}" in quality.motion_table(results).caption
        assert said in clinic.between_table(results).caption
        assert said in clinic.change_table(results).caption
    arms = designed(found_results, order=[], baseline={"occasion": "pre", "within": False})
    caption = clinic.between_table(arms).caption
    assert "adjusted for baseline (variances" in caption and "order" not in caption
    row = {"scale": "MADRS", "treatment": "n/a", "reference": "n/a", "occasion": "post"}
    row |= {
        "since": "pre",
        "group": "TRD",
        "sequence": "all",
        "n": 9,
        "estimate": -6.0,
        "low": -7.0,
    }
    row |= {"high": -5.0, "df": 7.0, "p": 0.01, "adjusted": True, "unadjusted_because": "n/a"}
    for results, said in (
        (found_results, "adjusted for period where periods are known"),
        (given, "adjusted for period and baseline where periods are known"),
        (arms, "adjusted for baseline"),
    ):
        shown = dataclasses.replace(results, occasions=pd.DataFrame([row]))
        assert f"occasion, {said}; in bold" in clinic.occasion_table(shown).caption


def test_scores_given_a_baseline_are_told_without_maps(found_results):
    """The baseline is of the design; records of maps need not be there."""
    ranks = "with Wilcoxon's rank sum of the differences between periods"
    plain = text_of(found_results)
    assert "intercept of the differences on the order of treatments, so that" in plain
    assert "(told where orders are known and differ), with Wilcoxon's rank sum" in plain
    no_ranks = found_results.change.assign(adjusted_wilcoxon_p=float("nan"))
    given = dataclasses.replace(
        designed(found_results, baseline={"occasion": "pre", "within": True}),
        change=no_ranks, analyses=[],
    )  # fmt: skip
    text = text_of(given)
    assert "with the same contrast of baseline scores in the model (told where orders" in text
    assert ranks not in text
    periods = dataclasses.replace(
        designed(found_results, order=["period_2", "period_3"]), change=no_ranks
    )
    text = text_of(periods)
    assert "intercept of the differences on the periods, so that it is adjusted for per" in text
    assert "(told where periods are known and differ); paired t test" in text
    arms = designed(found_results, order=[], baseline={"occasion": "pre", "within": False})
    none = no_ranks.assign(adjusted_p=float("nan"))
    text = text_of(dataclasses.replace(arms, change=none, analyses=[]))
    assert "compared by Welch's t with the baseline score in the model." in text
    carried = dataclasses.replace(given, carryover=pd.DataFrame({"contrast": ["drug"]}))
    assert "(Jones & Kenward 2014); these models leave the baseline out." in text_of(carried)


def of_three(results, *pairs, whole=True):
    """The same comparison of groups, as if of pairs of three."""
    (base,) = (a for a in results.analyses if a.name == "group_by_drug")
    analyses = [
        dataclasses.replace(
            base, name=f"group_by_drug_{'_'.join(pair)}", n_pairs=len(pairs),
            record=base.record | {"groups": list(pair)},
        )
        for pair in pairs
    ]  # fmt: skip
    groups = {"patients": "TRD", "controls": "HV", "group_3": "BP"}
    of_all = [dataclasses.replace(base, record=base.record | {"groups": ["TRD", "HV", "BP"]})]
    return dataclasses.replace(
        designed(results, groups=groups), analyses=(of_all if whole else []) + analyses
    )


def test_pairs_of_groups_have_their_own_labels(found_results):
    pairs = ("TRD", "HV"), ("TRD", "BP"), ("HV", "BP")
    results = of_three(found_results, *pairs)
    results.analyses[1].record["baseline"] = "pre"
    results.analyses[2].record["baseline"] = "pre"
    said = model_clause(results, "group_by_drug")
    assert "were in the model (per seed and HV against BP)" in said
    assert "(pre) of each voxel were in the model (TRD against HV and TRD against BP)" in said
    again = dataclasses.replace(results, analyses=results.analyses * 2)
    assert model_clause(again, "group_by_drug") == said
    welch = "with Welch's F over all of them"
    text = text_of(of_three(found_results, *pairs))
    assert f"{welch}, which allows unequal variances (Winkler et al. 2014), and per seed in" in text
    assert "multiplied by their number (3)" in text
    text = text_of(of_three(found_results, *pairs[:2], whole=False))
    assert welch not in text
    assert (
        "The 3 groups were compared in their differences per seed in pairs, with Welch's t" in text
    )
    caption = quality.mixed_table(results).caption
    assert "drug is ketamine − placebo, pairs of groups are the first minus the second" in caption
    # The mixed model is there for all numbers of groups, and so are people with one session.
    assert len(people.one_session(results)) == len(people.one_session(found_results)) > 0


def test_the_comparison_of_groups_in_sets_is_told(found_results):
    (base,) = (a for a in found_results.analyses if a.name == "drug_TRD_by_subregion")
    own = {"together": ["low − placebo", "high − placebo"], "effect": "low or high"}
    sets = {
        kind: dataclasses.replace(
            base, name=kind, kind=kind, record=base.record | own | {"kind": kind, "group": group}
        )
        for kind, group in (("together", "TRD"), ("group_by_together", None))
    }
    both = text_of(dataclasses.replace(found_results, analyses=list(sets.values())))
    assert "differs from zero (Hotelling's T²), and whether the groups differ in any of" in both
    alone = [sets["group_by_together"]]
    said = text_of(dataclasses.replace(found_results, analyses=alone))
    assert "Whether the groups differ in any contrast of a set was tested together (Hotell" in said
    assert "differs from zero" not in said
    within = text_of(dataclasses.replace(found_results, analyses=[sets["together"]]))
    assert "whether the groups differ" not in within.lower()


def test_charts_of_quality_name_the_sides(found_results):
    plain = quality.charts(found_results)[0]
    assert plain.caption.startswith("Mean framewise displacement of each person under both treat")
    sides = {"active": "after", "control": "before"}
    over = designed(found_results, treatments=sides, order=[], occasions=["active", "control"])
    (motion,) = (c for c in quality.charts(over) if c.title == "Motion")
    assert "of each person at before and after; bars are the mean" in motion.caption
    assert "of each person at before and after" in motion.chart


def test_the_page_of_a_baseline_and_sums(found, tmp_path):
    (design,) = found.arguments["designs"]
    given = {"treatments": SUMS, "baseline": {"occasion": "pre", "within": True}}
    gone = dict.fromkeys(("group_dir", "quality_dir", "robustness", "truth", "planted_changes"))
    gone |= {"carpets": [], "analyses": [], "designs": [dict(design) | given]}
    page = page_of(found, tmp_path / "p.html", **gone)
    assert f"Changes are {DIFFERENCE.replace('−', 'minus')}." in page.text
    assert (
        "Sentences tell the estimate, adjusted for period and baseline, with its interval and p "
        "(the intercept of the change on the order of treatments and the same contrast of scores "
        "at pre) where the orders are known and differ" in page.text
    )


def test_occasions_have_a_row_for_each_group_with_its_orders_beside(found_results):
    def row(group, sequence, estimate, p, **own):
        names = {"scale": "MADRS", "treatment": "ketamine", "reference": "placebo"}
        names |= {"occasion": "day2", "since": "n/a", "group": group, "sequence": sequence}
        numbers = {"n": 9, "estimate": estimate, "low": estimate - 1, "high": estimate + 1}
        numbers |= {"t": 2.0, "df": 7.0, "p": p, "adjusted": sequence == "all"}
        return names | numbers | {"unadjusted_because": "n/a", "left": "n/a"} | own

    table = pd.DataFrame(
        [
            row("TRD", "all", -6.75, 0.002, left="sub-03 (no score under ketamine day2)"),
            row("TRD", "ketamine-placebo", -5.0, float("nan")),
            row("TRD", "placebo-ketamine", -8.5, float("nan")),
            row("HV", "all", 0.25, 0.6),
            row("TRD-HV", "all", -7.0, 0.01),
        ]
    )
    results = dataclasses.replace(found_results, occasions=table)
    shown = clinic.occasion_table(results)
    assert [row[2:5] for row in shown.rows] == [
        ["ketamine − placebo", "TRD", "−6.75"],
        ["ketamine − placebo", "HV", "+0.25"],
        ["ketamine − placebo", "TRD − HV", "−7.00"],
    ]
    assert shown.marked == {0, 2}
    assert shown.rows[0][-1] == (
        "ketamine-placebo −5.00 [−6.00, −4.00], n = 9; placebo-ketamine −8.50 [−9.50, −7.50], n = 9"
    )
    assert "why not adjusted" not in dict(shown.columns)
    left = clinic.occasion_left_table(results)
    assert [row[-1] for row in left.rows] == ["sub-03 (no score under ketamine day2)"]
    assert clinic.occasion_table(found_results) is None


def test_carry_over_is_told_in_the_labels_of_the_trial(found_results):
    names = [f"{of}_{n}" for of in ("without", "with", "carryover_low dose")
             for n in ("estimate", "low", "high", "df", "p")]  # fmt: skip
    told = dict(zip(names, [0.1, 0.05, 0.15, 9, 0.01, 0.2, 0.1, 0.3, 7, 0.02,
                            -0.05, -0.2, 0.1, 7, 0.4], strict=True))  # fmt: skip
    place = {"contrast": "dose", "seed": "sgACC", "target": "PCC", "group": "TRD", "n": 12}
    left = {"because": "n/a", "left": "sub-03 (the treatment of a period is not known)"}
    untold = place | {"target": "insula"} | told | {"because": "too few", "left": "n/a"}
    untold |= dict.fromkeys(names[5:], float("nan"))
    designs = [{"contrast": "dose", "treatments": {"active": "low dose", "control": "placebo"}}]
    results = dataclasses.replace(
        found_results, designs=designs, edge_carryover=pd.DataFrame([place | told | left, untold]),
        config=found_results.config | {"treatments": ["placebo", "low dose"]},
    )  # fmt: skip
    table = carryover.edge_table(results)
    titles = [title for title, _ in table.columns]
    named = results.config | {"treatments": {"active": "low dose", "control": "placebo"}}
    same = carryover.edge_table(dataclasses.replace(results, config=named))
    assert [title for title, _ in same.columns] == titles
    assert titles[-4:] == [
        "carry-over of low dose − of placebo", "p", "what could not be told", "left",
    ]  # fmt: skip
    assert table.rows[0] == [
        "low dose − placebo", "sgACC", "PCC", "TRD", "12", "+0.100 [0.050, 0.150]", "0.010",
        "+0.200 [0.100, 0.300]", "0.020", "−0.050 [−0.200, 0.100]", "0.40", "", left["left"],
    ]  # fmt: skip
    assert table.rows[1][7:] == ["n/a"] * 4 + ["too few", ""]
    assert carryover.score_table(results) is None


def test_points_tell_the_order_by_shape(found_results):
    assert clinic.shape_of(found_results, "ketamine-placebo") == "circle"
    assert clinic.shape_of(found_results, "placebo-ketamine") == "triangle"
    assert clinic.shape_of(found_results, "n/a") == "square"


def cited_in(text):
    """Find the works that a text cites by author and year."""
    return set(re.findall(r"[A-ZÖ][a-zöA-Z]+(?: et al\.| & [A-Z][a-z]+)? (?:19|20)\d\d\b", text))


def test_methods_quote_the_configuration(found, found_results):
    environment = environment_of(TEMPLATES)
    made = methods(found_results, environment, found.arguments["strategies"], {"crossfc": "9.9"})
    text = " ".join(p for _, paragraphs in made.parts for p in paragraphs)
    for words in ("0.008–0.1 Hz", "6 mm full width", "299 at random each", "p < 0.005",
                  "999 permutations", "Six parameters of motion (Friston et al. 1996)",
                  "gsr (confound", "crossfc 9.9", f"{PATIENTS} people of TRD"):  # fmt: skip
        assert words in text
    listed = {reference.short for reference in made.references}
    assert "Friston et al. 1996" in listed
    assert "Esteban et al. 2019" in listed
    assert cited_in(text) == listed


def test_methods_tell_of_occasions_and_carry_over_where_there_are_any(found_results):
    of_two = text_of(found_results)
    assert "at every occasion" not in of_two and "sensitivity analysis, by which" not in of_two
    occasions = pd.DataFrame({"treatment": ["n/a", "n/a"]})
    carried = pd.DataFrame({"contrast": ["drug"]})
    changed = dataclasses.replace(found_results, occasions=occasions, carryover=carried)
    text = text_of(changed)
    assert (
        "tested at every occasion in this way, as the change since the first occasion with scores, "
        "whatever contrasts were stated. As a sensitivity analysis, by which nothing was decided, "
        "each change of a score was estimated again with a column for each treatment but the "
        "reference" in text
    )
    assert "free of first-order carry-over (Jones & Kenward 2014)" in text
    occasions = pd.DataFrame({"treatment": ["ketamine"]})
    both = dataclasses.replace(changed, occasions=occasions, edge_carryover=carried)
    text = text_of(both)
    assert "in this way, each treatment against the reference, whatever" in text
    assert "each change of a score and of an a-priori edge was" in text


def test_methods_follow_a_changed_configuration(found, tmp_path):
    config = found.arguments["config"]
    pipelines = {"only": {"strategy": "none", "high_pass_hz": 0, "low_pass_hz": None,
                          "censor_fd_mm": 0.4, "fwhm_mm": 0, "seed_set": "x"}}  # fmt: skip
    group = tmp_path / "group"
    group.mkdir()
    (group / "only").symlink_to(found.folder / "group" / "primary")
    config = config | {"pipelines": pipelines}
    page = page_of(found, tmp_path / "p.html", config=config, pipelines=["only"], group_dir=group,
                   carpets=[])  # fmt: skip
    assert "framewise displacement exceeded 0.4 mm" in page.text
    assert "Maps were smoothed" not in page.text
    assert "analyses were repeated" not in page.text


def text_of(results, strategies=None):
    """Write the methods; every work that is cited is listed, and no other."""
    made = methods(results, environment_of(TEMPLATES), strategies or {}, {})
    text = " ".join(p for _, paragraphs in made.parts for p in paragraphs)
    assert cited_in(text) == {reference.short for reference in made.references}
    assert "None" not in text
    assert "n/a" not in text
    return text


def test_methods_count_the_voxels_that_were_tested_and_those_left_out(found_results):
    pairs = found_results.pairs
    assert (left := pairs["left_voxels"]["seed and its smoothing halo"]) > 0
    said = f"The search volume held {number.whole(pairs['n_voxels'])} voxels; left out were"
    assert said in text_of(found_results)
    assert f"{number.whole(left)} (seed and its smoothing halo)" in text_of(found_results)


def with_config(results, **changes):
    """The same results of another configuration."""
    return dataclasses.replace(results, config=results.config | changes)


def with_records(results, **changes):
    """The same results, records of some analyses changed."""
    analyses = [
        dataclasses.replace(a, record=a.record | changes.get(a.name, {})) for a in results.analyses
    ]
    return dataclasses.replace(results, analyses=analyses)


def test_methods_tell_how_much_was_removed_and_by_what_scans_were_made(found_results):
    """The strategy's sentence is the user's; what was removed is in the records."""
    sessions = found_results.sessions.assign(
        confounds_removed=34, preprocessed_by="fMRIPrep 23.2.3"
    )
    text = text_of(dataclasses.replace(found_results, sessions=sessions))
    assert "These were 34 columns of the table of confounds per session." in text
    sessions.loc[0, ["confounds_removed", "preprocessed_by"]] = [31, "fMRIPrep 24.1.1"]
    text = text_of(dataclasses.replace(found_results, sessions=sessions))
    assert "These were 31 to 34 columns of the table of confounds per session." in text
    if found_results.config["entry"] == "fmriprep":
        assert "(fMRIPrep 24.1.1; fMRIPrep 23.2.3)" in text


def test_methods_tell_what_ready_maps_hold(found_results):
    def of_kind(kind):
        pairs = found_results.pairs | {"maps_kind": kind}
        ready = with_config(found_results, entry="maps", twin=None)
        return text_of(dataclasses.replace(ready, pairs=pairs))

    assert "their values are no Fisher z" in of_kind("other")
    assert "correlations were made Fisher z" in of_kind("correlation")
    assert "Connectivity maps (Fisher z) were made outside" in of_kind(None)


WITHIN = [f"drug_{group}{of}" for group in ("TRD", "HV") for of in ("", "_pooled", "_by_subregion")]
DRUG_TESTED = (
    "the effect of ketamine in TRD and HV, the effect of ketamine on the mean of the seeds in TRD "
    "and HV, the differences of seeds in the effect of ketamine in TRD and HV"
)
# The last of a list.
DRUG_ALONE = DRUG_TESTED.replace(", the differences", " and the differences")


def test_methods_say_what_was_flipped_and_what_was_shuffled(found_results):
    text = text_of(found_results)
    assert (
        f"The signs of whole people were flipped for {DRUG_TESTED}, the "
        "comparison of groups per seed, for the mean of the seeds and between seeds and the slope "
        "on change in MADRS (299 at random each, besides the observed one)." in text
    )
    assert "People were shuffled for carry-over (299 at random, besides the observed one)." in text
    assert "residuals of each model without its effect" in text
    assert "(Freedman & Lane 1983)" in text
    assert "p = (1 + exceedances) / (1 + permutations)" in text
    assert "(26 neighbours; one-sided for F)" in text
    assert "all arrangements" not in text


def test_methods_take_the_scheme_from_the_records(found_results):
    shuffled = {name: {"arrangement": "shuffles"} for name in (*COMPARISONS, "change_MADRS")}
    text = text_of(with_records(found_results, **shuffled))
    assert f"flipped for {DRUG_ALONE} (299 at random each" in text
    assert "People were shuffled for the comparison of groups per seed, for the mean" in text
    blocked = with_config(found_results, group=found_results.config["group"] | {"blocks": "site"})
    text = text_of(with_records(blocked, carryover={"block_exchange": "within"}))
    assert "People within blocks of equal site were shuffled for carry-over" in text
    text = text_of(with_records(blocked, drug_TRD={"block_exchange": "whole"}))
    assert "signs of whole blocks of equal site (Winkler et al. 2015) were flipped for the" in text
    assert (
        "signs of whole people were flipped for the effect of ketamine in HV, the effect of" in text
    )


def test_methods_tell_of_orders_drawn_again(found_results):
    drawn = {name: {"arrangement": "re-randomisation"} for name in WITHIN}
    text = text_of(with_records(found_results, **drawn))
    assert (
        "Orders of treatments were drawn again among people, as many of each as there were, as the "
        "randomisation might have given them, for " + DRUG_ALONE + " (299 at"
    ) in text
    assert (
        "Drawing the orders again tests that ketamine changes nothing in anybody; if it raises "
        "connectivity in some and lowers it in others, that is false although the mean is zero."
        in text
    )
    assert "flips of signs test" not in text
    flipped = text_of(found_results)
    assert "flips of signs test that differences are symmetric about no change." in flipped
    assert "changes nothing in anybody" not in flipped


def test_methods_tell_what_was_corrected_besides_extent(found_results):
    text = text_of(found_results)
    assert "the mass of clusters, which is the sum of the statistic's size" in text
    assert (
        "threshold-free cluster enhancement (TFCE, E = 0.5, H = 2), computed as the exact" in text
    )
    assert (
        "Corrected p of cluster extent, voxels, cluster mass and TFCE that ten permutations or "
        "fewer reach were taken from" in text
    )
    assert "the false discovery rate over voxels and seeds (Benjamini" in text
    assert "the analysis of all others finds there (Esterman et al. 2010)" in text
    assert "were called significant; other measures are told besides" in text
    plain = {a.name: {"tfce": False, "tail": {}} for a in found_results.analyses}
    text = text_of(with_records(found_results, **plain))
    assert "TFCE" not in text and "Pareto" not in text and "the mass of clusters" in text


def test_methods_count_the_arrangements_of_each_analysis(found_results):
    text = text_of(
        with_records(
            found_results,
            drug_HV={"exhaustive": True, "n_permutations": 8},
            drug_TRD={"exhaustive": True, "n_permutations": 128},
            change_MADRS={"n_permutations": 50, "arrangement": "shuffles"},
        )
    )
    assert "flipped for the effect of ketamine on the mean of the seeds in TRD and HV, the" in text
    assert "the effect of ketamine in TRD and HV (all there are, 8 to 128 each)." in text
    assert "carry-over and the slope on change in MADRS (50 to 299 at random each" in text
    assert "where all arrangements were taken, p is the share of them" in text
    everything = {a.name: {"exhaustive": True, "n_permutations": 8} for a in found_results.analyses}
    text = text_of(with_records(found_results, **everything))
    assert "(all 8 each)" in text
    assert "at random" not in text
    assert "exceedances" not in text


def test_methods_tell_the_terms_of_each_model(found_results):
    order = "the order of treatments was in the model"
    text = text_of(found_results)
    both = "the order of treatments and age were in the model"
    welch = "with Welch's t, which allows unequal variances (Winkler et al. 2014)"
    hall = f"{welch}, corrected for the skewness of the estimated difference (Hall 1992)"
    assert f"for the mean of the seeds and per seed, {hall}; {both}." in text
    without = {a.name: {"covariates": []} for a in found_results.analyses}
    text = text_of(with_records(found_results, **without))
    assert f"the intercept of these differences; {order}." in text
    assert f"for the mean of the seeds and per seed, {hall}; {order}." in text
    assert f"(Nieuwenhuis et al. 2011); {order}." in text
    assert "regressed on change in score, with a standard error that allows people to" in text
    assert f"goes with the score (DiCiccio & Romano 2017); {order}." in text
    assert "(Freeman 1989); group was in the model." in text
    assert "coded −1 (ketamine first) and +1 (placebo first) and not centred" in text
    assert "Covariates were centred" not in text
    uncorrected = {a.name: {"statistic_name": "Welch's t"} for a in found_results.analyses}
    assert f"{welch}; {both}." in text_of(with_records(found_results, **uncorrected))

    changed = {name: {"covariates": ["age", "sex"]} for name in COMPARISONS}
    changed["drug_HV"] = {"sequence_adjusted": False}
    changed["change_MADRS"] = {"sequence_adjusted": False, "covariates": ["age"]}
    text = text_of(with_records(found_results, **changed))
    assert text.count("the order of treatments, age and sex were in the model") == 2
    assert f"differences; {order} (TRD); the order of treatments was not in the model (HV)." in text
    assert "2017); age was in the model, the order of treatments was not in the model." in text
    assert "Covariates were centred among the people analysed." in text

    coded = {
        "covariates": ["age", "site"],
        "covariate_levels": {"age": [], "site": ["1", "2", "3"]},
    }
    text = text_of(with_records(found_results, **dict.fromkeys(COMPARISONS, coded)))
    assert "order of treatments, age and site (categorical, 3 levels) were in the model" in text

    unknown = {a.name: {"sequence_adjusted": False} for a in found_results.analyses}
    text = text_of(with_records(found_results, **unknown))
    assert order not in text
    assert "−1 (ketamine first)" not in text


@pytest.mark.parametrize("slice_timing", ["require", "skip"])
def test_methods_describe_native_preprocessing(found_results, slice_timing):
    preprocessing = {"resolution_mm": 2.5, "slice_timing": slice_timing}
    text = text_of(with_config(found_results, entry="raw", preprocessing=preprocessing))
    assert "as no field maps had been taken for these scans" in text
    ignored = preprocessing | {"field_maps": "ignore"}
    other = text_of(with_config(found_results, entry="raw", preprocessing=ignored))
    assert "field maps, where there were any, were not applied" in other
    used = preprocessing | {"field_maps": "use"}
    third = text_of(with_config(found_results, entry="raw", preprocessing=used))
    assert "distortion was corrected in scans that had a field map" in third
    assert "Andersson" in third and "not corrected, as no field maps" not in third
    told = [
        "bias field (N4)", "brain was extracted by laying the template's brain onto the head",
        "MNI152 template (ICBM 2009a nonlinear symmetric)",
        "affine and a deformable registration (SyN)", "Atropos",
        "motion was estimated on the raw series, before slice timing was corrected",
        "In scans whose sidecar had SliceTiming, slices were then brought to the moment half-way "
        "between the first and the last slice by a Fourier shift",
        "registered to the T1-weighted image rigidly, by mutual information, and this was refined "
        "on the boundary of the white matter (Greve & Fischl 2009)",
        "interpolated in space only once, by cubic splines, to voxels of 2.5 mm",
        "as fMRIPrep defines them", "Susceptibility distortion was not corrected",
    ]  # fmt: skip
    places = [text.index(words) for words in told]
    assert places == sorted(places)
    skipped = "scans whose sidecar had no SliceTiming were not corrected for slice timing"
    assert (skipped in text) == (slice_timing == "skip")
    assert "preprocessed with fMRIPrep" not in text


def test_methods_call_a_twin_simulated(found_results):
    assert "preprocessed with fMRIPrep" in text_of(found_results)
    assert "simulated" not in text_of(with_config(found_results, twin=None)).lower()
    for entry in ("fmriprep", "raw"):
        text = text_of(with_config(found_results, entry=entry, twin={"volumes": 160}))
        assert "The data are simulated: they are a digital twin" in text
        assert "preprocessed with fMRIPrep" not in text
        assert ("no preprocessing was run on them" in text) == (entry == "fmriprep")
        assert ("Simulated scans were preprocessed with crossfc" in text) == (entry == "raw")


@pytest.mark.parametrize(("share", "words"), [(0, "0 %"), (0.5, "50 %"), (1, "100 %")])
def test_methods_tell_the_limits_of_exclusion(found_results, share, words):
    exclusion = found_results.config["exclusion"] | {"maximum_censored_share": share}
    text = text_of(with_config(found_results, exclusion=exclusion, connectivity={}))
    assert (
        "A session left by measures blind to the outcome: mean framewise displacement (Power et "
        "al. 2012) above 0.5 mm, more than 10 % of the volumes no measurement (blank, cut, "
        f"repeated or spiked), more than {words} of the volumes censored or an overlap of its "
        "brain mask with the template's below 0.8 (Dice)." in text
    )


def test_methods_tell_no_limit_that_is_not_set(found_results):
    few = {"exclusion": {"minimum_template_dice": 0}, "connectivity": {}}
    text = text_of(with_config(found_results, **few))
    assert "outcome: an overlap of its brain mask with the template's below 0 (Dice)." in text
    assert "framewise displacement (" not in text
    for changed in ({"exclusion": {}, "connectivity": {}}, {"entry": "maps"}):
        assert "blind to the outcome" not in text_of(with_config(found_results, **changed))


def test_methods_tell_lost_volumes_and_how_gaps_were_filled(found_results):
    assert "censored in every pipeline (there were none)" in text_of(found_results)
    sessions = found_results.sessions.assign(volumes_defective=0)
    sessions.loc[sessions.index[:2], "volumes_defective"] = [1, 12]
    pipelines = {name: dict(c or {}) for name, c in found_results.config["pipelines"].items()}
    for choices in pipelines.values():
        choices |= {"low_pass_hz": 0.1, "censored_filter": "interpolate"}
    limits = {"minimum_seed_tsnr": 10, "minimum_residual_degrees_of_freedom": 20}
    changed = with_config(found_results, pipelines=pipelines, connectivity=limits)
    text = text_of(dataclasses.replace(changed, sessions=sessions))
    assert "censored in every pipeline (13 in 2 sessions)" in text
    assert "for the filter alone (Power et al. 2014)" in text
    assert "fewer than 20 residual degrees of freedom" in text
    assert "a seed with a temporal signal-to-noise ratio below 10" in text
    for choices in pipelines.values():
        choices["censored_filter"] = "exact"
    changed = with_config(found_results, pipelines=pipelines)
    assert "for the filter alone" not in text_of(dataclasses.replace(changed, sessions=sessions))


def test_methods_say_what_the_false_discovery_rate_runs_over(found_results):
    n = len(found_results.correlation)
    assert (
        "by the procedure of Benjamini and Hochberg (Benjamini & Hochberg 1995) within each "
        f"group, over all its tests of seed × target × scale ({n} in TRD)."
        in text_of(found_results)
    )


def test_methods_tell_the_terms_of_the_mixed_model(found_results):
    words = "a mixed model with {} was fitted to each a-priori pair of seed and target by restr"
    everything = words.format("group, treatment, their interaction and period")
    assert everything in text_of(found_results)
    own = found_results.mixed[found_results.mixed["term"].isin(["intercept", "drug"])]
    fewer = dataclasses.replace(found_results, mixed=own)
    assert words.format("treatment") in text_of(fewer)


def test_the_mixed_model_of_contrasts_is_told_as_such(found_results):
    """Of designs other than two treatments with one session each."""
    weights = [("ketamine", None, 1.0), ("placebo", None, -1.0)]
    mixed = cell_model(
        found_results.edges,
        {"groups": ["TRD", "HV"], "n_periods": 2,
         "contrasts": [{"contrast": "drug", "weights": weights}]},
    )  # fmt: skip
    results = dataclasses.replace(found_results, mixed=mixed)
    told = text_of(results)
    assert "It had a mean for each treatment in each group, effects of periods, and random" in told
    assert "random effects of people, with variances of each group's own" in told
    assert "their interaction" not in told and "at each occasion" not in told
    table = quality.mixed_table(results)
    assert table.caption.startswith("Mixed model on the a-priori targets, everybody with a session")
    assert "drug is ketamine − placebo, group TRD − HV; degrees" in table.caption
    heads = [column[0] for column in table.columns]
    assert "95 % interval" in heads and "SE" not in heads
    later = results.edges.assign(occasion="day2")
    assert "a mean for each treatment at each occasion in each group, effects of periods at" in (
        text_of(dataclasses.replace(results, edges=later))
    )
    unknown = mixed.assign(note="without effects of periods: the period of 3 sessions is not known")
    assert "effects of periods" not in text_of(dataclasses.replace(results, mixed=unknown))


@pytest.mark.parametrize(
    ("high", "low", "words"),
    [
        (0.01, 0.1, "outside 0.01–0.1 Hz"),
        (0.01, None, "below 0.01 Hz"),
        (0, 0.1, "above 0.1 Hz"),
        (0, None, ""),
    ],
)
def test_band(high, low, words):
    assert band({"high_pass_hz": high, "low_pass_hz": low}).endswith(words)
    assert bool(band({"high_pass_hz": high, "low_pass_hz": low})) == bool(words)


def test_citations_are_listed_once_by_author():
    works = read_references(TEMPLATES / FILE)
    cite = Citations(works)
    assert cite("winkler2014", "nichols2002") == "(Nichols & Holmes 2002; Winkler et al. 2014)"
    cite("nichols2002")
    assert [r.short for r in cite.listed()] == ["Nichols & Holmes 2002", "Winkler et al. 2014"]
    # The one without is listed by volume and pages.
    without = [key for key, r in works.items() if not r.doi.startswith("10.")]
    assert without == ["holm1979", "koch1972"] and "1972;28:577" in works["koch1972"].full


@pytest.mark.parametrize(
    ("authors", "short", "names"),
    [
        (["Freeman"], "Freeman 1989", "Freeman A."),
        (["Smith", "Nichols"], "Smith & Nichols 1989", "Smith A, Nichols A."),
        (["Yek", "Smith", "Ek"], "Yek et al. 1989", "Yek A, Smith A, Ek A."),
        (["Yek", "Smith", "Ek", None], "Yek et al. 1989", "Yek A, Smith A, Ek A, et al."),
    ],
)
def test_a_work_is_put_into_words(authors, short, names):
    work = {
        "id": "own",
        "author": [{"family": n, "given": "A"} if n else {"literal": "et al."} for n in authors],
        "issued": {"date-parts": [[1989]]}, "title": "On trials", "container-title": "Journal",
    }  # fmt: skip
    told = reference(work | {"volume": "8", "page": "1–2", "DOI": "10.1/x"})
    assert (told.short, told.doi) == (short, "10.1/x")
    assert told.full == f"{names} On trials. Journal 1989;8:1–2."
    assert reference(work | {"number": "2603.03004"}).full.endswith(" Journal 1989;2603.03004.")


def test_signal_of_seeds_lost_volumes_and_pipelines_without_anybody_are_told(found_results):
    sessions = found_results.sessions.assign(**{"coverage_sgACC": 1.0, "tsnr_sgACC": 49.0})
    sessions.loc[sessions.index[3], ["coverage_sgACC", "tsnr_sgACC"]] = [0.25, 2.4]
    sessions["targets_left_out"] = ""
    sessions.loc[sessions.index[1], "targets_left_out"] = "20% of target SMG has signal"
    lost = pd.DataFrame({"session_id": ["ses-1"], "volume": [80], "reason": ["blank"]})
    shown = dataclasses.replace(
        found_results,
        sessions=sessions,
        pipelines=[*found_results.pipelines, "scrub"],
        quality_tables={"defects": lost},
    )
    who = sessions.iloc[3]
    own = f"(sgACC, {who['participant_id']} {who['session_id']})"
    told = quality.coverage_sentence(shown)
    assert f"counting voxels with signal, was 25 % {own}" in told
    assert f"signal-to-noise ratio of a seed was 2.4 {own}." in told
    titles = [title for title, _ in quality.sessions_table(shown).columns]
    assert {"sgACC coverage", "sgACC tSNR", "targets left out"} <= set(titles)
    (table,) = quality.further_tables(shown)
    assert table.caption.startswith("Volumes that are no measurement")
    assert ["ses-1", "80", "blank"] in [[str(cell) for cell in row] for row in table.rows]
    assert "Nothing could be compared with scrub:" in quality.robustness_sentence(shown)


def test_the_page_says_what_a_mean_was_tested_against(found_results):
    def told(**records) -> dict[str, str]:
        results = with_records(found_results, **records)
        return {a.name: dict(facts(a)).get("null hypothesis") for a in results.analyses}

    flipped = told()
    assert flipped["drug_TRD"] == "differences symmetric about no change"
    assert {flipped[name] for name in COMPARISONS} == {None} == {flipped["change_MADRS"]}
    drawn = told(drug_TRD={"arrangement": "re-randomisation"})
    assert drawn["drug_TRD"] == "no change in anybody (not: no mean change)"
    skewed = with_records(found_results, drug_TRD={"skewness": 0.567})
    told = {a.name: dict(facts(a)).get("skewness of differences") for a in skewed.analyses}
    (own,) = [a.record["skewness"] for a in found_results.analyses if a.name == "drug_HV"]
    assert told["drug_TRD"] == "0.57" and told["drug_HV"] == f"{own:.2f}"


def test_a_change_with_a_change_is_drawn_as_points(found_results):
    analysis = next(a for a in found_results.analyses if a.name == "change_MADRS")
    cells = analysis.cells
    first = cells[cells["cluster"].eq(cells["cluster"].iloc[0]) & cells["map"].eq("pgACC")]
    drawn = change_chart(found_results, analysis, first)
    scores = found_results.scores
    madrs = scores[(scores["scale"] == "MADRS") & (scores["group"] == "TRD")]
    told = re.findall(r"<title>(sub-\w+): ([^,]+), ([^<]+)</title>", drawn.replace("−", "-"))
    assert {name for name, _, _ in told} == set(
        first.loc[first["group"] == "TRD", "participant_id"]
    )
    for name, x, y in told:
        row = madrs[madrs["participant_id"] == name].iloc[0]
        assert float(x) == pytest.approx(row["active"] - row["control"], rel=5e-3)
        value = first.loc[first["participant_id"] == name, "delta"].iloc[0]
        assert float(y) == pytest.approx(value, rel=5e-3)
