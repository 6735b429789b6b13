"""The CONSORT checklist for randomised crossover trials, filled from the record of a study."""

from collections.abc import Mapping
from typing import Any

from crossfc.report import number
from crossfc.report.checklist import (
    CONFIG,
    NOT_KNOWN,
    PAGE,
    SHEETS,
    Row,
    flow_sentence,
    hypotheses_sentence,
    left_sentence,
    scales_sentence,
)
from crossfc.report.preregistration import Preregistered, sentence
from crossfc.report.results import Results


def consort(results: Results, registered: Preregistered | None) -> list[Row]:
    """Fill the checklist of Dwan et al. 2019 (BMJ 366:l4378), without any result.

    Parameters
    ----------
    results : Results
        Of the whole study; read are its configuration, people and who left.
    registered : Preregistered or None
        The run held against its analysis plan.

    Returns
    -------
    list of Row
    """
    config = results.config
    rows = [
        Row("Title and abstract", "1a", "The title names a randomised crossover trial",
            NOT_KNOWN if _crosses(results) else
            f"no crossover ({results.design_name}): take CONSORT 2010 in its place"),
        Row("Title and abstract", "1b", "Structured summary with the crossover design"),
        Row("Introduction", "2a", "Background and rationale"),
        Row("Introduction", "2b", "Objectives or hypotheses", hypotheses_sentence(results), CONFIG),
    ]  # fmt: skip
    methods = [
        ("3a", "Why a crossover; its periods, allocation ratio, wash-out and carry-over",
         _design(results), PAGE),
        ("3b", "Changes after the trial began",
         sentence(registered) if registered else NOT_KNOWN, PAGE if registered else ""),
        ("4a", "Who was eligible", NOT_KNOWN, ""),
        ("4b", "Where data were collected", NOT_KNOWN, ""),
        ("5", "Treatments, with doses and how and when they were given",
         f"labels only: {_treatments(config)}", SHEETS),
        ("6a", "Outcomes, defined beforehand, and when they were assessed",
         _outcomes(results), SHEETS),
        ("6b", "Changes of outcomes after the trial began",
         _hypotheses_changed(registered), PAGE if registered else ""),
        ("7a", "How the number of people was chosen, with the variance within people",
         NOT_KNOWN, ""),
        ("7b", "Interim analyses and stopping rules", NOT_KNOWN, ""),
        ("8a", "How the random sequences were made", NOT_KNOWN, ""),
        ("8b", "Kind of randomisation, such as blocks",
         _blocks(config), CONFIG if _blocks(config) != NOT_KNOWN else ""),
        ("9", "How the allocation was concealed", NOT_KNOWN, ""),
        ("10", "Who made the sequence, enrolled and assigned", NOT_KNOWN, ""),
        ("11a", "Who was blinded", _guesses(results), PAGE if len(results.blinding) else ""),
        ("11b", "How alike the treatments were", NOT_KNOWN, ""),
        ("12a", "Statistics of outcomes, of comparisons within people",
         _statistics(results), PAGE),
        ("12b", "Further analyses, of subgroups and adjusted ones", _further(results), PAGE),
    ]  # fmt: skip
    rows += [Row("Methods", *own) for own in methods]
    found = [
        ("13a", "Numbers randomised, treated and analysed, by sequence and period",
         flow_sentence(results), "report.html; trial/counts.tsv"),
        ("13b", "Who left, when and why, by sequence and period",
         left_sentence(results), "trial/left.tsv"),
        ("14a", "Dates of recruitment and follow-up", NOT_KNOWN, ""),
        ("14b", "Why the trial ended", NOT_KNOWN, ""),
        ("15", "Baseline characteristics by sequence and period", NOT_KNOWN, ""),
        ("16", "Numbers in each analysis, and whether by assigned sequence",
         _analysed(results), "report.html; group/"),
        ("17a", "Effects within people with their precision, and each treatment in each period",
         "told with intervals for every change; values by sequence and period" if _scored(results)
         else "told with intervals for every change", _tables(results, "change", "sequences")),
        ("17b", "Binary outcomes: absolute and relative sizes",
         "response and remission, with intervals" if len(results.response) else
         "no scale defines response or remission", _tables(results, "response")),
        ("18", "Other analyses, those stated beforehand apart from exploratory ones",
         hypotheses_sentence(results), PAGE),
        ("19", "Harms, with the design taken into account", NOT_KNOWN, ""),
    ]  # fmt: skip
    rows += [Row("Results", *own) for own in found]
    rows += [
        Row("Discussion", "20", "Limitations, carry-over among them",
            f"for carry-over: {_carryover(results)}", PAGE),
        Row("Discussion", "21", "To whom results apply"),
        Row("Discussion", "22", "Interpretation"),
        Row("Other", "23", "Registration number and registry",
            f"{NOT_KNOWN}; the analysis plan has the digest {registered['digest']}"
            if registered else NOT_KNOWN, PAGE if registered else ""),
        Row("Other", "24", "Where the protocol is"),
        Row("Other", "25", "Funding"),
    ]  # fmt: skip
    return rows


