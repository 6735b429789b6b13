"""How often the interval of a hypothesis of a map holds the truth, and how often its test errs.

One region's mean of every person's change, of a crossover with a period effect: the mean change in
a group, its difference between two groups (the second of 0.7 of the people and of 1.5 of the
spread), and its slope on the change of a score.

    .venv/bin/python benchmarks/error_rates_regions.py --sets 1000
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / folder) for folder in ("scripts", ".")]

import nibabel as nib  # noqa: E402
import pandas as pd  # noqa: E402
from tests.group.analysis_options import analysis_options  # noqa: E402

from crossfc.group.design.pairs import Pairs  # noqa: E402
from crossfc.group.design.question import question  # noqa: E402
from crossfc.group.region_mean import mean_test  # noqa: E402

GROUPS = {"patients": "A", "controls": "B"}
TREATMENTS = {"active": "drug", "control": "placebo"}
KINDS = ("normal", "heavy tails", "ties", "one outlier")
QUESTIONS = {"mean": "drug_A", "difference": "group_by_drug", "slope": "change_S"}
SIZES = (12, 16, 24, 29)
OPTIONS = analysis_options(permutations=499, tail=False)


def noise(rng: np.random.Generator, kind: str, shape: int | tuple[int, ...]) -> np.ndarray:
    """Return symmetric noise, of people along the first axis.

    Its variance is 1, before rounding and but for the outlier, who is the first person.
    """
    if kind == "heavy tails":
        return rng.standard_t(3, shape) / np.sqrt(3)
    drawn = rng.normal(size=shape)
    if kind == "one outlier":
        drawn[0] += rng.choice((-4, 4), drawn.shape[1:])
    return np.round(drawn) if kind == "ties" else drawn


def trial(rng: np.random.Generator, kind: str, n: int) -> Pairs:
    """Return the pairs of n people of A and 0.7 n of B, of one voxel and one seed."""
    sizes = (n, round(0.7 * n))
    code = np.concatenate([np.where(np.arange(size) % 2 == 0, -1.0, 1.0) for size in sizes])
    error = np.concatenate([noise(rng, kind, sizes[0]), 1.5 * noise(rng, kind, sizes[1])])
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{k:03}" for k in range(sum(sizes))],
            "group": np.repeat(["A", "B"], sizes),
            "sequence": np.where(code < 0, "drug-placebo", "placebo-drug"),
            "sequence_code": code,
            "delta_S": rng.normal(size=sum(sizes)) - 0.3 * code,
        }
    )
    record = {
        "seeds": ["sgACC"], "groups": GROUPS, "treatments": TREATMENTS, "contrast": "drug",
        "effect": "drug", "order": ["sequence_code"], "arms": False, "level": "session",
    }  # fmt: skip
    mask = nib.Nifti1Image(np.ones((1, 1, 1), np.uint8), np.eye(4))
    delta = (error - 0.5 * code)[:, None, None].astype(np.float32)
    return Pairs(record, people, delta, None, mask)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    print("Coverage of the 95 % interval / error rate of p at .05\n")
    print("| data | " + " | ".join(f"n = {n}" for n in SIZES) + " |")
    print("| --- |" + " --- |" * len(SIZES))
    for kind in KINDS:
        for name, analysis in QUESTIONS.items():
            asked = question(analysis, GROUPS, TREATMENTS)
            cells = []
            for n in SIZES:
                rng = np.random.default_rng([n, KINDS.index(kind)])
                held = erred = 0
                for _ in range(sets):
                    found = mean_test(asked, trial(rng, kind, n), np.arange(1), [0], OPTIONS)
                    held += found.low <= 0 <= found.high
                    erred += found.p <= 0.05
                rates = (f"{hits / sets:.3f}".lstrip("0") for hits in (held, erred))
                cells.append(" / ".join(rates))
            print(f"| {kind}, {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
