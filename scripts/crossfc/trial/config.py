"""The configuration: check every key, fill in defaults, and document the keys from the schema."""

import copy
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossfc.bids import TEMPLATE_SPACE
from crossfc.fault import Fault, raise_all
from crossfc.trial import space
from crossfc.trial.cleaned_input import cleaned_input
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import ANY
from crossfc.trial.covariate import declared
from crossfc.trial.document import load_yaml
from crossfc.trial.open_entry import unfilled
from crossfc.trial.path import path_fault
from crossfc.trial.role import CONTROLS, PATIENTS, roles
from crossfc.trial.sheet import MISSING, did_you_mean
from crossfc.trial.treatment import treatment_labels

# A file name of at most 255 bytes contains the labels of person, session, task, space, pipeline and
# seed, so each must be short.
_LONGEST_LABEL = 50


# The largest number allowed in a key: larger ones are mistakes, and some would overflow.
_LARGEST = 1e12


_NUMBER = re.compile(r"[+-]?([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})")


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON Schema of the configuration from YAML."""
    schema: dict[str, Any] = load_yaml(path)
    return schema


def check(config: dict[str, Any], schema: dict[str, Any]) -> Configuration:
    """Check a configuration and fill in the defaults.

    Parameters
    ----------
    config : dict
        The configuration from Snakemake (files and ``--config`` merged). Not changed.
    schema : dict
        The schema, whose ``default`` values are used.

    Returns
    -------
    Configuration
        A copy with all defaults filled in.

    Raises
    ------
    Fault
        One sentence per fault: unknown keys (with the most similar known one), values of a wrong
        type or out of range, paths that cannot be used, and keys that contradict each other.
    """
    from jsonschema import Draft202012Validator

    filled: Any = copy.deepcopy(config)
    raise_all(_unsound(filled, "") + unfilled(filled))
    faults = _unknown_keys(filled, schema, "")
    _values_from_text(filled, schema)
    if filled.get("entry") == "raw" and _tool(filled) == "native":
        filled.setdefault("space", TEMPLATE_SPACE)
    faults += cleaned_input(filled)
    _fill(filled, schema)
    for error in Draft202012Validator(schema).iter_errors(filled):
        if error.validator == "additionalProperties":
            continue
        parts = ".".join(
            f"number {part + 1}" if isinstance(part, int) else part for part in error.absolute_path
        )
        key = parts.replace(".number", ", number") or "(top)"
        faults.append(f"config key {key}: {_sentence(error)}")
    raise_all(faults)
    raise_all(_paths(filled) + _contradictions(filled))
    checked: Configuration = _canonical(filled, schema)
    # Whatever the order in the file: patients before controls, active before control.
    groups: Any = checked["groups"]
    if isinstance(groups, list):
        checked["groups"] = roles(groups)
    else:
        checked["groups"] = {role: groups[role] for role in (PATIENTS, CONTROLS)}
    named = checked["treatments"]
    if isinstance(named, dict):
        checked["treatments"] = {role: named[role] for role in ("active", "control")}
    _primary_first(checked)
    _cross_seed_sets(checked)
    return checked


def _primary_first(config: Configuration) -> None:
    """Find the primary pipeline and move it to the first place.

    Raises
    ------
    Fault
        If the configuration does not say which pipeline is the primary one.
    """
    pipelines, named = config["pipelines"], config["primary"]
    if named is not None and named not in pipelines:
        raise Fault(
            f"config key primary: there is no pipeline {named}{did_you_mean(named, pipelines)}; "
            f"pipelines are {', '.join(pipelines)}"
        )
    if named is None and len(pipelines) > 1 and "primary" not in pipelines:
        raise Fault(
            f"config key primary: which of the pipelines {', '.join(pipelines)} are the answers "
            f"to be of? write such as primary: {next(iter(pipelines))}"
        )
    if named is None:
        named = "primary" if "primary" in pipelines else next(iter(pipelines))
    config["primary"] = named
    config["pipelines"] = {named: pipelines[named]} | pipelines


def _cross_seed_sets(config: Configuration) -> None:
    """Add every pipeline once more with each further seed set, as ``<pipeline><SeedSet>``.

    Raises
    ------
    Fault
        If a pipeline of that name stands in the configuration, or the name is too long.
    """
    pipelines = config["pipelines"]
    for name, choices in list(pipelines.items()):
        for seed_set in config["robustness"]["seed_sets"]:
            if seed_set == choices["seed_set"]:
                continue
            words = re.findall("[A-Za-z0-9]+", seed_set)
            crossed = name + "".join(word[0].upper() + word[1:] for word in words)
            if crossed in pipelines:
                raise Fault(
                    f"config key robustness.seed_sets: pipeline {name} with {seed_set} is to be "
                    f"called {crossed}, and there is such a pipeline; rename it"
                )
            if len(crossed) > _LONGEST_LABEL:
                raise Fault(
                    f"config key robustness.seed_sets: pipeline {name} with {seed_set} is to be "
                    f"called {crossed}, which becomes part of file names; give the seed set a "
                    f"shorter name, so that there are {_LONGEST_LABEL} letters at most"
                )
            pipelines[crossed] = {**choices, "seed_set": seed_set}


def _tool(config: dict[str, Any]) -> str:
    """Return the preprocessing tool from a configuration that has not been checked yet."""
    preprocessing = config.get("preprocessing")
    found = preprocessing.get("tool") if isinstance(preprocessing, dict) else None
    return "native" if found is None else str(found)


def _unsound(value: Any, path: str) -> list[str]:
    """List values that are valid in YAML but not in a configuration.

    These are keys that are not strings, NaN, infinite or very large numbers, and unprintable text.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return [f"config key {path}: {value} is no number; write one, or null"]
    if isinstance(value, int | float) and abs(value) > _LARGEST:
        text = str(value) if isinstance(value, float) else _digits(value)
        return [f"config key {path}: {text} is beyond any value that makes sense; correct it"]
    if isinstance(value, str) and not value.isprintable():
        return [
            f"config key {path}: {value!r} has a line break, a tab or another sign that cannot be "
            "printed; write it in one line"
        ]
    if isinstance(value, list):
        return [fault for inner in value for fault in _unsound(inner, path)]
    if not isinstance(value, dict):
        return []
    faults = []
    for key, inner in value.items():
        name = str(key) if str(key).isprintable() and len(str(key)) < 60 else repr(key)[:60] + "…"
        place = f"{path}.{name}" if path else name
        if name != str(key):
            faults.append(f"config key {place}: a key is a word of one line; correct it")
            continue
        if not isinstance(key, str):
            # YAML does not read 1, 2.0, on, no and null as strings.
            faults.append(f'config key {place}: a key must be text; write it in quotes: "{key}"')
        faults += _unsound(inner, place)
    return faults


