"""The methods text: written from the run's configuration and records, ready for a paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from crossfc.group.design.question import SETS
from crossfc.report import number
from crossfc.report.citation import FILE, Citations, Reference, read_references
from crossfc.report.outcome import known
from crossfc.report.people import flows, one_session
from crossfc.report.pipeline import band, difference
from crossfc.report.results import Analysis, Results
from crossfc.report.rival import measured
from crossfc.report.table import Table
from crossfc.trial.strategy import CLEANED
from crossfc.trial.visit import ORDER


@dataclass
class Methods:
    """Paragraphs with headings, and the works that they cite."""

    parts: list[tuple[str, list[str]]]
    references: list[Reference]
    regions: Table | None

    def markdown(self) -> str:
        """Return the text with its regions and references as Markdown, for a manuscript."""
        lines = ["# Methods"]
        for heading, paragraphs in self.parts:
            lines += [f"## {heading}", *paragraphs]
        if self.regions is not None:
            titles = [title for title, _ in self.regions.columns]
            rows = [titles, ["---"] * len(titles), *self.regions.rows]
            lines.append(f"## {self.regions.caption}")
            lines.append(
                "\n".join(f"| {' | '.join(c.replace('|', '/') for c in row)} |" for row in rows)
            )
        if self.references:
            lines.append("## References")
            doi = "https://doi.org/"
            lines.append(
                "\n".join(
                    f"{place}. {work.full}" + (f" <{doi}{work.doi}>" if work.doi else "")
                    for place, work in enumerate(self.references, 1)
                )
            )
        return "\n\n".join(lines) + "\n"

    def bibliography(self) -> str:
        """Return the works that are cited as BibTeX."""
        return "\n".join(work.bibtex for work in self.references)


def methods(
    results: Results,
    environment: Environment,
    strategies: Mapping[str, Any],
    versions: Mapping[str, str],
) -> Methods:
    """Write the methods text.

    Parameters
    ----------
    results : Results
    environment : jinja2.Environment
        Loads ``methods.txt.j2``: headings begin with ``## ``, an empty line ends a paragraph.
    strategies : mapping
        Confound strategies with their ``methods`` sentence.
    versions : mapping
        Version of each software.

    Returns
    -------
    Methods
    """
    # The works that can be cited lie beside the templates.
    cite = Citations(read_references(folder_of(environment) / FILE))
    config, views = results.config, results.views()
    # Newlines separate paragraphs here, so the newline after a template block must be kept.
    text = (
        environment.overlay(trim_blocks=False)
        .get_template("methods.txt.j2")
        .render(
            cite=cite,
            config=config,
            results=results,
            groups=results.groups,
            active=results.effect if len(views) == 1 else "each contrast",
            on_active=results.on_active if len(views) == 1 else "in each contrast",
            control=results.control,
            views=views,
            of_view=flows,
            flows=[flow for view in views for flow in flows(view)],
            alone=len(one_session(results)) if results.n_contrasts == 1 else 0,
            pipelines=_pipelines(results, strategies, cite),
            group=config.get("group") or {},
            clinical=config.get("clinical") or {},
            preprocessing=config.get("preprocessing") or {},
            kinds={a.kind for a in _estimated(results)},
            clause=lambda *kinds: model_clause(results, *kinds),
            coded=dict.fromkeys(v.crossed for v in views if v.crossed and _adjusts(v)),
            baselines={
                str(a.record["baseline"]): view.design["baseline"]["within"]
                for view in views
                for a in _estimated(view)
                if "baseline" in a.record
            },
            given=list(dict.fromkeys(a.given for a in _estimated(results) if a.given)),
            by_period=any(_adjusts(view) for view in views if not view.crosses_over),
            corrected_for_skewness=any(
                "Hall" in a.record.get("statistic_name", "") for a in _estimated(results)
            ),
            centred=any(a.record.get("covariates") for a in _estimated(results)),
            several=len(results.groups) > 2,
            compares_all=any(
                not _is_pair(results, a)
                for a in results.of_kind("group_by_drug", "group_by_drug_pooled")
            ),
            n_pairs=max((a.n_pairs for a in results.analyses if _is_pair(results, a)), default=0),
            schemes=schemes(results, cite),
            drawn=any(not a.exhaustive for a in _estimated(results)),
            enumerated=any(a.exhaustive for a in _estimated(results)),
            search_volumes=_search_volumes(results),
            forming=_forming(results),
            measures=_measures(results),
            families=_families(results),
            tests=_tests(results),
            mixed=_mixed_terms(results),
            mixed_means=_mixed_means(results),
            rivals=measured(results),
            fd_limits=fd_limits(results),
            adjusted_scores=_known(results.change, "adjusted_p"),
            adjusted_ranks=_known(results.change, "adjusted_wilcoxon_p"),
            periods_of_scores=_periods_of_scores(views),
            given_baselines=_given_baselines(views),
            adjusted_correlations=adjusted_correlations(results),
            scan=_scan(results),
            twin=config.get("twin") is not None,
            limits=lambda: limits(
                (config.get("exclusion") or {}) | (config.get("connectivity") or {}), cite
            ),
            clinical_only=results.paired.empty and not _estimated(results),
            versions=versions,
            listed=number.listed,
            whole=number.whole,
            general=number.general,
        )
    )
    return Methods(_parts(text), cite.listed(), regions_table(results))


def folder_of(environment: Environment) -> Path:
    """Return the folder of the templates that an environment loads."""
    assert isinstance(environment.loader, FileSystemLoader)  # as `environment_of` makes it
    return Path(environment.loader.searchpath[0])


def _parts(text: str) -> list[tuple[str, list[str]]]:
    """Split the rendered text into headings and their paragraphs; drop headings without text."""
    parts: list[tuple[str, list[str]]] = []
    for block in text.split("\n\n"):
        block = " ".join(block.split())
        if block.startswith("## "):
            parts.append((block.removeprefix("## "), []))
        elif block and parts:
            parts[-1][1].append(block)
    return [(heading, paragraphs) for heading, paragraphs in parts if paragraphs]


def _pipelines(
    results: Results, strategies: Mapping[str, Any], cite: Citations
) -> list[dict[str, Any]]:
    """Describe the pipelines in words, the primary one first."""
    out = []
    known = results.config.get("pipelines") or {}
    named = [name for name in results.pipelines if name in known]
    for name in named:
        choices = known[name] or {}
        strategy = strategies.get(str(choices.get("strategy"))) or {}
        sentence = " ".join(str(strategy.get("methods", "")).split())
        out.append(
            {
                "name": name,
                "sentence": cite.cite_those_in(sentence),
                "band": band(choices),
                "censor_fd_mm": choices.get("censor_fd_mm"),
                "filled": bool(choices.get("low_pass_hz"))
                and choices.get("censored_filter") == "interpolate",
                "fwhm_mm": choices.get("fwhm_mm"),
                "seed_set": choices.get("seed_set"),
                "cleaned_before": choices.get("strategy") == CLEANED,
                "reference_df": choices.get("reference_degrees_of_freedom"),
                "by_grey_matter": choices.get("region_weights") == "grey_matter",
                "difference": difference(choices, known[named[0]] or {}),
            }
        )
    return out


_ORDER = "the order of treatments"
_COMPARISONS = {
    "group_by_drug": "per seed",
    "group_by_drug_pooled": "for the mean of the seeds",
    "group_by_drug_by_subregion": "between seeds",
}


def model_clause(results: Results, *kinds: str) -> str:
    """Describe the further terms in the models of these kinds, as their records state them.

    Returns
    -------
    str
        A clause that begins with a semicolon; empty if there are no further terms.
    """
    said: dict[str, list[str]] = {}
    for analysis in results.of_kind(*kinds):
        if analysis.given:  # told in a sentence of its own
            continue
        labels = said.setdefault(_further_terms(analysis), [])
        if (label := _label(results, analysis)) not in labels:
            labels.append(label)
    if len(said) == 1:
        (text,) = said
        return f"; {text}" if text else ""
    told = (f"{text} ({number.listed(labels)})" for text, labels in said.items() if text)
    return "".join(f"; {text}" for text in told)


def _further_terms(analysis: Analysis) -> str:
    record = analysis.record
    levels = record.get("covariate_levels") or {}
    covariates = [
        f"{name} (categorical, {len(levels[name])} levels)" if levels.get(name) else str(name)
        for name in record.get("covariates") or []
    ]
    if "baseline" in record:
        covariates.append(f"the baseline ({record['baseline']}) of each voxel")
    if not record["order"]:
        return f"{_were(covariates)} in the model" if covariates else ""
    if analysis.kind == "carryover":  # there, the order is the effect under test
        terms = (["group"] if len(record.get("n") or {}) > 1 else []) + covariates
        return f"{_were(terms)} in the model" if terms else ""
    order = _ORDER if record.get("period_columns", [ORDER]) in ([], [ORDER]) else "periods"
    if record.get("sequence_adjusted"):
        terms = [order, *covariates]
        were = "were" if order == "periods" else None
        return f"{_were(terms, were)} in the model"
    if covariates:
        return f"{_were(covariates)} in the model, {_ORDER} was not in the model"
    return f"{_ORDER} was not in the model"


def _were(terms: list[str], verb: str | None = None) -> str:
    return f"{number.listed(terms)} {verb or ('was' if len(terms) == 1 else 'were')}"


def _is_pair(results: Results, analysis: Analysis) -> bool:
    """Whether an analysis compares two of three and more groups."""
    return len(results.groups) > 2 and len(analysis.record.get("groups", ())) == 2


def _label(results: Results, analysis: Analysis) -> str:
    """Name an analysis among others of its kind, and the change that it is given."""
    given = f" given {analysis.given}" if analysis.given else ""
    return _plain_label(results, analysis) + given


def _plain_label(results: Results, analysis: Analysis) -> str:
    """Name an analysis among others of its kind: by group, by scale, or by what it compares."""
    if _is_pair(results, analysis):
        return " against ".join(analysis.record["groups"])
    if analysis.kind in _COMPARISONS:
        return _COMPARISONS[analysis.kind]
    if analysis.kind == "change":
        return str(analysis.record["scale"])
    if analysis.kind in SETS:
        return str(analysis.record["group"] or "groups")
    return str(analysis.record["group"] or analysis.title)


_SCHEMES = {
    "sign flips": "The signs of {} were flipped",
    "shuffles": "{} were shuffled",
    "re-randomisation": (
        "Orders of treatments were drawn again among {}, as many of each as there were, as the "
        "randomisation might have given them,"
    ),
}


def fd_limits(results: Results) -> str:
    """List the stricter limits of motion under which hypotheses were tested again."""
    if results.specifications.empty:
        return ""
    limits = results.specifications["maximum_mean_fd_mm"].dropna().unique()
    return number.listed([number.general(limit) for limit in sorted(limits, reverse=True)], "or")


# The null hypotheses of tests of a mean.
_NULLS = {
    "sign flips": (
        "For the effect of {} in a group, flips of signs test that differences are symmetric about "
        "no change."
    ),
    "re-randomisation": (
        "Drawing the orders again tests that {} changes nothing in anybody; if it raises "
        "connectivity in some and lowers it in others, that is false although the mean is zero."
    ),
}


def schemes(results: Results, cite: Citations) -> list[str]:
    """Describe what was flipped and what was shuffled, and how often, as the records state it."""
    blocks = (results.config.get("group") or {}).get("blocks")
    out = []
    for arrangement, sentence in _SCHEMES.items():
        own = [a for a in _estimated(results) if a.record.get("arrangement") == arrangement]
        for exchange in dict.fromkeys(a.record.get("block_exchange") for a in own):
            alike = [a for a in own if a.record.get("block_exchange") == exchange]
            parts = []
            for exhaustive in (False, True):
                some = [a for a in alike if a.exhaustive == exhaustive]
                if some:
                    parts.append(f"for {number.listed(_tested(results, some))}{_drawn(some)}")
            who = "whole people" if arrangement == "sign flips" else "people"
            if exchange == "whole":
                who = f"whole blocks of equal {blocks} {cite('winkler2015')}"
            elif exchange == "within":
                who = f"people within blocks of equal {blocks}"
            said = f"{sentence.format(who)} {', and '.join(parts)}."
            out.append(said[:1].upper() + said[1:])
        if arrangement in _NULLS and any(a.kind.startswith("drug") for a in own):
            effects = [str(a.record["effect"]) for a in own if a.kind.startswith("drug")]
            different = list(dict.fromkeys(effects))
            named = number.listed(different) if len(different) == 1 else "a contrast"
            out.append(_NULLS[arrangement].format(named))
    return out


def _tested(results: Results, analyses: list[Analysis]) -> list[str]:
    """Name what the analyses test; analyses of one kind are named together."""
    labels: dict[tuple[str, str], list[str]] = {}
    for analysis in analyses:
        kind = "group" if analysis.kind in _COMPARISONS else analysis.kind
        active = str(analysis.record["effect"]) if kind in _WORDS_OF_EFFECTS else ""
        own = labels.setdefault((kind, active), [])
        if (label := _label(results, analysis)) not in own:
            own.append(label)
    words = _WORDS_OF_EFFECTS | {
        "group": "the comparison of groups {labels}",
        "carryover": "carry-over",
        "change": "the slope on change in {labels}",
    }
    return [
        words.get(kind, "{labels}").format(active=active, labels=number.listed(own))
        for (kind, active), own in labels.items()
    ]


_WORDS_OF_EFFECTS = {
    "drug": "the effect of {active} in {labels}",
    "drug_pooled": "the effect of {active} on the mean of the seeds in {labels}",
    "drug_by_subregion": "the differences of seeds in the effect of {active} in {labels}",
    "together": "{active} in {labels}",
    "group_by_together": "the comparison of groups in {active}",
}


def _drawn(analyses: list[Analysis]) -> str:
    """Count the arrangements of analyses, all exhaustive or all not, as a range if they vary."""
    counts = [a.n_permutations for a in analyses if a.n_permutations is not None]
    if not counts:
        return ""
    low, high = number.whole(min(counts)), number.whole(max(counts))
    each = " each" if len(analyses) > 1 else ""
    if analyses[0].exhaustive:
        return f" (all {low}{each})" if low == high else f" (all there are, {low} to {high}{each})"
    span = low if low == high else f"{low} to {high}"
    return f" ({span} at random{each}, besides the observed one)"


def _search_volumes(results: Results) -> list[str]:
    """Count the voxels that were tested, and those left out by reason, in every contrast."""
    said = []
    for view in results.views():
        if not (tested := view.pairs.get("n_voxels")):
            continue
        left = [
            f"{number.whole(count)} ({reason})"
            for reason, count in (view.pairs.get("left_voxels") or {}).items()
            if count
        ]
        of = f" of {view.design['contrast']}" if results.n_contrasts > 1 else ""
        without = f"; left out were {number.listed(left)}" if left else ""
        said.append(f"The search volume{of} held {number.whole(tested)} voxels{without}.")
    return said


def _forming(results: Results) -> dict[str, Any]:
    """Describe how clusters were formed: p, neighbours, and one or two sides for each statistic."""
    records = [a.record for a in _estimated(results) if a.record.get("cluster_forming_p")]
    if not records:
        return {}
    is_f = [str(r.get("statistic", "t")).upper().startswith("F") for r in records]
    signed = [r for r, without in zip(records, is_f, strict=True) if not without]
    return {
        "p": records[0]["cluster_forming_p"],
        "neighbours": records[0].get("connectivity"),
        "two_sided": any(r.get("two_sided", True) for r in signed),
        "f": any(is_f),
    }


def _measures(results: Results) -> dict[str, Any]:
    """Describe what was corrected and reported besides cluster extent and single voxels."""
    own = _estimated(results)
    tails = {w for a in own for w, tail in (a.record.get("tail") or {}).items() if tail["fits"]}
    words = {
        "extent": "cluster extent", "voxel": "voxels", "mass": "cluster mass", "tfce": "TFCE",
    }  # fmt: skip
    said = number.listed([word for measure, word in words.items() if measure in tails])
    return {
        "mass": any("p_fwe_mass" in a.clusters for a in own),
        "tfce": any(a.record.get("tfce") for a in own),
        "tail": f"of {said}" if said else "",
        "fdr": any("q_fdr_min" in part for a in own for part in a.record["per_seed"].values()),
        "folds": any("n_folds" in a.clusters for a in own),
    }


def _families(results: Results) -> str:
    """Name the families of analyses that were corrected together."""
    families = (results.config.get("group") or {}).get("families") or []
    return number.listed([f"the family of {number.listed(family)}" for family in families])


def limits(exclusion: Mapping[str, Any], cite: Citations) -> str:
    """State beyond which limits a session is excluded; limits that are not set are left out."""
    words = {
        "maximum_mean_fd_mm": "mean framewise displacement {cited} above {} mm",
        "maximum_defective_share": "more than {} % of the volumes no measurement (blank, cut, "
        "repeated or spiked)",
        "maximum_censored_share": "more than {} % of the volumes censored",
        "minimum_minutes_kept": "fewer than {} minutes of kept volumes",
        "minimum_template_dice": "an overlap of its brain mask with the template's below {} (Dice)",
        "minimum_residual_degrees_of_freedom": "fewer than {} residual degrees of freedom",
        "minimum_seed_coverage": "a seed of which less than {} % had signal",
        "minimum_seed_tsnr": "a seed with a temporal signal-to-noise ratio below {}",
    }
    told = []
    for key, text in words.items():
        value = exclusion.get(key)
        if value is not None:
            percent = 100 if key.endswith(("_share", "_coverage")) else 1
            cited = cite("power2012") if "{cited}" in text else ""
            told.append(text.format(number.general(percent * value), cited=cited))
    if exclusion.get("ratings") is not None:
        told.append("a rater's judgement by eye")
    return number.listed(told, "or")


def _tests(results: Results) -> str:
    """State how many correlations each group's false discovery rate covers."""
    table = results.correlation
    if not {"group", "n_tests"} <= set(table.columns):
        return ""
    counts = table.groupby("group", sort=False)["n_tests"].max().dropna()
    return number.listed([f"{number.whole(n)} in {group}" for group, n in counts.items()])


