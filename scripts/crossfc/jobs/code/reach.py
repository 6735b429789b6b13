"""All code that a script reaches, and its digest."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from crossfc.jobs.code.effect import Effects
from crossfc.jobs.code.package import (
    MACHINERY,
    PACKAGE,
    SCRIPT,
    VERSION,
    WHOLE,
    Module,
    Package,
    Place,
)
from crossfc.jobs.code.scope import Names
from crossfc.jobs.code.shape import Reader, Shape, mask


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


class Reach:
    """Definitions of a package with what they refer to, each read when it is first needed."""

    def __init__(self, package: Package):
        self.package = package
        self._shapes: dict[Place, Shape] = {}
        self._effects: dict[str, list[Place]] = {}
        self._digests: dict[Place, bytes] = {}
        self._own: dict[Place, str] = {}

    def shape(self, place: Place) -> Shape:
        """Return the shape of a definition; it is read only once."""
        if place not in self._shapes:
            self._shapes[place] = self._shape(*place)
        return self._shapes[place]

    def _shape(self, source: str, name: str) -> Shape:
        if name == WHOLE:
            return self._whole(source)
        module = self.package.existing(source)
        if name.startswith("("):
            statements = [module.statements[int(name.strip("()"))]]
        else:
            statements = module.bound[name]
        reader = Reader(self.package, module)
        reader.emit(name if not name.startswith("(") else "effect")
        for statement in statements:
            reader.statement(statement, module.names)
        for target in module.names.imports.get(name, ()):
            reader.imported(target)
        return reader.shape()

    def _whole(self, source: str) -> Shape:
        """Return the shape of a whole module: all its names, and the modules below it."""
        module = self.package.module(source)
        refers: list[Place] = []
        text = ["module"]
        names = [] if module is None else sorted(set(module.bound) | set(module.names.imports))
        for name in names:
            for place in self.package.found(f"{source}.{name}") or [(source, name)]:
                if isinstance(place, tuple) and not self._left_out(place):
                    text.append(name)
                    refers.append(place)
        for star in module.names.stars if module else ():
            if self.package.is_module(star) and not star.startswith(MACHINERY):
                refers.append((star, WHOLE))
        folder = self.package.root.joinpath(*source.split("."))
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            below = f"{source}.{path.stem}"
            if below != MACHINERY and path.stem != "__init__" and self.package.is_module(below):
                text.append(path.stem)
                refers.append((below, WHOLE))
        return Shape("\0".join(text).encode(), tuple(refers), frozenset())

    @staticmethod
    def _left_out(place: Place) -> bool:
        machinery = place[0] == MACHINERY or place[0].startswith(MACHINERY + ".")
        return machinery or place[1] == VERSION

    def effects(self, name: str) -> list[Place]:
        """List the statements of a module that do more at import than define something."""
        if name not in self._effects:
            module = self.package.module(name)
            self._effects[name] = [
                (name, f"({i})")
                for i, statement in enumerate(module.statements if module else ())
                if module and Effects(self.package, module).of(statement)
            ]
        return self._effects[name]

    # A script -----------------------------------------------------------------------------------

    def code(self, script: Path) -> Code:
        """Read a script with all code that it reaches."""
        module = Module(SCRIPT, script)
        reader = Reader(self.package, module)
        names = Names("script", None, SCRIPT)
        names.local, names.imports = module.assigned, module.names.imports
        names.stars = module.names.stars
        mask(reader, names, module.statements)
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
            if place[1] == WHOLE:
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

    def _closure(self, top: Shape, script: Module) -> tuple[set[Place], set[Place]]:
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
                    own = self.package.module(name)
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


def _components(places: set[Place], shape: Callable[[Place], Shape]) -> Iterator[list[Place]]:
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