def _digits(value: int) -> str:
    # Python refuses to format whole numbers of more than 4,300 digits.
    n = int(abs(value).bit_length() * math.log10(2)) + 1
    return str(value) if n < 20 else f"{value // 10 ** (n - 10)}… ({n} digits)"


def _paths(config: Configuration) -> list[str]:
    """List the keys whose paths cannot be used as they are written."""
    preprocessing = config["preprocessing"]["fmriprep"]
    places: dict[str, str | None] = {
        key: config[key] for key in ("bids_dir", "derivatives_dir", "results_dir")
    }
    places |= {f"sheets.{key}": path for key, path in config["sheets"].items()}
    places |= {key: config[key] for key in ("strategies", "preregistration")}
    places["derivatives.fmriprep_dir"] = config["derivatives"]["fmriprep_dir"]
    places["derivatives.components_dir"] = config["derivatives"]["components_dir"]
    places |= {f"group.{key}": config["group"][key] for key in ("atlas", "atlas_names", "mask")}
    places |= {
        f"preprocessing.fmriprep.{key}": preprocessing[key]
        for key in ("fs_license", "templateflow_dir", "work_dir")
    }
    places["exclusion.ratings"] = config["exclusion"]["ratings"]
    if config["blinding"] is not None:
        places["blinding.file"] = config["blinding"]["file"]
    return [
        f"config key {key}: {fault}"
        for key, path in places.items()
        if path is not None and (fault := path_fault(path))
    ]


