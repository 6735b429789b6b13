"""The methods text: written from the run's own configuration and records, ready for a paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from crossfc.report import number
from crossfc.report.citation import Citations, Reference
from crossfc.report.people import flows, one_session
from crossfc.report.results import Results
from crossfc.report.table import Table


@dataclass
class Methods:
    """Headed paragraphs and the works they cite."""

    parts: list[tuple[str, list[str]]]
    references: list[Reference]
    regions: Table | None


def methods(
    results: Results,
    environment: Environment,
    strategies: Mapping[str, Any],
    versions: Mapping[str, str],
) -> Methods:
    """Write the methods text.

    Parameters
    ----------
    results : Results
    environment : jinja2.Environment
        Finds ``methods.txt.j2``: headings begin with ``## ``, an empty line ends a paragraph.
    strategies : mapping
        Confound strategies with their ``methods`` sentence.
    versions : mapping
        Software to version.

    Returns
    -------
    Methods
    """
    cite = Citations()
    config = results.config
    # Lines end a paragraph here, so no newline after a block may be eaten.
    text = (
        environment.overlay(trim_blocks=False)
        .get_template("methods.txt.j2")
        .render(
            cite=cite,
            config=config,
            results=results,
            groups=results.groups,
            active=results.active,
            control=results.control,
            flows=flows(results),
            alone=len(one_session(results)),
            pipelines=_pipelines(results, strategies, cite),
            group=config.get("group") or {},
            clinical=config.get("clinical") or {},
            exclusion=config.get("exclusion") or {},
            preprocessing=config.get("preprocessing") or {},
            kinds={a.kind for a in results.analyses},
            record=results.analyses[0].record if results.analyses else {},
            adjusted=[a.record.get("sequence_adjusted") for a in results.analyses],
            scan=_scan(results),
            fwhm=results.pairs.get("fwhm_mm"),
            clinical_only=results.paired.empty and not results.analyses,
            versions=versions,
            listed=number.listed,
            whole=number.whole,
            general=number.general,
        )
    )
    return Methods(_parts(text), cite.listed(), regions_table(results))


def _parts(text: str) -> list[tuple[str, list[str]]]:
    """Split the rendered text into headings with their paragraphs; empty ones fall away."""
    parts: list[tuple[str, list[str]]] = []
    for block in text.split("\n\n"):
        block = " ".join(block.split())
        if block.startswith("## "):
            parts.append((block.removeprefix("## "), []))
        elif block and parts:
            parts[-1][1].append(block)
    return [(heading, paragraphs) for heading, paragraphs in parts if paragraphs]


def _pipelines(
    results: Results, strategies: Mapping[str, Any], cite: Citations
) -> list[dict[str, Any]]:
    """The pipelines in words, the primary one first."""
    out = []
    for name, choices in (results.config.get("pipelines") or {}).items():
        choices = choices or {}
        strategy = strategies.get(choices.get("strategy")) or {}
        sentence = " ".join(str(strategy.get("methods", "")).split())
        out.append(
            {
                "name": name,
                "sentence": cite.cite_those_in(sentence),
                "band": band(choices),
                "censoring": choices.get("censor_fd_mm"),
                "fwhm": choices.get("fwhm_mm"),
                "seed_set": choices.get("seed_set"),
                "difference": _difference(choices, results.config["pipelines"]),
            }
        )
    return out


def band(choices: Mapping[str, Any]) -> str:
    """Give the pass band in words."""
    high, low = choices.get("high_pass_hz"), choices.get("low_pass_hz")
    if high and low:
        return f"frequencies outside {number.general(high)}–{number.general(low)} Hz"
    if high:
        return f"frequencies below {number.general(high)} Hz"
    if low:
        return f"frequencies above {number.general(low)} Hz"
    return ""


def _difference(choices: Mapping[str, Any], pipelines: Mapping[str, Any]) -> str:
    """What sets a pipeline apart from the primary one."""
    primary = next(iter(pipelines.values())) or {}
    words = {
        "strategy": "confound strategy",
        "high_pass_hz": "high-pass (Hz)",
        "low_pass_hz": "low-pass (Hz)",
        "censor_fd_mm": "censoring above FD (mm)",
        "censor_minimum_run": "shortest kept stretch (volumes)",
        "fwhm_mm": "smoothing FWHM (mm)",
        "seed_set": "seed set",
    }
    out = []
    for key, value in choices.items():
        if value != primary.get(key):
            shown = "none" if value is None else value
            out.append(f"{words.get(key, key)} {shown}")
    return ", ".join(out)


def _scan(results: Results) -> dict[str, str]:
    """What the sessions' records tell of the scans."""
    found = {}
    for key in ("volumes", "repetition_time", "volumes_kept", "residual_degrees_of_freedom"):
        if key in results.sessions and results.sessions[key].notna().any():
            values = results.sessions[key].dropna()
            low, high = number.general(values.min()), number.general(values.max())
            found[key] = low if low == high else f"{low} to {high}"
    return found


def regions_table(results: Results) -> Table | None:
    """Tabulate seeds and targets with where they come from."""
    rows = []
    for role, regions, name in (
        ("seed", results.seeds, "seed"),
        ("target", results.target_rows, "target"),
    ):
        for row in regions:
            where = number.place(row.get("x"), row.get("y"), row.get("z"))
            size = row.get("radius_mm")
            shape = str(row.get("kind", ""))
            if not number.missing(size) and size != "n/a":
                shape += f", {number.general(size)} mm"
            elif not number.missing(row.get("file")) and row.get("file") != "n/a":
                shape += f", {row['file']} {row.get('label', '')}"
            rows.append([role, str(row.get(name)), where, shape, str(row.get("citation", ""))])
    if not rows:
        return None
    columns = [(c, False) for c in ("role", "region", "centre (mm)", "shape", "source")]
    return Table("Seeds and targets", columns, rows)


def versions_table(versions: Mapping[str, str]) -> Table | None:
    """Tabulate software versions."""
    if not versions:
        return None
    rows = [[str(name), str(version)] for name, version in versions.items()]
    return Table("Software", [("software", False), ("version", False)], rows)
