"""Write down the command line of fMRIPrep's own argument parser, for test_fmriprep.py.

Not a test. Run with fMRIPrep itself, in an environment of its own (it needs no container):

    uv run --no-project --python 3.11 --with fmriprep==25.2.7 \
        python tests/session/record_fmriprep_parser.py
"""

import json
from pathlib import Path

from fmriprep import __version__
from fmriprep.cli.parser import _build_parser

KINDS = {
    "_StoreAction": "store",
    "_StoreTrueAction": "store_true",
    "_StoreFalseAction": "store_false",
    "_CountAction": "count",
    "_HelpAction": "help",
    "_VersionAction": "version",
    "BooleanOptionalAction": "boolean",
}


def described(action) -> dict:
    """Return an action of the parser as plain values; an action of fMRIPrep's own stores."""
    return {
        "options": action.option_strings,
        "dest": action.dest,
        "kind": KINDS.get(type(action).__name__, "store"),
        "nargs": action.nargs,
        "choices": None if action.choices is None else list(action.choices),
        "number": action.type.__name__ if action.type in (int, float) else None,
    }


def main() -> None:
    """Write the record beside this file."""
    parser = _build_parser()
    record = {"fmriprep": __version__, "actions": [described(a) for a in parser._actions]}
    path = Path(__file__).with_name(f"fmriprep_{__version__}_parser.json")
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