def _contradictions(config: Configuration) -> list[str]:
    """List values that contradict each other, or that cannot be part of file names."""
    faults = []

    def part_of_names(key: str, value: str, more: str = "") -> None:
        if len(value) > _LONGEST_LABEL:
            faults.append(
                f"config key {key}: {value[:20]}… has {len(value)} letters and becomes part of "
                f"file names; use {_LONGEST_LABEL} at most"
            )
        elif not re.fullmatch(f"[A-Za-z0-9{more}]+", value):
            signs = ", digits and " + more if more else " and digits"
            faults.append(
                f"config key {key}: {value!r} becomes part of file names; use letters{signs} only"
            )

    for name, choices in config["pipelines"].items():
        part_of_names(f"pipelines.{name}", name)
        low = choices["low_pass_hz"]
        if low is not None and choices["high_pass_hz"] >= low:
            faults.append(
                f"config key pipelines.{name}: the pass band from high_pass_hz "
                f"{choices['high_pass_hz']:g} to low_pass_hz {low:g} is empty; choose a lower "
                "high_pass_hz"
            )
    for key, word in {
        **{key: config[key] for key in ("task", "space", "res")},
        "derivatives.desc": config["derivatives"]["desc"],
    }.items():
        if word is not None:
            part_of_names(key, word, "+")
    why = space.problem(config["space"], unversioned=config["entry"] == "maps")
    if why is not None and not any(fault.startswith("config key space:") for fault in faults):
        faults.append(
            f"config key space: {config['space']} {why}; name a space such as MNI152NLin2009cAsym, "
            "in which the derivatives must lie"
        )
    native = config["entry"] == "raw" and config["preprocessing"]["tool"] == "native"
    if native and (config["space"], config["res"]) != (TEMPLATE_SPACE, None):
        faults.append(
            f"config key space: native preprocessing (entry raw) makes {TEMPLATE_SPACE} and no res "
            f"entity, not {config['space']}; write space: {TEMPLATE_SPACE} and leave res out, or "
            "set preprocessing.tool: fmriprep-run"
        )
    columns = list(declared(config))
    if len(columns) < len(config["covariates"]):
        faults.append("config key covariates: a column stands there twice; name it once")
    groups: Any = config["groups"]
    if isinstance(groups, list):
        groups = dict(enumerate(groups, 1))
    for role, group in groups.items():
        if group is not None:
            part_of_names(f"groups.{role}" if isinstance(role, str) else "groups", group, "_")
    if not any(groups.values()):
        faults.append(
            "config key groups: no group is named; write the label of one, such as patients: MDD "
            "or controls: HV, or of both"
        )
    by_role: dict[str, Iterable[str | None]] = {
        "groups": groups.values(),
        "treatments": treatment_labels(config),
    }
    for names, of_roles in by_role.items():
        used = [label for label in of_roles if label is not None]
        labels = [*used, *config["unused"][names]]
        twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
        for label in twice:
            place = names if label in used else f"unused.{names}"
            faults.append(
                f"config key {place}: {label!r} stands there twice, or in unused.{names} too; each "
                "label is due once"
            )
        faults += [
            f"config key {names}: {label!r} can be no label; write a word, of one line"
            for label in labels
            if label in MISSING or not label.isprintable() or label != label.strip()
        ]
    if ANY in treatment_labels(config):
        faults.append(
            f"config key treatments: {ANY!r} stands for any treatment in the key contrasts; rename "
            "the treatment"
        )
    for occasion in config["occasions"]:
        part_of_names("occasions", occasion)
    maps = config["maps"]
    if (maps["kind"], maps["level"]) == ("correlation", "contrast"):
        faults.append(
            "config key maps.kind: a difference of two correlations (maps.level: contrast) cannot "
            "be made Fisher z; give maps per session, or write maps.kind: other"
        )
    if config["entry"] == "maps" and config["exclusion"]["ratings"] is not None:
        faults.append(
            "config key exclusion.ratings: ready maps (entry maps) are not judged by session here; "
            "remove the key, and exclude sessions in the sheet of sessions with their reasons"
        )
    if config["entry"] == "maps" and config["robustness"]["seed_sets"]:
        faults.append(
            "config key robustness.seed_sets: ready maps (entry maps) were made with their seeds; "
            "remove it"
        )
    if config["entry"] in ("fmriprep", "maps") and not config["derivatives_dir"]:
        faults.append(
            f"config key derivatives_dir: entry {config['entry']} needs it; name the folder with "
            "the derivatives"
        )
    return faults


def _values_from_text(value: Any, schema: dict[str, Any]) -> None:
    """Convert strings to the type in the schema, such as "199", "false" and "null".

    In ``--config group={permutations: 199}`` the inner value arrives as a string, because
    Snakemake only converts values at the top level. ``value`` is changed in place.
    """
    if not isinstance(value, dict):
        return
    further = schema.get("additionalProperties")
    for key, inner in value.items():
        own = schema.get("properties", {}).get(key, further if isinstance(further, dict) else {})
        if isinstance(inner, str):
            value[key] = _from_text(inner, own)
        _values_from_text(value[key], own)


