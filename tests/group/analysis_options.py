"""Options of an analysis for tests: the defaults of the config's schema, but for what is chosen."""

from dataclasses import fields
from pathlib import Path

from crossfc.group.design.options import AnalysisOptions
from crossfc.trial.config import load_schema

_SCHEMA = Path(__file__).resolve().parents[2] / "workflow" / "schemas" / "config.schema.yaml"
_KEYS = load_schema(_SCHEMA)["properties"]["group"]["properties"]
_APART = {"covariates": {}, "smallest_fisher_z": None}
_DEFAULTS = {field.name: _KEYS[field.name]["default"] for field in fields(AnalysisOptions)
             if field.name not in _APART}  # fmt: skip


def analysis_options(**chosen):
    return AnalysisOptions(**_DEFAULTS | _APART | chosen)
