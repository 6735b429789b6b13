"""Describe in words how two runs differ: python scripts/compare.py results/a results/b.

The exit code is 0 if all results are equal byte by byte, 1 if some differ, and 2 if there is
nothing to compare.
"""

import argparse
import sys

from crossfc.fault import Fault
from crossfc.jobs.comparison import SHOWN, compare

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("first", help="a folder of results, such as results/demo")
parser.add_argument("second", help="another, called B")
parser.add_argument("--all", action="store_true", help="list every difference, not 20 of a kind")
arguments = parser.parse_args()
try:
    lines, same = compare(arguments.first, arguments.second, None if arguments.all else SHOWN)
except Fault as fault:
    print(f"crossfc: {fault}", file=sys.stderr)
    sys.exit(2)
print("\n".join(lines))
sys.exit(0 if same else 1)
