"""The code on which a rule depends: a digest of all code that its script can reach.

Snakemake itself compares the time stamp of the script only, so that a fresh clone would run every
job again, and editing a module would run none. The digest here changes if, and only if, code that
the rule can reach does something different. It is computed from *definitions*: functions, classes
and assignments at the top level of a module. The digest of a definition is that of its syntax tree,
in which every name of another definition of the package is replaced by the digest of that
definition. So it does not matter in which module a definition is, what the module is called, or
under which name it is imported. But it does matter if two functions of the same name change places.

Not included are comments, docstrings, type annotations (but the names of a class's fields are, and
whether they are ``ClassVar``, ``InitVar`` or ``KW_ONLY``), import lines, ``__version__``, the
message of a `crossfc.fault.Fault`, text that is printed or written to a log, and the package
``crossfc.jobs``. Some results contain the message of a fault as a reason; there it keeps the
wording of the time when the result was made.

If it is not certain what is reached, too much is included rather than too little. A whole module is
included if it is used as a value, if its attributes are accessed by name, or if it is imported with
a star. ``globals``, ``eval`` and ``exec`` include the whole module in which they are used,
``import_module`` and ``__subclasses__`` the whole package. Statements of a module that do more at
import than define something (registering, changing another module, decorators that are not known
to be harmless) are included for every rule that imports the module.

`scope` says which names statements bind, `package` what a name of the package stands for, `shape`
writes definitions, `effect` says what importing does, and `reach` collects and digests what a
script reaches.
"""

import ast
import gc
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from crossfc.jobs.code.package import Package
from crossfc.jobs.code.reach import Code, Reach


def digest(script: str | Path) -> str:
    """Return the digest of all code that a script can reach; see `Code`."""
    return read(script).digest


@cache
def read(script: str | Path) -> Code:
    """Read the code that a script can reach; the result is cached in the process.

    Parameters
    ----------
    script : path
        It must lie beside the folder of the package.

    Returns
    -------
    Code
        Shared by all callers, so it must not be changed.
    """
    script = Path(script).resolve()
    # Syntax trees are many objects that are kept; garbage collection among them would take a
    # quarter of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        found = _reach(script.parent).code(script)
    finally:
        if collects:
            gc.enable()
    _KNOWN[found.digest] = found.definitions
    return found


_KNOWN: dict[str, dict[str, str]] = {}


def definitions(digest: str) -> dict[str, str]:
    """Return the definitions (see `Code`) of a digest; empty if this process has not read it."""
    return _KNOWN.get(digest, {})


def content_digest(paths: Iterable[str | Path]) -> str:
    """Return a digest of the names and contents of files, such as templates."""
    total = hashlib.sha256()
    for path in sorted(Path(p) for p in paths):
        total.update(path.name.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def reached(script: str | Path) -> list[Path]:
    """List the files that a script imports directly or indirectly, the script itself first."""
    script = Path(script).resolve()
    package = _reach(script.parent).package
    found, waiting = {script}, [script]
    while waiting:
        tree = ast.parse(waiting.pop().read_text(encoding="utf-8"))
        for name in _imported(tree):
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                path = package.file(".".join(parts[:depth]))
                if path is not None and path not in found:
                    found.add(path)
                    waiting.append(path)
    return [script, *sorted(found - {script})]


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _reach(root: Path) -> Reach:
    return Reach(Package(root))
