"""Permutation inference against nilearn: 29 maps in nilearn's 2 mm MNI mask, one sample with a
sequence covariate, CPU seconds per permutation."""

import time
import warnings

import numpy as np

PEOPLE = 29
OURS, VOXEL, CLUSTER = 200, 40, 8


def _cpu(function) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def measure() -> dict[str, float]:
    """Measure the cost of a permutation here and in nilearn.

    The difference of two numbers of permutations is taken, so that what is done once (reading,
    compiling, the observed statistic) does not count.
    """
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    from crossfc.group.arrangement import sign_flips
    from crossfc.group.inference import infer
    from crossfc.group.statistic import Student

    image = load_mni152_brain_mask(resolution=2)
    mask = image.get_fdata() > 0
    random = np.random.default_rng(0)
    data = random.standard_normal((PEOPLE, int(mask.sum())), dtype=np.float32)
    sequence = np.where(np.arange(PEOPLE) % 2, 1.0, -1.0)
    statistic = Student(np.ones(PEOPLE), sequence[:, None])

    def ours(maps: list[np.ndarray], n: int) -> float:
        return _cpu(lambda: infer(maps, statistic, sign_flips(PEOPLE, n, 0), mask))

    def nilearns(n: int, **options) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _cpu(
                lambda: permuted_ols(
                    np.ones((PEOPLE, 1)),
                    data,
                    confounding_vars=sequence[:, None],
                    model_intercept=False,
                    n_perm=n,
                    n_jobs=1,
                    verbose=0,
                    **options,
                )
            )

    ours([data], 20)  # compiles
    one = (ours([data], 20 + OURS) - ours([data], 20)) / OURS
    three = (ours([data] * 3, 20 + OURS) - ours([data] * 3, 20)) / OURS
    voxel = (nilearns(2 + VOXEL) - nilearns(2)) / VOXEL
    masker = NiftiMasker(image).fit()
    cluster_options = {"masker": masker, "threshold": 0.001, "output_type": "dict"}
    cluster = (nilearns(1 + CLUSTER, **cluster_options) - nilearns(1, **cluster_options)) / CLUSTER
    return {
        "voxels": float(mask.sum()),
        "ours_ms_per_permutation": 1e3 * one,
        "three_seeds_over_one": three / one,
        "voxel.nilearn_ms_per_permutation": 1e3 * voxel,
        "cluster.nilearn_ms_per_permutation": 1e3 * cluster,
        # Ours does voxels and clusters in one sweep, so the same cost stands against both.
        "voxel.times_faster_than_nilearn": voxel / one,
        "cluster.times_faster_than_nilearn": cluster / one,
    }
