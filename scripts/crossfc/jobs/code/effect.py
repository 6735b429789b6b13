"""What importing a module does besides defining something."""

import ast
import builtins
from typing import Any

from crossfc.jobs.code.package import Module, Package, Place, undocumented
from crossfc.jobs.code.scope import Names, argument_names, bind, defaults
from crossfc.jobs.code.shape import Reader

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


class Effects:
    """Decides whether a statement of a module does more at import than define something."""

    def __init__(self, package: Package, module: Module):
        self.package, self.module = package, module
        self._reader = Reader(package, module)
        self._asked: set[Place] = set()

    def of(self, node: ast.AST) -> bool:
        """Test whether a statement of the module, or of a class in it, has such an effect."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._decorated(node) or self._any(defaults(node.args))
        if isinstance(node, ast.ClassDef):
            body = (self.of(s) for s in undocumented(node.body))
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
            module = self.package.module(place[0]) if isinstance(place, tuple) else None
            if module is None:
                continue
            for node in module.bound.get(place[1], ()):
                if not isinstance(node, ast.ClassDef) or any(
                    isinstance(s, ast.FunctionDef) and s.name == "__init_subclass__"
                    for s in node.body
                ):
                    return True
                if node.keywords or any(map(Effects(self.package, module)._hooked, node.bases)):
                    return True
        return False

    def _any(self, expressions: list[Any], names: Names | None = None) -> bool:
        waiting = [e for e in expressions if e is not None]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Lambda):
                waiting += defaults(node.args)
                continue
            if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
                return True
            if isinstance(node, ast.Call) and not self._harmless(
                node.func, names or self.module.names
            ):
                return True
            waiting += ast.iter_child_nodes(node)
        return False

    def _harmless(self, called: ast.expr, names: Names) -> bool:
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
                Effects._simple_node(self._of(module), node)
                for node in module.bound.get(place[1], [ast.Delete([])])
            )
        finally:
            self._asked.discard(place)

    def _of(self, module: Module) -> "Effects":
        found = Effects(self.package, module)
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
        inner = Names("function", self.module.names, self.module.name)
        bind(inner, node.body, packaged=self.module.packaged)
        inner.local |= set(argument_names(node.args))
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
