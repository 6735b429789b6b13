"""The analysis plan of a study: what its results will depend on, and what a run did otherwise."""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossfc.fault import Fault
from crossfc.jobs.comparison import leaves, say
from crossfc.plan.group import Group
from crossfc.plan.hypotheses import Hypotheses
from crossfc.plan.people import People
from crossfc.plan.region import Regions
from crossfc.plan.report import Report
from crossfc.plan.study import Stage, Study
from crossfc.provenance import file_digest
from crossfc.report.preregistration import AnalysisPlan, Preregistered, hypothesis_label
from crossfc.trial import config as configuration
from crossfc.trial.document import load_yaml
from crossfc.trial.regions import RegionRow

FILE = "analysis_plan.json"
_KEYS = ("crossfc", "digest", "choices", "stated")
# Keys of the config that no result depends on, or that stand elsewhere in the plan.
_ELSEWHERE = (
    *("study", "title", "report", "strategies"),
    *("groups", "treatments", "occasions", "primary", "contrasts", "hypotheses"),
)
# How the parts of the plan are named in sentences; other parts are keys of the config.
_PARTS = {
    "config": "config key ",
    "design": "design, ",
    "contrasts": "contrast ",
    "seeds": "seed set ",
    "targets": "target ",
    "scales": "scale ",
    "strategies": "confound strategy ",
}