def _mixed_terms(results: Results) -> str:
    """Name the terms of the mixed models, as fitted."""
    if "term" not in results.mixed or results.mixes_contrasts:
        return ""
    words = {"group": "group", "drug": "treatment", "group_by_drug": "their interaction",
             "period": "period"}  # fmt: skip
    terms = set(results.mixed["term"])
    return number.listed([word for term, word in words.items() if term in terms])


def _mixed_means(results: Results) -> dict[str, bool]:
    """Tell what the mixed model of contrasts has means of; empty where there is none.

    Returns
    -------
    dict
        ``visits``: periods have effects; ``occasions``: there are several in a period or trial.
    """
    if not results.mixes_contrasts:
        return {}
    unknown = results.mixed["note"].astype(str).str.contains("without effects of periods").all()
    periods = any(view.order for view in results.views())
    return {"visits": periods and not unknown, "occasions": "occasion" in results.edges}


def _adjusts(view: Results) -> bool:
    """Return whether any analysis of a contrast is adjusted for periods."""
    return any(a.record.get("sequence_adjusted") for a in _estimated(view))


def adjusted_correlations(results: Results) -> bool:
    """Return whether any reported correlation is adjusted for the order of treatments."""
    table = results.correlation
    return "adjusted_for" in table and bool(table["adjusted_for"].map(known).any())


