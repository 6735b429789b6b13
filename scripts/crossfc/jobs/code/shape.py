"""The shape of a definition: its syntax tree, in a form that does not depend on where it is."""

import ast
from typing import Any, NamedTuple

from crossfc.jobs.code.package import (
    FAULT,
    MACHINERY,
    NOTE,
    PACKAGE,
    RAISE_ALL,
    SCRIPT,
    VERSION,
    WHOLE,
    Module,
    Package,
    Place,
    for_types_only,
    undocumented,
)
from crossfc.jobs.code.scope import Names, argument_names, bind, import_names

_FIELD_MARKS = {"ClassVar", "InitVar", "KW_ONLY"}
_OWN_MODULE = {"globals", "vars", "eval", "exec"}
_PLACE = {"__file__", "__name__", "__package__", "__spec__"}


class Shape(NamedTuple):
    """The text of a definition, the definitions to which it refers (in order), its imports."""

    text: bytes
    refers: tuple[Place, ...]
    loads: frozenset[str]


class Meaning(NamedTuple):
    """What a name with its attributes refers to.

    ``name`` is the name without the attributes. ``places`` are definitions or modules of the
    package, ``outside`` dotted names of other libraries and of Python. ``local`` is true for a
    local variable. ``rest`` are the attributes that follow after the last module.
    """

    name: str
    places: list[Place | str]
    outside: list[str]
    local: bool
    rest: list[str]


