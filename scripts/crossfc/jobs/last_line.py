"""The last line of a job's log: the figure that matters, read from what the job made.

It is read back from the files and not handed over by the functions that made them, so that scripts
stay thin, results do not depend on it, and what it says is what is on the disk.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

# A row of a table, as text; empty where a value is missing.
Row: TypeAlias = dict[str, str]


def last_line(script: str, job: Any) -> str:
    """Return the last line of the log of a job that succeeded.

    Parameters
    ----------
    script : str
        Name of the script, one of `LAST_LINES`.
    job : object
        The object that Snakemake provides in a script.

    Returns
    -------
    str
        One line. If what was made cannot be read back, the line says so: the results are made, and
        a job does not fail for its log.
    """
    told = LAST_LINES.get(script)
    if told is None:
        return "done"
    try:
        return " ".join(told(job).split())
    except Exception as error:
        return f"done; the figure could not be read back ({type(error).__name__}: {error})"


def _rows(path: str | Path) -> list[Row]:
    with open(path, encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t")
        return [{k: "" if v == "n/a" else v for k, v in row.items()} for row in table]


def _json(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _number(text: str) -> float:
    return float(text) if text else math.nan


def counted(number: int, one: str, several: str = "") -> str:
    """Put a number of things into words: ``1 person``, ``2 people``, ``3 files``."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def _counts(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {number}" for word, number in Counter(words).most_common()) or "none"


def _smallest(rows: Iterable[Row], column: str, what: str, *labels: str) -> str:
    """Say the smallest value of a column, and of which row it is."""
    known = [row for row in rows if row.get(column)]
    if not known:
        return f"no {what}"
    least = min(known, key=lambda row: _number(row[column]))
    of = " ".join(least[label] for label in labels if least.get(label))
    return f"smallest {what} {_number(least[column]):.3g}" + (f" ({of})" if of else "")