class Preregistration(Stage):
    """The analysis plan of a study, made of its configuration and sheets alone.

    It needs no scan and no result, and holds nobody's identifier.
    """

    def __init__(
        self,
        study: Study,
        regions: Regions,
        people: People,
        group: Group,
        hypotheses: Hypotheses,
        report: Report,
    ):
        super().__init__(study)
        self._regions = regions
        self._people = people
        self._group = group
        self._hypotheses = hypotheses
        self._report = report

    def check(self) -> None:
        """Refuse a plan that cannot be read, or was edited."""
        self._registered()

    def plan(self, version: str) -> AnalysisPlan:
        """Return the analysis plan of the study as it is now, as a version of crossfc writes it."""
        choices = self.choices()
        return {
            "crossfc": version,
            "digest": digest(choices),
            "choices": choices,
            "stated": self._stated(),
        }

    def choices(self) -> dict[str, Any]:
        """Return what results depend on besides the data: no places of files, cores or memory.

        Files (atlas, mask, images of regions) are given by their SHA-256, whatever they are called.
        """
        trial, regions = self.study.checked_trial(), self._regions
        sets = {regions.seed_set(pipeline) for pipeline in self.study.pipelines}
        strategies = {own["strategy"] for own in self.config["pipelines"].values()}
        found: dict[str, Any] = {
            "design": {
                "groups": trial.groups,
                "treatments": trial.treatments,
                "occasions": self.config["occasions"],
                "periods": trial.n_periods,
                "parallel arms": trial.arms,
                "primary pipeline": self.study.primary,
            },
            "contrasts": {
                contrast.name: {
                    "weights": {cell.label: weight for cell, weight in contrast.weights},
                    "baseline": {cell.label: weight for cell, weight in contrast.baseline},
                }
                for contrast in trial.contrasts
            },
            "hypotheses": sorted(self._hypotheses_stated(), key=_text),
            "seeds": {
                name: _by_name(
                    "seed", [regions.placed(row.as_row("seed")) for row in trial.seed_sets[name]]
                )
                for name in sorted(sets)
            },
            "targets": _by_name("target", regions.target_rows()),
            "scales": {
                name: {
                    key: getattr(scale, key)
                    for key in ("lowest", "highest", "better", "response_percent", "remission_at",
                                "smallest_change")
                }
                for name, scale in trial.scales.items()
            },
            "strategies": {
                name: {k: v for k, v in self.study.strategies[name].items() if k != "methods"}
                for name in sorted(strategies)
                if self.study.entry != "maps"
            },
            "config": self._config(),
        }  # fmt: skip
        plain: dict[str, Any] = _plain(found)
        return plain

    def _config(self) -> dict[str, Any]:
        """Return the keys of the config that results depend on and that stand nowhere else."""
        found = copy.deepcopy(
            {k: v for k, v in self._report.choices().items() if k not in _ELSEWHERE}
        )
        for key in ("hypotheses", "bootstrap"):
            del found["clinical"][key]
        del found["maps"]["pattern"]
        if found["exclusion"]["ratings"] is not None:
            found["exclusion"]["ratings"] = "whoever rates sessions may exclude them"
        group: Mapping[str, Any] = self.config["group"]
        for key in ("atlas", "atlas_names", "mask"):
            path = group[key]
            found["group"][key] = None if path is None else _digest_of_file(path)
        return found

    def _hypotheses_stated(self) -> list[dict[str, str]]:
        words = ("analysis", "seed", "region", "scale", "group", "contrast", "direction")
        stated = self._hypotheses.stated()
        return [{k: getattr(own, k) for k in words if getattr(own, k)} for own in stated]

    def _stated(self) -> dict[str, Any]:
        """Return what the sheets say now, and words: no part of the digest."""
        trial = self.study.checked_trial()
        return {
            "study": self.config["study"],
            "title": self.config["title"],
            "design": trial.name,
            "people": self._people.by_group(),
            "excluded_sessions": sum(s.exclude for s in trial.sessions),
            "contrasts": {c.name: c.sides | {"effect": c.effect} for c in trial.contrasts},
            "period_columns": {c.name: trial.visit_columns(c) for c in trial.contrasts},
            "questions": self._questions(),
            "hypotheses": [
                {"name": own.name, "citation": own.citation} for own in self._hypotheses.stated()
            ],
            "methods": {
                name: " ".join(str(own.get("methods", "")).split())
                for name, own in self.study.strategies.items()
                if name in {choices["strategy"] for choices in self.config["pipelines"].values()}
            },
            "edges": self.study.has_edges,
            "fd_limits": self._hypotheses.choices()["fd_limits"],
        }

    def _questions(self) -> dict[str, str]:
        """Return the questions of the maps that the config asks for, if anybody has scans."""
        if not self.study.has_images:
            return {}
        wanted = self.config["group"]["analyses"]
        asked = self._group.questions()
        return {name: asked[name].text for name in asked if name in (wanted or asked)}

    # What a run did otherwise ---------------------------------------------------------------------

    def _registered(self) -> AnalysisPlan | None:
        """Read the plan that the config names.

        Raises
        ------
        Fault
            If it does not exist, is no plan, or was edited.
        """
        path = self.config["preregistration"]
        if path is None:
            return None
        place = "config key preregistration"
        if not Path(path).is_file():
            raise Fault(
                f"{place}: {path} does not exist; correct the path, or write the plan with "
                "`python scripts/crossfc preregister --configfile …`"
            )
        found = load_yaml(path)
        if not isinstance(found, dict) or any(key not in found for key in _KEYS):
            raise Fault(
                f"{place}: {path} is no analysis plan of crossfc; name the {FILE} that "
                "`python scripts/crossfc preregister` wrote"
            )
        if (own := digest(found["choices"])) != found["digest"]:
            raise Fault(
                f"{place}: {path} was edited: it says that its digest is {found['digest'][:12]}…, "
                f"and what it holds has {own[:12]}…; restore the file that was registered"
            )
        plan: AnalysisPlan = found  # type: ignore[assignment]
        return plan

    def record(self) -> Preregistered | None:
        """Hold the study against its plan; None if the config names no plan."""
        planned = self._registered()
        if planned is None:
            return None
        # A release alone is no change of what the report depends on.
        now = self.plan(planned["crossfc"])
        found, unknown = deviations(planned["choices"], now["choices"], self._schema())
        return {
            "digest": planned["digest"],
            "run_digest": now["digest"],
            "as_planned": not found,
            "deviations": found,
            "notes": _notes(planned, now, unknown),
            "crossfc": planned["crossfc"],
        }

    def _schema(self) -> dict[str, Any]:
        return configuration.load_schema(self.study.home / "workflow/schemas/config.schema.yaml")


