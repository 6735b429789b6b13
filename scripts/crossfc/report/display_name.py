"""Display names on the page: sentences and headings say them, tables and charts keep the codes."""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape
from pathlib import Path

# Elements whose words stay as they are: what is looked up in files beside the page, and drawings
# that have room for a code only.
_KEPT = ("script", "style", "title", "table", "svg", "pre", "code")
# What a sentence or heading begins with.
_BLOCK = re.compile(r"<(?:h[1-6]|p|li|a|strong|summary|figcaption)(?: [^>]*)?>")
_TAG = re.compile(r"(<[^>]*>)")
_WORD = re.compile(r"[A-Za-z0-9]+")
_JINJA = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<style.*?</style>|<[^>]*>", re.DOTALL)


def displayed(page: str, names: Mapping[str, str]) -> str:
    """Replace codes by display names in the sentences and headings of a page.

    Parameters
    ----------
    page : str
        HTML.
    names : mapping
        Code to display name.

    Returns
    -------
    str
        The page; a code at the beginning of a sentence, which has a capital there, gives a name
        with a capital. Tables, charts and the configuration keep the codes.
    """
    known = {escape(code): escape(name) for code, name in names.items()}
    known |= {
        code[:1].upper() + code[1:]: name[:1].upper() + name[1:]
        for code, name in known.items()
        if code[:1].upper() + code[1:] not in known
    }
    if not known:
        return page
    longest = "|".join(re.escape(code) for code in sorted(known, key=len, reverse=True))
    word = re.compile(rf"(?<![\w/.-])(?:{longest})(?![\w/-])(?!\.\w)")
    kept = 0
    parts = _TAG.split(page)
    for place, part in enumerate(parts):
        if part.startswith("<"):
            tag = re.match(r"</?([a-z0-9]+)", part)
            if tag and tag[1] in _KEPT and not part.endswith("/>"):
                kept += -1 if part.startswith("</") else 1
        elif not kept:
            begins = place > 0 and _BLOCK.fullmatch(parts[place - 1]) is not None
            parts[place] = word.sub(lambda found: known[found[0]], part)
            if begins and word.match(part):
                parts[place] = parts[place][:1].upper() + parts[place][1:]
    return "".join(parts)


def ambiguous(codes: Iterable[str], templates: Path) -> list[str]:
    """List the codes that are words of the page itself, such as ``low`` or ``drug``.

    In a sentence such a word could not be told from the code.

    Parameters
    ----------
    codes : iterable of str
    templates : path
        Folder of the page's templates.
    """
    words = _words_of_page(templates)
    return [code for code in codes if code in words]


@lru_cache(maxsize=2)
def _words_of_page(templates: Path) -> frozenset[str]:
    """Return the words that templates and sentences of this package are made of."""
    words = set[str]()
    for path in sorted(templates.glob("*.j2")):
        words |= set(_WORD.findall(_JINJA.sub(" ", path.read_text(encoding="utf-8"))))
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        described = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in described:
                words |= set(_WORD.findall(str(node.value)))
    return frozenset(words)