def _periods_of_scores(views: Sequence[Results]) -> str:
    """Name what the changes of scores are adjusted for, in the words of their designs."""
    words = {view.crosses_over: None for view in views if _known(view.change, "adjusted_p")}
    named = {True: _ORDER, False: "the periods"}
    return number.listed([named[crossed] for crossed in words], "or")


def _given_baselines(views: Sequence[Results]) -> set[str]:
    """Tell where baseline scores are a covariate: ``within`` people, or ``between`` them only."""
    return {
        "within" if view.design["baseline"]["within"] else "between"
        for view in views
        if view.baseline and not view.change.empty
    }


def _known(table: Any, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _scan(results: Results) -> dict[str, str]:
    """Describe the scans from the sessions' records."""
    found = {}
    ranges = ("volumes", "repetition_time", "volumes_kept", "residual_degrees_of_freedom")
    for key in (*ranges, "confounds_removed"):
        if key in results.sessions and results.sessions[key].notna().any():
            values = results.sessions[key].dropna()
            low, high = number.general(values.min()), number.general(values.max())
            found[key] = low if low == high else f"{low} to {high}"
    if "volumes_defective" in results.sessions:
        lost = results.sessions["volumes_defective"].dropna()
        if lost.sum() > 0:
            n = int((lost > 0).sum())
            found["lost"] = f"{number.whole(lost.sum())} in {n} session{'s' if n > 1 else ''}"
    if "preprocessed_by" in results.sessions:
        made_by = results.sessions["preprocessed_by"].dropna()
        found["preprocessed_by"] = "; ".join(dict.fromkeys(map(str, made_by)))
    return found


def regions_table(results: Results) -> Table | None:
    """Tabulate seeds and targets with their sources."""
    rows = []
    for role, regions, name in (
        ("seed", results.seeds, "seed"),
        ("target", results.target_rows, "target"),
    ):
        for row in regions:
            where = number.place(row.get("x"), row.get("y"), row.get("z"))
            radius_mm = row.get("radius_mm")
            shape = str(row.get("kind", ""))
            if not number.missing(radius_mm) and radius_mm != "n/a":
                shape += f", {number.general(radius_mm)} mm"
            elif not number.missing(row.get("file")) and row.get("file") != "n/a":
                shape += f", {row['file']} {row.get('label', '')}"
            rows.append([role, str(row.get(name)), where, shape, str(row.get("citation", ""))])
    if not rows:
        return None
    columns = [(c, False) for c in ("role", "region", "centre (mm)", "shape", "source")]
    return Table("Seeds and targets", columns, rows)


def versions_table(versions: Mapping[str, str]) -> Table | None:
    """Tabulate software versions."""
    if not versions:
        return None
    rows = [[str(name), str(version)] for name, version in versions.items()]
    return Table("Software", [("software", False), ("version", False)], rows)


def _estimated(results: Results) -> list[Analysis]:
    """List the analyses that could be estimated; the methods text is about these only."""
    return [a for a in results.analyses if a.record.get("estimable", True)]
