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
"""

import ast
import builtins
import gc
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "crossfc"
MACHINERY = f"{PACKAGE}.jobs"
FAULT = (f"{PACKAGE}.fault", "Fault")
RAISE_ALL = (f"{PACKAGE}.fault", "raise_all")
NOTE = (f"{MACHINERY}.job", "note")
VERSION = "__version__"
_SCRIPT = "(script)"
_WHOLE = "*"
# Functions whose call at import changes nothing and only returns a value.
_HARMLESS = {
    "TypeVar", "abs", "all", "any", "bool", "bytes", "dict", "enumerate", "float", "frozenset",
    "functools.cache", "functools.lru_cache", "int", "isinstance", "len", "list", "max", "min",
    "object", "pathlib.Path", "property", "range", "re.compile", "re.escape", "reversed", "round",
    "set", "sorted", "staticmethod", "classmethod", "str", "sum", "tuple", "typing.TypeVar", "zip",
    "contextlib.contextmanager", "dataclasses.dataclass", "dataclasses.field",
    "functools.cached_property", "numba.njit", "operator.attrgetter",
    "operator.itemgetter", "types.MappingProxyType",
}  # fmt: skip
_HARMLESS_METHODS = {
    "casefold", "format", "index", "items", "join", "keys", "lower", "replace", "resolve", "split",
    "strip", "upper", "values",
}  # fmt: skip
_NUMERICAL = "numpy."
_FIELD_MARKS = {"ClassVar", "InitVar", "KW_ONLY"}
_OWN_MODULE = {"globals", "vars", "eval", "exec"}
_PLACE = {"__file__", "__name__", "__package__", "__spec__"}

# A definition in the package: a module and a name in it, or `_WHOLE` for the whole module.
Place = tuple[str, str]


class Code(NamedTuple):
    """The code that a script can reach.

    Attributes
    ----------
    digest : str
        16 hexadecimal digits, which differ if the script could do something different.
    definitions : dict
        Name of each definition (such as ``crossfc.session.connectivity.mask.brain_mask``, and the
        script itself) to 8 digits of its own text, without the definitions to which it refers. It
        shows which definition changed.
    """

    digest: str
    definitions: dict[str, str]


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
        found = _package(script.parent).code(script)
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
    package = _package(script.parent)
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


# Names --------------------------------------------------------------------------------------------


class _Names:
    """The names bound in one scope, by imports and otherwise."""

    def __init__(self, kind: str, parent: "_Names | None", module: str):
        self.kind, self.parent, self.module = kind, parent, module
        self.local: set[str] = set()
        self.imports: dict[str, list[str]] = {}
        self.stars: list[str] = []
        self.outer: set[str] = set()  # declared global
        self.masked: set[str] = set()  # names of lists that hold messages of faults


def _bind(names: _Names, nodes: Iterable[ast.AST], *, packaged: bool = False) -> None:
    """Record the names that statements bind, without those inside functions and classes."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.local.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.local.add(node.name)
            waiting += [*node.decorator_list, *_defaults(node.args)]
        elif isinstance(node, ast.ClassDef):
            names.local.add(node.name)
            waiting += [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, ast.Lambda):
            waiting += _defaults(node.args)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            inner = (n for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            names.local |= {n.target.id for n in inner}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                what = alias.name if alias.asname else bound
                names.imports.setdefault(bound, []).append(what)
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, names.module, packaged)
            for alias in node.names:
                if alias.name == "*":
                    names.stars.append(source)
                else:
                    what = f"{source}.{alias.name}"
                    names.imports.setdefault(alias.asname or alias.name, []).append(what)
        elif isinstance(node, ast.Global):
            names.outer |= set(node.names)
        elif isinstance(node, ast.Nonlocal):
            names.outer |= {f" {name}" for name in node.names}
        else:
            if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                names.local.add(node.name)
            if isinstance(node, ast.MatchMapping) and node.rest:
                names.local.add(node.rest)
            waiting += ast.iter_child_nodes(node)
    names.local -= names.outer | {name[1:] for name in names.outer if name.startswith(" ")}


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]


def _arguments(arguments: ast.arguments) -> list[str]:
    own = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    own += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [a.arg for a in own]


def _source(node: ast.ImportFrom, module: str, packaged: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + packaged]
    return ".".join([*parts, *([node.module] if node.module else [])])


