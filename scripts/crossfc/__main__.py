"""The command `python scripts/crossfc`: what is asked about a study outside its run."""

import sys
from pathlib import Path

# Python puts this folder first; the package is found from the one above it.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crossfc.jobs.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
