"""The configuration: checked key by key, defaults filled in, documented from its schema."""

import copy
from pathlib import Path
from typing import Any

import yaml

from crossfc.fault import raise_all
from crossfc.trial.sheet import did_you_mean


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
    faults = _unknown_keys(config, schema, "")
    _fill(config, schema)
    for error in Draft202012Validator(schema).iter_errors(config):
        if error.validator == "additionalProperties":
            continue
        key = ".".join(str(part) for part in error.absolute_path) or "(top)"
        faults.append(f"config key {key}: {_sentence(error)}")
    primary = config.get("pipelines")
    for name in primary if isinstance(primary, dict) else ():
        if not str(name).isalnum():
            faults.append(
                f"config key pipelines.{name}: a pipeline's name becomes part of file names; "
                "use letters and digits only"
            )
    if config.get("entry") in ("fmriprep", "maps") and not config.get("derivatives_dir"):
        faults.append(
            f"config key derivatives_dir: entry {config['entry']} needs it; name the folder with "
            "the derivatives"
        )
    raise_all(faults)
    return config


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
    return f"{error.message}"


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
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


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
