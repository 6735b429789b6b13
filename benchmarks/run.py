"""Costs and ratios, measured one after the other in one run (`make bench`).

Prints a table and writes latest.json beside this file. Every ratio compares computations that run
one after the other on the same data in the same process, with one thread each.
"""

import json
import os
import sys
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]


def main() -> None:
    import connectivity
    import enhancement
    import inference
    import overhead
    import preprocessing
    import scale
    import workflow

    numbers: dict[str, float] = {}
    for part in (inference, enhancement, preprocessing, connectivity, workflow, scale, overhead):
        for key, value in part.measure().items():
            numbers[f"{part.__name__}.{key}"] = value
            print(f"{part.__name__ + '.' + key:58s} {value:12.4g}", flush=True)
    (HERE / "latest.json").write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
