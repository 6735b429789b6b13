"""Write the bundle: a folder with what of a study's results can be shared."""

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc import atomic
from crossfc.bundle.distribution import distributions, session_counts
from crossfc.bundle.estimate import shared_estimates
from crossfc.bundle.identifier import require_no_identifier
from crossfc.bundle.maps import SharedMap, write_maps
from crossfc.bundle.neurovault import collection, image_table
from crossfc.bundle.options import BundleOptions, BundleSources
from crossfc.bundle.readme import readme
from crossfc.bundle.withheld import Withheld, too_few
from crossfc.group.findings.result import Result, read_result
from crossfc.table import read_table

INDEX_COLUMNS = ["file", "analysis", "seed", "stat", "n", "description"]
# Of the record of an analysis, what is told of it.
_ANALYSIS = ("analysis", "question", "model", "n", "seeds", "space")
# Of the record of provenance, what holds nothing about people.
_PROVENANCE = (
    *("crossfc", "deployment", "commit", "code", "lock", "packages", "config", "atlas"),
    *("derivatives", "seeds", "preregistration"),
)
_DESCRIPTIONS = {
    "README.md": "What is in this bundle, and how it is used.",
    "bundle.json": "What the README says, for programs.",
    "collection.json": "Fields of a collection at NeuroVault.",
    "estimates.tsv": "Changes of scores and edges, and their correlations, by group.",
    "methods.md": "The methods text of the study.",
    "neurovault.tsv": "Fields of the images at NeuroVault.",
    "provenance.json": "Versions, code, configuration and random seeds of the run.",
    "quality.tsv": "How measures of quality are distributed over people.",
    "sessions.tsv": "Numbers of people, sessions and excluded sessions.",
    "withheld.tsv": "What is not in the bundle, and why.",
}


def write_bundle(
    out: str | Path,
    analyses: Sequence[str | Path],
    sources: BundleSources,
    options: BundleOptions,
    people: Collection[str],
    version: str,
) -> None:
    """Write the bundle; an earlier one is replaced.

    Parameters
    ----------
    out : path
        The folder.
    analyses : sequence of path
        Folders of the analyses of the primary pipeline.
    sources : BundleSources
    options : BundleOptions
    people : collection of str
        Identifiers of all people of the study, none of which may be in the bundle.
    version : str
        Of crossfc.

    Raises
    ------
    Fault
        If an identifier of a person would be in it.
    """
    shared, withheld = _shared_analyses(analyses, options["smallest_group"])
    results = [result for result, _ in shared]
    record = json.loads(Path(sources["provenance"]).read_text(encoding="utf-8"))
    with atomic.writing_folder(out) as folder:
        maps = [own for result, source in shared for own in write_maps(result, source, folder)]
        tables, of_tables = _tables(sources, options)
        withheld += of_tables
        tables["neurovault"] = image_table(maps)
        tables["withheld"] = pd.DataFrame(withheld, columns=Withheld._fields)
        for name, table in tables.items():
            atomic.write_table(folder / f"{name}.tsv", table)
        shutil.copyfile(sources["methods"], folder / "methods.md")
        atomic.write_json(folder / "provenance.json", {key: record[key] for key in _PROVENANCE})
        _write_words(folder, results, withheld, options, version)
        atomic.write_table(folder / "index.tsv", _index(folder, results, maps))
        require_no_identifier(folder, people)


def _shared_analyses(
    folders: Sequence[str | Path], smallest: int
) -> tuple[list[tuple[Result, Path]], list[Withheld]]:
    """Return the analyses whose maps are shared, and those of which they are not."""
    shared: list[tuple[Result, Path]] = []
    withheld = []
    for folder in map(Path, folders):
        result = read_result(folder)
        because = too_few(result["n"], smallest)
        if not result["estimable"]:
            because = "could not be estimated"
        if because is None:
            shared.append((result, folder))
        else:
            withheld.append(Withheld(f"maps of {result['analysis']}", because))
    return shared, withheld


def _tables(
    sources: BundleSources, options: BundleOptions
) -> tuple[dict[str, pd.DataFrame], list[Withheld]]:
    """Return the tables of results by name, and what they do not hold."""
    tables: dict[str, pd.DataFrame] = {}
    withheld: list[Withheld] = []
    smallest = options["smallest_group"]
    if sources["evidence"] is not None:
        evidence = read_table(sources["evidence"])
        tables["estimates"], of_few = shared_estimates(evidence, options["groups"], smallest)
        withheld += of_few
    if sources["sessions"] is not None:
        sessions = read_table(sources["sessions"])
        tables["sessions"] = session_counts(sessions)
        tables["quality"], of_few = distributions(sessions, smallest)
        withheld += of_few
    return tables, withheld


def _write_words(
    folder: Path,
    results: Sequence[Result],
    withheld: Sequence[Withheld],
    options: BundleOptions,
    version: str,
) -> None:
    """Write what the bundle is, for people, for programs and for NeuroVault."""
    questions = {result["analysis"]: result["question"] for result in results}
    title = options["title"]
    text = readme(questions, withheld, options, version)
    atomic.write_text(folder / "README.md", text)
    said: Mapping[str, Any] = {
        **options,
        "crossfc": version,
        "analyses": [{key: result.get(key) for key in _ANALYSIS} for result in results],
        "withheld": [own._asdict() for own in withheld],
    }
    atomic.write_json(folder / "bundle.json", said)
    description = f"{title}: group results of seed connectivity, by crossfc {version}."
    fields = collection(title, description, results, version)
    atomic.write_json(folder / "collection.json", fields)


def _index(folder: Path, results: Sequence[Result], maps: Sequence[SharedMap]) -> pd.DataFrame:
    """List every file of the bundle but sidecars, which lie beside what they describe."""
    numbers = {result["analysis"]: sum(result["n"].values()) for result in results}
    rows: list[dict[str, Any]] = [
        {"file": name, "description": description}
        for name, description in _DESCRIPTIONS.items()
        if (folder / name).is_file()
    ]
    for shared in maps:
        analysis = str(shared.sidecar["Analysis"])
        rows.append(
            {"file": shared.path, "analysis": analysis, "seed": shared.seed, "stat": shared.stat}
            | {"n": numbers[analysis], "description": shared.sidecar["Description"]}
        )
    table = pd.DataFrame(rows, columns=INDEX_COLUMNS)
    return table.astype({"n": "Int64"})
