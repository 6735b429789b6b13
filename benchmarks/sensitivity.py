"""The quick sensitivity of maps, held against the whole test of every planted effect.

    .venv/bin/python benchmarks/sensitivity.py [--repeats 50]

prints the table of docs/statistics.md (about 3 CPU minutes). Maps have 1 320 voxels of smooth noise
and two seeds; 999 arrangements, clusters formed at p < 0.01. An effect is planted into a null study
of the residuals, at a random place and in one seed, and is found or not: by the null of four such
studies (249 arrangements each), and by all arrangements done again with the effect in the data. A
cell gives both powers, quick / whole, and in how many of the studies both say the same.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "scripts")]

from crossfc.group.design.arrangement import shuffles, sign_flips  # noqa: E402
from crossfc.group.inference.detection import (  # noqa: E402
    Detector,
    Noise,
    critical_values,
    smallest_sizes,
)
from crossfc.group.inference.hall import Hall  # noqa: E402
from crossfc.group.inference.permutation import infer  # noqa: E402
from crossfc.group.inference.statistic import Student  # noqa: E402
from crossfc.group.sensitivity import blob_at  # noqa: E402

MASK = np.ones((11, 12, 10), dtype=bool)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
PERMUTATIONS, SIZES = 999, (0.15, 0.2, 0.3)
MEASURES = ("voxel", "extent", "mass", "tfce")


def designs() -> dict:
    """Statistic and arrangements of a mean by flips and by orders, and of two groups."""
    order = np.where(np.arange(26) % 2, -1.0, 1.0)
    mean = Student(np.ones(14), order[:14, None])
    turned = Student(order[:14], np.ones((14, 1)))
    first = np.arange(26) < 14
    groups = Hall(np.where(first, 0.5, -0.5), np.column_stack([np.ones(26), order]), ~first)
    return {
        "mean of 14, sign flips": (mean, sign_flips(14, PERMUTATIONS, 1)),
        "mean of 14, re-randomisation": (turned, shuffles(turned.design, PERMUTATIONS, 1)),
        "14 against 12, sign flips": (groups, sign_flips(26, PERMUTATIONS, 1)),
    }


def whole(maps, statistic, arrangements):
    """Test all maps."""
    return infer(maps, statistic, arrangements, MASK, cluster_forming_p=0.01, tfce=True, tail=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    print("| test | measure | " + " | ".join(f"Δz {size:g}" for size in SIZES) + " | the same |")
    print("| --- | --- |" + " --- |" * (len(SIZES) + 1))
    for name, (statistic, arrangements) in designs().items():
        rng = np.random.default_rng(5)
        n = len(statistic.effect)
        few = arrangements.part(np.arange(250))
        values = rng.standard_normal((2, n, *MASK.shape))
        values = 0.57 * ndimage.gaussian_filter(values, (0, 0, 0.8, 0.8, 0.8))
        answers = {measure: [] for measure in MEASURES}
        with tempfile.TemporaryDirectory() as folder:
            noises = [
                Noise(own.reshape(n, -1), statistic, statistic, Path(folder) / str(k))
                for k, own in enumerate(values)
            ]
            limits = []
            for _ in range(4):
                signs = rng.choice(np.array([-1, 1], dtype=np.int8), n)
                maps = [
                    noise.drawn(signs, Path(folder) / f"{k}n") for k, noise in enumerate(noises)
                ]
                null = whole(maps, statistic, few)
                limits.append(critical_values(null, 0.05))
            critical = {m: float(np.mean([limit[m] for limit in limits])) for m in MEASURES}
            detector = Detector(critical, null.forming_threshold, MASK, 26)
            for repeat in range(repeats):
                signs = rng.choice(np.array([-1, 1], dtype=np.int8), n)
                blob = blob_at(rng.integers(MASK.shape), MASK, AFFINE, 8.0, 6.0)
                seed = repeat % 2
                own = noises[seed]
                heights = own.heights(signs[None])[0]
                least = smallest_sizes(own, detector, heights, signs, blob, SIZES)
                for size in SIZES:
                    maps = [
                        noise.study(signs, blob, size if noise is own else 0.0) for noise in noises
                    ]
                    told = whole(maps, statistic, arrangements)
                    p = (told.p_voxel, told.p_cluster, told.p_mass, told.p_tfce)
                    core = blob.core[told.statistic[seed][blob.core] > 0]
                    for measure, values_of in zip(MEASURES, p, strict=True):
                        found = bool((values_of[seed][core] < 0.05).any())
                        answers[measure].append((least[measure] <= size, found))
        for measure, pairs in answers.items():
            quick, brute = np.array(pairs).reshape(repeats, len(SIZES), 2).transpose(2, 0, 1)
            powers = zip(quick.mean(0), brute.mean(0), strict=True)
            cells = " | ".join(f"{a:.2f} / {b:.2f}" for a, b in powers)
            print(f"| {name} | {measure} | {cells} | {(quick == brute).mean():.3f} |", flush=True)


if __name__ == "__main__":
    main()
