"""The configuration: checked key by key, defaults filled in, documented from its schema."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import yaml

from crossfc.bids import TEMPLATE_SPACE
from crossfc.fault import raise_all
from crossfc.trial.covariate import declared
from crossfc.trial.sheet import MISSING, did_you_mean


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON Schema of the configuration from YAML."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def check(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Check a configuration and fill in the defaults.

    Parameters
    ----------
    config : dict
        As Snakemake gives it (files and ``--config`` merged). Not changed.
    schema : dict
        The schema, whose ``default`` values are used.

    Returns
    -------
    dict
        A complete copy.

    Raises
    ------
    Fault
        One sentence per fault: unknown keys with the nearest known one, values of a wrong type
        or out of range.
    """
    from jsonschema import Draft202012Validator

    config = copy.deepcopy(config)
    faults = _unsound(config, "")
    raise_all(faults)
    faults = _unknown_keys(config, schema, "")
    if config.get("entry") == "raw" and _tool(config) == "native":
        config.setdefault("space", TEMPLATE_SPACE)
    _fill(config, schema)
    for error in Draft202012Validator(schema).iter_errors(config):
        if error.validator == "additionalProperties":
            continue
        key = ".".join(str(part) for part in error.absolute_path) or "(top)"
        faults.append(f"config key {key}: {_sentence(error)}")
    raise_all(faults)
    raise_all(_contradictions(config))
    _whole_numbers(config, schema)
    # Whichever is written first: patients before controls, active before control.
    for key, roles in (("groups", ("patients", "controls")), ("treatments", ("active", "control"))):
        config[key] = {role: config[key][role] for role in roles}
    return config


def _tool(config: dict[str, Any]) -> str:
    """Give the tool of preprocessing, of a configuration that may be at fault still."""
    preprocessing = config.get("preprocessing")
    found = preprocessing.get("tool") if isinstance(preprocessing, dict) else None
    return "native" if found is None else str(found)


def _unsound(value: Any, path: str) -> list[str]:
    """List what YAML can hold and a configuration cannot: keys that are no text, NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return [f"config key {path}: {value} is no number; write one, or null"]
    if isinstance(value, list):
        return [fault for inner in value for fault in _unsound(inner, path)]
    if not isinstance(value, dict):
        return []
    faults = []
    for key, inner in value.items():
        place = f"{path}.{key}" if path else str(key)
        if not isinstance(key, str):
            # YAML reads 1, 2.0, on, no and null as something else than text.
            faults.append(f'config key {place}: a key must be text; write it in quotes: "{key}"')
        faults += _unsound(inner, place)
    return faults


def _contradictions(config: dict[str, Any]) -> list[str]:
    """List what each key allows for itself but not together, or not in file names."""
    faults = []

    def part_of_names(key: str, value: str, more: str = "") -> None:
        if not re.fullmatch(f"[A-Za-z0-9{more}]+", value):
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
    for key in ("task", "space", "res"):
        if config[key] is not None:
            part_of_names(key, config[key], "+")
    native = config["entry"] == "raw" and _tool(config) == "native"
    if native and (config["space"], config["res"]) != (TEMPLATE_SPACE, None):
        faults.append(
            f"config key space: native preprocessing (entry raw) makes {TEMPLATE_SPACE} and no res "
            f"entity, not {config['space']}; write space: {TEMPLATE_SPACE} and leave res out, or "
            "set preprocessing.tool: fmriprep-run"
        )
    columns = list(declared(config))
    if len(columns) < len(config["covariates"]):
        faults.append("config key covariates: a column stands there twice; name it once")
    for role, group in config["groups"].items():
        if group is not None:
            part_of_names(f"groups.{role}", group, "_")
    if not any(config["groups"].values()):
        faults.append(
            "config key groups: no group is named; write the label of one, such as patients: MDD "
            "or controls: HV, or of both"
        )
    for key in ("groups", "treatments"):
        used = [label for label in config[key].values() if label is not None]
        labels = [*used, *config["unused"][key]]
        twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
        for label in twice:
            place = key if label in used else f"unused.{key}"
            faults.append(
                f"config key {place}: {label!r} stands there twice, or in unused.{key} too; each "
                "label is due once"
            )
        faults += [
            f"config key {key}: {label!r} can be no label; write a word, of one line"
            for label in labels
            if label in MISSING or not label.isprintable() or label != label.strip()
        ]
    if config["entry"] in ("fmriprep", "maps") and not config["derivatives_dir"]:
        faults.append(
            f"config key derivatives_dir: entry {config['entry']} needs it; name the folder with "
            "the derivatives"
        )
    return faults


def _whole_numbers(value: Any, schema: dict[str, Any]) -> None:
    """Turn 1000.0 into 1000 where an integer is due (JSON Schema takes both)."""
    if not isinstance(value, dict):
        return
    further = schema.get("additionalProperties")
    for key, inner in value.items():
        own = schema.get("properties", {}).get(key, further if isinstance(further, dict) else {})
        if own.get("type") == "integer" and isinstance(inner, float):
            value[key] = int(inner)
        _whole_numbers(inner, own)


def _sentence(error: Any) -> str:
    if error.validator == "required":
        return f"{error.message}; add it"
    if error.validator in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        return f"{error.message}; choose a value in range"
    if error.validator == "enum":
        return f"{error.instance!r} is none of {', '.join(map(str, error.validator_value))}"
    if error.validator == "type":
        kinds = error.validator_value
        kinds = kinds if isinstance(kinds, str) else " or ".join(kinds)
        return f"{error.instance!r} should be of type {kinds}"
    if error.validator == "pattern":
        return (
            f"{error.instance!r} has a character that is not allowed; use letters, digits, _ and -"
        )
    if error.validator == "minProperties":
        return "is empty; name at least one"
    return f"{error.message}; correct it"


def _unknown_keys(value: Any, schema: dict[str, Any], path: str) -> list[str]:
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
    """Give the reference of all keys as Markdown, from the schema alone."""
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
