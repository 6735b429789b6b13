"""The analysis plan in sentences, to be registered before results are known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfc.report import number
from crossfc.report.citation import Citations, read_references
from crossfc.report.methods import limits
from crossfc.report.pipeline import band, difference
from crossfc.report.preregistration import AnalysisPlan, hypothesis_label
from crossfc.significance import SIGNIFICANT

_DIRECTIONS = {"positive": "above zero", "negative": "below zero"}


def markdown(plan: AnalysisPlan, references: Path) -> str:
    """Write an analysis plan in sentences.

    Parameters
    ----------
    plan : AnalysisPlan
    references : path
        The works that can be cited; see `crossfc.report.citation.read_references`.

    Returns
    -------
    str
        Markdown. It names nobody, and says nothing that depends on a result.
    """
    cite = Citations(read_references(references))
    stated, choices = plan["stated"], plan["choices"]
    parts = [
        ("Design", _design(stated, choices)),
        ("People", _people(stated)),
        ("Contrasts", _contrasts(stated, choices)),
        ("Hypotheses", _hypotheses(stated, choices)),
        ("Scans and exclusions", _scans(stated, choices, cite)),
        ("Pipelines", _pipelines(stated, choices, cite)),
        ("Maps", _maps(stated, choices, cite)),
        ("Scores and correlations", _scores(stated, choices, cite)),
        ("Robustness", _robustness(stated, choices)),
        ("Seeds and targets", _regions(choices)),
        ("Random seeds", _random_seeds(choices)),
    ]
    lines = [f"# Analysis plan: {stated['title'] or stated['study']}", ""]
    lines += [
        f"Digest (SHA-256): `{plan['digest']}`",
        "",
        f"Written by crossfc {plan['crossfc']} from the configuration and the sheets, without any "
        "scan or result. The digest is over the part `choices` of analysis_plan.json (JSON in "
        "UTF-8, keys sorted, no white space): everything that results depend on besides the data, "
        "and no place of a file. When this was written only a registry can tell.",
    ]
    for heading, paragraphs in parts:
        if paragraphs:
            lines += ["", f"## {heading}", ""]
            lines += "\n".join(_spaced(paragraphs)).split("\n")
    if works := cite.listed():
        lines += ["", "## References", ""]
        lines += [f"- {own.full}" + (f" doi:{own.doi}" if own.doi else "") for own in works]
    return "\n".join(lines) + "\n"


def _spaced(paragraphs: Sequence[str]) -> list[str]:
    """Put an empty line between paragraphs, none between the items of a list."""
    found: list[str] = []
    for own in paragraphs:
        if found and not (own.startswith("- ") and found[-1].startswith("- ")):
            found.append("")
        found.append(own)
    return found


def _design(stated: Mapping[str, Any], choices: Mapping[str, Any]) -> list[str]:
    own = choices["design"]
    groups = "arms" if own["parallel arms"] else "groups"
    said = f"The trial is {stated['design']}. Its {groups}: {number.listed(own['groups'])}."
    if own["occasions"]:
        said += f" Occasions in the order of time: {number.listed(own['occasions'])}."
    if choices["config"].get("twin") is not None:
        said = f"The scans will be simulated (a digital twin). {said}"
    return [said]


def _people(stated: Mapping[str, Any]) -> list[str]:
    found = []
    for row in stated["people"]:
        orders = [f"{n} {name}" for name, n in row["orders"].items()]
        out = f", and exclude {row['excluded']}" if row["excluded"] else ""
        found.append(f"- The sheets list {row['people']} people in {row['group']}"
                     f" ({', '.join(orders)}){out}.")  # fmt: skip
    excluded = stated["excluded_sessions"]
    told = {0: "No session is", 1: "One session is"}.get(excluded, f"{excluded} sessions are")
    stays = ", and stays in the mixed model" if stated["edges"] else ""
    return [
        *found,
        f"{told} excluded in the sheets. Who lacks a session of a contrast leaves it, by name and "
        f"reason{stays}. These numbers are no part of the digest.",
    ]


def _contrasts(stated: Mapping[str, Any], choices: Mapping[str, Any]) -> list[str]:
    found = ["Every change is a weighted sum over the sessions of a person:"]
    for name, own in choices["contrasts"].items():
        weights = [f"{number.general(w)} × {cell}" for cell, w in own["weights"].items()]
        columns = stated["period_columns"].get(name)
        adjusted = "adjusted for periods" if columns else "without columns of periods"
        told = f"- {name}: {' + '.join(weights)}, {adjusted}".replace("+ −", "− ")
        if own["baseline"]:
            told += f"; covariate: the same of the baselines ({', '.join(own['baseline'])})"
        found.append(f"{told}.")
    return found


def _hypotheses(stated: Mapping[str, Any], choices: Mapping[str, Any]) -> list[str]:
    rows = choices["hypotheses"]
    if not rows:
        return ["No hypothesis is stated: every answer will be exploratory."]
    cited = [own for own in stated["hypotheses"] if own["name"] or own["citation"]]
    found = [
        f"{number.whole(len(rows))} {'hypothesis is' if len(rows) == 1 else 'hypotheses are'} one "
        f"family, corrected together by Holm's procedure at {SIGNIFICANT:g}, in the primary "
        "pipeline; everything else is exploratory. Tests are two-sided; a significant effect "
        "against the stated direction counts as opposite."
    ]
    for row in rows:
        towards = _DIRECTIONS.get(row.get("direction", ""), "no direction stated")
        asked = stated["questions"].get(row.get("analysis", ""), "") if "region" in row else ""
        asked = f" {asked}" if asked else ""
        found.append(f"- {hypothesis_label(row)} ({towards}).{asked}")
    if cited:
        told = [" ".join(filter(None, (own["name"], own["citation"]))) for own in cited]
        found.append(f"In the words of the config: {'; '.join(told)}.")
    return found


def _scans(stated: Mapping[str, Any], choices: Mapping[str, Any], cite: Citations) -> list[str]:
    config = choices["config"]
    entry = {
        "raw": "Raw scans are preprocessed",
        "fmriprep": "Scans come preprocessed by fMRIPrep or in its layout",
        "maps": "Ready maps are analysed as they are",
    }[config["entry"]]
    if config["entry"] == "raw":
        tool = config["preprocessing"]["tool"]
        entry += " by fMRIPrep" if tool == "fmriprep-run" else " by crossfc with ANTs"
    space = f", in the space {config['space']}" if config["space"] else ""
    found = [f"{entry}{space}."]
    if config["entry"] != "maps":
        told = limits(config["exclusion"] | config["connectivity"], cite)
        found.append(
            f"A session leaves by measures blind to the outcome: {told}. Of repeat runs the one "
            "with the lowest mean framewise displacement is used."
        )
    return found


def _pipelines(stated: Mapping[str, Any], choices: Mapping[str, Any], cite: Citations) -> list[str]:
    config, primary = choices["config"], choices["design"]["primary pipeline"]
    if config["entry"] == "maps":
        return []
    first, found = config["pipelines"][primary], []
    names = [primary, *(name for name in config["pipelines"] if name != primary)]
    for name in names:
        own = config["pipelines"][name]
        told = cite.cite_those_in(stated["methods"].get(own["strategy"], ""))
        if name == primary:
            censored = own["censor_fd_mm"]
            said = (
                f"- {name} (primary): confound strategy {own['strategy']}; {band(own)} removed; "
                f"smoothing {number.general(own['fwhm_mm'])} mm; seed set {own['seed_set']}; "
            )
            said += (
                f"volumes above {number.general(censored)} mm framewise displacement censored."
                if censored
                else "no volumes censored for motion."
            )
            if own.get("region_weights") == "grey_matter":
                said += " Voxels of seeds and targets count by their share of grey matter."
            if reference := own.get("reference_degrees_of_freedom"):
                said += (
                    " Fisher z are brought to the spread that they have with "
                    f"{number.general(reference)} degrees of freedom."
                )
            found.append(f"{said} {told}".strip())
        else:
            also = f" {told}" if own["strategy"] != first["strategy"] else ""
            found.append(f"- {name}: as {primary}, but {difference(own, first) or 'alike'}.{also}")
    return found


def _maps(stated: Mapping[str, Any], choices: Mapping[str, Any], cite: Citations) -> list[str]:
    group, clinical = choices["config"]["group"], choices["config"]["clinical"]
    if not stated["questions"]:
        return ["The sheets name nobody's scans under what is compared: no maps are planned."]
    arranged = {
        "automatic": "orders of treatments drawn again where that can give a p of 0.01 or less, "
        "else flips of signs",
        "re-randomisation": "orders of treatments drawn again",
        "sign flips": "flips of signs",
    }[group["drug_arrangement"]]
    found = [
        "Seed maps (Fisher z) are made contrasts within each person, and these are tested for:",
        *(f"- {name}: {text}" for name, text in stated["questions"].items()),
        f"Inference is by {number.whole(group['permutations'])} permutations (or all there are) "
        f"{cite('nichols2002', 'winkler2014')}; the mean of a group by {arranged}. Clusters are "
        f"formed at a two-sided p < {number.general(group['cluster_forming_p'])} "
        f"({group['connectivity']} neighbours). A cluster is called significant if p of its extent "
        f"is below {SIGNIFICANT:g}, corrected over voxels and seeds (family-wise error); single "
        f"voxels, cluster mass{' and TFCE' if group['tfce'] else ''} are told besides. Groups are "
        "compared with statistics that allow unequal variances.",
    ]
    if group["families"]:
        told = [number.listed(own) for own in group["families"]]
        found.append(f"Corrected together besides, over all their maps: {'; '.join(told)}.")
    if group["blocks"]:
        found.append(f"People are exchanged by blocks of {group['blocks']}: "
                     f"{group['block_exchange']}.")  # fmt: skip
    if names := [own if isinstance(own, str) else own["name"] for own in _covariates(choices)]:
        found.append(f"Where groups are compared, covariates are {number.listed(names)}.")
    if group["mask"] is not None:
        found.append("The search volume is confined to a mask that was chosen beforehand.")
    if (planted := group["sensitivity"]) is not None:
        found.append(
            "What the maps could have found is told by planting changes of known size "
            f"(spheres of {number.general(planted['radius_mm'])} mm, {planted['repeats']} times) "
            "into their residuals."
        )
    if clinical["smallest_fisher_z"] is not None:
        found.append(
            "Smallest effect of interest in maps and edges: "
            f"{number.general(clinical['smallest_fisher_z'])} (Fisher z); equivalence is tested by "
            f"two one-sided tests {cite('schuirmann1987')}."
        )
    return found


def _covariates(choices: Mapping[str, Any]) -> list[Any]:
    return list(choices["config"]["covariates"])


def _scores(stated: Mapping[str, Any], choices: Mapping[str, Any], cite: Citations) -> list[str]:
    scales, clinical = choices["scales"], choices["config"]["clinical"]
    if not scales:
        return []
    found = []
    for name, own in scales.items():
        told = f"- {name}: {number.general(own['lowest'])} to {number.general(own['highest'])}, "
        told += f"{own['better']} is better"
        if own["response_percent"] is not None:
            told += f"; response: {number.general(own['response_percent'])} % better"
        if own["remission_at"] is not None:
            told += f"; remission at {number.general(own['remission_at'])}"
        if own["smallest_change"] is not None:
            told += f"; smallest change of interest {number.general(own['smallest_change'])}"
        found.append(f"{told}.")
    adjusted = any(stated["period_columns"].values())
    how = " is adjusted for period where orders are known, and" if adjusted else ""
    found.append(
        f"The change of each score{how} is tested at {SIGNIFICANT:g} with p corrected over all "
        "scores and groups (Holm)."
    )
    if stated["edges"]:
        groups = clinical["groups"] or choices["design"]["groups"][:1]
        found.append(
            "Change in connectivity of every seed with every target is correlated with the change "
            f"in each score, in {number.listed(list(groups))}, by a studentised permutation test "
            f"{cite('diciccio2017')} ({number.whole(clinical['permutations'])} permutations); the "
            f"false discovery rate is controlled within a group {cite('benjamini1995')}."
        )
        if clinical["smallest_correlation"] is not None:
            found.append("Smallest correlation of interest: "
                         f"{number.general(clinical['smallest_correlation'])}.")  # fmt: skip
    return found


def _robustness(stated: Mapping[str, Any], choices: Mapping[str, Any]) -> list[str]:
    if not stated["questions"] or choices["config"]["entry"] == "maps":
        return []
    pipelines, fd = len(choices["config"]["pipelines"]), stated["fd_limits"]
    said = (
        f"Hypotheses and significant clusters are estimated again in "
        f"{'the one pipeline' if pipelines == 1 else f'each of the {pipelines} pipelines'}"
    )
    if fd:
        told = number.listed([number.general(limit) for limit in fd])
        said += ", each also in the people whose sessions keep to a mean framewise displacement "
        said += f"of at most {told} mm"
    return [f"{said}. Carry-over is a diagnostic, and nothing is decided by it."]


def _regions(choices: Mapping[str, Any]) -> list[str]:
    found = []
    for name, seeds in choices["seeds"].items():
        found += [f"- seed {seed} (set {name}): {_place(own)}" for seed, own in seeds.items()]
    return found + [f"- target {name}: {_place(own)}" for name, own in choices["targets"].items()]


def _place(region: Mapping[str, Any]) -> str:
    parts = [own for key, own in region.items() if key.startswith("part ")]
    if parts:
        return " and ".join(map(_place, parts))
    if region.get("kind") == "sphere":
        where = number.place(region["x"], region["y"], region["z"])
        return f"sphere of {number.general(region['radius_mm'])} mm at {where} mm"
    label = f", label {region['label']}" if region.get("kind") == "label" else ""
    return f"{region.get('kind')}{label} of the image with {region.get('file')}"


def _random_seeds(choices: Mapping[str, Any]) -> list[str]:
    config = choices["config"]
    told = [f"{key}.seed {config[key]['seed']}" for key in ("group", "clinical")]
    if config["entry"] == "raw":
        told.append(f"preprocessing.seed {config['preprocessing']['seed']}")
    return [f"Random numbers are drawn from the seeds {number.listed(told)} (keys of the config)."]
