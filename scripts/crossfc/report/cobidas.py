"""The COBIDAS checklist of MRI studies, filled from the record of a study."""

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
    seeds_sentence,
)
from crossfc.report.methods import Methods
from crossfc.report.pipeline import band
from crossfc.report.preregistration import Preregistered, sentence
from crossfc.report.results import Results
from crossfc.significance import SIGNIFICANT

METHODS = "report.html (methods text)"


def cobidas(
    results: Results,
    methods: Methods,
    versions: Mapping[str, str],
    registered: Preregistered | None,
) -> list[Row]:
    """Fill the tables of Nichols et al. 2017, those of resting-state fMRI, without any result.

    Parameters
    ----------
    results : Results
        Of the whole study; read are its configuration, people, who left, and measures of scans.
    methods : Methods
        The methods text, of which the paragraphs on preprocessing and connectivity are quoted.
    versions : mapping
        Version of each software.
    registered : Preregistered or None
        The run held against its analysis plan.

    Returns
    -------
    list of Row
    """
    parts = {
        "Experimental design": _design(results, registered),
        "Acquisition": _acquisition(results),
        "Preprocessing": _preprocessing(results, methods),
        "Statistical modelling and inference": _modelling(results),
        "Results": _results(results),
        "Data sharing": _sharing(),
        "Reproducibility": _reproducibility(results.config, versions, registered),
    }
    return [Row(section, "", *own) for section, rows in parts.items() for own in rows]


Item = tuple[str, str, str]


def _design(results: Results, registered: Preregistered | None) -> list[Item]:
    return [
        ("Number of people recruited, scanned and analysed, by group",
         flow_sentence(results), "report.html; trial/counts.tsv"),
        ("Who and what left, and why", left_sentence(results), "trial/left.tsv"),
        ("Population, recruitment, eligibility", NOT_KNOWN, ""),
        ("Age, sex, handedness, diagnosis", _covariates(results.config), SHEETS),
        ("Ethical approval and consent", NOT_KNOWN, ""),
        ("Power: how the number of people was chosen", NOT_KNOWN, ""),
        ("Design: sessions, order, treatments", results.design_name or NOT_KNOWN, PAGE),
        ("Instructions at rest; eyes open or closed", NOT_KNOWN, ""),
        ("Behaviour and scores", scales_sentence(results), SHEETS),
        ("Hypotheses stated beforehand", hypotheses_sentence(results), CONFIG),
        ("Registration of design and analysis",
         sentence(registered) if registered else NOT_KNOWN, PAGE if registered else ""),
    ]  # fmt: skip


def _covariates(config: Mapping[str, Any]) -> str:
    own = [c if isinstance(c, str) else str(c["name"]) for c in config.get("covariates") or []]
    return f"covariates between people: {number.listed(own)}" if own else NOT_KNOWN


def _acquisition(results: Results) -> list[Item]:
    ready = results.config.get("entry") == "maps"
    measured = [_range(results.sessions, name) for name in ("repetition_time", "volumes")]
    table = ["" if said == NOT_KNOWN else "quality/sessions.tsv" for said in measured]
    return [
        ("Scanner, coil, field strength, vendor", NOT_KNOWN, ""),
        ("Sequence, echo time, flip angle, acceleration, voxel size", NOT_KNOWN, ""),
        ("Repetition time (s)", measured[0], table[0]),
        ("Volumes of a session", measured[1], table[1]),
        ("Repeat runs", NOT_KNOWN if ready else "of repeat runs the one with the lowest mean "
         "framewise displacement is used", "" if ready else "quality/sessions.tsv"),
        ("Recordings of pulse and breathing", _physiology(results), ""),
        ("Real-time monitoring, phantom quality control", NOT_KNOWN, ""),
    ]  # fmt: skip


def _range(table: Any, column: str) -> str:
    if column not in table or not table[column].notna().any():
        return NOT_KNOWN
    low, high = (number.general(f(table[column].dropna())) for f in (min, max))
    return low if low == high else f"{low} to {high}"


def _physiology(results: Results) -> str:
    if "heart_rate" in results.sessions and results.sessions["heart_rate"].notna().any():
        n = int(results.sessions["heart_rate"].notna().sum())
        return f"pulse usable in {n} sessions"
    return NOT_KNOWN


def _preprocessing(results: Results, methods: Methods) -> list[Item]:
    config = results.config
    text = {heading: " ".join(paragraphs) for heading, paragraphs in methods.parts}
    pipelines = config.get("pipelines") or {}
    primary = pipelines.get(results.pipelines[0]) or {}
    said = text.get("Preprocessing", NOT_KNOWN)
    if not primary or config.get("entry") == "maps":
        return [("All steps", said, METHODS)]
    censored = primary.get("censor_fd_mm")
    limit = (config.get("exclusion") or {}).get("maximum_mean_fd_mm")
    return [
        ("All steps, in their order, with software", said, METHODS),
        ("Template space", str(config.get("space") or NOT_KNOWN), CONFIG),
        ("Motion: estimate, censoring, exclusion",
         (f"volumes above {number.general(censored)} mm framewise displacement censored"
          if censored else "no volumes censored for motion") +
         (f"; sessions above a mean of {number.general(limit)} mm left" if limit else ""), CONFIG),
        ("Confounds regressed out; from there to connectivity",
         f"strategy {primary.get('strategy')}. {text.get('Connectivity', '')}".strip(), METHODS),
        ("Temporal filter", f"{band(primary)} removed" if band(primary) else "none", CONFIG),
        ("Smoothing", f"{number.general(primary.get('fwhm_mm'))} mm full width at half maximum",
         CONFIG),
        ("Intensity normalisation", "none is needed: correlations have no scale", METHODS),
        ("Quality of every session", "measures and reasons of exclusion by session",
         "quality/sessions.tsv"),
    ]  # fmt: skip


