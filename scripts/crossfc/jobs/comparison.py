"""Compare two runs and describe in words how their inputs and results differ."""

import csv
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from crossfc import provenance
from crossfc.jobs import claim
from crossfc.provenance import AlikeJobs, Provenance
from crossfc.session.connectivity import origin

# Records of the run itself are compared by their content, not as files.
_SELF = (provenance.RECORD, "logs", "trial/sheets")
_KEYS = ("participant_id", "session_id", "set", "seed", "target", "scale")
_VERSIONS: tuple[Literal["crossfc", "deployment", "commit"], ...] = (
    "crossfc",
    "deployment",
    "commit",
)
SHOWN = 20  # differences of one kind that are listed

# The jobs of each rule.
Jobs: TypeAlias = dict[str, list[AlikeJobs]]


def compare(
    first: str | Path, second: str | Path, shown: int | None = SHOWN
) -> tuple[list[str], bool]:
    """Compare two folders of results.

    Parameters
    ----------
    first, second : path
        Folders such as ``results/demo``, each with its provenance.
    shown : int, optional
        How many differences of one kind are listed; all if None.

    Returns
    -------
    lines : list of str
        What differs, in words; ``A`` is the first and ``B`` the second.
    same : bool
        Whether all files of the results are equal, byte by byte.

    Raises
    ------
    Fault
        If a folder has no provenance.
    """
    a, b = (provenance.read(path) for path in (first, second))
    parts = {
        "Configuration": _settings(a["config"], b["config"]),
        "Random seeds": _dictionaries(a["seeds"], b["seeds"], "config key"),
        "Sheets": list(_sheets(Path(first), Path(second), a, b)),
        "Versions": list(_versions(a, b)),
        "Code": list(_code(a, b)),
        "Threads": list(_threads(a["jobs"], b["jobs"])),
        "Machine": list(_machines(a["jobs"], b["jobs"])),
    }
    results = list(_results(Path(first), Path(second)))
    lines = [f"A is {first}, B is {second}."]
    for title, found in parts.items():
        lines += ["", f"{title}: {'the same' if not found else ''}".rstrip()] + _cut(found, shown)
    same = not results
    lines += ["", "Results: " + ("the same, byte by byte" if same else "")]
    return lines + _cut(results, shown), same


def _cut(found: list[str], shown: int | None) -> list[str]:
    listed = [f"  {line}" for line in found[:shown]]
    more = len(found) - len(listed)
    return listed + ([f"  and {more} more"] if more else [])


# What went in -------------------------------------------------------------------------------------


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries to one with dotted keys; lists are kept as values."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= leaves(inner, f"{path}.{key}" if path else str(key))
    return found


