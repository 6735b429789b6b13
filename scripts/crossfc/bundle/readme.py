"""The README of the bundle: what is in it, what is not, and how it is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crossfc.bundle.options import BundleOptions
from crossfc.bundle.withheld import Withheld

TEMPLATE = Path(__file__).resolve().parents[3] / "workflow" / "bundle" / "README.md.j2"


def readme(
    questions: Mapping[str, str],
    withheld: Sequence[Withheld],
    options: BundleOptions,
    version: str,
) -> str:
    """Write the README.

    Parameters
    ----------
    questions : mapping
        Name of each analysis with maps to its question.
    withheld : sequence of Withheld
    options : BundleOptions
    version : str
        Of crossfc.

    Returns
    -------
    str
        Markdown.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template(TEMPLATE.name)
    return template.render(options, questions=questions, withheld=withheld, version=version)