def _from_text(text: str, schema: dict[str, Any]) -> Any:
    choices = schema.get("enum", [])
    kinds = schema.get("type", "number" if choices and not isinstance(choices[0], str) else [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if text in ("null", "~") and ("null" in kinds or None in choices):
        return None
    if "string" in kinds:
        return text
    if kinds & {"integer", "number"} and _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _canonical(value: Any, schema: dict[str, Any]) -> Any:
    """Return one standard form for configurations with the same meaning.

    The parameters of a job are compared as text, so that another order of keys would run jobs
    again. Known keys come in the order of the schema, others (names of pipelines) as written. 6.0
    becomes 6, as JSON Schema accepts both as a whole number.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_canonical(inner, items if isinstance(items, dict) else {}) for inner in value]
    if not isinstance(value, dict):
        return value
    known, further = schema.get("properties", {}), schema.get("additionalProperties")
    others = further if isinstance(further, dict) else {}
    return {key: _canonical(value[key], known[key]) for key in known if key in value} | {
        key: _canonical(inner, others) for key, inner in value.items() if key not in known
    }


_REMEDIES = {
    "object": "write its keys below it, or remove it",
    "array": "write a list, such as [first, second]",
    "string": "write a word",
    "number": "write a number, such as 0.5",
    "integer": "write a whole number, such as 5000",
    "boolean": "write true or false",
}


def _sentence(error: Any) -> str:
    is_word = error.instance is None or isinstance(error.instance, bool)
    shown = _plain(error.instance) if is_word else repr(error.instance)
    if error.validator == "required":
        return f"{error.message}; add it"
    if error.validator in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        return f"{error.message}; choose a value in range"
    if error.validator == "enum":
        return f"{shown} is none of {', '.join(map(str, error.validator_value))}; choose one"
    if error.validator == "type":
        kinds = error.validator_value
        kinds = [kinds] if isinstance(kinds, str) else kinds
        remedy = _REMEDIES[kinds[0]]
        if kinds[0] in ("number", "integer") and isinstance(error.instance, str):
            if re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", error.instance):
                # YAML 1.1 only reads a number with an exponent if it has a decimal point and a
                # sign, such as 1.0e-3.
                remedy = f"YAML takes this for text; write {float(error.instance):.15g}"
        elif kinds[0] == "string" and isinstance(error.instance, bool):
            remedy = "write it in quotes, as YAML takes yes, no, on and off for true and false"
        elif kinds[0] == "string" and isinstance(error.instance, int | float):
            remedy = f'write it in quotes: "{error.instance}"'
        return f"{shown} should be of type {' or '.join(kinds)}; {remedy}"
    if error.validator == "pattern":
        return (
            f"{error.instance!r} has a character that is not allowed; use letters, digits, _ and -"
        )
    if error.validator in ("minProperties", "minItems") and not error.instance:
        return "is empty; name at least one, or remove the key"
    if error.validator == "maxItems":
        return f"has {len(error.instance)} entries; name {error.validator_value} at most"
    if error.validator == "maxLength":
        return f"has {len(error.instance)} letters; use {error.validator_value} at most"
    if error.validator == "uniqueItems":
        return "has an entry twice; name each once"
    return f"{error.message}; correct it"


def _unknown_keys(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    if isinstance(value, list) and "items" in schema:
        return [
            fault
            for number, inner in enumerate(value, 1)
            for fault in _unknown_keys(inner, schema["items"], f"{path}, number {number}")
        ]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    further = schema.get("additionalProperties", True)
    faults = []
    for key, inner in value.items():
        place = f"{path}.{key}" if path else str(key)
        if key in known:
            faults += _unknown_keys(inner, known[key], place)
        elif further is False:
            hint = did_you_mean(str(key), known) or f"; known here: {', '.join(known)}"
            faults.append(f"config key {place} is unknown{hint}")
        elif isinstance(further, dict):
            faults += _unknown_keys(inner, further, place)
    return faults


def _fill(value: Any, schema: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        return
    for key, inner in schema.get("properties", {}).items():
        if key not in value and "default" in inner:
            value[key] = copy.deepcopy(inner["default"])
        if key in value:
            _fill(value[key], inner)
    further = schema.get("additionalProperties")
    if isinstance(further, dict):
        for key in value:
            if key not in schema.get("properties", {}):
                if value[key] is None and further.get("type") == "object":
                    value[key] = {}
                _fill(value[key], further)


def reference(schema: dict[str, Any]) -> str:
    """Return the reference of all keys as Markdown, generated from the schema."""
    lines = [
        "# Configuration",
        "",
        "Made from `workflow/schemas/config.schema.yaml` by `make docs`; edit the schema.",
        "",
        schema["description"],
        "",
        "| key | value | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    lines += _reference_rows(schema, "")
    return "\n".join(lines) + "\n"


def _reference_rows(schema: dict[str, Any], path: str) -> list[str]:
    rows = []
    for key, inner in schema.get("properties", {}).items():
        place = f"{path}{key}"
        default = inner.get("default", "required" if key in schema.get("required", []) else "")
        shown = "" if default in ({}, "") else f"`{_plain(default)}`"
        rows.append(f"| `{place}` | {_kind(inner)} | {shown} | {inner.get('description', '')} |")
        rows += _reference_rows(inner, f"{place}.")
        further = inner.get("additionalProperties")
        if isinstance(further, dict) and "properties" in further:
            rows += _reference_rows(further, f"{place}.<name>.")
    return rows


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    kind = schema.get("type", "")
    text = kind if isinstance(kind, str) else " or ".join(kind)
    for word, sign in (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    ):
        if word in schema:
            text += f" {sign} {schema[word]}"
    return text