def digest(choices: Mapping[str, Any]) -> str:
    """Return the SHA-256 of choices, over JSON (UTF-8) with sorted keys and without white space.

    Whole numbers have no decimal point, so that 6 and 6.0 are the same choice.
    """
    return hashlib.sha256(_text(choices).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back, whole numbers without a decimal point."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digest_of_file(path: str) -> str:
    found = file_digest(path)
    return f"no file {Path(path).name}" if found is None else f"SHA-256 {found}"


def _by_name(key: str, rows: Iterable[RegionRow]) -> dict[str, Any]:
    """Return regions by their names; the parts of a region of several are numbered."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        own = {k: v for k, v in row.items() if k not in (key, "citation", "provenance")}
        if file := own.get("file"):
            own["file"] = _digest_of_file(str(file))
        parts.setdefault(str(row.get(key)), []).append(own)
    return {
        name: own[0] if len(own) == 1 else {f"part {n}": one for n, one in enumerate(own, 1)}
        for name, own in parts.items()
    }


def deviations(
    planned: Mapping[str, Any], run: Mapping[str, Any], schema: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Say what a run did otherwise than planned.

    Parameters
    ----------
    planned, run : mapping
        Choices; see `Preregistration.choices`.
    schema : mapping
        The JSON Schema of the configuration.

    Returns
    -------
    deviations : list of str
        One sentence for each hypothesis and key that differs.
    unknown : list of str
        Keys of the config that the plan does not have and that stand at their defaults, as an
        earlier version of crossfc did not know them. They are no deviations.
    """
    found = _hypotheses_changed(planned["hypotheses"], run["hypotheses"])
    unknown = []
    old, new = (
        leaves({k: v for k, v in own.items() if k != "hypotheses"}) for own in (planned, run)
    )
    for key in dict.fromkeys([*old, *new]):
        part, _, rest = key.partition(".")
        name = f"{_PARTS.get(part, f'{part} ')}{rest}"
        if key not in old:
            if part == "config" and _is_default(rest.split("."), new[key], planned, schema):
                unknown.append(f"{rest}: {say(new[key])}")
            else:
                found.append(f"{name}: not in the plan → {say(new[key])}.")
        elif key not in new:
            found.append(f"{name}: {say(old[key])} → not in this run.")
        elif old[key] != new[key]:
            found.append(f"{name}: {say(old[key])} → {say(new[key])}.")
    return found, unknown


def _hypotheses_changed(
    planned: Sequence[Mapping[str, str]], run: Sequence[Mapping[str, str]]
) -> list[str]:
    """Say which hypotheses were added or removed, and of which the direction was changed."""

    def known(rows: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
        return {_text({k: v for k, v in r.items() if k != "direction"}): r for r in rows}

    old, new, found = known(planned), known(run), []
    for key in dict.fromkeys([*old, *new]):
        label = hypothesis_label(new.get(key) or old[key])
        if key not in old:
            found.append(f"Hypothesis added after the plan: {label}.")
        elif key not in new:
            found.append(f"Hypothesis of the plan that was removed: {label}.")
        elif old[key].get("direction") != new[key].get("direction"):
            one, other = (row[key].get("direction", "none stated") for row in (old, new))
            found.append(f"Hypothesis {label}: direction {one} → {other}.")
    if len(run) != len(planned) and not found:
        found.append(f"Hypotheses: {len(planned)} → {len(run)} (one is stated twice).")
    return found


def _is_default(
    path: Sequence[str], value: Any, planned: Mapping[str, Any], schema: Mapping[str, Any]
) -> bool:
    """Test whether a key that a plan lacks stands at its default, so that nobody chose it.

    A key below a name of the user's own (of a pipeline) is one only if the plan has the name.
    """
    place: Any = planned["config"]
    for key in path:
        place = place.get(key) if isinstance(place, Mapping) else None
        if key in schema.get("properties", {}):
            schema = schema["properties"][key]
        elif isinstance(schema.get("additionalProperties"), Mapping) and place is not None:
            schema = schema["additionalProperties"]
        else:
            return False
    return "default" in schema and bool(schema["default"] == value)


def _notes(planned: AnalysisPlan, run: AnalysisPlan, unknown: Sequence[str]) -> list[str]:
    """Say what is no deviation and a reader asks for: people, and keys that are new."""
    found, old, new = [], planned["stated"], run["stated"]
    counts = [{row["group"]: row["people"] for row in own["people"]} for own in (old, new)]
    for group in dict.fromkeys([*counts[0], *counts[1]]):
        one, other = (own.get(group, 0) for own in counts)
        if one != other:
            found.append(f"People in {group}: {one} when the plan was written, {other} now.")
    one, other = old["excluded_sessions"], new["excluded_sessions"]
    if one != other:
        found.append(f"Sessions that the sheets exclude: {one} when it was written, {other} now.")
    if old["design"] != new["design"]:
        found.append(f"The sheets had {old['design']}, and have {new['design']}.")
    if unknown:
        found.append(
            "Keys that the plan does not have, as an earlier version of crossfc wrote it, stand at "
            f"their defaults: {'; '.join(unknown)}."
        )
    return found
