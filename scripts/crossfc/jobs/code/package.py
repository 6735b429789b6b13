"""The modules of the package, and what a dotted name in it stands for."""

import ast
from collections.abc import Iterator
from pathlib import Path

from crossfc.jobs.code.scope import Names, bind, import_names

PACKAGE = "crossfc"
MACHINERY = f"{PACKAGE}.jobs"
FAULT = (f"{PACKAGE}.fault", "Fault")
RAISE_ALL = (f"{PACKAGE}.fault", "raise_all")
NOTE = (f"{MACHINERY}.job", "note")
VERSION = "__version__"
# The module name of a script, and the name in a place that means a whole module.
SCRIPT = "(script)"
WHOLE = "*"

# A definition in the package: a module and a name in it, or `WHOLE` for the whole module.
Place = tuple[str, str]


class Module:
    """A module of the package: its statements by the name they bind."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.packaged = path.name == "__init__.py"
        text = path.read_text(encoding="utf-8")
        self.raises_all = RAISE_ALL[1] in text  # if not, `mask` has nothing to find
        tree = ast.parse(text, filename=str(path))
        self.docstring = ast.get_docstring(tree) or ""
        self.names = Names("module", None, name)
        self.bound: dict[str, list[ast.stmt]] = {}
        self.statements: list[ast.stmt] = []
        self.assigned: set[str] = set()  # names that are not bound by an import
        for statement in undocumented(tree.body):
            if for_types_only(statement):
                continue
            own = Names("module", None, name)
            bind(own, [statement], packaged=self.packaged)
            for bound, sources in own.imports.items():
                self.names.imports.setdefault(bound, []).extend(sources)
            self.names.stars += own.stars
            self.assigned |= own.local
            for bound in own.local:
                self.bound.setdefault(bound, []).append(statement)
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                self.statements.append(statement)
                if not own.local.issuperset(own.imports):
                    # Such as `try: import x`: the whole statement decides what the name means.
                    for bound in own.imports:
                        self.bound.setdefault(bound, []).append(statement)
        self.names.local = set(self.bound)
        self.loads = {name for s in tree.body if not for_types_only(s) for name in _loads(s, self)}


def _loads(statement: ast.AST, module: Module) -> Iterator[str]:
    """List the modules that a statement imports while its own module is being imported."""
    waiting = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from import_names(node, module.name, module.packaged)
        waiting += ast.iter_child_nodes(node)


def for_types_only(statement: ast.AST) -> bool:
    """Test whether a statement is for type checkers and never runs."""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without docstrings and other constants that stand alone."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]


class Package:
    """The modules below a folder, each read when it is first needed."""

    def __init__(self, root: Path):
        self.root = root
        self._modules: dict[str, Module | None] = {}
        self._files: dict[str, Path | None] = {}

    def file(self, name: str) -> Path | None:
        """Return the file of a module of the package; None if there is no such module."""
        if name not in self._files:
            found = None
            if name == PACKAGE or name.startswith(PACKAGE + "."):
                base = self.root.joinpath(*name.split("."))
                places = (base / "__init__.py", base.with_suffix(".py"))
                found = next((path for path in places if path.is_file()), None)
            self._files[name] = found
        return self._files[name]

    def module(self, name: str) -> Module | None:
        """Read a module; return None if there is none of that name."""
        if name not in self._modules:
            path = self.file(name)
            self._modules[name] = None if path is None else Module(name, path)
        return self._modules[name]

    def existing(self, name: str) -> Module:
        """Read a module that is known to exist; raises KeyError if it does not."""
        module = self.module(name)
        if module is None:
            raise KeyError(name)
        return module

    def is_module(self, name: str) -> bool:
        """Test whether a dotted name is a module, or a folder of modules, of the package."""
        if self.file(name) is not None:
            return True
        inside = name == PACKAGE or name.startswith(PACKAGE + ".")
        return inside and self.root.joinpath(*name.split(".")).is_dir()

    def found(self, dotted: str, _seen: frozenset[str] = frozenset()) -> list[Place | str]:
        """Find what a dotted name of the package refers to: definitions, or a module (its name).

        A name that is only imported is followed to the module that defines it.
        """
        source, _, name = dotted.rpartition(".")
        if self.is_module(dotted):
            # The __init__ of the folder may bind the name of one of its modules to something else.
            return [dotted, *self.bound_over(source, name)]
        if not source or dotted in _seen:
            return []
        module = self.module(source)
        if module is None:
            return []
        if name in module.bound:
            return [(source, name)]
        if name in module.names.imports:
            places: list[Place | str] = []
            for target in module.names.imports[name]:
                own = target == PACKAGE or target.startswith(PACKAGE + ".")
                places += self.found(target, _seen | {dotted}) if own else [f"={target}"]
            return places
        if "__getattr__" in module.bound:
            return [(source, WHOLE)]
        for star in module.names.stars:
            if places := self.found(f"{star}.{name}", _seen | {dotted}):
                return places
        return []

    def bound_over(self, source: str, name: str) -> list[Place | str]:
        """Find what else the ``__init__`` of a folder binds to the name of a module in it."""
        module = self.module(source) if source else None
        if module is None:
            return []
        places: list[Place | str] = [(source, name)] if name in module.bound else []
        for target in module.names.imports.get(name, ()):
            if target != f"{source}.{name}" and target.startswith(PACKAGE + "."):
                places += self.found(target)
        return places
