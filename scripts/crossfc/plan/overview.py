"""What was understood of a study, in the words of one screen, before anything is run."""

import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.plan.group import FEWEST_SCORED
from crossfc.proposal.survey import content, location, survey
from crossfc.report.number import general, listed
from crossfc.report.pipeline import band, difference
from crossfc.report.preregistration import hypothesis_label
from crossfc.trial.contrast import difference_label
from crossfc.trial.design import IN_MIXED_MODEL
from crossfc.trial.label import some
from crossfc.trial.rating import disagreed, excluding
from crossfc.trial.treatment import treatment_labels

_WIDTH = 100  # columns of the screen
_LABEL = 14  # columns of the names of parts
_MOST = 8  # lines of one part, so that all of it stays one screen


def overview(plan: Plan) -> list[str]:
    """Describe a study: design, people, sessions, contrasts, who leaves, scans, analyses.

    What cannot be told, because the sheets do not exist or are faulty, is left out.

    Parameters
    ----------
    plan : Plan
        With or without its sheets.

    Returns
    -------
    list of str
        Lines to print.
    """
    of_trial: list[tuple[str, Callable[[Plan], list[str]]]] = [
        ("Design", _design),
        ("People", _people),
        ("Sessions", _sessions),
        ("Contrasts", _contrasts),
        ("Limits", _limits),
        ("Leave", _left),
        ("Ratings", _ratings),
    ]
    of_maps: list[tuple[str, Callable[[Plan], list[str]]]] = [
        ("Analyses", _analyses),
        ("Scores", _scores),
        ("Hypotheses", _hypotheses),
    ]
    if plan.trial is None:
        of_trial, of_maps = [("Design", _labels)], []
    lines = []
    for label, part in [*of_trial, ("Scans", _scans), ("Pipelines", _pipelines), *of_maps]:
        try:
            said = part(plan)
        except Fault:
            continue  # it is among the faults, which are told by themselves
        lines += paragraph(label, said) if said else []
    return lines


def paragraph(label: str, sentences: Sequence[str]) -> list[str]:
    """Set sentences as a part of the screen: its name, and each sentence on lines of its own."""
    shown = list(sentences[:_MOST])
    if len(sentences) > _MOST:
        shown[-1:] = [f"and {len(sentences) - _MOST + 1} more"]
    lines: list[str] = []
    for sentence in shown:
        lines += wrapped(sentence, f"{'' if lines else label:{_LABEL}}", " " * (_LABEL + 2))
    return lines


