"""For the website (mkdocs.yml): documents outside docs/ are pages too, and links to them hold.

Documents link as a forge reads them, from file to file in the repository. On the site README.md is
the first page, and the others below have names of their own.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Page of the site to document of the repository.
OUTSIDE = {
    "index.md": "README.md",
    "configuration.md": "config/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
_PAGES = {document: page for page, document in OUTSIDE.items()}
# A Markdown link to a file: what comes before, its path, and its anchor.
_LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the documents that lie outside docs/ to the pages (an event of mkdocs)."""
    from mkdocs.structure.files import File

    for page, document in OUTSIDE.items():
        text = (ROOT / document).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between documents into links between pages (an event of mkdocs)."""
    return to_pages(markdown, OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}"))


def to_pages(markdown: str, document: str) -> str:
    """Turn the links of a document into those of its page.

    Parameters
    ----------
    markdown : str
        Its text.
    document : str
        Its path in the repository, such as ``config/README.md``.

    Returns
    -------
    str
        With links as the site has them; those to files that are no pages are as they were, so that
        mkdocs warns of them.
    """

    def page_of(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(document), link[2]))
        page = _PAGES.get(target, target.removeprefix("docs/"))
        known = target in _PAGES or target.startswith("docs/")
        return f"{link[1]}{page if known else link[2]}{link[3] or ''}"

    return _LINK.sub(page_of, markdown)