class Reader:
    """Writes syntax trees in a form that does not depend on where a definition is."""

    def __init__(self, package: Package, module: Module):
        self.package, self.module = package, module
        self._out: list[str] = []
        self._refers: dict[Place, int] = {}
        self._loads: set[str] = set()

    def shape(self) -> Shape:
        """Return what was written so far."""
        text = "\0".join(self._out).encode("utf-8", "surrogatepass")
        return Shape(text, tuple(self._refers), frozenset(self._loads))

    def emit(self, text: str) -> None:
        """Write a word."""
        self._out.append(text)

    def refer(self, place: Place) -> None:
        """Write a reference to a definition, as its number among those referred to."""
        if place[0] == MACHINERY or place[0].startswith(MACHINERY + "."):
            self.emit("machinery" if place[1] == WHOLE else f"machinery {place[1]}")
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
                self.refer((place, WHOLE))

    # Names --------------------------------------------------------------------------------------

    def _targets(self, name: str, names: Names) -> tuple[list[str], list[Place], bool, bool]:
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
        scope: Names | None = names
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

    def meaning(self, node: ast.expr, names: Names) -> Meaning | None:
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
                    found += self.package.bound_over(dotted, rest[0])
                dotted = f"{dotted}.{rest.pop(0)}"
            if dotted.startswith(MACHINERY + ".") and not self.package.is_module(dotted):
                source, _, name = dotted.rpartition(".")
                found.append((source, name))
                continue
            own = self.package.found(dotted)
            if not own:
                # It does not exist, or is created dynamically: include the whole module.
                own = [(dotted.rpartition(".")[0], WHOLE)]
            outside += [place[1:] for place in own if isinstance(place, str) and place[0] == "="]
            found += [p for p in own if isinstance(p, tuple) or p[0] != "="]
        if not known and node.id not in _PLACE and node.id != "__doc__":
            for star in self.module.names.stars:
                if star == PACKAGE or star.startswith(PACKAGE + "."):
                    found.append((star, WHOLE))
            outside.append(node.id)
        return Meaning(node.id, found, outside, local, rest)

    def places(self, node: ast.expr, names: Names) -> list[Place | str]:
        """List the definitions that an expression refers to as a whole."""
        meaning = self.meaning(node, names)
        return [] if meaning is None or meaning.rest else meaning.places

    def _named(self, node: ast.Name | ast.Attribute, names: Names) -> None:
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            if base.attr == "__subclasses__":
                self.refer((PACKAGE, WHOLE))
            base = base.value
        meaning = self.meaning(node, names)
        if meaning is None:
            if isinstance(node, ast.Attribute):  # of a call or another expression, not of a name
                self.emit(f".{node.attr}")
                self.visit(node.value, names)
            return
        identifier = meaning.name
        if meaning.local:
            self.emit(f"n{identifier}")
        if identifier in _PLACE and not meaning.local:
            path = self.package.file(self.module.name)
            self.emit(f"{identifier} {self.module.name} {path and path.name}")
        if identifier == "__doc__" and not meaning.local:
            self.emit(f"d{self.module.docstring}")
        for place in meaning.places:
            # A module that is used as a value: anything in it may be used.
            self.refer(place if isinstance(place, tuple) else (place, WHOLE))
        for name in meaning.outside:
            whole = ".".join([name, *meaning.rest])
            self.emit(f"x{whole}")
            if name in _OWN_MODULE and self.module.name != SCRIPT:
                self.refer((self.module.name, WHOLE))
            if name == "__import__" or whole.startswith(
                ("importlib.import_module", "importlib.reload", "sys.modules")
            ):
                self.refer((PACKAGE, WHOLE))
        if meaning.rest and not (meaning.outside and not meaning.places and not meaning.local):
            self.emit("." + ".".join(meaning.rest))

    # Trees --------------------------------------------------------------------------------------

    def statement(self, node: ast.AST, names: Names) -> None:
        """Write a statement."""
        self.visit(node, names)

    def visit(self, node: ast.AST, names: Names) -> None:
        """Write a tree."""
        special = getattr(self, f"_{type(node).__name__}", None)
        if special is None:
            self._fields(node, names)
        else:
            special(node, names)

    def _fields(self, node: ast.AST, names: Names) -> None:
        self.emit(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                self.visit(value, names)
            elif isinstance(value, list):
                self._body(value, names)
            elif field not in ("type_comment", "kind"):
                self.emit(repr(value))

    def _body(self, nodes: list[Any], names: Names) -> None:
        self.emit("[")
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node, names)
            else:
                self.emit(repr(node))
        self.emit("]")

    def _nothing(self, node: ast.AST, names: Names) -> None:
        """Write nothing, for nodes that carry no information of their own."""

    _Load = _Store = _Del = _Pass = _Global = _Nonlocal = _nothing

    def _Name(self, node: ast.Name, names: Names) -> None:
        self._named(node, names)

    def _Attribute(self, node: ast.Attribute, names: Names) -> None:
        self._named(node, names)

    def _Constant(self, node: ast.Constant, names: Names) -> None:
        self.emit(f"c{type(node.value).__name__} {node.value!r}")
        if isinstance(node.value, str) and node.value.startswith(PACKAGE + "."):
            own = [p for p in self.package.found(node.value) if isinstance(p, tuple)]
            if self.package.is_module(node.value):
                own = [(node.value, WHOLE)]
            for place in own:
                self.refer(place)

    def _Import(self, node: ast.Import | ast.ImportFrom, names: Names) -> None:
        self._loads |= set(import_names(node, self.module.name, self.module.packaged))

    _ImportFrom = _Import

    def _If(self, node: ast.If, names: Names) -> None:
        if not for_types_only(node):
            self._fields(node, names)

    def _Expr(self, node: ast.Expr, names: Names) -> None:
        if not isinstance(node.value, ast.Constant):
            self._fields(node, names)

    def _AnnAssign(self, node: ast.AnnAssign, names: Names) -> None:
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

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> None:
        self.emit(f"{type(node).__name__} {node.name}")
        self._body(node.decorator_list, names)
        self._callable(node.args, undocumented(node.body), names)

    _AsyncFunctionDef = _FunctionDef

    def _Lambda(self, node: ast.Lambda, names: Names) -> None:
        self.emit("Lambda")
        self._callable(node.args, [node.body], names)

    def _callable(self, arguments: ast.arguments, body: list[Any], names: Names) -> None:
        for kind in ("posonlyargs", "args", "kwonlyargs"):
            self.emit(f"{kind} " + " ".join(a.arg for a in getattr(arguments, kind)))
        for kind in ("vararg", "kwarg"):
            own = getattr(arguments, kind)
            self.emit(f"{kind} {own.arg if own else ''}")
        self._body(arguments.defaults, names)
        self._body(arguments.kw_defaults, names)
        inner = Names("function", names, self.module.name)
        bind(inner, body, packaged=self.module.packaged)
        inner.local |= set(argument_names(arguments))
        mask(self, inner, body)
        self._body(body, inner)

    def _ClassDef(self, node: ast.ClassDef, names: Names) -> None:
        self.emit(f"ClassDef {node.name}")
        for part in (node.decorator_list, node.bases, node.keywords):
            self._body(part, names)
        inner = Names("class", names, self.module.name)
        body = undocumented(node.body)
        bind(inner, body, packaged=self.module.packaged)
        self._body(body, inner)

    def _comprehension(self, node: Any, names: Names, *, text: bool = False) -> None:
        self.emit(type(node).__name__)
        inner = names
        for i, each in enumerate(node.generators):
            self.emit("for async" if each.is_async else "for")
            self.visit(each.iter, names if i == 0 else inner)
            if i == 0:
                inner = Names("comprehension", names, self.module.name)
                for other in node.generators:
                    bind(inner, [other.target])
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

    def _Call(self, node: ast.Call, names: Names) -> None:
        places = self.places(node.func, names)
        fault = any(isinstance(p, tuple) and self._is_fault(p) for p in places)
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

    def _is_fault(self, place: Place) -> bool:
        """Test whether a definition is the class `Fault`, or a subclass without its own init."""
        if place == FAULT:
            return True
        module = self.package.module(place[0])
        if module is None:
            return False
        for node in module.bound.get(place[1], ()):
            if isinstance(node, ast.ClassDef) and not any(
                isinstance(s, ast.FunctionDef) and s.name in ("__init__", "__new__")
                for s in node.body
            ):
                reader = Reader(self.package, module)
                for base in node.bases:
                    if any(
                        isinstance(p, tuple) and p != place and self._is_fault(p)
                        for p in reader.places(base, module.names)
                    ):
                        return True
        return False

    def _is_list_of_faults(self, node: ast.expr, names: Names) -> bool:
        if not isinstance(node, ast.Attribute) or node.attr not in ("append", "extend"):
            return False
        return isinstance(node.value, ast.Name) and node.value.id in names.masked

    def _is_print(self, node: ast.Call, names: Names) -> bool:
        meaning = self.meaning(node.func, names)
        shown = meaning is not None and meaning.outside == ["print"] and not meaning.local
        return shown and all(
            k.arg == "flush" or (k.arg == "file" and ast.unparse(k.value) == "sys.stderr")
            for k in node.keywords
        )

    def _Assign(self, node: ast.Assign, names: Names) -> None:
        if all(isinstance(t, ast.Name) and t.id in names.masked for t in node.targets):
            self.emit("Assign")
            self._body(node.targets, names)
            self._text(node.value, names)
        else:
            self._fields(node, names)

    def _text(self, node: ast.expr, names: Names) -> None:
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


def mask(reader: Reader, names: Names, body: list[Any]) -> None:
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