def _settings(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    a, b = ({k: v for k, v in leaves(c).items() if not _is_seed(k, v)} for c in (a, b))
    return _dictionaries(a, b, "config key")


def _is_seed(key: str, value: Any) -> bool:
    return key.endswith("seed") and isinstance(value, int)


def _dictionaries(a: Mapping[str, Any], b: Mapping[str, Any], what: str) -> list[str]:
    found = []
    for key in dict.fromkeys([*a, *b]):
        if key not in b:
            found.append(f"{what} {key}: {say(a[key])} in A only")
        elif key not in a:
            found.append(f"{what} {key}: {say(b[key])} in B only")
        elif a[key] != b[key]:
            found.append(f"{what} {key}: {say(a[key])} in A, {say(b[key])} in B")
    return found


def say(value: Any) -> str:
    """Format a value as in a config file."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _sheets(first: Path, second: Path, a: Provenance, b: Provenance) -> Iterator[str]:
    for name in dict.fromkeys([*a["sheets"], *b["sheets"]]):
        if a["sheets"].get(name) == b["sheets"].get(name):
            continue
        one, other = (next(f.glob(f"trial/sheets/{name}.*"), None) for f in (first, second))
        if one is None or other is None:
            yield f"{name} differs, and the copy that was kept of it is gone"
        elif one.suffix != ".tsv":
            yield f"{one.name} differs"
        else:
            rows = list(sheet_rows(one, other))
            yield from rows or [f"{one.name} differs in its form only"]


def sheet_rows(first: Path, second: Path) -> Iterator[str]:
    """Describe which rows of a sheet differ, in which columns, with both values."""
    (columns_a, a), (columns_b, b) = (_rows(path) for path in (first, second))
    for column in dict.fromkeys([*columns_a, *columns_b]):
        if (column in columns_a) != (column in columns_b):
            where = "A" if column in columns_a else "B"
            yield f"{first.name}: the column {column} is in {where} only"
    both = [column for column in columns_a if column in columns_b]
    for key in dict.fromkeys([*a, *b]):
        name = " ".join(part for part in key if part)
        if key not in b or key not in a:
            yield f"{first.name}: {name} is in {'A' if key in a else 'B'} only"
            continue
        for column in both:
            if a[key][column] != b[key][column]:
                yield (
                    f"{first.name}: {name}, column {column}: {a[key][column]} in A, "
                    f"{b[key][column]} in B"
                )


def _rows(path: Path) -> tuple[list[str], dict[tuple[str, ...], dict[str, str]]]:
    """Return the columns of a sheet, and its rows by their identifying cells.

    If several rows have the same identifying cells, a number is added.
    """
    with open(path, encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t")
        rows = list(table)
    columns = list(table.fieldnames or ())
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        own = tuple(str(row[key]) for key in _KEYS if key in columns)
        if own in found:
            number = next(n for n in itertools.count(2) if (*own, f"(row {n})") not in found)
            own = (*own, f"(row {number})")
        found[own] = {key: row[key] or "" for key in columns}
    return columns, found


def _versions(a: Provenance, b: Provenance) -> Iterator[str]:
    for key in _VERSIONS:
        if a[key] != b[key]:
            yield f"{key}: {say(a[key])} in A, {say(b[key])} in B"
    made, otherwise = (origin.told(run.get("derivatives") or []) for run in (a, b))
    if made != otherwise:
        yield f"derivatives: made by {made} in A, by {otherwise} in B"
    if a["lock"] != b["lock"]:
        yield f"uv.lock: {_short(a['lock'])} in A, {_short(b['lock'])} in B"
    for run, name in ((a, "A"), (b, "B")):
        locks = {alike["lock"] for own in run["jobs"].values() for alike in own}
        if len(locks) > 1:
            yield f"{name} was made under {len(locks)} locks, one after another"
    for line in _dictionaries(a["environments"], b["environments"], "file"):
        yield line.split(":")[0].removeprefix("file ") + " differs"
    of_rules: dict[str, list[str]] = {}
    for rule in a["jobs"].keys() & b["jobs"].keys():
        one, other = (_software(run["jobs"][rule]) for run in (a, b))
        for package in sorted(one.keys() | other.keys()):
            # A package that only one run imported does not count as a difference of versions.
            if package in one and package in other and one[package] != other[package]:
                line = f"{package} {one[package]} in A, {other[package]} in B"
                of_rules.setdefault(line, []).append(rule)
    for line, rules in sorted(of_rules.items()):
        yield f"{line}: {', '.join(sorted(rules))}"
    said = {line.split()[0] for line in of_rules}
    of_jobs = {p for run in (a, b) for own in run["jobs"].values() for p in _software(own)}
    for line in _dictionaries(a["packages"], b["packages"], "package"):
        package = line.split()[1].removesuffix(":")
        if package not in said:
            yield line + ("" if package in of_jobs else " (imported by no job itself)")


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"


def _software(jobs: list[AlikeJobs]) -> dict[str, str]:
    versions: dict[str, set[str]] = {}
    for alike in jobs:
        for package, version in alike["software"].items():
            versions.setdefault(package, set()).add(version)
    return {package: " and ".join(sorted(found)) for package, found in versions.items()}


def _code(a: Provenance, b: Provenance) -> Iterator[str]:
    if "definitions" in a and "definitions" in b:
        yield from _definitions(a, b)
    elif a["code"] != b["code"]:
        yield "the code differs; an earlier version of crossfc recorded it in another way"
    for name in sorted(a["workflow"].keys() | b["workflow"].keys()):
        if a["workflow"].get(name) != b["workflow"].get(name):
            yield f"{name} differs"


def _definitions(a: Provenance, b: Provenance) -> Iterator[str]:
    """Describe which functions, classes and constants differ; those that only moved do not."""
    one, other = a["definitions"], b["definitions"]
    moved = {one[k] for k in one.keys() - other} & {other[k] for k in other.keys() - one}
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) == other.get(name) or one.get(name, other.get(name)) in moved:
            continue
        rules = {
            rule
            for run in (a, b)
            for rule, own in run["rules"].items()
            if name in own["definitions"] and rule in a["jobs"].keys() | b["jobs"].keys()
        }
        used = f"used by {', '.join(sorted(rules))}" if rules else "used by no job of these runs"
        if name in one and name in other:
            yield f"{name} differs: {used}"
        else:
            yield f"{name} is in {'A' if name in one else 'B'} only: {used}"


def _threads(a: Jobs, b: Jobs) -> Iterator[str]:
    for rule in dict.fromkeys([*a, *b]):
        if rule in a and rule in b:
            one, other = (sorted({alike["threads"] for alike in run[rule]}) for run in (a, b))
            if one != other:
                yield f"{rule}: {_list(one)} in A, {_list(other)} in B"
        else:
            yield f"{rule}: run in {'A' if rule in a else 'B'} only"


def _machines(a: Jobs, b: Jobs) -> Iterator[str]:
    """Describe the machines on which jobs ran, if they differ between the runs."""
    one, other = (
        sorted({alike["machine"] for own in run.values() for alike in own}) for run in (a, b)
    )
    if one != other:
        yield f"{_list(one)} in A, {_list(other)} in B: last digits may differ"


def _list(values: list[Any]) -> str:
    return " and ".join(map(str, values))


# Whether results differ ---------------------------------------------------------------------------


def _results(first: Path, second: Path) -> Iterator[str]:
    a, b = (_files(folder) for folder in (first, second))
    for name in sorted(a | b):
        if name not in b or name not in a:
            yield f"{name} is in {'A' if name in a else 'B'} only"
        elif difference := file_difference(first / name, second / name):
            yield f"{name}: {difference}"


def _files(folder: Path) -> set[str]:
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {
        name
        for name in names
        if not any(name == own or name.startswith(f"{own}/") for own in _SELF)
        and not Path(name).name.startswith(".snakemake")
        # Claims contain the location of the folder.
        and claim.FOLDER not in Path(name).parts
        and claim.FOLDER not in Path(name).parts
    }


def file_difference(first: Path, second: Path) -> str:
    """Describe how two files differ; for numbers, the largest difference and where it is.

    Returns
    -------
    str
        Empty if the files are equal byte by byte.
    """
    if provenance.file_digest(first) == provenance.file_digest(second):
        return ""
    if first.name.endswith((".nii", ".nii.gz")):
        return _image_difference(first, second)
    if first.suffix == ".npy":
        import numpy as np

        one, other = (np.load(path, mmap_mode="r") for path in (first, second))
        return _array_difference(one, other, "element")
    if first.suffix == ".tsv":
        return _table_difference(first, second)
    if first.suffix == ".json":
        contents = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
        return _json_difference(*(_flat(content) for content in contents))
    return "differs"


def _image_difference(first: Path, second: Path) -> str:
    import nibabel
    import numpy as np

    a: Any
    b: Any
    a, b = (nibabel.load(path) for path in (first, second))
    if a.shape == b.shape and not np.allclose(a.affine, b.affine):
        return "the images lie in different places (affine)"
    return _array_difference(np.asanyarray(a.dataobj), np.asanyarray(b.dataobj), "voxel")


def _array_difference(a: Any, b: Any, what: str) -> str:
    import numpy as np

    if a.shape != b.shape:
        return f"of shape {a.shape} in A, {b.shape} in B"
    largest, at, missing, n = 0.0, None, 0, 0
    # Slab by slab, because arrays of a large group do not fit in memory.
    for i in range(len(a)):
        one, other = np.asarray(a[i], dtype=float), np.asarray(b[i], dtype=float)
        missing += int((np.isnan(one) != np.isnan(other)).sum())
        # Subtracting equal infinities would give NaN.
        distance = np.where(one == other, 0.0, np.abs(one - other))
        distance[np.isnan(distance)] = 0
        n += int((distance > 0).sum())
        if distance.size and distance.max() > largest:
            where = np.unravel_index(int(distance.argmax()), distance.shape)
            largest, at = float(distance.max()), (i, *map(int, where))
    said = []
    if at is not None:
        said.append(
            f"largest difference {largest:.3g} at {what} {at} ({float(a[at]):.6g} in A, "
            f"{float(b[at]):.6g} in B), {n} of {math.prod(a.shape)} differ"
        )
    if missing:
        said.append(f"{missing} are numbers in one and missing in the other")
    return "; ".join(said) or "the same numbers, stored differently"


def _table_difference(first: Path, second: Path) -> str:
    tables = []
    for path in (first, second):
        with open(path, encoding="utf-8", newline="") as lines:
            tables.append(list(csv.reader(lines, delimiter="\t")))
    a, b = tables
    if a[:1] != b[:1]:
        return "has other columns"
    if len(a) != len(b):
        return f"{len(a) - 1} rows in A, {len(b) - 1} in B"
    cells = (
        (f"row {i}, column {name}", x, y)
        for i, (row, other) in enumerate(zip(a[1:], b[1:], strict=True), 2)
        for name, x, y in zip(a[0], row, other, strict=True)
    )
    return _value_difference(cells)


def _flat(content: Any, path: str = "") -> dict[str, Any]:
    if isinstance(content, list):
        content = {str(i): inner for i, inner in enumerate(content)}
    if not isinstance(content, dict) or not content:
        return {path: content}
    found: dict[str, Any] = {}
    for key, inner in content.items():
        found |= _flat(inner, f"{path}.{key}" if path else key)
    return found


def _json_difference(a: dict[str, Any], b: dict[str, Any]) -> str:
    for key in dict.fromkeys([*a, *b]):
        if key not in a or key not in b:
            return f"{key} is in {'A' if key in a else 'B'} only"
    return _value_difference((key, str(a[key]), str(b[key])) for key in a)


def _value_difference(cells: Iterator[tuple[str, str, str]]) -> str:
    """Describe the largest difference between numbers, and the first difference between words."""
    largest, numbers, words = 0.0, "", ""
    n = 0
    for place, x, y in cells:
        if x == y:
            continue
        n += 1
        both = f"{place} ({x} in A, {y} in B)"
        try:
            distance = abs(float(x) - float(y))
        except ValueError:
            words = words or both
            continue
        if distance > largest or not numbers:
            largest, numbers = max(distance, largest), both
    said = [f"largest difference {largest:.3g} at {numbers}"] if numbers else []
    if words:
        said.append(f"{words} differs")
    return (
        "; ".join(said) + (f", {n} values differ" if n > 1 else "")
        if said
        else ("the same values, written differently")
    )
