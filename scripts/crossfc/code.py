"""The code a rule depends on: digests of its script and of the crossfc modules it imports.

Snakemake's own trigger looks at the script's time stamp, so a fresh clone reruns every subject and
an edited module reruns nobody. These digests change when, and only when, a line that the rule can
reach has changed; one for each module, so that it can be said which.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "crossfc"


@cache
def digests(script: str | Path) -> dict[str, str]:
    """Give the digests of a script and of every module of the package it imports, transitively.

    Parameters
    ----------
    script : path
        A script beside the package's folder.

    Returns
    -------
    dict
        Path below the script's folder (such as ``crossfc/session/mask.py``) to 8 hexadecimal
        digits, the script first. Read once; not to be changed.

    Notes
    -----
    Imports inside functions count too. Comments, blank lines and docstrings do not: the syntax
    trees are compared, so a better comment reruns nothing.
    """
    root = Path(script).resolve().parent
    return {
        path.relative_to(root).as_posix(): _read(path, root)[0].hex()[:8]
        for path in reached(script)
    }


def content_digest(paths: Iterable[str | Path]) -> str:
    """Give the digest of files' names and bytes, for templates and the like."""
    total = hashlib.sha256()
    for path in sorted(Path(p) for p in paths):
        total.update(path.name.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def reached(script: str | Path) -> list[Path]:
    """List the files a script can reach through imports of the package, itself first."""
    script = Path(script).resolve()
    root = script.parent
    found: list[Path] = []
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.append(path)
        waiting += [p for p in _read(path, root)[1] if p not in found]
    return [found[0], *sorted(found[1:])]


@cache
def _read(path: Path, root: Path) -> tuple[bytes, tuple[Path, ...]]:
    """Give a module's digest and the modules it imports; its tree, which is large, is let go."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imports = _imports(tree, root)
    for node in ast.walk(tree):
        # Docstrings say things, they do nothing.
        documented = isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        if documented and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).digest(), imports


def _imports(tree: ast.Module, root: Path) -> tuple[Path, ...]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != PACKAGE:
            continue
        for depth in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:depth])
            for candidate in (base.with_suffix(".py"), base / "__init__.py"):
                if candidate.is_file():
                    files.add(candidate)
    return tuple(sorted(files))