# Modules ------------------------------------------------------------------------------------------


class _Module:
    """A module of the package: its statements by the name they bind."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.packaged = path.name == "__init__.py"
        text = path.read_text(encoding="utf-8")
        self.raises_all = RAISE_ALL[1] in text  # if not, `_mask` has nothing to find
        tree = ast.parse(text, filename=str(path))
        self.docstring = ast.get_docstring(tree) or ""
        self.names = _Names("module", None, name)
        self.bound: dict[str, list[ast.stmt]] = {}
        self.statements: list[ast.stmt] = []
        self.assigned: set[str] = set()  # names that are not bound by an import
        for statement in _undocumented(tree.body):
            if _for_types_only(statement):
                continue
            own = _Names("module", None, name)
            _bind(own, [statement], packaged=self.packaged)
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
        self.loads = {name for s in tree.body if not _for_types_only(s) for name in _loads(s, self)}


def _loads(statement: ast.AST, module: _Module) -> Iterator[str]:
    """List the modules that a statement imports while its own module is being imported."""
    waiting = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import_names(node, module.name, module.packaged)
        waiting += ast.iter_child_nodes(node)


def _import_names(node: ast.AST, module: str, packaged: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        source = _source(node, module, packaged)
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)


def _for_types_only(statement: ast.AST) -> bool:
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without docstrings and other constants that stand alone."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]


class _Shape(NamedTuple):
    """The text of a definition, the definitions to which it refers (in order), its imports."""

    text: bytes
    refers: tuple[Place, ...]
    loads: frozenset[str]


class _Package:
    """The modules below a folder, each read when it is first needed."""

    def __init__(self, root: Path):
        self.root = root
        self._modules: dict[str, _Module | None] = {}
        self._files: dict[str, Path | None] = {}
        self._shapes: dict[Place, _Shape] = {}
        self._effects: dict[str, list[Place]] = {}
        self._digests: dict[Place, bytes] = {}
        self._own: dict[Place, str] = {}

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

    def module(self, name: str) -> _Module | None:
        """Read a module; return None if there is none of that name."""
        if name not in self._modules:
            path = self.file(name)
            self._modules[name] = None if path is None else _Module(name, path)
        return self._modules[name]

    def is_module(self, name: str) -> bool:
        """Test whether a dotted name is a module, or a folder of modules, of the package."""
        if self.file(name) is not None:
            return True
        inside = name == PACKAGE or name.startswith(PACKAGE + ".")
        return inside and self.root.joinpath(*name.split(".")).is_dir()

    # What names stand for ---------------------------------------------------------------------

    def found(self, dotted: str, _seen: frozenset[str] = frozenset()) -> list[Place | str]:
        """Find what a dotted name of the package refers to: definitions, or a module (its name).

        A name that is only imported is followed to the module that defines it.
        """
        source, _, name = dotted.rpartition(".")
        if self.is_module(dotted):
            # The __init__ of the folder may bind the name of one of its modules to something else.
            return [dotted, *self._bound_over(source, name)]
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
            return [(source, _WHOLE)]
        for star in module.names.stars:
            if places := self.found(f"{star}.{name}", _seen | {dotted}):
                return places
        return []

    def _bound_over(self, source: str, name: str) -> list[Place | str]:
        module = self.module(source) if source else None
        if module is None:
            return []
        places: list[Place | str] = [(source, name)] if name in module.bound else []
        for target in module.names.imports.get(name, ()):
            if target != f"{source}.{name}" and target.startswith(PACKAGE + "."):
                places += self.found(target)
        return places

    def is_fault(self, place: Place) -> bool:
        """Test whether a definition is the class `Fault`, or a subclass without its own init."""
        if place == FAULT:
            return True
        module = self.module(place[0])
        for node in module.bound.get(place[1], ()) if module else ():
            if isinstance(node, ast.ClassDef) and not any(
                isinstance(s, ast.FunctionDef) and s.name in ("__init__", "__new__")
                for s in node.body
            ):
                reader = _Reader(self, module)
                for base in node.bases:
                    if any(
                        isinstance(p, tuple) and p != place and self.is_fault(p)
                        for p in reader.places(base, module.names)
                    ):
                        return True
        return False

    # Shapes -------------------------------------------------------------------------------------

    def shape(self, place: Place) -> _Shape:
        """Return the shape of a definition; it is read only once."""
        if place not in self._shapes:
            self._shapes[place] = self._shape(*place)
        return self._shapes[place]

    def _shape(self, source: str, name: str) -> _Shape:
        module = self.module(source)
        if name == _WHOLE:
            return self._whole(source, module)
        if name.startswith("("):
            statements = [module.statements[int(name.strip("()"))]]
        else:
            statements = module.bound[name]
        reader = _Reader(self, module)
        reader.emit(name if not name.startswith("(") else "effect")
        for statement in statements:
            reader.statement(statement, module.names)
        for target in module.names.imports.get(name, ()):
            reader.imported(target)
        return reader.shape()

    def _whole(self, source: str, module: _Module | None) -> _Shape:
        """Return the shape of a whole module: all its names, and the modules below it."""
        refers: list[Place] = []
        text = ["module"]
        names = [] if module is None else sorted(set(module.bound) | set(module.names.imports))
        for name in names:
            for place in self.found(f"{source}.{name}") or [(source, name)]:
                if isinstance(place, tuple) and not self._left_out(place):
                    text.append(name)
                    refers.append(place)
        for star in module.names.stars if module else ():
            if self.is_module(star) and not star.startswith(MACHINERY):
                refers.append((star, _WHOLE))
        folder = self.root.joinpath(*source.split("."))
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            below = f"{source}.{path.stem}"
            if below != MACHINERY and path.stem != "__init__" and self.is_module(below):
                text.append(path.stem)
                refers.append((below, _WHOLE))
        return _Shape("\0".join(text).encode(), tuple(refers), frozenset())

    @staticmethod
    def _left_out(place: Place) -> bool:
        machinery = place[0] == MACHINERY or place[0].startswith(MACHINERY + ".")
        return machinery or place[1] == VERSION

    def effects(self, name: str) -> list[Place]:
        """List the statements of a module that do more at import than define something."""
        if name not in self._effects:
            module = self.module(name)
            found = []
            for i, statement in enumerate(module.statements if module else ()):
                if _Effects(self, module).of(statement):
                    found.append((name, f"({i})"))
            self._effects[name] = found
        return self._effects[name]

    # A script -----------------------------------------------------------------------------------

    def code(self, script: Path) -> Code:
        """Read a script with all code that it reaches."""
        module = _Module(_SCRIPT, script)
        reader = _Reader(self, module)
        names = _Names("script", None, _SCRIPT)
        names.local, names.imports = module.assigned, module.names.imports
        names.stars = module.names.stars
        _mask(reader, names, module.statements)
        for statement in module.statements:
            reader.statement(statement, names)
        top = reader.shape()
        places, effects = self._closure(top, module)
        self._digest(places)
        total = hashlib.sha256(top.text)
        for place in top.refers:
            total.update(self._digests[place])
        for found in sorted({self._digests[place] for place in effects}):
            total.update(b"effect" + found)
        own = {f"scripts/{script.name}": _short(top.text)}
        for place in sorted(places):
            if place[1] == _WHOLE:
                continue
            name = f"{place[0]}.{place[1]}"
            if place[1].startswith("("):
                name = f"{place[0]} (on import, {_short(self._shapes[place].text)})"
            own[name] = self._own_digest(place)
        return Code(total.hexdigest()[:16], own)

    def _own_digest(self, place: Place) -> str:
        if place not in self._own:
            self._own[place] = _short(self._shapes[place].text)
        return self._own[place]

    def _closure(self, top: _Shape, script: _Module) -> tuple[set[Place], set[Place]]:
        """Collect the definitions that are reached, and the effects of modules at import."""
        places: set[Place] = set()
        effects: set[Place] = set()
        loaded: set[str] = set()
        waiting = list(top.refers)
        modules = [*script.loads, *top.loads]
        while waiting or modules:
            while modules:
                parts = modules.pop().split(".")
                for depth in range(1, len(parts) + 1):
                    name = ".".join(parts[:depth])
                    machinery = name == MACHINERY or name.startswith(MACHINERY + ".")
                    if parts[0] != PACKAGE or name in loaded or machinery:
                        continue
                    loaded.add(name)
                    own = self.module(name)
                    if own is not None:
                        modules += own.loads
                        effects |= set(self.effects(name))
                        waiting += self.effects(name)
            if waiting:
                place = waiting.pop()
                if place not in places:
                    places.add(place)
                    shape = self.shape(place)
                    waiting += shape.refers
                    modules += [*shape.loads, place[0]]
        return places, effects

    def _digest(self, places: set[Place]) -> None:
        """Compute the digests of definitions, each including those to which it refers.

        Definitions that refer to each other are processed together.
        """
        for group in _components(places - self._digests.keys(), self.shape):
            inside = dict.fromkeys(group, b"")
            turns = len(group) if len(group) > 1 or self._refers_to_itself(group[0]) else 0
            for _ in range(turns + 1):
                inside = {place: self._mixed(place, inside) for place in group}
            self._digests |= inside

    def _refers_to_itself(self, place: Place) -> bool:
        return place in self.shape(place).refers

    def _mixed(self, place: Place, inside: dict[Place, bytes]) -> bytes:
        shape = self.shape(place)
        total = hashlib.sha256(shape.text)
        for other in shape.refers:
            total.update(b"\0" + (inside[other] if other in inside else self._digests[other]))
        return total.digest()


def _short(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:8]


def _components(places: set[Place], shape: Any) -> Iterator[list[Place]]:
    """Group definitions that refer to each other (Tarjan 1972), in order of dependency."""
    index: dict[Place, int] = {}
    low: dict[Place, int] = {}
    stack: list[Place] = []
    on_stack: set[Place] = set()
    for start in sorted(places):
        if start in index:
            continue
        work = [(start, iter(shape(start).refers))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            place, others = work[-1]
            for other in others:
                if other not in places:
                    continue
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(shape(other).refers)))
                    break
                if other in on_stack:
                    low[place] = min(low[place], index[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[place])
                if low[place] == index[place]:
                    group = []
                    while True:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                        if group[-1] == place:
                            break
                    yield sorted(group)


@cache
def _package(root: Path) -> _Package:
    return _Package(root)


# Reading definitions ------------------------------------------------------------------------------


class _Meaning(NamedTuple):
    """What a name with its attributes refers to.

    ``places`` are definitions or modules of the package, ``outside`` dotted names of other
    libraries and of Python. ``local`` is true for a local variable. ``rest`` are the attributes
    that follow after the last module.
    """

    places: list[Place | str]
    outside: list[str]
    local: bool
    rest: list[str]


class _Reader:
    """Writes syntax trees in a form that does not depend on where a definition is."""

    def __init__(self, package: _Package, module: _Module):
        self.package, self.module = package, module
        self._out: list[str] = []
        self._refers: dict[Place, int] = {}
        self._loads: set[str] = set()

    def shape(self) -> _Shape:
        """Return what was written so far."""
        text = "\0".join(self._out).encode("utf-8", "surrogatepass")
        return _Shape(text, tuple(self._refers), frozenset(self._loads))

    def emit(self, text: str) -> None:
        """Write a word."""
        self._out.append(text)

    def refer(self, place: Place) -> None:
        """Write a reference to a definition, as its number among those referred to."""
        if place[0] == MACHINERY or place[0].startswith(MACHINERY + "."):
            self.emit("machinery" if place[1] == _WHOLE else f"machinery {place[1]}")
        elif place[1] == VERSION:
            self.emit("version")
        else:
            self.emit(f"r{self._refers.setdefault(place, len(self._refers))}")

    def imported(self, target: str) -> None:
        """Write the target of a name that is imported and also bound in another way."""
        own = target == PACKAGE or target.startswith(PACKAGE + ".")
        for place in self.package.found(target) if own else [f"={target}"]:
            if isinstance(place, tuple):
                self.refer(place)
            elif place.startswith("="):
                self.emit(f"x{place[1:]}")
            else:
                self.refer((place, _WHOLE))

    # Names --------------------------------------------------------------------------------------

    def _targets(self, name: str, names: _Names) -> tuple[list[str], list[Place], bool, bool]:
        """Look up a name.

        Returns
        -------
        targets : list of str
            What the name is imported as.
        places : list of Place
            Its definition in this module.
        local : bool
            Whether it is (also) a local variable.
        known : bool
            Whether it is bound anywhere.
        """
        scope: _Names | None = names
        local = False
        while scope is not None:
            inner_class = scope.kind == "class" and scope is not names
            declared = name in scope.outer
            if declared:
                while scope.parent is not None:
                    scope = scope.parent
            if scope.kind == "module":
                if name in scope.local:
                    return [], [(self.module.name, name)], local, True
                return scope.imports.get(name, []), [], local, local or name in scope.imports
            if not inner_class and f" {name}" not in scope.outer:
                own = scope.imports.get(name, [])
                if scope.kind == "class" and name in scope.local:
                    local = True  # until it is bound in the class, the outer name is meant
                elif own or name in scope.local:
                    return own, [], local or name in scope.local, True
            scope = scope.parent
        return [], [], local, local

    def meaning(self, node: ast.expr, names: _Names) -> _Meaning | None:
        """Return what a name with its attributes refers to; None for any other expression."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        targets, places, local, known = self._targets(node.id, names)
        found: list[Place | str] = list(places)
        outside: list[str] = []
        rest = attributes
        for target in targets:
            if target != PACKAGE and not target.startswith(PACKAGE + "."):
                outside.append(target)
                continue
            dotted, rest = target, list(attributes)
            while rest and self.package.is_module(dotted):
                if len(rest) > 1:
                    found += self.package._bound_over(dotted, rest[0])
                dotted = f"{dotted}.{rest.pop(0)}"
            if dotted.startswith(MACHINERY + ".") and not self.package.is_module(dotted):
                source, _, name = dotted.rpartition(".")
                found.append((source, name))
                continue
            own = self.package.found(dotted)
            if not own:
                # It does not exist, or is created dynamically: include the whole module.
                own = [(dotted.rpartition(".")[0], _WHOLE)]
            outside += [place[1:] for place in own if isinstance(place, str) and place[0] == "="]
            found += [p for p in own if isinstance(p, tuple) or p[0] != "="]
        if not known and node.id not in _PLACE and node.id != "__doc__":
            for star in self.module.names.stars:
                if star == PACKAGE or star.startswith(PACKAGE + "."):
                    found.append((star, _WHOLE))
            outside.append(node.id)
        return _Meaning(found, outside, local, rest)

    def places(self, node: ast.expr, names: _Names) -> list[Place | str]:
        """List the definitions that an expression refers to as a whole."""
        meaning = self.meaning(node, names)
        return [] if meaning is None or meaning.rest else meaning.places

    def _named(self, node: ast.Name | ast.Attribute, names: _Names) -> None:
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            if base.attr == "__subclasses__":
                self.refer((PACKAGE, _WHOLE))
            base = base.value
        meaning = self.meaning(node, names)
        if meaning is None:
            self.emit(f".{node.attr}")
            self.visit(node.value, names)
            return
        identifier = base.id
        if meaning.local:
            self.emit(f"n{identifier}")
        if identifier in _PLACE and not meaning.local:
            path = self.package.file(self.module.name)
            self.emit(f"{identifier} {self.module.name} {path and path.name}")
        if identifier == "__doc__" and not meaning.local:
            self.emit(f"d{self.module.docstring}")
        for place in meaning.places:
            # A module that is used as a value: anything in it may be used.
            self.refer(place if isinstance(place, tuple) else (place, _WHOLE))
        for name in meaning.outside:
            whole = ".".join([name, *meaning.rest])
            self.emit(f"x{whole}")
            if name in _OWN_MODULE and self.module.name != _SCRIPT:
                self.refer((self.module.name, _WHOLE))
            if name == "__import__" or whole.startswith(
                ("importlib.import_module", "importlib.reload", "sys.modules")
            ):
                self.refer((PACKAGE, _WHOLE))
        if meaning.rest and not (meaning.outside and not meaning.places and not meaning.local):
            self.emit("." + ".".join(meaning.rest))

    # Trees --------------------------------------------------------------------------------------

    def statement(self, node: ast.AST, names: _Names) -> None:
        """Write a statement."""
        self.visit(node, names)

    def visit(self, node: ast.AST, names: _Names) -> None:
        """Write a tree."""
        special = getattr(self, f"_{type(node).__name__}", None)
        if special is None:
            self._fields(node, names)
        else:
            special(node, names)

    def _fields(self, node: ast.AST, names: _Names) -> None:
        self.emit(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                self.visit(value, names)
            elif isinstance(value, list):
                self._body(value, names)
            elif field not in ("type_comment", "kind"):
                self.emit(repr(value))

    def _body(self, nodes: list[Any], names: _Names) -> None:
        self.emit("[")
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node, names)
            else:
                self.emit(repr(node))
        self.emit("]")

    def _nothing(self, node: ast.AST, names: _Names) -> None:
        """Write nothing, for nodes that carry no information of their own."""

    _Load = _Store = _Del = _Pass = _Global = _Nonlocal = _nothing

    def _Name(self, node: ast.Name, names: _Names) -> None:
        self._named(node, names)

    def _Attribute(self, node: ast.Attribute, names: _Names) -> None:
        self._named(node, names)

    def _Constant(self, node: ast.Constant, names: _Names) -> None:
        self.emit(f"c{type(node.value).__name__} {node.value!r}")
        if isinstance(node.value, str) and node.value.startswith(PACKAGE + "."):
            own = [p for p in self.package.found(node.value) if isinstance(p, tuple)]
            if self.package.is_module(node.value):
                own = [(node.value, _WHOLE)]
            for place in own:
                self.refer(place)

    def _Import(self, node: ast.Import | ast.ImportFrom, names: _Names) -> None:
        self._loads |= set(_import_names(node, self.module.name, self.module.packaged))

    _ImportFrom = _Import

    def _If(self, node: ast.If, names: _Names) -> None:
        if not _for_types_only(node):
            self._fields(node, names)

    def _Expr(self, node: ast.Expr, names: _Names) -> None:
        if not isinstance(node.value, ast.Constant):
            self._fields(node, names)

    def _AnnAssign(self, node: ast.AnnAssign, names: _Names) -> None:
        if names.kind == "class":
            self.emit("field")
            self.visit(node.target, names)
            words = {n.id for n in ast.walk(node.annotation) if isinstance(n, ast.Name)}
            words |= {n.attr for n in ast.walk(node.annotation) if isinstance(n, ast.Attribute)}
            if isinstance(node.annotation, ast.Constant):
                words |= {word for word in _FIELD_MARKS if word in str(node.annotation.value)}
            self.emit(" ".join(sorted(words & _FIELD_MARKS)))
        elif node.value is not None:
            self.emit("Assign")
            self.emit("[")
            self.visit(node.target, names)
            self.emit("]")
        if node.value is not None:
            self.visit(node.value, names)

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, names: _Names) -> None:
        self.emit(f"{type(node).__name__} {node.name}")
        self._body(node.decorator_list, names)
        self._callable(node.args, _undocumented(node.body), names)

    _AsyncFunctionDef = _FunctionDef

    def _Lambda(self, node: ast.Lambda, names: _Names) -> None:
        self.emit("Lambda")
        self._callable(node.args, [node.body], names)

    def _callable(self, arguments: ast.arguments, body: list[Any], names: _Names) -> None:
        for kind in ("posonlyargs", "args", "kwonlyargs"):
            self.emit(f"{kind} " + " ".join(a.arg for a in getattr(arguments, kind)))
        for kind in ("vararg", "kwarg"):
            own = getattr(arguments, kind)
            self.emit(f"{kind} {own.arg if own else ''}")
        self._body(arguments.defaults, names)
        self._body(arguments.kw_defaults, names)
        inner = _Names("function", names, self.module.name)
        _bind(inner, body, packaged=self.module.packaged)
        inner.local |= set(_arguments(arguments))
        _mask(self, inner, body)
        self._body(body, inner)

    def _ClassDef(self, node: ast.ClassDef, names: _Names) -> None:
        self.emit(f"ClassDef {node.name}")
        for part in (node.decorator_list, node.bases, node.keywords):
            self._body(part, names)
        inner = _Names("class", names, self.module.name)
        body = _undocumented(node.body)
        _bind(inner, body, packaged=self.module.packaged)
        self._body(body, inner)

    def _comprehension(self, node: Any, names: _Names, *, text: bool = False) -> None:
        self.emit(type(node).__name__)
        inner = names
        for i, each in enumerate(node.generators):
            self.emit("for async" if each.is_async else "for")
            self.visit(each.iter, names if i == 0 else inner)
            if i == 0:
                inner = _Names("comprehension", names, self.module.name)
                for other in node.generators:
                    _bind(inner, [other.target])
            self.visit(each.target, inner)
            self._body(each.ifs, inner)
        if isinstance(node, ast.DictComp):
            self.visit(node.key, inner)
            self.visit(node.value, inner)
        elif text:
            self._text(node.elt, inner)
        else:
            self.visit(node.elt, inner)

    _ListComp = _SetComp = _DictComp = _GeneratorExp = _comprehension

    # Words --------------------------------------------------------------------------------------

    def _Call(self, node: ast.Call, names: _Names) -> None:
        places = self.places(node.func, names)
        fault = any(isinstance(p, tuple) and self.package.is_fault(p) for p in places)
        if fault and not any(isinstance(n, ast.NamedExpr) for n in ast.walk(node)):
            self.emit("fault")
            self.visit(node.func, names)
        elif RAISE_ALL in places or NOTE in places or self._is_list_of_faults(node.func, names):
            self.emit("Call")
            self.visit(node.func, names)
            for argument in node.args:
                self._text(argument, names)
            self._body(node.keywords, names)
        elif self._is_print(node, names):
            self.emit("print")
            for argument in node.args:
                self._text(argument, names)
        else:
            self._fields(node, names)

    def _is_list_of_faults(self, node: ast.expr, names: _Names) -> bool:
        if not isinstance(node, ast.Attribute) or node.attr not in ("append", "extend"):
            return False
        return isinstance(node.value, ast.Name) and node.value.id in names.masked

    def _is_print(self, node: ast.Call, names: _Names) -> bool:
        meaning = self.meaning(node.func, names)
        shown = meaning is not None and meaning.outside == ["print"] and not meaning.local
        return shown and all(
            k.arg == "flush" or (k.arg == "file" and ast.unparse(k.value) == "sys.stderr")
            for k in node.keywords
        )

    def _Assign(self, node: ast.Assign, names: _Names) -> None:
        if all(isinstance(t, ast.Name) and t.id in names.masked for t in node.targets):
            self.emit("Assign")
            self._body(node.targets, names)
            self._text(node.value, names)
        else:
            self._fields(node, names)

    def _text(self, node: ast.expr, names: _Names) -> None:
        """Write an expression that is a message for people, without its words."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.emit("text")
        elif isinstance(node, ast.JoinedStr):
            self.emit("text")
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    self.visit(value.value, names)
        elif isinstance(node, ast.IfExp):
            self.emit("IfExp")
            self.visit(node.test, names)
            self._text(node.body, names)
            self._text(node.orelse, names)
        elif isinstance(node, ast.List | ast.Tuple):
            self.emit(type(node).__name__)
            for element in node.elts:
                self._text(element, names)
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            self._comprehension(node, names, text=True)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            self.emit("Add")
            self._text(node.left, names)
            self._text(node.right, names)
        else:
            self.visit(node, names)


def _mask(reader: _Reader, names: _Names, body: list[Any]) -> None:
    """Find the lists of messages that a function passes to `crossfc.fault.raise_all`."""
    for statement in body if reader.module.raises_all else ():
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and len(node.args) == 1:
                (argument,) = node.args
                if isinstance(argument, ast.Name) and argument.id in names.local:
                    called = node.func
                    name = called.attr if isinstance(called, ast.Attribute) else None
                    name = called.id if isinstance(called, ast.Name) else name
                    if name and RAISE_ALL in reader.places(called, names):
                        names.masked.add(argument.id)


# What importing does ------------------------------------------------------------------------------


class _Effects:
    """Decides whether a statement of a module does more at import than define something."""

    def __init__(self, package: _Package, module: _Module):
        self.package, self.module = package, module
        self._reader = _Reader(package, module)
        self._asked: set[Place] = set()

    def of(self, node: ast.AST) -> bool:
        """Test whether a statement of the module, or of a class in it, has such an effect."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._decorated(node) or self._any(_defaults(node.args))
        if isinstance(node, ast.ClassDef):
            body = (self.of(s) for s in _undocumented(node.body))
            return (
                bool(node.keywords)
                or self._decorated(node)
                or self._any(node.bases)
                or any(map(self._hooked, node.bases))
                or any(body)
            )
        if isinstance(node, ast.Assign):
            return not all(map(_is_name, node.targets)) or self._any([node.value])
        if isinstance(node, ast.AnnAssign):
            return not _is_name(node.target) or self._any([node.value] if node.value else [])
        return not isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)

    def _decorated(self, node: Any) -> bool:
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            own = isinstance(called, ast.Attribute) and called.attr in ("setter", "deleter")
            if not own and not self._harmless(called, self.module.names):
                return True
            if isinstance(decorator, ast.Call) and self._any(
                [*decorator.args, *(k.value for k in decorator.keywords)]
            ):
                return True
        return False

    def _hooked(self, base: ast.expr) -> bool:
        """Test whether a base class of the package runs code when it is subclassed."""
        for place in self._reader.places(base, self.module.names):
            if not isinstance(place, tuple):
                continue
            module = self.package.module(place[0])
            for node in module.bound.get(place[1], ()) if module else ():
                if not isinstance(node, ast.ClassDef) or any(
                    isinstance(s, ast.FunctionDef) and s.name == "__init_subclass__"
                    for s in node.body
                ):
                    return True
                if node.keywords or any(map(_Effects(self.package, module)._hooked, node.bases)):
                    return True
        return False

    def _any(self, expressions: list[Any], names: _Names | None = None) -> bool:
        waiting = [e for e in expressions if e is not None]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Lambda):
                waiting += _defaults(node.args)
                continue
            if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
                return True
            if isinstance(node, ast.Call) and not self._harmless(
                node.func, names or self.module.names
            ):
                return True
            waiting += ast.iter_child_nodes(node)
        return False

    def _harmless(self, called: ast.expr, names: _Names) -> bool:
        """Test whether calling this only returns a value and changes nothing else."""
        if isinstance(called, ast.Call):
            return self._harmless(called.func, names)
        meaning = self._reader.meaning(called, names)
        if isinstance(called, ast.Attribute) and called.attr in _HARMLESS_METHODS:
            # It must be a method of a value, not a function of the same name in a module.
            return meaning is None or bool(meaning.rest and not meaning.outside)
        if meaning is None or meaning.local:
            return False
        outside = [".".join([name, *meaning.rest]) for name in meaning.outside]
        plain = all(
            name in _HARMLESS
            or name.removeprefix("builtins.") in _HARMLESS
            or _is_numerical(name)
            or _is_exception(name)
            for name in outside
        )
        return plain and all(
            isinstance(place, tuple) and not meaning.rest and self._simple(place)
            for place in meaning.places
        )

    def _simple(self, place: Place) -> bool:
        """Test whether calling a definition of the package only returns a value."""
        module = self.package.module(place[0])
        if module is None or place in self._asked:
            return False
        self._asked.add(place)
        try:
            return all(
                _Effects._simple_node(self._of(module), node)
                for node in module.bound.get(place[1], [ast.Delete([])])
            )
        finally:
            self._asked.discard(place)

    def _of(self, module: _Module) -> "_Effects":
        found = _Effects(self.package, module)
        found._asked = self._asked
        return found

    def _simple_node(self, node: ast.AST) -> bool:
        if isinstance(node, ast.ClassDef):
            makers = ("__init__", "__new__", "__post_init__")
            own = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name in makers]
            bases = (p for base in node.bases for p in self._reader.places(base, self.module.names))
            return (
                not own
                and not node.keywords
                and all(isinstance(place, tuple) and self._simple(place) for place in bases)
            )
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            return False
        inner = _Names("function", self.module.names, self.module.name)
        _bind(inner, node.body, packaged=self.module.packaged)
        inner.local |= set(_arguments(node.args))
        for each in ast.walk(node):
            if isinstance(each, ast.Global | ast.Nonlocal | ast.Delete | ast.With | ast.AugAssign):
                return False
            if isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(
                each.ctx, ast.Load
            ):
                return False
        return not self._any(node.body, inner)


def _is_name(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_name, target.elts))
    return isinstance(target.value if isinstance(target, ast.Starred) else target, ast.Name)


def _is_numerical(name: str) -> bool:
    own = name.removeprefix(_NUMERICAL)
    return own != name and not own.startswith(("set", "random.", "load", "save", "put", "copyto"))


def _is_exception(name: str) -> bool:
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, BaseException)
