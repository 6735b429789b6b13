"""The names of one scope: of a module, a function, a class or a comprehension."""

import ast
from collections.abc import Iterable, Iterator


class Names:
    """The names bound in one scope, by imports and otherwise."""

    def __init__(self, kind: str, parent: "Names | None", module: str):
        self.kind, self.parent, self.module = kind, parent, module
        self.local: set[str] = set()
        self.imports: dict[str, list[str]] = {}
        self.stars: list[str] = []
        self.outer: set[str] = set()  # declared global
        self.masked: set[str] = set()  # names of lists that hold messages of faults


def bind(names: Names, nodes: Iterable[ast.AST], *, packaged: bool = False) -> None:
    """Record the names that statements bind, without those inside functions and classes."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.local.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.local.add(node.name)
            waiting += [*node.decorator_list, *defaults(node.args)]
        elif isinstance(node, ast.ClassDef):
            names.local.add(node.name)
            waiting += [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, ast.Lambda):
            waiting += defaults(node.args)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            inner = (n for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            names.local |= {n.target.id for n in inner}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                what = alias.name if alias.asname else bound
                names.imports.setdefault(bound, []).append(what)
        elif isinstance(node, ast.ImportFrom):
            source = source_of(node, names.module, packaged)
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


def defaults(arguments: ast.arguments) -> list[ast.expr]:
    """List the default values of arguments, which belong to the scope around the function."""
    return [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]


def argument_names(arguments: ast.arguments) -> list[str]:
    """List the names that arguments bind in their function."""
    own = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    own += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [a.arg for a in own]


def source_of(node: ast.ImportFrom, module: str, packaged: bool) -> str:
    """Return the whole name of the module of ``from ... import``, also of a relative one.

    ``packaged`` says that the importing module is the ``__init__`` of a folder.
    """
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + packaged]
    return ".".join([*parts, *([node.module] if node.module else [])])


def import_names(node: ast.Import | ast.ImportFrom, module: str, packaged: bool) -> Iterator[str]:
    """List what a statement imports: modules, and names that may be modules."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        source = source_of(node, module, packaged)
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)
