"""The questions that the group's maps can answer, and their wording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from crossfc.fault import Fault
from crossfc.measure import GIVEN
from crossfc.trial.contrast import side_in_difference

DRUG = "drug"
DRUG_POOLED = "drug_pooled"
DRUG_SUBREGION = "drug_by_subregion"
GROUP = "group_by_drug"
POOLED = "group_by_drug_pooled"
SUBREGION = "group_by_drug_by_subregion"
CARRYOVER = "carryover"
CHANGE = "change"
TOGETHER = "together"
GROUP_TOGETHER = "group_by_together"
# Kinds that test a mean, or compare groups: in the maps of the seeds, in the mean over seeds, in
# the differences between seeds.
MEANS = (DRUG, DRUG_POOLED, DRUG_SUBREGION, TOGETHER)
COMPARISONS = (GROUP, POOLED, SUBREGION, GROUP_TOGETHER)
DIFFERENCES = (DRUG, DRUG_POOLED, GROUP, POOLED)
OVER_SEEDS = (DRUG_POOLED, POOLED)
BETWEEN_SEEDS = (DRUG_SUBREGION, SUBREGION)
# Of several contrasts at once.
SETS = (TOGETHER, GROUP_TOGETHER)
# Kinds with several measures of each person in a map.
MULTIVARIATE = (*BETWEEN_SEEDS, *SETS)


@dataclass(frozen=True)
class Question:
    """One analysis, in words.

    Attributes
    ----------
    name : str
        Name of the analysis and of its folder.
    kind : str
        ``drug``, ``drug_pooled``, ``drug_by_subregion``, ``group_by_drug``,
        ``group_by_drug_pooled``, ``group_by_drug_by_subregion``, ``carryover``, ``change``,
        ``together`` or ``group_by_together``.
    title, text : str
        Heading and question, with the labels of the trial.
    group : str or None
        Label of the group analysed; None for all people.
    scale : str or None
        The clinical scale of a ``change`` analysis; None for other kinds.
    contrast : str
        Name of the within-person contrast.
    groups : tuple of str
        Labels of the groups that are compared: all, or two of three and more. Empty where groups
        are not compared.
    given : str
        The measure of a session whose change within people is in the model; empty for most.
    """

    name: str
    kind: str
    title: str
    text: str
    group: str | None = None
    scale: str | None = None
    contrast: str = DRUG
    groups: tuple[str, ...] = ()
    given: str = ""

    @property
    def tests_mean(self) -> bool:
        """Whether the mean of one group is tested."""
        return self.kind in MEANS

    @property
    def compares_groups(self) -> bool:
        """Whether groups are compared; covariates, which differ between people, are used here."""
        return self.kind in COMPARISONS


# Endings of the analyses over seeds and between seeds, after drug_<group>.
_SUFFIXES = {DRUG_POOLED: "_pooled", DRUG_SUBREGION: "_by_subregion"}
# Stands between the name of an analysis and the measure whose change it is given.
_GIVEN = "_given_"


def names(
    groups: Mapping[str, str | None],
    scales: Iterable[str] = (),
    *,
    contrast: str = DRUG,
    n_seeds: int = 3,
    sequence_known: bool = True,
    has_total: bool = True,
    given: Iterable[str] = (),
) -> list[str]:
    """List the analyses that a trial allows.

    Parameters
    ----------
    groups : mapping
        Labels of ``patients`` and ``controls``, one of which may be None, and of further groups.
    scales : iterable of str
        Clinical scales that patients have scores of in all sessions.
    contrast : str
        Name of the within-person contrast; it stands in the names in place of ``drug``.
    n_seeds : int
        Number of seeds. With one seed there is nothing to pool or to compare.
    sequence_known : bool
        False if nobody's order of treatments is known; carry-over then cannot be tested.
    has_total : bool
        False for ready contrast maps, for which the sum over sessions is not known.
    given : iterable of str
        Measures of `crossfc.measure.GIVEN` whose change is given to means and to the comparison
        of all groups, in the maps of the seeds and in their mean.

    Returns
    -------
    list of str

    Raises
    ------
    Fault
        If the labels of the groups give two analyses one name.
    """
    labels = group_labels(groups)
    found = [f"{contrast}_{label}" for label in labels]
    plain = list(found)
    if n_seeds > 1:
        plain += [f"{name}{_SUFFIXES[DRUG_POOLED]}" for name in found]
        found += [f"{name}{suffix}" for name in tuple(found) for suffix in _SUFFIXES.values()]
    if len(labels) > 1:
        found.append(_of(GROUP, contrast))
        found += [_of_pair(pair, contrast) for pair in pairs_of_groups(labels)]
        if n_seeds > 1:
            found += [_of(POOLED, contrast), _of(SUBREGION, contrast)]
        plain += [name for name in (_of(GROUP, contrast), _of(POOLED, contrast)) if name in found]
    found += [given_name(name, measure) for measure in given for name in plain]
    for name in found:
        if found.count(name) > 1:
            raise Fault(
                f"config key groups: the groups {' and '.join(labels)} give two analyses the name "
                f"{name}; rename one of the groups"
            )
    if sequence_known and has_total:
        found.append(_carryover(contrast))
    return found + [f"{_change(contrast)}_{scale}" for scale in scales]


def given_name(analysis: str, measure: str) -> str:
    """Name an analysis that is given the change of a measure."""
    return f"{analysis}{_GIVEN}{measure}"


def _of(kind: str, contrast: str) -> str:
    """Name an analysis of a kind: ``group_by_drug_pooled`` of the contrast ``low`` is
    ``group_by_low_pooled``."""
    return kind.replace(DRUG, contrast)


def _of_pair(pair: tuple[str, str], contrast: str) -> str:
    return "_".join((_of(GROUP, contrast), *pair))


def pairs_of_groups(labels: Sequence[str]) -> list[tuple[str, str]]:
    """List the pairs in which three and more groups are compared; none of fewer groups."""
    return list(combinations(labels, 2)) if len(labels) > 2 else []


def _carryover(contrast: str) -> str:
    return CARRYOVER if contrast == DRUG else f"{CARRYOVER}_{contrast}"


def _change(contrast: str) -> str:
    return CHANGE if contrast == DRUG else f"{CHANGE}_{contrast}"


def group_labels(groups: Mapping[str, str | None]) -> list[str]:
    """Return the labels of the study's groups, patients first.

    Three and more groups have the roles ``patients``, ``controls``, ``group_3``, …, of which only
    the order matters.
    """
    roles = dict.fromkeys(("patients", "controls", *groups))
    return [label for label in map(groups.get, roles) if label]


def question(
    name: str,
    groups: Mapping[str, str | None],
    treatments: Mapping[str, str],
    contrast: str = DRUG,
    effect: str | None = None,
) -> Question:
    """Return an analysis in words, from its name.

    Parameters
    ----------
    name : str
        One of `names`.
    groups : mapping
        Labels of ``patients`` and ``controls``, and of further groups.
    treatments : mapping
        Labels of both sides of the contrast, ``active`` and ``control``.
    contrast : str
        Name of the within-person contrast.
    effect : str, optional
        What it shows in a few words; by default the label of the active side.

    Returns
    -------
    Question

    Raises
    ------
    Fault
        If this trial has no analysis of this name.
    """
    asked = _question(name, groups, treatments, contrast, effect)
    if asked is not None:
        return asked
    plain, _, measure = name.rpartition(_GIVEN)
    if measure in GIVEN:
        asked = _question(plain, groups, treatments, contrast, effect)
    if asked is not None and asked.kind in DIFFERENCES:
        return _given(asked, measure)
    known = ", ".join(names(groups, contrast=contrast)) + f", {_change(contrast)}_<scale>"
    raise Fault(f'there is no analysis "{name}" in this trial; there are {known}')


def question_of(name: str, contrast: Mapping[str, Any]) -> Question:
    """Return an analysis of a contrast in words: `question` with what its record says.

    Parameters
    ----------
    name : str
        One of `names`.
    contrast : mapping
        With ``groups``, ``treatments``, ``contrast`` and ``effect``, such as the record of a
        contrast's data or a `crossfc.clinic.contrast.Design`.
    """
    of = contrast["groups"], contrast["treatments"], contrast["contrast"], contrast["effect"]
    return question(name, *of)


def _given(asked: Question, measure: str) -> Question:
    """Return a question given the change of a measure."""
    label = GIVEN[measure].label
    where = f"at an equal change of {label}" if asked.groups else f"where {label} does not change"
    return replace(
        asked,
        name=given_name(asked.name, measure),
        title=f"{asked.title}, given the change of {label}",
        text=f"{asked.text.removesuffix('?')}, {where}?",
        given=measure,
    )


def _question(
    name: str,
    groups: Mapping[str, str | None],
    treatments: Mapping[str, str],
    contrast: str,
    effect: str | None,
) -> Question | None:
    """Return an analysis without a measure given in words; None if there is none of this name."""
    active, control = treatments["active"], treatments["control"]
    difference = f"{side_in_difference(active)} - {side_in_difference(control)}"
    effect = effect or active
    subject = effect[:1].upper() + effect[1:]
    of = "" if contrast == DRUG else f" ({effect})"
    # In a study of one group, that group takes the first place, patients or controls.
    labels = group_labels(groups)
    patients, controls = (*labels, None)[:2]
    if name == _carryover(contrast):
        return Question(
            name,
            CARRYOVER,
            f"Carry-over of {active}",
            f"Does connectivity summed over both sessions differ between people who had {active} "
            f"first and people who had {control} first? (A diagnostic; no analysis switches on "
            "it.)",
            contrast=contrast,
        )
    if name.startswith(f"{_change(contrast)}_"):
        scale = name.removeprefix(f"{_change(contrast)}_")
        return Question(
            name,
            CHANGE,
            f"Change in connectivity with change in {scale}{of}",
            f"In {patients}, does the change in connectivity ({difference}) go with the "
            f"change in {scale}?",
            group=patients,
            scale=scale,
            contrast=contrast,
        )
    for label in labels:
        if name == f"{contrast}_{label}":
            return Question(
                name,
                DRUG,
                f"{subject} in {label}",
                f"In {label}, does connectivity differ between {active} and {control}?",
                group=label,
                contrast=contrast,
            )
        if name == f"{contrast}_{label}{_SUFFIXES[DRUG_POOLED]}":
            return Question(
                name,
                DRUG_POOLED,
                f"{subject} in {label}, mean of the subregions",
                f"In {label}, does connectivity, averaged over the seeds, differ between {active} "
                f"and {control}?",
                group=label,
                contrast=contrast,
            )
        if name == f"{contrast}_{label}{_SUFFIXES[DRUG_SUBREGION]}":
            return Question(
                name,
                DRUG_SUBREGION,
                f"{subject} by subregion in {label}",
                f"In {label}, is the change in connectivity ({difference}) another one for "
                "another seed?",
                group=label,
                contrast=contrast,
            )
    if controls:
        under = f"change under {active}" if effect == active else effect
        change = f"the change in connectivity ({difference})"

        def wording(kind: str, compared: Sequence[str]) -> tuple[str, str]:
            versus = " versus ".join(compared)
            among = f"{', '.join(compared[:-1])} and {compared[-1]}"
            among = f"{'between' if len(compared) == 2 else 'among'} {among}"
            return {
                GROUP: (
                    f"{versus}: {under}, per subregion",
                    f"Does {change} differ {among}, for each seed?",
                ),
                POOLED: (
                    f"{versus}: {under}, mean of the subregions",
                    f"Does {change}, averaged over the seeds, differ {among}?",
                ),
                SUBREGION: (
                    f"Group by {effect} by subregion",
                    f"Is the difference {among} in {change} another one for another seed?",
                ),
            }[kind]

        compared = {
            _of(kind, contrast): (kind, tuple(labels)) for kind in (GROUP, POOLED, SUBREGION)
        }
        compared |= {_of_pair(pair, contrast): (GROUP, pair) for pair in pairs_of_groups(labels)}
        if name in compared:
            kind, own = compared[name]
            words = wording(kind, own)
            return Question(name, kind, *words, contrast=contrast, groups=own)
    return None


def set_questions(
    name: str, labels: Sequence[str], groups: Mapping[str, str | None]
) -> list[Question]:
    """Return the questions of a set of contrasts: is any of them other than zero?

    Parameters
    ----------
    name : str
        Name of the set.
    labels : sequence of str
        Both sides of each contrast in words.
    groups : mapping
        Labels by role.

    Returns
    -------
    list of Question
        One per group and, of two groups, their comparison.
    """
    listed = f"{', '.join(labels[:-1])} and {labels[-1]}"
    own = group_labels(groups)
    found = [
        Question(
            f"{name}_{label}",
            TOGETHER,
            f"Any of {listed} in {label}",
            f"In {label}, does connectivity differ in any of {listed}?",
            group=label,
            contrast=name,
        )
        for label in own
    ]
    if len(own) == 2:
        found.append(
            Question(
                _of(GROUP, name),
                GROUP_TOGETHER,
                f"{own[0]} versus {own[1]}: any of {listed}",
                f"Do {own[0]} and {own[1]} differ in any of {listed}?",
                contrast=name,
                groups=tuple(own),
            )
        )
    return found
