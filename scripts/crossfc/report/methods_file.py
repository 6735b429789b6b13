"""The methods text as a file of its own: Markdown, to be pasted or handed on."""

from crossfc.report.methods import Methods


def markdown(text: Methods) -> str:
    """Return the methods text as Markdown, with its table of regions and its references."""
    lines = []
    for heading, paragraphs in text.parts:
        lines += [f"## {heading}", "", "\n\n".join(paragraphs), ""]
    if text.regions is not None:
        titles = [title for title, _ in text.regions.columns]
        rows = [titles, ["---"] * len(titles), *text.regions.rows]
        lines += [f"## {text.regions.caption}", ""]
        lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
        lines.append("")
    if text.references:
        lines += ["## References", ""]
        for number, work in enumerate(text.references, 1):
            lines.append(f"{number}. {work.full}" + (f" doi:{work.doi}" if work.doi else ""))
    return "\n".join(lines).rstrip() + "\n"
