"""Read YAML (or JSON) documents so that nothing in them is lost without a message."""

import json
from collections.abc import Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from crossfc.fault import Fault, at
from crossfc.trial.sheet import read_text


def load_yaml(path: str | Path) -> Any:
    """Read a YAML or JSON document.

    If a key is repeated, YAML silently keeps only the last value; such a document is refused.

    Parameters
    ----------
    path : path
        The file, UTF-8 with or without a byte-order mark.

    Returns
    -------
    object
        What the document holds: dict, list, str, int, float, bool, None or a date.

    Raises
    ------
    Fault
        If the file is missing, cannot be read, is not UTF-8 text, is not valid YAML, is empty, or
        has a key twice; with the line.
    """
    text = read_text(path)
    if not text.strip():
        raise Fault(f"{path} is empty; write its keys, or name another file")
    try:
        found = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    except Fault:
        raise
    except RecursionError:
        raise Fault(f"{path} is nested too deeply to be read; make it flatter") from None
    except ValueError:
        found = _yaml(text, path)
    if found is None:
        raise Fault(f"{path} holds comments only; write its keys, or name another file")
    return found


def require_readable(arguments: Sequence[str]) -> None:
    """Exit with one sentence if a file after ``--configfile`` cannot be read.

    Snakemake reads these files before any Snakefile. If it cannot, it prints a traceback, or a
    message without file and line. Therefore profiles/default calls this function first.

    Parameters
    ----------
    arguments : sequence of str
        The words of Snakemake's command line. With ``--mode``, which marks a job, the files were
        read before and nothing is checked.

    Raises
    ------
    SystemExit
        With the sentence.
    """
    files: list[str] = []
    taking = False
    for word in [] if "--mode" in arguments else arguments:
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            taking = len(name) > 8 and "--configfiles".startswith(name)
            files += [value] if taking and equals else []
        elif taking:
            files.append(word)
    for path in files:
        try:
            if not isinstance(load_yaml(path), dict):
                raise Fault(f"{path} holds no keys at its top; write such as study: my_study")
        except Fault as fault:
            text = str(fault)
            if len(files) > 1 and not Path(path).exists():
                text += " (a target after --configfile needs the word -- before it)"
            raise SystemExit(f"crossfc: {text}") from None


def _yaml(text: str, path: str | Path) -> Any:
    try:
        return yaml.load(text, _loader())  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        problem = str(error.problem or error.context)
        mark = error.problem_mark or error.context_mark
        remedy = "correct it"
        if isinstance(error, _Repeated):
            remedy = "remove one of the two, or give it another name"
        elif mark is not None and _indented_by_tab(text, mark.line):
            remedy = "indent with spaces, not with tabs"
        place = at(path) if mark is None else f"{path}, line {mark.line + 1}"
        column = "" if mark is None else f", column {mark.column + 1}"
        raise Fault(f"{place}{column}: {problem}; {remedy}") from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        line = text.count("\n", 0, max(text.find(chr(code)), 0)) + 1
        raise Fault(
            f"{path}, line {line}: the character U+{code:04X} cannot stand in YAML; remove it"
        ) from None
    except (ValueError, OverflowError) as error:
        # Such as the date 2020-13-45, or a number of 5,000 digits.
        raise Fault(
            f"{path} has a value that is none ({error}); correct it, or write it in quotes"
        ) from None
    except RecursionError:
        raise Fault(f"{path} is nested too deeply to be read; make it flatter") from None


def _indented_by_tab(text: str, line: int) -> bool:
    lines = text.splitlines()
    return line < len(lines) and "\t" in lines[line][: -len(lines[line].lstrip()) or None]


class _Repeated(yaml.constructor.ConstructorError):
    """A key that occurs twice in one mapping, or a part that contains itself."""


@cache
def _loader() -> type:
    # libyaml's faster parser if PyYAML has it, because every cluster job reads the documents again.
    fastest: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(fastest):
        def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
            if isinstance(node, yaml.MappingNode):
                first: dict[Any, int] = {}
                for name, _ in node.value:
                    if name.tag == "tag:yaml.org,2002:merge":
                        continue
                    key = self.construct_object(name, deep=True)
                    if not isinstance(key, Hashable):
                        continue
                    if key in first:
                        raise _Repeated(
                            None,
                            None,
                            f"the key {key!r} stands there twice (first in line {first[key]})",
                            name.start_mark,
                        )
                    first[key] = name.start_mark.line + 1
            made: dict[Any, Any] = super().construct_mapping(node, deep)
            return made

        def construct_document(self, node: yaml.Node) -> Any:
            _refuse_loops(node, set(), set())
            return super().construct_document(node)

    return Loader


def _refuse_loops(node: yaml.Node, above: set[int], done: set[int]) -> None:
    """Refuse a document in which an alias makes a part contain itself.

    Any loop over such a part would never end.
    """
    if isinstance(node, yaml.ScalarNode) or id(node) in done:
        return
    if id(node) in above:
        raise _Repeated(None, None, "an alias (*) stands inside of its anchor (&)", node.start_mark)
    above.add(id(node))
    for inner in node.value:
        for part in inner if isinstance(inner, tuple) else (inner,):
            _refuse_loops(part, above, done)
    above.remove(id(node))
    done.add(id(node))


def _once(pairs: list[tuple[str, Any]], path: str | Path) -> dict[str, Any]:
    """Make a dictionary from the pairs of a JSON object; refuse a repeated key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        key = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise Fault(f"{path}: the key {key!r} stands there twice; remove one of the two")
    return found
