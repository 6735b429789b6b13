"""The page: one HTML file that contains everything and loads nothing from the network."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from crossfc import atomic
from crossfc.report import (
    blinded,
    blinding,
    carryover,
    characteristics,
    clinic,
    clusters,
    crossover,
    evidence,
    maps,
    mean_map,
    motion,
    narrative,
    outcome,
    overview,
    people,
    physiology,
    planted,
    quality,
    region_picture,
    registration,
    response,
    rival,
    sensitivity,
)
from crossfc.report import hypotheses as hypothesis_cards
from crossfc.report.anonymous import anonymous
from crossfc.report.checklist import told, write_checklist
from crossfc.report.cobidas import cobidas
from crossfc.report.consort import consort
from crossfc.report.display_name import displayed
from crossfc.report.methods import (
    Methods,
    adjusted_correlations,
    folder_of,
    methods,
    versions_table,
)
from crossfc.report.preregistration import Preregistered
from crossfc.report.preregistration import sentence as registered_sentence
from crossfc.report.results import Results
from crossfc.report.robustness import carryover_note
from crossfc.report.study import Planned, read_results
from crossfc.report.table import Table
from crossfc.report.unblinding import Blinding, unblinded
from crossfc.report.unblinding import sentence as unblinded_sentence
from crossfc.report.viewer import viewer

TEMPLATES = Path(__file__).resolve().parents[3] / "workflow" / "report"


def write_report(
    output: str | os.PathLike[str],
    *,
    config: dict[str, Any],
    made: Sequence[str | os.PathLike[str]],
    pipelines: Sequence[str],
    analyses: Sequence[str] = (),
    group_dir: str | os.PathLike[str] | None = None,
    clinic_dir: str | os.PathLike[str] | None = None,
    quality_dir: str | os.PathLike[str] | None = None,
    trial_dir: str | os.PathLike[str] | None = None,
    hypotheses_dir: str | os.PathLike[str] | None = None,
    scales: Sequence[Mapping[str, Any]] = (),
    seeds: Sequence[Mapping[str, Any]] = (),
    targets: Sequence[Mapping[str, Any]] = (),
    covariates: Sequence[Mapping[str, Any]] = (),
    strategies: Mapping[str, Any] | None = None,
    hypotheses: Sequence[Mapping[str, str]] = (),
    carpets: Sequence[str | os.PathLike[str]] = (),
    registrations: Sequence[Mapping[str, str]] = (),
    robustness: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    planted_changes: str | os.PathLike[str] | None = None,
    versions: Mapping[str, str] | None = None,
    designs: Sequence[Mapping[str, Any]] = (),
    design_name: str = "",
    preregistration: Preregistered | None = None,
    checklists: str | os.PathLike[str] | None = None,
    manuscript: str | os.PathLike[str] | None = None,
    blinding: Blinding | None = None,
    atlas: Mapping[str, str | os.PathLike[str]] | None = None,
    templates: str | os.PathLike[str] | None = None,
) -> None:
    """Write the report of a study.

    Any part of the study may be missing (no images, no scores, one group, no order of treatments).
    The page then shows what there is and leaves out the rest.

    Parameters
    ----------
    output : path
        The HTML file.
    config : dict
        The complete configuration. Used are ``study``, ``title``, ``groups``, ``treatments``,
        ``pipelines``, ``entry``, ``space``, ``group``, ``clinical``, ``exclusion``,
        ``preprocessing``.
    made : sequence of path
        The files and folders that the plan of the study makes. Nothing else is read: other files
        in these folders come from an earlier configuration or sheet, and are named on the page.
    pipelines : sequence of str
        Names of the pipelines, the primary one first; with ready maps the one they belong to.
    analyses : sequence of str
        Names of the group analyses, in the order in which to show them.
    group_dir, clinic_dir, quality_dir, trial_dir, hypotheses_dir : path or None
        Folders of the results; ``group_dir`` holds one folder per pipeline.
    scales, seeds, targets : sequence of mapping
        The rows of the sheets; for seeds, the rows of the primary seed set.
    covariates : sequence of mapping
        participant_id and covariates, of the people with both sessions.
    strategies : mapping or None
        Confound strategies, each with its ``methods`` sentence.
    hypotheses : sequence of mapping
        Name and citation of every hypothesis that was stated beforehand, in their order.
    carpets : sequence of path
        Carpet plots; those of the sessions with most motion are shown.
    registrations : sequence of mapping
        ``title``, ``picture`` and ``sidecar`` (paths from the page's folder) of every registration
        of native preprocessing. The worst fits are shown, all are linked.
    robustness, truth, planted_changes : path or None
    versions : mapping or None
        Version of each software.
    designs : sequence of mapping
        The contrasts; see `crossfc.plan.study.Study.designs`.
    design_name : str
        The design in words; see `crossfc.trial.recognition.design_name`.
    preregistration : Preregistered or None
        The run held against its analysis plan; None if the study names none.
    checklists : path or None
        The folder of the checklists, below the page's; None to write none.
    manuscript : path or None
        The folder of methods.md and references.bib, that of the page; None to write none.
    blinding : Blinding or None
        The codes of treatments and, once a file says so, what they stand for; None if the sheets
        name treatments themselves. As long as nothing says so the page hides directions.
    atlas : dict or None
        ``image`` and ``table`` that name regions in the viewer of maps; see `Atlas`.
    templates : path or None
        Folder of the Jinja templates.

    Raises
    ------
    Fault
        If a record is not valid JSON.
    """
    results = read_results(
        config,
        analyses,
        pipelines,
        made,
        _path(group_dir),
        _path(clinic_dir),
        _path(quality_dir),
        _path(trial_dir),
        _path(robustness),
        _path(truth),
        _path(planted_changes),
        scales,
        seeds,
        targets,
        covariates,
        designs,
        design_name,
        _path(hypotheses_dir),
    )
    if blinding is not None and blinding["names"] is not None:
        results = unblinded(results, blinding["names"])
    hides = blinding is not None and blinding["names"] is None
    environment = environment_of(Path(templates) if templates else TEMPLATES)
    named = config.get("report", {}).get("participant_ids", True)
    if not named:
        # Their pictures contain the names of scans, and their links are paths of scans.
        carpets, registrations = (), ()
    laid = registration.registrations(registrations, Path(output).parent)
    context = content(
        results, environment, strategies or {}, versions or {}, hypotheses, carpets, laid
    )
    context["left_over"] = Planned([*made, *(Path(p).parent for p in carpets)]).left_over(
        Path(output).parent
    )
    context["anonymous"] = not named
    context["viewer"] = None if hides else viewer(results, atlas)
    context["registered"] = preregistration
    context["registered_sentence"] = preregistration and registered_sentence(preregistration)
    context["manuscript"] = manuscript is not None
    context["checklists"] = []
    if checklists is not None:
        context["checklists"] = _checklists(
            results, context["methods"], versions or {}, preregistration, Path(checklists), named
        )
    context["unblinded"] = unblinded_sentence(results, blinding) if blinding else ""
    if blinding is not None and hides:
        shown = blinded.context(results, blinding, hypotheses)
        # Nothing of the whole page's context but what holds no result.
        kept = {key: context[key] for key in blinded.KEPT}
        page = environment.get_template("blinded.html.j2").render(kept | shown)
    else:
        page = environment.get_template("page.html.j2").render(context)
    page = displayed(page, config.get("report", {}).get("labels", {}))
    if not named:
        page = anonymous(page, people.everybody(results), config["study"])
    atomic.write_text(output, page)
    if manuscript is not None:
        text, works = context["methods"].markdown(), context["methods"].bibliography()
        if not named:
            text = anonymous(text, people.everybody(results), config["study"])
        atomic.write_text(Path(manuscript) / "methods.md", text)
        atomic.write_text(Path(manuscript) / "references.bib", works)


def _checklists(
    results: Results,
    methods_text: Methods,
    versions: Mapping[str, str],
    registered: Preregistered | None,
    folder: Path,
    named: bool,
) -> list[dict[str, Any]]:
    """Write the checklists; return of each its file, title and number of items that are told."""
    found = []
    for name, title, rows in (
        ("cobidas", "COBIDAS", cobidas(results, methods_text, versions, registered)),
        ("consort_crossover", "CONSORT, crossover trials", consort(results, registered)),
    ):
        if not named:
            known = people.everybody(results)
            study = results.config["study"]
            rows = [row._replace(said=anonymous(row.said, known, study)) for row in rows]
        write_checklist(folder / f"{name}.tsv", rows)
        file = f"{folder.name}/{name}.tsv"
        found.append({"file": file, "title": title, "told": told(rows), "items": len(rows)})
    return found


def environment_of(templates: Path) -> Environment:
    """Return the Jinja environment: all values are escaped, unknown names raise an error."""
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # This package makes the charts, and has already escaped every name in them.
    environment.filters["chart"] = Markup
    environment.filters["count"] = len
    return environment


def content(
    results: Results,
    environment: Environment,
    strategies: Mapping[str, Any],
    versions: Mapping[str, str],
    hypotheses: Sequence[Mapping[str, str]],
    carpets: Sequence[str | os.PathLike[str]],
    registrations: Sequence[registration.Registration],
) -> dict[str, Any]:
    """Collect everything that the templates show."""
    import yaml

    views = results.views()
    answered = [(view, outcome.answers(view)) for view in views]
    answers = [answer for _, own in answered for answer in own]
    cards = hypothesis_cards.cards(results, hypotheses)
    shown, n_carpets = quality.carpets(results, [Path(path) for path in carpets])
    config = results.config
    return {
        "title": config.get("title") or config.get("study") or "Report",
        "study": config.get("study") or "",
        "results": results,
        "pipeline": "" if config.get("entry") == "maps" else results.pipelines[0],
        "css": Markup((folder_of(environment) / "style.css.j2").read_text("utf-8")),
        "overview": overview.overview(results, cards, answers),
        "answers": [overview.answer_line(answer) for answer in answers],
        "tally": tally(results, answers),
        "hypotheses": cards,
        "family_sentence": hypothesis_cards.family_sentence(results),
        "hypothesis_table": hypothesis_cards.table(results, hypotheses),
        "notes": [
            note for note in (*map(motion.motion_note, views), carryover_note(results)) if note
        ],
        "motion_lines": [line for view in views if (line := motion.motion_line(view))],
        "flows": people.trial_flows(results),
        "names": config.get("report", {}).get("labels", {}),
        "characteristics": characteristics.characteristics(results),
        "contrasts": people.contrast_table(results),
        "left": people.left_table(results),
        "one_session": people.one_session_table(results),
        "analysed": [table for view in views if (table := people.analysed_table(view))],
        "words": overview.WORDS,
        "extrapolated": any(a.extrapolated for a in results.analyses),
        "family": clusters.family_table(results),
        "pairs_of_groups": clusters.pairs_of_groups_table(results),
        "power_sentences": {a.name: sensitivity.sentence(results, a) for a in results.analyses},
        "power_curves": sensitivity.curves(results),
        "power_sizes": sensitivity.size_table(results),
        "mean_maps": [own for view in views for own in mean_map.mean_maps(view)],
        "sections": [maps.section(view, a) for view in views for a in view.analyses],
        "courses": clinic.course_plots(results),
        "occasions": clinic.occasion_table(results),
        "occasions_left": clinic.occasion_left_table(results),
        "periods": crossover.period_table(results),
        "definitions": response.definitions(results),
        "responses": response.response_table(results),
        "response_pairs": response.paired_table(results),
        "carryover_scores": carryover.score_table(results),
        "carryover_edges": carryover.edge_table(results),
        "clinics": [_clinic(view, own, hypotheses) for view, own in answered],
        "evidence": [found for view in views if (found := evidence.section(view))],
        "quality_charts": [chart for view in views for chart in quality.charts(view)],
        "motion": [table for view in views if (table := quality.motion_table(view))],
        "motion_of_regions": [t for view in views if (t := quality.region_table(view))],
        "rival_effects": [
            (view.heading, of_view) for view in views if (of_view := rival.effects(view))
        ],
        "rivals": [table for view in views if (table := rival.rivals_table(view))],
        "blinding": blinding.sentences(results),
        "blinding_tables": [
            table
            for table in (blinding.index_table(results), *map(blinding.effects_table, views))
            if table
        ],
        "sessions": quality.sessions_table(results),
        "coverage": quality.coverage_sentence(results),
        "physiology": physiology.sentences(results),
        "excluded": quality.excluded_table(results),
        "further": quality.further_tables(results),
        "carpets": shown,
        "n_carpets": n_carpets,
        "registrations": registrations,
        "carryover": [line for view in views for line in narrative.carryover_sentences(view)],
        "mixed": quality.mixed_table(results),
        "robustness": quality.robustness_table(results),
        "robustness_sentence": quality.robustness_sentence(results),
        "planted": planted.table(results),
        "planted_sentence": planted.sentence(results),
        "methods": methods(results, environment, strategies, versions),
        "region_pictures": region_picture.region_pictures(results),
        "versions": versions_table(versions),
        "config_text": yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True),
    }


@dataclass
class ClinicSection:
    """The clinical part of the page for one contrast."""

    results: Results
    change: Table | None
    between: Table | None
    sequences: Table | None
    first_period: Table | None
    carryover: list[str]
    scale_plots: list[clinic.ScalePlot]
    correlation_answers: list[narrative.Answer]
    correlations: Table | None
    correlations_adjusted: bool
    scatters: list[clinic.Scatter]


def _clinic(
    view: Results, answers: list[narrative.Answer], hypotheses: Sequence[Mapping[str, str]]
) -> ClinicSection:
    return ClinicSection(
        view,
        clinic.change_table(view),
        clinic.between_table(view),
        crossover.sequence_table(view),
        crossover.first_period_table(view),
        crossover.carryover_sentences(view),
        clinic.scale_plots(view, answers),
        outcome.correlation_answers(view),
        clinic.correlation_table(view),
        adjusted_correlations(view),
        clinic.scatters(view, hypotheses),
    )


def tally(results: Results, answers: list[narrative.Answer]) -> str:
    """Describe how many people the page is about, and how many exploratory answers are yes."""
    counted = [f"{len(own)} {group}" for group, own in people.complete(results).items()]
    found = sum(answer.verdict == narrative.FOUND for answer in answers)
    asked = sum(answer.verdict != narrative.UNKNOWN for answer in answers)
    who = " and ".join(counted) or "nobody"
    sessions, arms = results.sessions_of_people, bool(results.design.get("arms"))
    if results.n_contrasts > 1:
        sessions = f"all sessions of one of {results.n_contrasts} comparisons or more"
    if not asked:
        return f"{who} with {sessions}. No question of the study could be answered yet."
    levels = []
    if any(answer.analysis is not None for answer in answers):
        levels.append("maps: p < 0.05 corrected over voxels and seeds")
    if len(results.correlation):
        levels.append("correlations: q < 0.05 over all of them")
    if len(results.change):
        levels.append(
            "scores: p < 0.05 corrected over all changes within groups, or over all comparisons of "
            "groups"
        )
    counted_answers = (
        f"Of {asked} exploratory question{'' if asked == 1 else 's'} answered here, {found} "
        f"{'has' if found == 1 else 'have'} a significant effect"
    )
    return (
        f"{who} with {sessions}{'' if arms else ', each their own control'}. {counted_answers}, "
        f"corrected within the question alone ({'; '.join(levels)})."
    )


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _plain(value: Any) -> Any:
    """Convert a configuration to types that YAML can write."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
