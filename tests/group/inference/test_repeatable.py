"""The process that compiles the kernels computes the same bits as later ones."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib
import numpy as np
from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch

rng = np.random.default_rng(0)
mask = np.ones((9, 8, 7), dtype=bool)
second = np.arange(20) >= 12
effect, order = np.where(second, -0.5, 0.5), np.where(np.arange(20) % 2, 1.0, -1.0)
both = np.column_stack([np.ones(20), order])
several = np.arange(20) % 3
for statistic in (
    Student(effect, both),
    Slope(rng.standard_normal(20), both),
    Welch(effect, both, second),
    Welch(effect, both, several),
    Hall(effect, both, second),
    Hotelling(effect, both, 2),
):
    shape = (20, 2, 504) if isinstance(statistic, Hotelling) else (20, 504)
    data = rng.standard_normal(shape).astype(np.float32)
    for arrangements in (sign_flips(20, 150, 0), shuffles(statistic.design, 150, 0)):
        asked = dict(cluster_forming_p=0.05, tfce=True, tail=False)
        found = infer([data], statistic, arrangements, mask, **asked)
        total = hashlib.sha256()
        for values in (found.statistic, found.p_tfce, found.tfce, *found.null.values()):
            total.update(np.ascontiguousarray(values).tobytes())
        print(type(statistic).__name__, arrangements.kind, total.hexdigest()[:16])
"""


@pytest.mark.slow
def test_compiling_and_reading_compiled_kernels_give_the_same_bits(tmp_path, root):
    places = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root / "scripts")}
    runs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | places, capture_output=True, text=True, check=True,
        )  # fmt: skip
        runs.append(done.stdout.splitlines())
    assert len(runs[0]) == 12 and any(tmp_path.rglob("*.nbc"))
    assert runs[0] == runs[1]