def _modelling(results: Results) -> list[Item]:
    group = results.config.get("group") or {}
    if not results.analyses:
        return [
            ("Model of scores", _adjusted(results), METHODS),
            ("Correction for several tests", "over all scores and groups (Holm)", METHODS),
        ]
    seeds = number.listed(list(dict.fromkeys(str(own["seed"]) for own in results.seeds)))
    measures = ["cluster extent", "cluster mass", "single voxels"]
    measures += ["TFCE"] if group.get("tfce") else []
    return [
        ("Seeds and how they were chosen", f"{seeds}; with their sources", METHODS),
        ("Measure of connectivity", "Fisher z of the correlation of the seed's mean series with "
         "every voxel" if results.config.get("entry") != "maps" else "ready maps", METHODS),
        ("Model of the group, columns and covariates", _adjusted(results), METHODS),
        ("Contrasts", number.listed([view.minus for view in results.views()]), PAGE),
        ("Search volume", "the voxels that all people have, without seeds and their halos" +
         ("; confined to a mask" if group.get("mask") else ""), METHODS),
        ("Inference: permutation, its number and what is exchanged",
         f"{number.whole(group.get('permutations'))} permutations, or all there are", METHODS),
        ("Cluster-forming threshold and neighbours",
         f"p < {number.general(group.get('cluster_forming_p'))}; "
         f"{group.get('connectivity')} neighbours", CONFIG),
        ("Correction for several tests",
         f"family-wise over voxels and seeds, at {SIGNIFICANT:g} ({', '.join(measures)})", METHODS),
        ("Hypotheses against exploration", hypotheses_sentence(results), PAGE),
        ("Variance of groups, dependence, exchange of people by blocks",
         "groups may differ in variance" +
         (f"; blocks of {group['blocks']}" if group.get("blocks") else ""), METHODS),
    ]  # fmt: skip


def _adjusted(results: Results) -> str:
    order = any(view.order for view in results.views())
    baseline = any(view.baseline for view in results.views())
    terms = [word for word, has in {"period": order, "baseline": baseline}.items() if has]
    told = f"adjusted for {number.listed(terms)}" if terms else "without columns of periods"
    own = _covariates(results.config)
    return f"contrasts within people, {told}" + (f"; {own}" if own != NOT_KNOWN else "")


def _results(results: Results) -> list[Item]:
    if not results.analyses:
        return [("Changes with intervals", "every change of every scale", "clinic/change.tsv")]
    return [
        ("All analyses, also those without a finding",
         number.listed([own.name for own in results.analyses]), "group/"),
        ("Tables of clusters: place, statistic, extent, p, region", "every cluster",
         "group/<pipeline>/<analysis>/clusters.tsv"),
        ("Effect sizes with intervals", "at every peak, and maps", "group/<pipeline>/<analysis>/"),
        ("Maps without a threshold", "statistic, effect and p of every voxel",
         "group/<pipeline>/<analysis>/"),
        ("What the sample could have found", "sensitivity by planted effects"
         if len(results.sensitivity) else NOT_KNOWN,
         "group/<pipeline>/sensitivity.tsv" if len(results.sensitivity) else ""),
        ("Robustness over pipelines", number.listed(results.pipelines), "robustness.tsv"
         if len(results.robustness) else PAGE),
    ]  # fmt: skip


def _sharing() -> list[Item]:
    return [
        ("Organisation of data", "results are a BIDS derivative data set",
         "dataset_description.json"),
        ("Where data are shared, licence, consent to sharing", NOT_KNOWN, ""),
    ]  # fmt: skip


def _reproducibility(
    config: Mapping[str, Any], versions: Mapping[str, str], registered: Preregistered | None
) -> list[Item]:
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [
        ("Software and versions", named or NOT_KNOWN, "report.html; provenance.json"),
        ("Configuration, with defaults", "recorded", "report.html; provenance.json"),
        ("Design as analysed", "sheets as they were, and their digests",
         "trial/sheets/; provenance.json"),
        ("Random seeds", seeds_sentence(config, "group", "clinical"), "provenance.json"),
        ("Machines, threads and code of every job", "recorded", "provenance.json"),
        ("Digest of the analysis plan", registered["digest"] if registered else NOT_KNOWN,
         "provenance.json" if registered else ""),
        ("Meaning of every file and column", "docs/outputs.md of crossfc", "docs/outputs.md"),
        ("Replication in other data", NOT_KNOWN, ""),
    ]  # fmt: skip
