"""The group level: the analyses that are run, their people, and what each depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

from crossfc import content
from crossfc.fault import Fault, raise_all
from crossfc.group.design import question
from crossfc.group.design.options import AnalysisOptions
from crossfc.jobs import need
from crossfc.plan.people import People
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.trial.covariate import determined, without_values
from crossfc.trial.crossover import Pair
from crossfc.trial.path import is_file
from crossfc.trial.sheet import did_you_mean, read_sheet


class Group(Stage):
    """The group level: the analyses that are run, their people, and what each depends on."""

    def __init__(self, study: Study, regions: Regions, people: People):
        super().__init__(study)
        self._regions = regions
        self._people = people

    def check(self) -> None:
        """Refuse options that contradict each other, covariates without use, a missing atlas."""
        group = self.config["group"]
        for key in ("atlas", "atlas_names"):
            why = content.stand_in(group[key])
            if why is not None:
                raise Fault(f"config key group.{key}: {group[key]} {why}")
            if not is_file(group[key]):
                raise Fault(
                    f"config key group.{key}: {group[key]} is no file; correct the path, or remove "
                    "the key for the atlas that crossfc brings"
                )
        read_sheet(group["atlas_names"], ("index", "name"))
        trial = self.study.checked_trial()
        compared = any(
            name in question.COMPARISONS for name in group["analyses"] or question.COMPARISONS
        )
        if compared and len(trial.groups) > 1 and trial.covariate_types:
            people = [trial.person_row(pair.participant) for pair in self.study.paired()]
            sheet = self.config["sheets"]["participants"]
            raise_all(without_values(people, trial.covariate_types, trial.groups, sheet))
            if name := determined(people, trial.covariate_types):
                raise Fault(
                    f"config key covariates: {name} follows from the group and the other "
                    "covariates among the people with both sessions (such as a site that has one "
                    "group only), so that no model can tell them apart; leave it out"
                )
        AnalysisOptions.from_params(self._options() | {"covariates": trial.covariate_types})

    def ready_maps(self, pipeline: str) -> list[str]:
        """List the ready maps, sorted by person, then active and control, then seed."""
        if self.study.entry != "maps":
            return []
        found, faults = [], []
        for pair in self.study.paired():
            try:
                found += self._ready_maps(pair, pipeline)
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

        paths, maps = self.ready_maps(self.study.primary), self.config["maps"]
        first = paths[: len(paths) // max(len(self.study.paired()), 1)]
        return kind.faults_of_maps(
            paths, first, maps["kind"], maps["accept_unoriented"], maps["zero_is_missing"]
        )

    def pairs_with_edges(self, pipeline: str) -> str:
        """Return the folder of a pipeline's pairs, for jobs that need the edges of every session.

        Raises
        ------
        Fault
            If the edges are not known, as with ready maps.
        """
        if not self.study.has_edges:
            why = (
                "ready maps (entry maps) come without"
                if self.study.entry == "maps"
                else "nobody has, as nobody has scans under both treatments"
            )
            raise Fault(
                "correlations at chosen regions, the mixed model and the quality of sessions need "
                f"the connectivity of regions in every session, which {why}; ask for another "
                "target, such as group, clinical_change or report"
            )
        return self.study.file("group", pipeline, "pairs")

    def people_of(self, analysis: str) -> list[dict[str, Any]]:
        """Return the columns that an analysis needs of the paired people, besides their maps.

        Returns
        -------
        list of dict
            One per person of the analysis' group: participant_id, the scores of its scale, the
            covariates (if it compares groups) and the blocks. Empty if it needs none of these.
        """
        asked = self.study.question(analysis)
        columns = list(self._covariates_of(asked))
        if blocks := self.config["group"]["blocks"]:
            columns.append(blocks)
        groups = None if asked.group is None else [asked.group]
        return self._people.people_with(columns, [asked.scale] if asked.scale else [], groups)

    def _covariates_of(self, asked: question.Question) -> dict[str, str]:
        """Return the covariates that an analysis uses, and their types."""
        return self.study.checked_trial().covariate_types if asked.compares_groups else {}

    def _options(self) -> dict[str, Any]:
        """Return the config's options of analyses, but for the covariates."""
        choices: Mapping[str, Any] = self.config["group"]
        names = [field.name for field in fields(AnalysisOptions)]
        return {name: choices[name] for name in names if name != "covariates"}

    def _ready_maps(self, pair: Pair, pipeline: str) -> list[str]:
        maps, sheets = self.config["maps"], self.config["sheets"]
        person = pair.participant.participant_id
        wanted = [
            {"session_id": s.session_id, "treatment": s.treatment, "row": s.row}
            for s in (pair.active, pair.control)
            if s and maps["level"] == "session"
        ] or [{}]
        paths, faults = [], []
        for session in wanted:
            for seed in self._regions.seeds(pipeline):
                try:
                    name = maps["pattern"].format(participant_id=person, seed=seed, **session)
                except (KeyError, IndexError, ValueError, AttributeError) as error:
                    raise Fault(
                        f"config key maps.pattern: {maps['pattern']!r} cannot be filled in for "
                        f"maps of level {maps['level']} ({error}); use {{participant_id}}, "
                        "{seed} and, per session, {session_id} or {treatment}"
                    ) from None
                path = self.study.derivatives_dir / name
                row = f"{sheets['sessions']}, row {session['row']}" if session else person
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

    def test_choices(self, analysis: str) -> dict[str, Any]:
        """Return what a group analysis depends on, besides its name and the pairs.

        Returns
        -------
        dict
            ``options``: those of `crossfc.group.design.options.AnalysisOptions` that this analysis
            uses, so that others rerun nothing. ``people``: see `people_of`.
        """
        asked, options = self.study.question(analysis), self._options()
        if not asked.tests_mean:
            del options["drug_arrangement"]
        options["covariates"] = self._covariates_of(asked)
        return {"options": options, "people": self.people_of(analysis)}

    def pair_choices(self, pipeline: str) -> dict[str, Any]:
        """Return the choices that pairing depends on, besides the maps."""
        maps = self.config["maps"]
        ready = self.study.entry == "maps"
        return {
            **self.study.labels(),
            "pipeline": pipeline,
            "primary": pipeline == self.study.primary,
            "limits": self.config["exclusion"],
            "fwhm_mm": maps["fwhm_mm"] if ready else self.config["pipelines"][pipeline]["fwhm_mm"],
            "mask_seeds": maps["mask_seeds"] if ready else True,
            "level": maps["level"] if ready else "session",
            "zero_is_missing": maps["zero_is_missing"] if ready else False,
            "accept_unoriented": maps["accept_unoriented"] if ready else False,
            "ready_maps": ready,
            "maps_kind": maps["kind"] if ready else None,
        }

    def analyses(self) -> list[str]:
        """List the analyses to run.

        Raises
        ------
        Fault
            If the config asks for an analysis that this trial does not allow.
        """
        first = question.group_labels(self.config["groups"])[0]
        patients = [p for p in self.study.paired() if p.participant.group == first]
        scored = [
            scale
            for scale in self.study.checked_trial().scales
            if sum(_scored(pair, scale) for pair in patients) > 3
        ]
        known = question.names(
            self.config["groups"],
            scored,
            n_seeds=len(self._regions.seeds(self.study.primary)),
            sequence_known=any(p.participant.sequence for p in self.study.paired()),
            has_total=self.study.entry != "maps" or self.config["maps"]["level"] == "session",
        )
        wanted = self.config["group"]["analyses"]
        for name in wanted or ():
            if name not in known:
                raise Fault(
                    f"config key group.analyses: this trial has no analysis {name}"
                    f"{did_you_mean(name, known)}; it has {', '.join(known)}"
                )
        # In the order in which they are reported, not the order in the config.
        return [name for name in known if name in (wanted or known)]

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

    def _check_family(self, place: str, family: list[str]) -> None:
        """Refuse a family whose analyses do not have the same people and arrangements.

        Raises
        ------
        Fault
            If they differ, also because people lack the score of a scale: the sheets determine who
            is analysed.
        """
        asked = [self.study.question(name) for name in family]
        first = asked[0]
        for other in asked[1:]:
            # Analyses with the same entry rearrange the same thing under the null hypothesis:
            # signs, orders of treatments, or people.
            kinds = [q.kind if q.kind in (question.CARRYOVER, question.CHANGE) else ""
                     for q in (first, other)]  # fmt: skip
            groups = [q.group or "all groups" for q in (first, other)]
            if kinds[0] != kinds[1]:
                why = "people are rearranged in different ways"
            elif groups[0] != groups[1]:
                why = f"they are of different people ({groups[0]} and {groups[1]})"
            else:
                continue
            raise Fault(
                f"{place}: {first.name} and {other.name} cannot be corrected as one family, as "
                f"{why}; put analyses of the same people and kind together, such as "
                f"{question.GROUP} and its kin, or {question.CHANGE}_<scale> of several scales"
            )
        if first.kind == question.CHANGE:
            own = [pair for pair in self.study.paired() if pair.participant.group == first.group]
            scales = [str(q.scale) for q in asked]
            scored = {scale: {p.participant.participant_id for p in own if _scored(p, scale)}
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

    def data_mb(self) -> int:
        """Return the memory (MB) that an analysis may use for data."""
        return int(1000 * self.config["group"]["memory_gb"])

    def analyses_made(self) -> list[str]:
        """List the analyses of a study that has images; the clinical arm alone has none."""
        return self.analyses() if self.study.has_images else []

    def results(self) -> list[str]:
        """List the files and folders of the group level."""
        if not self.study.has_images:
            return []
        group = self.study.study_dir / "group"
        names = [*self.analyses(), *(["family.tsv"] if self.families() else [])]
        found = [str(group / own / name) for own in self.study.pipelines for name in names]
        if self.study.has_edges:
            found += [
                str(group / self.study.primary / "mixed.tsv"),
                self.study.file("robustness.tsv"),
            ]
        return found

    def pair_sizes(self, pipeline: str, inputs: Iterable[str]) -> dict[str, float]:
        """Compute the size (MB) of one map, and of all maps that pairing reads."""
        each = need.image_mb(need.first_map(inputs))
        number = len(self.study.sessions()) * len(self._regions.seeds(pipeline))
        return {"map": each, "maps": each * number}

    def test_sizes(self, pairs: str) -> dict[str, float]:
        """Compute the sizes (MB) of the data that an analysis holds, and of what it sweeps over."""
        people, seeds, voxels = need.array_shape(f"{pairs}/delta.npy")
        maps = 4e-6 * seeds * voxels
        return {
            "data": min(people * maps, self.data_mb()),
            "maps": maps,
            "sweeps": maps * self.config["group"]["permutations"],
        }


def _scored(pair: Pair, scale: str) -> bool:
    return all(s and s.scores.get(scale) is not None for s in (pair.active, pair.control))
