"""What the files of a study hold: every file, and every column of a table, with meaning and unit.

The descriptions are in ``workflow/schemas/outputs.yaml``. No result depends on them: jobs write
them beside their tables (`crossfc.jobs.sidecar`), and a better sentence makes no job run again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[2]
FILE = HOME / "workflow" / "schemas" / "outputs.yaml"
# What `snakemake --report` carries, as the rules flag it.
_REPORTED = (
    r"report\.html|methods\.md|references\.bib|quality\.html|(cluster_)?robustness\.tsv|"
    r"(checklists|hypotheses|clinic|quality)/[a-z_]+\.tsv|"
    r"group/<pipeline>/(<analysis>/clusters|family|pairs_of_groups|sensitivity|mixed)\.tsv"
)


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, what it holds, and the unit (empty where there is none)."""

    name: str
    description: str
    unit: str = ""

    def holds(self, column: str) -> bool:
        """Test whether a column is this one: ``coverage_<seed>`` holds ``coverage_sgACC``."""
        return re.fullmatch(_pattern(self.name, ".+"), column) is not None


@dataclass(frozen=True)
class Output:
    """A file of the results, or several of one kind.

    Attributes
    ----------
    path : str
        From the study's folder; ``<label>`` stands for a label, ``*`` for the rest of a name.
    description : str
    columns : tuple of Column
        Those of a table, in their order; empty for other files.
    """

    path: str
    description: str
    columns: tuple[Column, ...] = ()

    def is_at(self, path: str) -> bool:
        """Test whether a file, named from the study's folder, is of this kind."""
        return re.fullmatch(_pattern(self.path, "[^/]+"), path) is not None

    def column(self, name: str) -> Column | None:
        """Return the description of a column; None if there is none.

        A name is preferred to a pattern that would hold it too.
        """
        held = [column for column in self.columns if column.holds(name)]
        return next((c for c in held if c.name == name), held[0] if held else None)


def _pattern(words: str, label: str) -> str:
    parts = re.split(r"(<[^>]+>|\*)", words)
    special = {"*": "[^/]*"}
    return "".join(
        special.get(part) or (label if part.startswith("<") else re.escape(part)) for part in parts
    )


def outputs(path: Path = FILE) -> list[Output]:
    """Read the descriptions of all files, in the order of the document."""
    import yaml

    # Every job reads them, and the parser in C takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path.read_text(encoding="utf-8"), loader)
    shared = document["columns"]
    return [
        Output(name, said["description"], _columns(said.get("columns") or {}, shared))
        for name, said in document["files"].items()
    ]


def _columns(named: Mapping[str, Any], shared: Mapping[str, Any]) -> tuple[Column, ...]:
    told = {name: own or shared[name] for name, own in named.items()}
    return tuple(Column(name, c["description"], c.get("unit", "")) for name, c in told.items())


def sidecar(table: Output, columns: Iterable[str]) -> dict[str, str | dict[str, str]]:
    """Return the content of the JSON file beside a table, as BIDS describes tables.

    Parameters
    ----------
    table : Output
    columns : iterable of str
        Those that a file of this kind has.

    Returns
    -------
    dict
        ``Description``, what the table holds; and of each column its own ``Description`` and,
        where there is one, the unit as ``Units``.
    """
    found: dict[str, str | dict[str, str]] = {"Description": table.description}
    for name in columns:
        if (own := table.column(name)) is not None:
            units = {"Units": own.unit} if own.unit else {}
            found[name] = {"Description": own.description, **units}
    return found


def caption_name(path: str) -> str:
    """Return the name of the file with an output's description, for ``snakemake --report``.

    Parameters
    ----------
    path : str
        From the study's folder; labels are in ``<label>`` or, as wildcards, in ``{label,pattern}``.
    """
    return re.sub(r"\{(\w+)[^/]*\}|<(\w+)>", r"\1\2", path).replace("/", "_") + ".rst"


def captions(described: list[Output]) -> dict[str, str]:
    """Return the captions of tables and pages by the name of their file, as reStructuredText."""
    return {
        caption_name(output.path): _restructured(output.description) + "\n"
        for output in described
        if re.fullmatch(_REPORTED, output.path)
    }


def _restructured(words: str) -> str:
    """Escape what reStructuredText would take for markup; code is in two backticks there."""
    parts = re.split(r"`([^`]+)`", words)
    parts[::2] = [re.sub(r"([*_|\\])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``" for part in parts[1::2]]
    return "".join(parts)


def document(described: list[Output]) -> str:
    """Return the descriptions as Markdown: docs/outputs.md."""
    lines = [
        "# Outputs",
        "",
        "Made from `workflow/schemas/outputs.yaml` by `make docs`; edit that file.",
        "",
        "Paths are below `<results_dir>/<study>/`. Tables are tab-separated, with `n/a` where a",
        "value is missing. `<words in brackets>` stand for labels of the study. Differences are",
        "active minus control, whichever direction of a scale is better. Beside every table lies",
        "a sidecar (`.json`) with what stands here of its columns, and beside every group map one",
        "with its statistic, contrast, people and correction.",
    ]
    for output in described:
        lines += ["", f"## `{output.path}`", "", output.description]
        if output.columns:
            lines += ["", "| column | meaning | unit |", "| --- | --- | --- |"]
            lines += [f"| `{c.name}` | {c.description} | {c.unit} |" for c in output.columns]
    return "\n".join(lines) + "\n"