def bytes_label(size: int) -> str:
    """Put a number of bytes into words."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _size(path: str | Path) -> str:
    return bytes_label(Path(path).stat().st_size)


# The trial ----------------------------------------------------------------------------------------


def _sheets(job: Any) -> str:
    paths = job.params.config["sheets"]
    people, sessions = (_rows(paths[kind]) for kind in ("participants", "sessions"))
    return f"{counted(len(people), 'person', 'people')}, {counted(len(sessions), 'session')}"


def _trial(job: Any) -> str:
    people, left = _rows(job.output.participants), _rows(job.output.left)
    groups = _counts(row["group"] for row in people)
    gone = counted(len({row["participant_id"] for row in left}), "person", "people")
    return (
        f"{counted(len(people), 'person', 'people')} ({groups}); {gone} named in "
        f"{Path(job.output.left).name}"
    )


# One scan -----------------------------------------------------------------------------------------


def _truth(job: Any) -> str:
    changes = _rows(job.output.changes)
    off = sum(_number(row["change"]) != 0 for row in changes)
    return f"{len(changes)} planted changes, {off} of them other than zero"


def _simulated(job: Any) -> str:
    return f"{job.params.twin['volumes']} volumes simulated, {_size(job.output.bold)}"


def _twin_anatomy(job: Any) -> str:
    return f"T1w simulated, {_size(job.output.t1w)}"


def _twin_dataset(job: Any) -> str:
    return f"head of a raw data set of {counted(len(job.params.people), 'person', 'people')}"


def _derivative_dataset(job: Any) -> str:
    made_by = _json(job.output[0])["GeneratedBy"]
    return "made by " + ", ".join(f"{tool['Name']} {tool['Version']}" for tool in made_by)


def _normalise_subject(job: Any) -> str:
    found = _json(job.output.quality)
    return (
        f"overlap with the template (Dice) {found['dice']:.3f}, correlation "
        f"{found['correlation']:.3f}; {counted(len(found['warnings']), 'warning')}"
    )


def _preprocess_session(job: Any) -> str:
    record = _json(job.output.bold_sidecar)
    dice = record["Registration"]["dice_template"]
    moved = record["Quality"]["fd_mean_mm"]
    return (
        f"mean framewise displacement {'not known' if moved is None else f'{moved:.3f} mm'}; "
        f"overlap with the template (Dice) {dice:.3f}; "
        f"{counted(len(record['Warnings']), 'warning')}"
    )


def _fmriprep_image(job: Any) -> str:
    found = _json(job.output[0])
    return f"fMRIPrep {found['version']}, SHA-256 {(found['sha256'] or 'not known')[:12]}"


def _fmriprep_subject(job: Any) -> str:
    folder = Path(job.output[0]).with_suffix("")
    scans = list(folder.rglob("*desc-preproc_bold.nii.gz"))
    return f"{counted(len(scans), 'scan')} in template space"


def _fmriprep_scan(job: Any) -> str:
    return f"{counted(len(list(job.output)), 'file')} linked"


def _connectivity_session(job: Any) -> str:
    told = []
    for path in sorted(Path(job.output[0]).glob("*_qc.json")):
        if path.with_suffix(".tsv").exists():
            continue  # the sidecar of a table, and no record
        record = _json(path)
        if record["exclusion_reasons"]:
            told.append(f"{record['pipeline']}: leaves ({'; '.join(record['exclusion_reasons'])})")
            continue
        least = min(record["seeds"].items(), key=lambda seed: float(seed[1]["coverage"]))
        told.append(
            f"{record['pipeline']}: {record['volumes_kept']} of {record['volumes']} volumes kept, "
            f"{record['residual_degrees_of_freedom']} degrees of freedom, least coverage of a "
            f"seed {least[1]['coverage']:.2f} ({least[0]})"
        )
    return "; ".join(told)


# People together ----------------------------------------------------------------------------------


def _pair_sessions(job: Any) -> str:
    record = _json(Path(job.output[0]) / "pairs.json")
    left = _rows(Path(job.output[0]) / "left.tsv")
    return (
        f"{counted(record['n_people'], 'person', 'people')}, {record['n_voxels']} voxels, "
        f"{counted(len(record['seeds']), 'seed')}; {counted(len(left), 'session')} left by quality"
    )


def _group_test(job: Any) -> str:
    result = _json(Path(job.output[0]) / "result.json")
    groups = ", ".join(f"{label} {n}" for label, n in result["n"].items())
    people = f"{counted(sum(result['n'].values()), 'person', 'people')} ({groups})"
    if not result["estimable"]:
        return f"{people}; not estimated: {result['notes'][0]}"
    maps = result["per_seed"]
    largest = max(
        ((value, seed) for seed, own in maps.items() for value in (own["max"], own["min"])),
        key=lambda found: abs(found[0]),
    )
    measures = ("voxel", "cluster", "mass", "tfce")
    p = min(
        (own[f"p_fwe_{by}_min"], by, seed)
        for seed, own in maps.items()
        for by in measures
        if f"p_fwe_{by}_min" in own
    )
    clusters = sum(own["n_clusters"] for own in maps.values())
    significant = sum(own["n_clusters_significant"] for own in maps.values())
    return (
        f"{people}; largest {result['statistic']} {largest[0]:.3g} ({largest[1]}); smallest "
        f"corrected p {p[0]:.3g} ({p[1]}, {p[2]}); {counted(clusters, 'cluster')}, {significant} "
        "significant by extent"
    )


def _group_family(job: Any) -> str:
    rows = _rows(job.output[0])
    told = _smallest(rows, "p_joint", "p over the family", "analysis", "seed", "measure")
    return f"{counted(len(rows), 'row')}; {told}"


def _pairs_of_groups(job: Any) -> str:
    rows = _rows(job.output[0])
    told = _smallest(rows, "p_over_pairs", "p over the pairs", "analysis", "seed", "measure")
    return f"{counted(len(rows), 'row')}; {told}"


def _mixed_model(job: Any) -> str:
    rows = _rows(job.output[0])
    edges = {(row["seed"], row["target"]) for row in rows}
    failed = {(row["seed"], row["target"]) for row in rows if row["converged"] != "True"}
    people = max((int(_number(row["n_people"])) for row in rows if row["n_people"]), default=0)
    told = [row for row in rows if row["term"] not in ("intercept", "period")]
    return (
        f"{counted(len(edges), 'edge')} of {counted(people, 'person', 'people')}, {len(failed)} "
        f"not fitted; {_smallest(told, 'p', 'p', 'seed', 'target', 'term')}"
    )


def _sensitivity(job: Any) -> str:
    found: dict[str, float] = {}
    for row in _rows(job.output[0]):
        if row["smallest"]:
            least = min(_number(row["smallest"]), found.get(row["analysis"], math.inf))
            found[row["analysis"]] = least
    told = [f"{name} {least:.3g}" for name, least in found.items()]
    return f"smallest change (Fisher z) found in 80 %: {', '.join(told) or 'not known'}"


# Scores -------------------------------------------------------------------------------------------


def _clinical_change(job: Any) -> str:
    rows = _rows(job.output.change)
    told = _smallest(rows, "p_holm", "p (Holm)", "contrast", "scale", "group")
    return f"{counted(len(rows), 'change')} of a score tested; {told}"


def _clinical_correlation(job: Any) -> str:
    rows = [row for row in _rows(job.output.correlation) if row["p_permutation"]]
    told = _smallest(rows, "q_fdr", "q", "contrast", "seed", "target", "scale", "group")
    return f"{counted(len(rows), 'correlation')} tested; {told}"


def _clinical_evidence(job: Any) -> str:
    rows = _rows(job.output[0])
    return f"{counted(len(rows), 'test')}: {_counts(row['verdict'] or 'no test' for row in rows)}"


def _carryover(job: Any) -> str:
    rows = _rows(job.output[0])
    columns = [name for name in (rows[0] if rows else ()) if name.startswith("carryover_")]
    known = [row[name] for row in rows for name in columns if name.endswith("_p") and row[name]]
    least = f"{min(map(_number, known)):.3g}" if known else "not known"
    return f"{counted(len(rows), 'change')}, smallest p of carry-over {least}"


def _hypotheses(job: Any) -> str:
    rows = _rows(job.output.hypotheses)
    return (
        f"{counted(len(rows), 'hypothesis', 'hypotheses')}: {_counts(r['verdict'] for r in rows)}"
    )


# Quality, and what is told ------------------------------------------------------------------------


def _quality_group(job: Any) -> str:
    sessions, excluded = _rows(job.output.sessions), _rows(job.output.excluded)
    own = sum(row["excluded"] == "True" for row in sessions)
    return (
        f"{own} of {counted(len(sessions), 'session')} excluded in the primary pipeline, "
        f"{len(excluded)} in any"
    )


def _robustness(job: Any) -> str:
    values = [
        _number(row["map_correlation_with_primary"])
        for row in _rows(job.output.maps)
        if row["map_correlation_with_primary"]
    ]
    clusters = {
        (row["analysis"], row["seed"], row["cluster"], row["sign"])
        for row in _rows(job.output.clusters)
    }
    if not values:
        return f"no other pipeline; {counted(len(clusters), 'significant cluster')} looked at"
    return (
        f"{counted(len(values), 'map')} of other pipelines, correlation with the primary one's "
        f"{min(values):.2f} to {max(values):.2f}; {counted(len(clusters), 'significant cluster')} "
        "looked for"
    )


def _quality_pages(job: Any) -> str:
    page, *people = job.output
    pages = sum(len(list(Path(folder).glob("*.html"))) for folder in people)
    return f"the page has {_size(page)}; {counted(pages, 'page')} of people"


def _report(job: Any) -> str:
    return f"the page has {_size(job.output.page)}"


def _provenance(job: Any) -> str:
    record: Mapping[str, Any] = _json(job.output.record)
    jobs = sum(alike["jobs"] for own in record["jobs"].values() for alike in own)
    return f"{counted(jobs, 'job')} recorded, code {record['code'][:12]}"


def _bundle(job: Any) -> str:
    rows = _rows(Path(job.output[0]) / "index.tsv")
    maps = sum(row["file"].endswith(".nii.gz") for row in rows)
    return f"{counted(len(rows), 'file')}, {counted(maps, 'map')} of them"


# Script to what makes the last line of its log.
LAST_LINES: dict[str, Callable[[Any], str]] = {
    "bundle": _bundle,
    "clinical_carryover": _carryover,
    "clinical_change": _clinical_change,
    "clinical_correlation": _clinical_correlation,
    "clinical_evidence": _clinical_evidence,
    "connectivity_session": _connectivity_session,
    "derivative_dataset": _derivative_dataset,
    "edge_carryover": _carryover,
    "fmriprep_image": _fmriprep_image,
    "fmriprep_scan": _fmriprep_scan,
    "fmriprep_subject": _fmriprep_subject,
    "group_family": _group_family,
    "group_test": _group_test,
    "hypotheses": _hypotheses,
    "mixed_model": _mixed_model,
    "normalise_subject": _normalise_subject,
    "pair_sessions": _pair_sessions,
    "pairs_of_groups": _pairs_of_groups,
    "preprocess_session": _preprocess_session,
    "provenance": _provenance,
    "quality_group": _quality_group,
    "quality_pages": _quality_pages,
    "report": _report,
    "robustness": _robustness,
    "sensitivity": _sensitivity,
    "sheets": _sheets,
    "trial": _trial,
    "truth": _truth,
    "twin_anatomy": _twin_anatomy,
    "twin_dataset": _twin_dataset,
    "twin_scan": _simulated,
    "twin_session": _simulated,
}