def _crosses(results: Results) -> bool:
    return "crossover" in results.design_name


def _treatments(config: Mapping[str, Any]) -> str:
    named = config.get("treatments") or {}
    return number.listed(list(named.values()) if isinstance(named, Mapping) else list(named))


def _design(results: Results) -> str:
    return (
        f"{results.design_name}; {flow_sentence(results)}; wash-out and why a crossover: "
        f"{NOT_KNOWN}; carry-over: {_carryover(results)}"
    )


def _carryover(results: Results) -> str:
    if results.of_kind("carryover"):
        return "examined as a diagnostic, by which nothing is decided"
    if len(results.carryover) or len(results.edge_carryover):
        return "a sensitivity analysis with columns of what was given before"
    return "not examined"


def _outcomes(results: Results) -> str:
    seeds = number.listed(list(dict.fromkeys(str(own["seed"]) for own in results.seeds)))
    maps = f"; connectivity of {seeds}" if seeds else ""
    occasions = results.config.get("occasions") or []
    when = f"; at {number.listed(list(occasions))}" if occasions else ""
    return f"{scales_sentence(results)}{maps}{when}"


def _hypotheses_changed(registered: Preregistered | None) -> str:
    if registered is None:
        return NOT_KNOWN
    changed = [line for line in registered["deviations"] if line.startswith("Hypothes")]
    return " ".join(changed) or "hypotheses are those of the analysis plan"


def _blocks(config: Mapping[str, Any]) -> str:
    blocks = (config.get("group") or {}).get("blocks")
    return f"the analysis exchanges people by blocks of {blocks}" if blocks else NOT_KNOWN


def _guesses(results: Results) -> str:
    if results.blinding.empty:
        return NOT_KNOWN
    return f"{NOT_KNOWN}; people were asked for their guess (Bang's index is told)"


def _statistics(results: Results) -> str:
    how = "adjusted for period" if any(view.order for view in results.views()) else "not adjusted"
    maps = "; maps by permutation, corrected over voxels and seeds" if results.analyses else ""
    return f"differences within people, {how} (methods text){maps}"


def _further(results: Results) -> str:
    own = [name for name, has in {
        "other pipelines": len(results.pipelines) > 1,
        "rival explanations": len(results.rivals) > 0,
        "a mixed model with everybody": len(results.mixed) > 0,
        "the first period alone": len(results.first_period) > 0,
    }.items() if has]  # fmt: skip
    return number.listed(own) or "none"


def _analysed(results: Results) -> str:
    counts = []
    for analysis in results.analyses:
        n = analysis.record.get("n") or {}
        told = " and ".join(f"{count} {group}" for group, count in n.items())
        counts.append(f"{analysis.name}: {told}")
    people = "; ".join(counts) or flow_sentence(results)
    return f"{people}; sequences are those of the sheets, and whether as assigned is {NOT_KNOWN}"


def _scored(results: Results) -> bool:
    return len(results.sequences) > 0


def _tables(results: Results, *names: str) -> str:
    there = [f"clinic/{name}.tsv" for name in names if len(getattr(results, name))]
    return "; ".join([PAGE, *there])
