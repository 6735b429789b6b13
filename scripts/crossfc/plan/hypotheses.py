"""Hypotheses stated beforehand: what their tests depend on."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from crossfc.fault import Fault, raise_all
from crossfc.group.design.question import CHANGE, DRUG, GROUP, MULTIVARIATE, OVER_SEEDS, Question
from crossfc.plan.clinic import Clinic
from crossfc.plan.group import Group
from crossfc.plan.people import People
from crossfc.plan.quality import Quality
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.trial import regions
from crossfc.trial.hypothesis import (
    CORRELATION,
    MAP,
    SCORE,
    Kind,
    Stated,
    stated_hypotheses,
)
from crossfc.trial.regions import RegionRow
from crossfc.trial.sheet import did_you_mean, read_sheet

if TYPE_CHECKING:
    from crossfc.hypotheses.hypothesis import HypothesisRow

_PER_SEED = (DRUG, GROUP, CHANGE)


class _Checked(NamedTuple):
    stated: Stated
    kind: Kind
    asked: Question | None


class Hypotheses(Stage):
    """Hypotheses stated beforehand: what their tests depend on."""

    def __init__(
        self,
        study: Study,
        regions: Regions,
        people: People,
        group: Group,
        clinic: Clinic,
        quality: Quality,
    ):
        super().__init__(study)
        self._regions = regions
        self._people = people
        self._group = group
        self._clinic = clinic
        self._quality = quality

    def check(self) -> None:
        """Refuse hypotheses that name what the trial does not have, or cannot be tested."""
        faults: list[str] = []
        questions = self._group.questions()
        for own in self.stated():
            try:
                self._checked(own, questions)
            except Fault as fault:
                faults.append(str(fault))
        raise_all(list(dict.fromkeys(faults)))

    def stated(self) -> list[Stated]:
        """List the hypotheses of the config, one for each test."""
        trial = self.study.checked_trial()
        return stated_hypotheses(self.config, list(trial.scales), self._clinic.correlated_groups())

    def _checked(self, own: Stated, questions: dict[str, Question]) -> _Checked:
        """Check one hypothesis.

        Raises
        ------
        Fault
            One sentence with the config key.
        """
        trial, place = self.study.checked_trial(), f"config key {own.place}"
        known = {
            "analysis": [*questions],
            "seed": self._regions.seeds(self.study.primary),
            "scale": list(trial.scales),
            "group": trial.groups,
            "contrast": [contrast.name for contrast in trial.contrasts],
        }
        for key, names in known.items():
            word = getattr(own, key)
            if word and word not in names:
                raise Fault(
                    f"{place}: {key} {word!r} is none of {', '.join(names)}"
                    f"{did_you_mean(word, names) or '; correct it'}"
                )
        if not own.analysis:
            if not (own.seed and own.region and own.scale):
                raise Fault(
                    f"{place}: needs an analysis (of maps: with seed and region; of a score: with "
                    "scale), or seed, region and scale for a change with a change; complete it"
                )
            targets = regions.names(trial.targets)
            if own.region not in targets:
                raise Fault(
                    f"{place}: {own.region!r} is none of the targets {', '.join(targets)}, whose "
                    f"edges are correlated{did_you_mean(own.region, targets) or '; correct it'}"
                )
            return _Checked(own, CORRELATION, None)
        asked = questions[own.analysis]
        if own.group or own.contrast:
            raise Fault(
                f"{place}: the analysis {own.analysis} says of which group and contrast it is; "
                "remove group and contrast"
            )
        if own.direction and (asked.kind in MULTIVARIATE or len(asked.groups) > 2):
            raise Fault(
                f"{place}: the analysis {own.analysis} has no direction; remove it, or name an "
                "analysis of one seed, or of two groups"
            )
        if not own.region:
            return self._checked_score(own, place, asked)
        if own.scale:
            raise Fault(
                f"{place}: a map has no scale; remove it, or name the analysis "
                f"{CHANGE}_{own.scale} (its slope), or leave out analysis (a change with a change)"
            )
        if asked.kind not in (*_PER_SEED, *OVER_SEEDS) and asked.kind not in MULTIVARIATE:
            raise Fault(f"{place}: {own.analysis} is a diagnostic; name another analysis")
        if asked.contrast not in known["contrast"]:
            raise Fault(
                f"{place}: {own.analysis} is of a set of contrasts, which a hypothesis cannot be "
                "of; name the analysis of one contrast"
            )
        if (asked.kind in _PER_SEED) != bool(own.seed):
            raise Fault(
                f"{place}: {own.analysis} {'needs a seed' if not own.seed else 'is over seeds'}; "
                f"{'add' if not own.seed else 'remove'} the key seed"
            )
        self._rows_of(own.region, place)
        return _Checked(own, MAP, asked)

    def _checked_score(self, own: Stated, place: str, asked: Question) -> _Checked:
        if not own.scale or own.seed:
            raise Fault(
                f"{place}: needs a region, if it is of a map, or a scale and no seed, if it is of "
                "a score; complete it"
            )
        if asked.given:
            raise Fault(
                f"{place}: scores are not given the change of a measure of scans; name the "
                f"analysis without it, not {own.analysis}"
            )
        if asked.kind not in (DRUG, GROUP):
            raise Fault(
                f"{place}: of scores there are the analyses of a group and of two groups "
                f"(such as {DRUG}_{self.study.checked_trial().groups[0]}), not {own.analysis}; "
                "name one of them"
            )
        return _Checked(own, SCORE, asked)

    def _rows_of(self, region: str, place: str) -> list[RegionRow]:
        """Return the rows of a target, or of a region of the atlas."""
        rows = [row for row in self._regions.target_rows() if row["target"] == region]
        if rows:
            return rows
        group = self.config["group"]
        names = {row["name"]: row["index"] for row in _atlas_rows(group["atlas_names"])}
        if region not in names:
            known = [*regions.names(self.study.checked_trial().targets), *names]
            raise Fault(
                f"{place}: region {region!r} is no target of {self.config['sheets']['targets']} "
                f"and no region of {group['atlas_names']}"
                f"{did_you_mean(region, known) or '; name one of them'}"
            )
        return [{"kind": "label", "file": group["atlas"], "label": int(names[region])}]

    @cached_property
    def _of_study(self) -> list[_Checked]:
        """List the hypotheses that this study can have: ready maps have no edges."""
        questions = self._group.questions()
        checked = [self._checked(own, questions) for own in self.stated()]
        return [own for own in checked if own.kind != CORRELATION or self.study.has_edges]

    def rows(self) -> "list[HypothesisRow]":
        """Return the hypotheses as plain values, without their words."""
        first = self.study.contrasts()[0].name
        found: list[HypothesisRow] = []
        for number, (own, kind, asked) in enumerate(self._of_study, 1):
            row: HypothesisRow = {
                "hypothesis": number,
                "kind": kind,
                "contrast": asked.contrast if asked else own.contrast or first,
                "analysis": own.analysis,
                "group": "" if asked else own.group or self._clinic.correlated_groups()[0],
                "seed": own.seed,
                "region": own.region,
                "scale": own.scale,
                "direction": own.direction,
            }
            if kind == MAP:
                choices = self._group.test_choices(own.analysis)
                row["people"], row["options"] = list(choices["people"]), choices["options"]
                row["rows"] = self._rows_of(own.region, own.place)
            found.append(row)
        return found

    def words(self) -> list[dict[str, str]]:
        """Return the names and citations of the hypotheses, in the order of `rows`."""
        return [
            {"name": own.stated.name, "citation": own.stated.citation} for own in self._of_study
        ]

    def choices(self) -> dict[str, Any]:
        """Return what else the tests depend on: limits of motion, and permutations."""
        clinical = self.config["clinical"]
        own = {name: clinical[name] for name in ("permutations", "seed")}
        return {"fd_limits": self._quality.fd_limits(), **own}

    def scores(self) -> dict[str, list[dict[str, Any]]]:
        """Return the scores of correlations, by contrast."""
        rows = [row for row in self.rows() if row["kind"] == CORRELATION]
        contrasts = {row["contrast"]: self.study.contrast(row["contrast"]) for row in rows}
        groups = list(dict.fromkeys(row["group"] for row in rows))
        return {name: self._people.scored(groups, own) for name, own in contrasts.items()}

    def folders(self) -> dict[str, dict[str, str]]:
        """Return the folders of the contrasts' data, by pipeline and contrast."""
        if not self.study.has_images or all(row["kind"] == SCORE for row in self.rows()):
            return {}
        return {
            pipeline: {own.name: self._group.pairs(pipeline, own) for own in self.study.contrasts()}
            for pipeline in self.study.pipelines
        }

    def pairs(self) -> list[str]:
        """List the folders of `folders`, pipeline by pipeline."""
        return [folder for own in self.folders().values() for folder in own.values()]

    def tables(self) -> list[str]:
        """List the tables of changes and of groups, if a hypothesis is of a score."""
        files = self._clinic.change_files()
        scored = any(row["kind"] == SCORE for row in self.rows())
        return [files[name] for name in ("change", "between")] if scored else []

    def motion(self) -> list[str]:
        """List the table of the sessions' quality, if limits of motion are varied."""
        return self._quality.motion() if self.folders() else []

    def images(self) -> list[str]:
        """List the images that define regions."""
        rows = [row for own in self.rows() for row in own.get("rows", ())]
        return list(dict.fromkeys(file for row in rows if (file := row.get("file"))))

    def files(self) -> dict[str, str]:
        """Name the tables."""
        names = ("hypotheses", "specifications")
        return {name: self.study.file("hypotheses", f"{name}.tsv") for name in names}

    def results(self) -> list[str]:
        """List the tables that this study has."""
        return list(self.files().values()) if self._of_study else []


def _atlas_rows(path: str) -> list[dict[str, str]]:
    return [dict(row.cells) for row in read_sheet(path, ("index", "name")).rows]
