"""The group level: the analyses that are run, their people, and what each depends on."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfc import content
from crossfc.fault import Fault, raise_all
from crossfc.group.design import question
from crossfc.group.design.options import (
    SENSITIVITY_PERMUTATIONS,
    AnalysisChoices,
    AnalysisOptions,
    PairChoices,
)
from crossfc.group.design.question import Question, given_name
from crossfc.jobs import need
from crossfc.measure import GIVEN
from crossfc.plan.exclusion import Exclusion
from crossfc.plan.people import People
from crossfc.plan.region import Regions
from crossfc.plan.study import Labels, Stage, Study, no_file
from crossfc.trial import visit
from crossfc.trial.contrast import Contrast
from crossfc.trial.contrast_set import ContrastSet
from crossfc.trial.covariate import determined, without_values
from crossfc.trial.design import PAIRED, Compared
from crossfc.trial.path import is_file
from crossfc.trial.sheet import did_you_mean, read_sheet

if TYPE_CHECKING:
    from crossfc.clinic.cells import CellDesign

# People with both changes for an analysis of a score.
FEWEST_SCORED = 4


class Group(Stage):
    """The group level: the analyses that are run, their people, and what each depends on."""

    def __init__(self, study: Study, regions: Regions, people: People, exclusion: Exclusion):
        super().__init__(study)
        self._regions = regions
        self._people = people
        self._exclusion = exclusion

    def check(self) -> None:
        """Refuse options that contradict each other, covariates without use, missing images."""
        group = self.config["group"]
        for path in self.mask():
            # Only here, as a dry run without a mask does not need to read images.
            from crossfc.group.design.volume import read_mask

            try:
                read_mask(path)
            except Fault as fault:
                raise Fault(f"config key group.mask: {fault}") from None
        for key in ("atlas", "atlas_names"):
            if content.stand_in(group[key]) is not None or not is_file(group[key]):
                raise Fault(no_file(f"group.{key}", group[key], "atlas"))
        read_sheet(group["atlas_names"], ("index", "name"))
        trial = self.study.checked_trial()
        asked = self.questions()
        if self._given() and not any(asked[name].given for name in self.analyses()):
            raise Fault(
                "config key group.given: none of the analyses that are run can be given a measure "
                f"({', '.join(self.analyses())}); add one to group.analyses, such as "
                f"{question.DRUG}_{trial.groups[0]}, or remove the key"
            )
        compared = {
            asked[name].contrast: self.contrasts_of(asked[name])[0]
            for name in group["analyses"] or asked
            if name in asked and asked[name].compares_groups
        }
        for contrast in compared.values() if trial.covariate_types else ():
            of_contrast = self.study.compared(contrast)
            people = [trial.person_row(person.participant) for person in of_contrast]
            sheet = self.config["sheets"]["participants"]
            raise_all(without_values(people, trial.covariate_types, trial.groups, sheet))
            if covariate := determined(people, trial.covariate_types):
                raise Fault(
                    f"config key covariates: {covariate} follows from the group and the other "
                    "covariates among the people with both sessions (such as a site that has one "
                    "group only), so that no model can tell them apart; leave it out"
                )
        AnalysisOptions.from_params(self._options() | {"covariates": trial.covariate_types})

    def mask(self) -> list[str]:
        """List the mask to which the search volume is confined, if there is one."""
        return [path] if (path := self.config["group"]["mask"]) is not None else []

    def folder(self, contrast: Contrast) -> str:
        """Name the folder of a contrast's data: ``pairs``, or ``pairs_<contrast>`` of several."""
        return "pairs" if len(self.study.contrasts()) == 1 else f"pairs_{contrast.name}"

    def pairs(self, pipeline: str, contrast: Contrast) -> str:
        """Return the folder of a contrast's data in a pipeline."""
        return self.study.file("group", pipeline, self.folder(contrast))

    def contrast_of(self, folder: str) -> Contrast:
        """Return the contrast whose data are in a folder of this name."""
        for contrast in self.study.contrasts():
            if folder == self.folder(contrast):
                return contrast
        known = ", ".join(map(self.folder, self.study.contrasts()))
        raise Fault(f"this trial has no {folder}; it has {known}")

    def rows(self, folder: str) -> list[dict[str, Any]]:
        """List the people of the contrast whose data are in a folder of this name."""
        return self._people.rows(self.contrast_of(folder))

    def ready_maps(self, pipeline: str, folder: str | None = None) -> list[str]:
        """List the ready maps of a contrast, sorted by person, session and seed.

        Parameters
        ----------
        pipeline : str
        folder : str, optional
            Name of the contrast's folder; by default the maps of all contrasts are listed.
        """
        if self.study.entry != "maps":
            return []
        self._require_known_names(pipeline)
        contrasts = self.study.contrasts() if folder is None else [self.contrast_of(folder)]
        found, faults = [], []
        people = [(c, person) for c in contrasts for person in self.study.compared(c)]
        for contrast, person in people:
            try:
                found += self._ready_maps(person, contrast, pipeline)
            except Fault as fault:
                faults.append(str(fault))
        raise_all(faults)
        return found

    def require_sound_maps(self) -> None:
        """Refuse ready maps that cannot be analysed, before any job runs.

        Headers, sizes and grids of all maps are checked once, and the values of the first person's
        maps.

        Raises
        ------
        Fault
            With one sentence per cause.
        """
        if self.study.entry == "maps":
            raise_all(self._faults_of_maps)

    @cached_property
    def _faults_of_maps(self) -> list[str]:
        from crossfc.group.design import kind

        paths = list(dict.fromkeys(self.ready_maps(self.study.primary)))
        maps, contrast = self.config["maps"], self.study.contrasts()[0]
        some = self.study.compared(contrast)[:1]
        first = [path for p in some for path in self._ready_maps(p, contrast, self.study.primary)]
        return kind.faults_of_maps(
            paths, first, maps["kind"], maps["accept_unoriented"], maps["zero_is_missing"]
        )

    def pairs_with_edges(self, pipeline: str) -> str:
        """Return the folder with the edges of every session of a pipeline.

        It is that of the first contrast; the folders of all contrasts hold the same edges.

        Raises
        ------
        Fault
            If the edges are not known, as with ready maps.
        """
        if not self.study.has_edges:
            why = (
                "ready maps (entry maps) come without"
                if self.study.entry == "maps"
                else "nobody has, as nobody has the scans of a comparison"
            )
            raise Fault(
                "correlations at chosen regions, the mixed model and the quality of sessions need "
                f"the connectivity of regions in every session, which {why}; ask for another "
                "target, such as group, clinical_change or report"
            )
        return self.pairs(pipeline, self.study.contrasts()[0])

    def mixed_design(self) -> "Labels | CellDesign":
        """Return what the mixed model depends on besides the edges.

        Returns
        -------
        dict
            Of a trial with pairs of sessions the labels of groups and treatments. Of any other its
            groups, its number of periods, and the cells and weights of all contrasts.
        """
        trial = self.study.checked_trial()
        if trial.of_pairs:
            return self.study.labels(trial.contrasts[0])
        return {
            "groups": trial.groups,
            "n_periods": trial.n_periods,
            "contrasts": [
                {
                    "contrast": contrast.name,
                    "weights": [(*cell, weight) for cell, weight in contrast.weights],
                }
                for contrast in trial.contrasts
            ],
        }

    def all_pairs_with_edges(self, pipeline: str) -> list[str]:
        """Return the folders of all contrasts in a pipeline; see `pairs_with_edges`."""
        self.pairs_with_edges(pipeline)
        return [self.pairs(pipeline, contrast) for contrast in self.study.contrasts()]

    def people_of(self, analysis: str) -> list[dict[str, Any]]:
        """Return the columns that an analysis needs of the paired people, besides their maps.

        Returns
        -------
        list of dict
            One per person of the analysis' group: participant_id, the scores of its scale, the
            covariates (if it compares groups) and the blocks. Empty if it needs none of these.
        """
        asked = self.question(analysis)
        columns = list(self._covariates_of(asked))
        if blocks := self.config["group"]["blocks"]:
            columns.append(blocks)
        groups = None if asked.group is None else [asked.group]
        scales = [asked.scale] if asked.scale else []
        # Whoever is in a set of contrasts is in the first of them.
        contrast = self.contrasts_of(asked)[0]
        return self._people.people_with(columns, scales, contrast, groups)

    def contrasts_of(self, asked: Question) -> list[Contrast]:
        """Return the contrast of a question, or those of the set that it is of."""
        own = self._set_of(asked)
        return [self.study.contrast(asked.contrast)] if own is None else list(own.contrasts)

    def _set_of(self, asked: Question) -> ContrastSet | None:
        """Return the set of contrasts that a question is of, if it is of one."""
        sets = self.study.checked_trial().sets
        return next((own for own in sets if own.name == asked.contrast), None)

    def _covariates_of(self, asked: Question) -> dict[str, str]:
        """Return the covariates that an analysis uses, and their types."""
        return self.study.checked_trial().covariate_types if asked.compares_groups else {}

    def _options(self) -> dict[str, Any]:
        """Return the config's options of analyses, but for the covariates."""
        choices: Mapping[str, Any] = self.config["group"]
        names = [field.name for field in fields(AnalysisOptions)]
        apart = ("covariates", "smallest_fisher_z")
        return {name: choices[name] for name in names if name not in apart}

    def _ready_maps(self, compared: Compared, contrast: Contrast, pipeline: str) -> list[str]:
        maps, sheets = self.config["maps"], self.config["sheets"]
        person = compared.participant.participant_id
        wanted: list[dict[str, Any]] = [
            {
                "session_id": s.session_id,
                "treatment": s.treatment,
                "occasion": s.occasion,
                "row": s.row,
            }
            for s, _ in (*compared.sessions, *compared.baseline)
            if maps["level"] == "session"
        ]
        wanted = wanted or [{"contrast": contrast.name}]
        paths, faults = [], []

        def called(word: Any) -> Any:
            return maps["names"].get(word, word)

        for session in wanted:
            for seed in self._regions.seeds(pipeline):
                try:
                    words = {key: called(word) for key, word in session.items()}
                    name = maps["pattern"].format(
                        participant_id=called(person), seed=called(seed), **words
                    )
                except (KeyError, IndexError, ValueError, AttributeError) as error:
                    raise Fault(
                        f"config key maps.pattern: {maps['pattern']!r} cannot be filled in for "
                        f"maps of level {maps['level']} ({error}); use {{participant_id}}, "
                        "{seed} and, per session, {session_id}, {treatment} or {occasion}"
                    ) from None
                path = self.study.derivatives_dir / name
                row = f"{sheets['sessions']}, row {session['row']}" if "row" in session else person
                remedy = (
                    "correct derivatives_dir or maps.pattern in the config, or exclude it with a "
                    "reason"
                )
                why = content.absence(path)
                if why is not None:
                    faults.append(content.refusal(path, why, f"which {row} needs", remedy))
                paths.append(str(path))
        raise_all(faults)
        return paths

    def _require_known_names(self, pipeline: str) -> None:
        """Refuse names of maps (``maps.names``) for what the study does not have."""
        trial = self.study.checked_trial()
        sessions = list(trial.sessions)
        known: set[str | None] = {*trial.participants, *self._regions.seeds(pipeline)}
        known |= {word for s in sessions for word in (s.session_id, s.treatment, s.occasion)}
        known |= {contrast.name for contrast in self.study.contrasts()}
        for word in self.config["maps"]["names"]:
            if word not in known:
                names = [name for name in known if name]
                raise Fault(
                    f"config key maps.names: {word} is no participant, session, treatment, "
                    f"occasion, contrast or seed of the study{did_you_mean(word, names)}; correct "
                    "it"
                )

    def test_choices(self, analysis: str) -> AnalysisChoices:
        """Return what a group analysis depends on, besides its name and the pairs.

        Returns
        -------
        dict
            ``options``: those of `crossfc.group.design.options.AnalysisOptions` that this analysis
            uses, so that others rerun nothing. ``people``: see `people_of`.
        """
        asked, options = self.question(analysis), self._options()
        if not asked.tests_mean:
            del options["drug_arrangement"]
        options["covariates"] = self._covariates_of(asked)
        smallest = self.config["clinical"]["smallest_fisher_z"]
        if smallest is not None and asked.kind in question.DIFFERENCES:
            options["smallest_fisher_z"] = smallest
        choices: AnalysisChoices = {"options": options, "people": self.people_of(analysis)}
        if (own := self._set_of(asked)) is not None:
            choices["together"] = {"name": own.name, "labels": own.labels}
        return choices

    def pair_choices(self, pipeline: str, folder: str) -> PairChoices:
        """Return the choices that a contrast's data depend on, besides the maps."""
        maps, trial = self.config["maps"], self.study.checked_trial()
        ready, contrast = self.study.entry == "maps", self.contrast_of(folder)
        return {
            **self.study.labels(contrast),
            "contrast": contrast.name,
            "effect": contrast.effect,
            "weights": contrast.cell_weights,
            "order": trial.visit_columns(contrast),
            "arms": trial.arms,
            "baseline": self.study.baseline(contrast),
            "over_time": contrast.over_time,
            "because": None if self.study.compared(contrast) else self._because(contrast),
            "left": PAIRED if len(trial.contrasts) == 1 else contrast.name,
            "pipeline": pipeline,
            "primary": pipeline == self.study.primary,
            "limits": self._exclusion.limits(),
            "fwhm_mm": maps["fwhm_mm"] if ready else self._smoothness(pipeline),
            "mask_seeds": maps["mask_seeds"] if ready else True,
            "level": maps["level"] if ready else "session",
            "zero_is_missing": maps["zero_is_missing"] if ready else False,
            "accept_unoriented": maps["accept_unoriented"] if ready else False,
            "ready_maps": ready,
            "maps_kind": maps["kind"] if ready else None,
        }

    def _smoothness(self, pipeline: str) -> float:
        """Return the smoothing of a pipeline's maps: its own, and what the scans had before."""
        own = self.config["pipelines"][pipeline]["fwhm_mm"]
        before = self.config["derivatives"]["smoothed_mm"]
        return math.hypot(own, before) if before else own

    def _because(self, contrast: Contrast) -> str | None:
        """Say why nobody is in a contrast."""
        of = [limit for limit in self.study.limits() if limit.contrast == contrast.name]
        return next((limit.why for limit in of if limit.group is None), None)

    def questions(self) -> dict[str, Question]:
        """Return all questions that the trial allows, by the names of their analyses.

        Raises
        ------
        Fault
            If two analyses would have one name.
        """
        trial, found = self.study.checked_trial(), dict[str, Question]()
        roles = trial.group_roles
        for contrast in trial.contrasts:
            names = question.names(
                roles,
                list(trial.scales),
                contrast=contrast.name,
                n_seeds=len(self._regions.seeds(self.study.primary)),
                sequence_known=self._tests_carryover(contrast),
                has_total=self.study.entry != "maps" or self.config["maps"]["level"] == "session",
                given=self._given(),
            )
            for name in names:
                if name in found:
                    raise Fault(
                        f"config key contrasts.{contrast.name}: two analyses would be called "
                        f"{name}; rename the contrast"
                    )
                found[name] = question.question(
                    name, roles, contrast.sides, contrast.name, contrast.effect
                )
        for own in trial.sets:
            for asked in question.set_questions(own.name, own.labels, roles):
                if asked.name in found:
                    raise Fault(
                        f"config key sets.{own.name}: two analyses would be called {asked.name}; "
                        "rename the set"
                    )
                found[asked.name] = asked
        return found

    def _given(self) -> list[str]:
        """List the measures whose change is given to analyses; often none.

        Raises
        ------
        Fault
            If there are no measures of scans, or a word is none of them.
        """
        key, scales = "config key group.given", self.study.checked_trial().scales
        measures: list[str] = self.config["group"]["given"]
        if measures and self.study.entry == "maps":
            raise Fault(
                f"{key}: ready maps (entry maps) come without measures of their scans, such as "
                f"{measures[0]}; remove the key"
            )
        for measure in measures:
            if measure not in GIVEN:
                raise Fault(
                    f"{key}: {measure} is no measure of a whole scan whose change can be "
                    f"given{did_you_mean(measure, GIVEN) or '; name another, or remove it'}; there "
                    f"are {', '.join(GIVEN)}"
                )
            if measure in scales:
                raise Fault(
                    f"{key}: {measure} is a measure of scans and the name of a scale too; rename "
                    "the scale in the sheets"
                )
        return measures

    def _tests_carryover(self, contrast: Contrast) -> bool:
        """Test whether somebody's order of the two treatments of a contrast is known."""
        trial = self.study.checked_trial()
        if trial.visit_columns(contrast) != [visit.ORDER] or trial.n_occasions > 1:
            return False
        return any(p.order[visit.ORDER] is not None for p in self.study.compared(contrast))

    def question(self, analysis: str) -> Question:
        """Return the question of an analysis.

        Raises
        ------
        Fault
            If this trial has no analysis of this name.
        """
        asked = self.questions()
        if analysis not in asked:
            raise Fault(
                f'there is no analysis "{analysis}" in this trial; there are {", ".join(asked)}'
            )
        return asked[analysis]

    def _is_scored(self, asked: Question) -> bool:
        """Test whether enough people have the scores that an analysis needs, if it needs any."""
        if asked.scale is None:
            return True
        people = self.study.compared(self.contrasts_of(asked)[0])
        own = [person for person in people if person.participant.group == asked.group]
        return sum(person.scored(asked.scale) for person in own) >= FEWEST_SCORED

    def unscored(self) -> list[str]:
        """List the analyses that are not run as too few people have the scores they need."""
        return [name for name, asked in self.questions().items() if not self._is_scored(asked)]

    def pairs_of(self, pipeline: str, analysis: str) -> list[str]:
        """Return the folder with the data of an analysis; of a set that of each contrast."""
        return [self.pairs(pipeline, own) for own in self.contrasts_of(self.question(analysis))]

    def analyses(self) -> list[str]:
        """List the analyses to run.

        Raises
        ------
        Fault
            If the config asks for an analysis that this trial does not allow.
        """
        known = [name for name, asked in self.questions().items() if self._is_scored(asked)]
        wanted = self.config["group"]["analyses"]
        if wanted is not None:
            # A measure is given to every analysis that is asked for and can be given one.
            wanted = [*wanted, *(given_name(name, m) for name in wanted for m in self._given()
                                 if given_name(name, m) in known)]  # fmt: skip
        for name in wanted or ():
            if name not in known:
                self._require_given(name)
                raise Fault(
                    f"config key group.analyses: this trial has no analysis {name}"
                    f"{did_you_mean(name, known)}; it has {', '.join(known)}"
                )
        # In the order in which they are reported, not the order in the config.
        return [name for name in known if name in (wanted or known)]

    def _require_given(self, name: str) -> None:
        """Refuse an analysis that would be given a measure which the key does not name."""
        for measure in GIVEN:
            plain = name.removesuffix(given_name("", measure))
            if plain != name and measure not in self._given():
                raise Fault(
                    f"config key group.analyses: {name} needs the measure; write {plain} there, "
                    f"and group.given: [{measure}]"
                )

    def families(self) -> list[list[str]]:
        """List the families: analyses whose p are corrected together.

        Raises
        ------
        Fault
            If an analysis of a family is not run.
        """
        known = self.analyses()
        families: list[list[str]] = self.config["group"]["families"]
        for number, family in enumerate(families, 1):
            place = f"config key group.families, number {number}"
            for name in family:
                if name not in known:
                    raise Fault(
                        f"{place}: {name} is none of the analyses that are "
                        f"run{did_you_mean(name, known)}; they are {', '.join(known)}"
                    )
            self._check_family(place, family)
        return families

    def pairs_of_groups(self) -> dict[str, list[str]]:
        """List the comparisons of two of three and more groups, by contrast; often none."""
        found: dict[str, list[str]] = {}
        asked, n_groups = self.questions(), len(self.study.checked_trial().groups)
        for name in self.analyses():
            if len(asked[name].groups) == 2 < n_groups and not asked[name].given:
                found.setdefault(asked[name].contrast, []).append(name)
        return found

    def sensitive_analyses(self) -> list[str]:
        """List the analyses of which it is told what they could have found; often not all."""
        if self.config["group"]["sensitivity"] is None:
            return []
        asked = self.questions()
        kinds = (question.DRUG, question.GROUP)
        made = [asked[name] for name in self.analyses_made()]
        return [own.name for own in made if own.kind in kinds and not own.given]

    def sensitivity_choices(self) -> dict[str, Any]:
        """Return what `sensitivity.tsv` depends on, besides the data of the contrasts.

        Returns
        -------
        dict
            ``analyses``: options and people of each; ``choices``: the key ``group.sensitivity``.
        """
        names = self.sensitive_analyses()
        analyses = {name: self.test_choices(name) for name in names}
        for own in analyses.values():
            del own["options"]["tail"]  # p from tails are none of those that are told apart here
            few = min(own["options"]["permutations"], SENSITIVITY_PERMUTATIONS)
            own["options"]["permutations"] = few
        return {"analyses": analyses, "choices": self.config["group"]["sensitivity"]}

    def sensitivity_pairs(self, pipeline: str) -> dict[str, str]:
        """Return the folder with the data of each such analysis, by its name."""
        return {name: self.pairs_of(pipeline, name)[0] for name in self.sensitive_analyses()}

    def _check_family(self, place: str, family: list[str]) -> None:
        """Refuse a family whose analyses do not have the same people and arrangements.

        Raises
        ------
        Fault
            If they differ, also because people lack the score of a scale: the sheets determine who
            is analysed.
        """
        asked = [self.question(name) for name in family]
        first = asked[0]
        for other in asked[1:]:
            # Analyses with the same entry rearrange the same thing under the null hypothesis:
            # signs, orders of treatments, or people.
            kinds = [q.kind if q.kind in (question.CARRYOVER, question.CHANGE) else ""
                     for q in (first, other)]  # fmt: skip
            groups = [q.group or " and ".join(q.groups) or "all groups" for q in (first, other)]
            if told := self._other_people(first, other):
                why = told
            elif kinds[0] != kinds[1]:
                why = "people are rearranged in different ways"
            elif other.given != first.given:
                why = "who lacks the measure that one is given is in the other only"
            elif groups[0] != groups[1]:
                apart = " and " if not any(" and " in of for of in groups) else "; "
                why = f"they are of different people ({apart.join(groups)})"
            else:
                continue
            raise Fault(
                f"{place}: {first.name} and {other.name} cannot be corrected as one family, as "
                f"{why}; put analyses of the same people and kind together, such as "
                f"{question.GROUP} and its kin, {question.CHANGE}_<scale> of several scales, or "
                "contrasts of the same people"
            )
        if first.kind == question.CHANGE:
            everybody = self.study.compared(self.contrasts_of(first)[0])
            own = [person for person in everybody if person.participant.group == first.group]
            scales = [str(q.scale) for q in asked]
            scored = {scale: {p.participant.participant_id for p in own if p.scored(scale)}
                      for scale in scales}  # fmt: skip
            everywhere = set.intersection(*scored.values())
            for scale, people in scored.items():
                if only := sorted(people - everywhere):
                    lacking = [other for other in scored if not set(only) <= scored[other]]
                    has, whom = ("has", "that person") if len(only) == 1 else ("have", "them")
                    raise Fault(
                        f"{place}: the analyses are of different people: {', '.join(only)} "
                        f"{has} a change of {scale} but not of {' or '.join(lacking)}; exclude "
                        f"{whom}, or take the scale out of the family"
                    )

    def _other_people(self, first: Question, other: Question) -> str:
        """Say who is in one of two contrasts only; empty if their people are the same."""
        if other.contrast == first.contrast:
            return ""
        everybody = []
        for asked in (first, other):
            names = [
                {p.participant.participant_id for p in self.study.compared(contrast)
                 if asked.group in (None, p.participant.group)
                 and (not asked.groups or p.participant.group in asked.groups)}
                for contrast in self.contrasts_of(asked)
            ]  # fmt: skip
            everybody.append(set.intersection(*names))
        only = sorted(everybody[0] ^ everybody[1])
        trial = self.study.checked_trial()
        # A set flips signs whatever its contrasts are; comparisons of groups and slopes do so too.
        crossed = {
            asked.kind not in question.SETS
            and trial.visit_columns(self.study.contrast(asked.contrast)) == [visit.ORDER]
            for asked in (first, other)
            if asked.tests_mean
        }
        if not only and len(crossed) > 1:
            return "orders are drawn again in one and signs are flipped in the other"
        if not only:
            return ""
        is_are = "is" if len(only) == 1 else "are"
        contrasts = f"{first.contrast} and {other.contrast}"
        return f"{', '.join(only)} {is_are} in one of the contrasts {contrasts} only"

    def data_mb(self) -> int:
        """Return the memory (MB) that an analysis may use for data."""
        return int(1000 * self.config["group"]["memory_gb"])

    def analyses_made(self) -> list[str]:
        """List the analyses of a study that has images; the clinical arm alone has none."""
        return self.analyses() if self.study.has_images else []

    def choices_made(self) -> dict[str, AnalysisChoices]:
        """Return `test_choices` of every analysis that is made."""
        return {name: self.test_choices(name) for name in self.analyses_made()}

    def folders(self) -> dict[str, str]:
        """Name the folder of each contrast's data within a pipeline."""
        return {contrast.name: self.folder(contrast) for contrast in self.study.contrasts()}

    def pairs_of_pipelines(self) -> list[str]:
        """List the folders of all contrasts' data in all pipelines."""
        of = [(name, own) for name in self.study.pipelines for own in self.study.contrasts()]
        return [self.pairs(*own) for own in of] if self.study.has_images else []

    def results(self) -> list[str]:
        """List the files and folders of the group level."""
        if not self.study.has_images:
            return []
        group = self.study.study_dir / "group"
        names = [*self.analyses(), *(["family.tsv"] if self.families() else [])]
        names += ["pairs_of_groups.tsv"] if self.pairs_of_groups() else []
        found = [str(group / own / name) for own in self.study.pipelines for name in names]
        if self.sensitive_analyses():
            found.append(str(group / self.study.primary / "sensitivity.tsv"))
        if self.study.has_edges:
            found += map(self.study.file, ("robustness.tsv", "cluster_robustness.tsv"))
            found.append(str(group / self.study.primary / "mixed.tsv"))
        return found

    def pair_sizes(self, pipeline: str, inputs: Iterable[str]) -> dict[str, float]:
        """Compute the size (MB) of one map, and of all maps that pairing reads."""
        paths = list(inputs)
        if self.study.entry == "maps" and not any(".nii" in path for path in paths):
            return {"map": 0.0, "maps": 0.0}  # nobody is in the contrast
        each = need.image_mb(need.first_map(paths))
        number = len(self.study.sessions()) * len(self._regions.seeds(pipeline))
        return {"map": each, "maps": each * number}

    def test_sizes(self, pairs: Iterable[str]) -> dict[str, float]:
        """Compute the sizes (MB) of the data that an analysis holds, and of what it sweeps over."""
        folders = list(pairs)
        shapes = [need.array_shape(f"{folder}/delta.npy") for folder in folders]
        given = [need.array_shape(file) for folder in folders
                 if Path(file := f"{folder}/baseline.npy").is_file()]  # fmt: skip
        people = max(shape[0] for shape in shapes)
        maps = sum(4e-6 * seeds * voxels for _, seeds, voxels in (*shapes, *given))
        return {
            "data": min(people * maps, self.data_mb()),
            "maps": maps,
            "sweeps": maps * self.config["group"]["permutations"],
        }

    def sensitivity_sizes(self, pairs: Iterable[str]) -> dict[str, float]:
        """Compute the sizes (MB) of what sensitivity holds and sweeps over; see `test_sizes`."""
        chosen, sizes = self.config["group"]["sensitivity"], self.test_sizes(pairs)
        repeats = 0 if chosen is None else chosen["repeats"]
        number = len(self.sensitive_analyses())
        return sizes | {
            "planted": sizes["maps"] * number,
            "repeats": sizes["maps"] * repeats * number,
        }
