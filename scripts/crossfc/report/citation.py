"""The literature behind a methods text: cited as author and year, and listed once each.

The works are in ``workflow/report/references.json`` (CSL-JSON, as Zotero and pandoc read it); here
they are only put into words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "references.json"


@dataclass(frozen=True)
class Reference:
    """A work: how it is cited in the text, how it is listed, and its DOI (none for books).

    ``bibtex`` is its entry in a bibliography.
    """

    short: str
    full: str
    doi: str = ""
    bibtex: str = ""


def read_references(path: Path) -> dict[str, Reference]:
    """Read the works that can be cited.

    Parameters
    ----------
    path : path
        A list of works in CSL-JSON: ``id``, ``author``, ``issued``, ``title``,
        ``container-title``, and ``volume`` and ``page`` or ``number``; ``DOI`` where there is one.
        Where not all authors are listed, the last is the literal ``et al.``.

    Returns
    -------
    dict
        The key by which a work is cited, to the work.
    """
    works = json.loads(path.read_text(encoding="utf-8"))
    return {work["id"]: reference(work) for work in works}


def reference(work: Mapping[str, Any]) -> Reference:
    """Put a work into words: ``Freeman 1989``, ``Smith & Nichols 2009``, ``Chen et al. 2026``."""
    authors: list[dict[str, str]] = work["author"]
    year = work["issued"]["date-parts"][0][0]
    first = authors[0]["family"]
    if len(authors) == 2:
        first += f" & {authors[1]['family']}"
    elif len(authors) > 2:
        first += " et al."
    names = ", ".join(
        author.get("literal") or f"{author['family']} {author['given']}" for author in authors
    )
    where = f"{work['volume']}:{work['page']}" if "volume" in work else work["number"]
    full = f"{names.rstrip('.')}. {work['title']}. {work['container-title']} {year};{where}."
    return Reference(f"{first} {year}", full, work.get("DOI", ""), bibtex(work))


def bibtex(work: Mapping[str, Any]) -> str:
    """Return the BibTeX entry of a work in CSL-JSON, in UTF-8.

    Parameters
    ----------
    work : mapping
        See `read_references`.
    """
    names = [
        "others" if "literal" in author else f"{author['family']}, {author['given']}"
        for author in work["author"]
    ]
    paper = "volume" in work
    fields = {
        "author": " and ".join(names),
        "title": f"{{{work['title']}}}",
        ("journal" if paper else "publisher"): work["container-title"],
        "year": str(work["issued"]["date-parts"][0][0]),
        "volume": work.get("volume", ""),
        "pages": str(work.get("page", "")).replace("-", "--"),
        "note": work.get("number", ""),
        "doi": work.get("DOI", ""),
    }
    body = ",\n".join(
        f"  {name} = {{{str(value).replace('&', chr(92) + '&')}}}"
        for name, value in fields.items()
        if value
    )
    return f"@{'article' if paper else 'misc'}{{{work['id']},\n{body}\n}}\n"


class Citations:
    """Collects the works that a text cites, so that the reference list holds exactly these.

    Parameters
    ----------
    works : mapping
        The works that can be cited, by their keys; see `read_references`.
    """

    def __init__(self, works: Mapping[str, Reference]) -> None:
        self._works = works
        self._cited: set[str] = set()

    def __call__(self, *keys: str) -> str:
        """Return a citation, ``(Nichols & Holmes 2002; Winkler et al. 2014)``; record its works."""
        self._cited.update(keys)
        ordered = sorted((self._works[key] for key in keys), key=lambda r: (r.short[-4:], r.short))
        return f"({'; '.join(r.short for r in ordered)})"

    def cite_those_in(self, text: str) -> str:
        """Record the works that a sentence names as ``Author et al. Year``; return the sentence."""
        for key, work in self._works.items():
            if work.short in text:
                self._cited.add(key)
        return text

    def listed(self) -> list[Reference]:
        """List the works cited so far, sorted by author."""
        return sorted((self._works[key] for key in self._cited), key=lambda r: r.full)
