"""The command `python scripts/crossfc`: questions about a study that are answered without a run."""

import sys
from pathlib import Path

# Python puts this folder first in the search path, but the package is found from the one above it.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crossfc.jobs.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
