"""Write config/README.md from the schema (`make docs`)."""

from pathlib import Path

from crossfc import atomic
from crossfc.trial.config import load_schema, reference

root = Path(__file__).resolve().parent.parent
schema = load_schema(root / "workflow" / "schemas" / "config.schema.yaml")
atomic.write_text(root / "config" / "README.md", reference(schema))