def wrapped(sentence: str, first: str, others: str) -> list[str]:
    """Set a sentence in lines of the screen's width, without breaking a path or a word.

    ``first`` and ``others`` are what its first and its other lines begin with.
    """
    return textwrap.wrap(
        sentence,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _labels(plan: Plan) -> list[str]:
    """Describe the design by the configuration alone."""
    groups = [label for label in plan.config["groups"].values() if label]
    reference, *others = treatment_labels(plan.config)
    said = f"groups {listed(groups)}; treatments {listed([*others, reference])}"
    said += f" (the reference is {reference})" if others else ""
    if occasions := plan.config["occasions"]:
        said += f"; occasions {listed(occasions)}"
    return [said]


def _design(plan: Plan) -> list[str]:
    trial = plan.checked_trial()
    reference = trial.treatments[0]
    return [trial.name + (f"; the reference is {reference}" if len(trial.treatments) > 1 else "")]


def _people(plan: Plan) -> list[str]:
    groups, found = plan.checked_trial().groups, []
    for row in sorted(plan.people.by_group(), key=lambda row: groups.index(row["group"])):
        orders = ", ".join(f"{order} {n}" for order, n in sorted(row["orders"].items()))
        out = f" (and {row['excluded']} excluded)" if row["excluded"] else ""
        found.append(f"{row['group']} {row['people']}{out}: {orders}")
    return found


def _by_group(plan: Plan, groups: Sequence[str]) -> str:
    """Count people or sessions by group, such as ``MDD 24, HC 17``."""
    counted = Counter(groups)
    return ", ".join(f"{group} {counted[group]}" for group in plan.checked_trial().groups)


def _sessions(plan: Plan) -> list[str]:
    trial = plan.checked_trial()
    group = {name: person.group for name, person in trial.participants.items()}
    kept, usable = trial.kept_sessions(), plan.sessions_for_maps()
    what = "with a map" if plan.entry == "maps" else f"with a scan of task {plan.config['task']}"
    rows = "row" if len(kept) == 1 else "rows"
    found = [f"{len(usable)} {what}, of {len(kept)} {rows} of {plan.config['sheets']['sessions']}"]
    for cell in trial.cells:
        own = [group[s.participant_id] for s in usable if s.cell == cell]
        found.append(f"{cell.label}: {_by_group(plan, own)}")
    return found


def _contrasts(plan: Plan) -> list[str]:
    found = []
    for contrast in plan.contrasts():
        groups = [own.participant.group for own in plan.compared(contrast)]
        sides = difference_label(contrast.active, contrast.control)
        found.append(f"{contrast.name}: {sides}; complete in {_by_group(plan, groups)}")
    return found


def _limits(plan: Plan) -> list[str]:
    return [str(limit) for limit in plan.limits()]


def _left(plan: Plan) -> list[str]:
    """Name who leaves before any job, together for one reason."""
    reasons: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in plan.checked_trial().left():
        lacking = row["analysis"] != "all"
        # Who lacks several sessions of a contrast is told under each of them.
        for reason in row["reason"].split("; ") if lacking else [row["reason"]]:
            who, analyses = reasons.setdefault(reason, ({}, {}))
            who[" ".join(filter(None, (row["participant_id"], row["what"])))] = None
            if lacking:
                analyses[row["analysis"]] = None
    stay = reasons.pop(IN_MIXED_MODEL, None)
    several, found = len(plan.contrasts()) > 1, []
    for reason, (who, analyses) in reasons.items():
        of = f" (of {listed(list(analyses))})" if several and analyses else ""
        found.append(f"{reason}{of}: {len(who)} ({some(who)})")
    if stay is not None:
        found.append(f"of these, in the mixed model with the scans they have: {len(stay[0])}")
    return found or ["nobody, before any job"]


def _ratings(plan: Plan) -> list[str]:
    """Say which sessions leave by rating, and on which raters disagree."""
    ratings = plan.exclusion.ratings()
    if not ratings:
        return []
    gone, apart = excluding(ratings), disagreed(ratings)
    rated = {(own["participant_id"], own["session_id"]) for own in ratings}
    found = [f"{len(gone)} of {len(rated)} rated sessions leave"]
    for session, reasons in gone.items():
        split = "; raters disagree, and one who excludes it is enough" if session in apart else ""
        found.append(f"{' '.join(session)}: {'; '.join(reasons)}{split}")
    return found


def _scans(plan: Plan) -> list[str]:
    config = plan.config
    if plan.entry == "maps":
        return [f"ready maps in {plan.derivatives_dir}, named {config['maps']['pattern']}"]
    wanted = f"task {config['task']} in space {location(config['space'], config['res'])}"
    if config["twin"] is not None:
        return [f"{wanted}, of a digital twin, which the run makes"]
    if plan.entry == "raw":
        folder, tool = Path(config["bids_dir"]), plan.preprocessing_tool
        how = "fMRIPrep" if tool == "fmriprep-run" else "crossfc with ANTs"
        found = [f"{wanted}, from raw scans in {folder}, preprocessed by {how}"]
    else:
        folder = plan.derivatives_dir
        found = [f"{wanted}, from fMRIPrep's derivatives in {folder}"]
    if not folder.is_dir():
        return [*found, f"{folder} does not exist or is no folder"]
    try:
        there = survey(folder)
    except Fault as fault:
        # Such as the name of a folder that no job reads, so that it is no fault of the study.
        return found + str(fault).splitlines()
    if not there.images:
        return [*found, f"{folder} has no BOLD images of the layout sub-*/ses-*/func"]
    return [*found, f"there are: {'; '.join(content(there))}"]


def _pipelines(plan: Plan) -> list[str]:
    if plan.entry == "maps":
        return []
    own = plan.config["pipelines"]
    first = own[plan.primary]
    removed = [f"{outside} removed"] if (outside := band(first)) else []
    smoothed = f"smoothing {general(first['fwhm_mm'])} mm"
    words = [first["strategy"], *removed, smoothed, f"seeds {first['seed_set']}"]
    found = [f"{plan.primary} (the primary one): {', '.join(words)}"]
    for name in plan.pipelines[1:]:
        found.append(f"{name}: {difference(own[name], first) or 'alike'}")
    return found


def _analyses(plan: Plan) -> list[str]:
    """Name the analyses of maps; those of a contrast that are as of an earlier one together."""
    if not plan.has_images:
        return ["nobody has the scans of a comparison: the clinic alone can be analysed"]
    names, questions = plan.group.analyses(), plan.group.questions()
    more = f" in each of {len(plan.pipelines)} pipelines" if len(plan.pipelines) > 1 else ""
    found = [f"{len(names)} of maps{more}"]
    by_form: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for contrast in dict.fromkeys(questions[name].contrast for name in names):
        own = [name for name in names if questions[name].contrast == contrast]
        form = tuple(name.replace(contrast, "\0") for name in own)
        by_form.setdefault(form, {})[contrast] = own
    for of in by_form.values():
        (first, own), *others = of.items()
        found.append(", ".join(own))
        if others:
            alike = listed([contrast for contrast, _ in others])
            found.append(f"the same {len(own)} of {alike} in place of {first}")
    chosen = plan.config["group"]["analyses"] is not None
    if chosen and (n := len(set(questions) - set(names))):
        found.append(f"not run, as group.analyses does not name them: {n} that the trial allows")
    if not chosen and (unscored := plan.group.unscored()):
        found.append(
            f"not run, as fewer than {FEWEST_SCORED} people have the scores in all sessions: "
            f"{some(unscored)}"
        )
    found += [f"corrected together: {', '.join(family)}" for family in plan.group.families()]
    return found


def _scores(plan: Plan) -> list[str]:
    scales = plan.checked_trial().scales
    if not scales:
        return ["none: no column of the sheet of sessions is a scale"]
    return [f"change of {listed(list(scales))}"]


def _hypotheses(plan: Plan) -> list[str]:
    stated = plan.hypotheses.stated()
    if not stated:
        return ["none is stated: every answer will be exploratory"]
    words = ("analysis", "seed", "region", "scale", "group", "contrast")
    found = [f"{len(stated)}, one family"] if len(stated) > 1 else []
    for own in stated:
        label = hypothesis_label({k: getattr(own, k) for k in words if getattr(own, k)})
        found.append(label + (f", {own.direction}" if own.direction else ""))
    return found
