"""A page as a test reads it."""

from html.parser import HTMLParser
from pathlib import Path

from crossfc.report.page import write_report
from tests.report.report_specimen import Specimen


class Page(HTMLParser):
    """What a test asks of a page: tags with their attributes, and the text that is read."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.raw = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(self.raw)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """The text of the page, white space made single."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """All tags of a kind whose attributes contain these words."""
        return [
            attributes
            for name, attributes in self.tags
            if name == tag
            and all(v in (attributes.get(k.rstrip("_")) or "") for k, v in wanted.items())
        ]


def page_of(specimen: Specimen, path: Path, **changes) -> Page:
    """Write the page of a specimen, some arguments changed, and read it."""
    arguments = specimen.arguments | changes
    if "made" not in changes:
        places = [value for key, value in changes.items() if key.endswith("_dir") and value]
        arguments["made"] = [*arguments["made"], *places]
    write_report(path, **arguments)
    return Page(path)
