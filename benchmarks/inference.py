"""Permutation inference against nilearn: 29 maps in nilearn's 2 mm MNI mask, one sample with a
sequence covariate, and 29 against 21 people; CPU seconds per permutation, one thread against one
thread.

One sweep of crossfc gives voxel, extent, mass and uncorrected p at once, so its cost is compared
both with that of nilearn's voxels and with that of its clusters. Lower limits are measured too:
the cost, on this machine, of the arithmetic alone, of one pass over the memory, and of one sort of
the voxels.
"""

import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

PEOPLE = 29
OTHERS = 21  # people of a second group, where groups are compared
OURS, OURS_TFCE = 1024, 64
VOXEL, CLUSTER, TFCE = 40, 8, 2  # numbers of nilearn's permutations
MANY = 2000  # people


def _cpu(function) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def _per_permutation(run, few: int, more: int, repeats: int = 1) -> float:
    """Measure milliseconds per permutation, without what is done once.

    Done once are reading, compiling, and fitting the observed map.
    """
    return 1e3 * min((run(few + more) - run(few)) / more for _ in range(repeats))


def _mask():
    from nilearn.datasets import load_mni152_brain_mask

    return load_mni152_brain_mask(resolution=2)


def _sequence(people: int) -> np.ndarray:
    return np.where(np.arange(people) % 2, 1.0, -1.0)


def measure() -> dict[str, float]:
    """Measure the cost of a permutation here and in nilearn, and peak memory."""
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    from crossfc.group.design.arrangement import shuffles, sign_flips
    from crossfc.group.inference.permutation import infer
    from crossfc.group.inference.statistic import Student

    image = _mask()
    mask = image.get_fdata() > 0
    random = np.random.default_rng(0)
    data = random.standard_normal((PEOPLE, int(mask.sum())), dtype=np.float32)
    sequence = _sequence(PEOPLE)
    statistic = Student(np.ones(PEOPLE), sequence[:, None])
    age = random.standard_normal((PEOPLE, 1))
    slope = Student(random.standard_normal(PEOPLE), np.column_stack([np.ones(PEOPLE), age]))

    def ours(maps: list[np.ndarray], n: int, tfce: bool = False, connectivity: int = 26) -> float:
        flips = sign_flips(PEOPLE, n, 0)
        more = {"connectivity": connectivity, "tfce": tfce, "tail": False}
        return _cpu(lambda: infer(maps, statistic, flips, mask, **more))

    def shuffled(n: int) -> float:
        return _cpu(
            lambda: infer([data], slope, shuffles(slope.design, n, 0), mask, tfce=False, tail=False)
        )

    def wall(n: int, threads: int) -> float:
        started = time.perf_counter()
        infer(
            [data],
            statistic,
            sign_flips(PEOPLE, n, 0),
            mask,
            threads=threads,
            tfce=False,
            tail=False,
        )
        return time.perf_counter() - started

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

    ours([data], 20, tfce=True), shuffled(20)  # compiles
    one = _per_permutation(lambda n: ours([data], n), 1, OURS, 3)
    three = _per_permutation(lambda n: ours([data] * 3, n), 1, OURS, 3)
    slopes = _per_permutation(shuffled, 1, OURS, 2)
    enhanced = {
        connectivity: _per_permutation(
            lambda n, c=connectivity: ours([data], n, tfce=True, connectivity=c), 1, OURS_TFCE, 2
        )
        for connectivity in (6, 26)
    }
    wall(200, 2)  # warms up the start of processes
    calls = {(t, n): min(wall(n, t) for _ in range(2)) for t in (1, 2) for n in (2000, 10_000)}
    alone, together = (calls[t, 10_000] - calls[t, 2000] for t in (1, 2))
    masker = NiftiMasker(image).fit()
    voxel = _per_permutation(nilearns, 2, VOXEL)
    clusters = {"masker": masker, "threshold": 0.001, "output_type": "dict"}
    cluster = _per_permutation(lambda n: nilearns(n, **clusters), 1, CLUSTER)
    tfce = {"masker": masker, "tfce": True, "output_type": "dict"}
    theirs = _per_permutation(lambda n: nilearns(n, **tfce), 1, TFCE)
    floor = _floors(data, sequence)
    return {
        "voxels": float(mask.sum()),
        "ours.ms": one,
        "ours.shuffled_slope.ms": slopes,
        "ours.tfce.connectivity_6.ms": enhanced[6],
        "ours.tfce.connectivity_26.ms": enhanced[26],
        "nilearn.voxel.ms": voxel,
        "nilearn.cluster.ms": cluster,
        "nilearn.tfce.ms": theirs,
        "voxel.times_faster_than_nilearn": voxel / one,
        "cluster.times_faster_than_nilearn": cluster / one,
        # nilearn's TFCE joins voxels that share a face.
        "tfce.times_faster_than_nilearn": theirs / enhanced[6],
        "three_seeds_over_one": three / one,
        "two_threads_times_faster": alone / together,
        "two_threads_times_faster.ceiling_of_this_machine": _ceiling(wall),
        "two_threads_times_faster.call_of_10000": calls[1, 10_000] / calls[2, 10_000],
        **{f"floor.{name}.ms": value for name, value in floor.items()},
        "ours_over_matrix_product": one / floor["matrix_product"],
        "ours_over_memory_sweep": one / floor["memory_sweep"],
        "tfce_6_over_sort": enhanced[6] / floor["sort"],
        "tfce_26_over_sort": enhanced[26] / floor["sort"],
        **_groups(image, mask),
        **_baselines(mask),
        "memory_gb.10000_permutations": _peak("permutations"),
        "memory_gb.tfce_two_threads": _peak("tfce"),
        f"memory_gb.{MANY}_people": _peak("people"),
    }


def _groups(image, mask: np.ndarray) -> dict[str, float]:
    """Compare two groups, with Hall's statistic here and with Student's t in nilearn.

    nilearn has no statistic that allows unequal variances, so it has less to compute.
    """
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    from crossfc.group.design.arrangement import sign_flips
    from crossfc.group.inference.hall import Hall
    from crossfc.group.inference.permutation import infer
    from crossfc.group.inference.statistic import Student

    people = PEOPLE + OTHERS
    data = np.random.default_rng(2).standard_normal((people, int(mask.sum())), dtype=np.float32)
    of_first = np.arange(people) < PEOPLE
    effect = np.where(of_first, 0.5, -0.5)
    nuisance = np.column_stack([np.ones(people), _sequence(people)])
    statistics = {"hall": Hall(effect, nuisance, of_first), "student": Student(effect, nuisance)}

    def ours(name: str, n: int) -> float:
        return _cpu(
            lambda: infer(
                [data], statistics[name], sign_flips(people, n, 0), mask, tfce=False, tail=False
            )
        )

    def theirs(n: int, **options) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _cpu(
                lambda: permuted_ols(
                    effect[:, None],
                    data,
                    confounding_vars=_sequence(people)[:, None],
                    n_perm=n,
                    n_jobs=1,
                    verbose=0,
                    **options,
                )
            )

    for name in statistics:
        ours(name, 20)  # compiles
    cost = {
        name: _per_permutation(lambda n, name=name: ours(name, n), 1, OURS, 3)
        for name in statistics
    }
    masker = NiftiMasker(image).fit()
    voxel = _per_permutation(theirs, 2, VOXEL)
    cluster = _per_permutation(
        lambda n: theirs(n, masker=masker, threshold=0.001, output_type="dict"), 1, CLUSTER
    )
    return {
        "groups.ours.ms": cost["hall"],
        "groups.ours_over_student": cost["hall"] / cost["student"],
        "groups.nilearn.voxel.ms": voxel,
        "groups.nilearn.cluster.ms": cluster,
        "groups.voxel.times_faster_than_nilearn": voxel / cost["hall"],
        "groups.cluster.times_faster_than_nilearn": cluster / cost["hall"],
    }


def _baselines(mask: np.ndarray) -> dict[str, float]:
    """Compare models with and without a covariate by voxel, and with a fit of each voxel by itself.

    nilearn has no covariates by voxel. NumPy's batched solver is what one would write instead.
    """
    from crossfc.group.design.arrangement import sign_flips
    from crossfc.group.inference.given import Given, HallGiven
    from crossfc.group.inference.hall import Hall
    from crossfc.group.inference.permutation import infer
    from crossfc.group.inference.statistic import Student

    people, n_voxels = PEOPLE + OTHERS, int(mask.sum())
    random = np.random.default_rng(3)
    data = random.standard_normal((people, 2, n_voxels), dtype=np.float32)
    sequence = _sequence(people)
    of_first = np.arange(people) < PEOPLE
    nuisance = np.column_stack([np.ones(people), sequence])
    two = np.where(of_first, 0.5, -0.5), nuisance, of_first
    mean = np.ones(PEOPLE), sequence[:PEOPLE, None]
    cases = {
        "mean": (Student(*mean), data[:PEOPLE, 0]),
        "mean_given": (Given(*mean), data[:PEOPLE]),
        "groups": (Hall(*two), data[:, 0]),
        "groups_given": (HallGiven(*two), data),
    }

    def ours(name: str, n: int) -> float:
        statistic, maps = cases[name]
        flips = sign_flips(len(maps), n, 0)
        return _cpu(lambda: infer([maps], statistic, flips, mask, tfce=False, tail=False))

    def plain(n: int, some: int = 4000) -> float:
        """Fit every voxel's own model by the normal equations, some voxels; per all voxels."""
        own = np.empty((some, PEOPLE, 3))
        own[:, :, 0], own[:, :, 1] = 1, sequence[:PEOPLE]
        own[:, :, 2] = data[:PEOPLE, 1, :some].T
        y, flips = data[:PEOPLE, 0, :some].T.astype(float), sign_flips(PEOPLE, n, 0).signs
        turned = np.swapaxes(own, 1, 2)
        inverse = np.linalg.inv(turned @ own)

        def fit() -> None:
            for signs in flips:
                arranged = (y * signs)[:, :, None]
                b = inverse @ (turned @ arranged)
                rest = arranged - own @ b
                squares = np.einsum("vno,vno->v", rest, rest) / (PEOPLE - 3)
                b[:, 0, 0] / np.sqrt(squares * inverse[:, 0, 0])

        return _cpu(fit) * n_voxels / some

    for name in cases:
        ours(name, 20)  # compiles
    cost = {
        name: _per_permutation(lambda n, name=name: ours(name, n), 1, OURS // 2, 2)
        for name in cases
    }
    own = _per_permutation(plain, 1, VOXEL)
    return {
        "baseline.mean.ms": cost["mean_given"],
        "baseline.mean.over_without": cost["mean_given"] / cost["mean"],
        "baseline.groups.ms": cost["groups_given"],
        "baseline.groups.over_without": cost["groups_given"] / cost["groups"],
        "baseline.mean.times_faster_than_each_voxel": own / cost["mean_given"],
    }


def _floors(data: np.ndarray, sequence: np.ndarray) -> dict[str, float]:
    """Measure milliseconds per permutation that no method of its kind can beat on this machine."""
    columns = np.column_stack([np.ones(PEOPLE), sequence]).astype(np.float32)
    random = np.random.default_rng(1)
    signs = random.choice(np.float32([-1, 1]), (128, PEOPLE))
    arranged = (columns.T[None] * signs[:, None, :]).reshape(-1, PEOPLE)
    block = 512
    out = np.empty((len(arranged), block), dtype=np.float32)

    def multiply() -> None:
        for first in range(0, data.shape[1] - block, block):
            np.matmul(arranged, data[:, first : first + block], out=out)

    values = data[0].copy()
    return {
        "matrix_product": 1e3 * min(_cpu(multiply) for _ in range(5)) / len(signs),
        # Every residual is read once, as by a method that does not keep blocks in the cache.
        "memory_sweep": 1e3 * min(_cpu(lambda: data.sum(axis=0)) for _ in range(5)),
        "sort": 1e3 * min(_cpu(lambda: np.sort(values)) for _ in range(20)),
    }


def _peak(case: str) -> float:
    """Measure the peak memory (GB) of a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), case, folder]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])


def _use_memory(case: str, folder: str) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
    from crossfc.group.design.arrangement import sign_flips
    from crossfc.group.inference.permutation import infer
    from crossfc.group.inference.statistic import Student

    mask = _mask().get_fdata() > 0
    people = MANY if case == "people" else PEOPLE
    shape = (people, int(mask.sum()))
    # On disk, as in the workflow.
    path = Path(folder) / "maps.npy"
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    random = np.random.default_rng(0)
    for person in range(people):
        stored[person] = random.standard_normal(shape[1], dtype=np.float32)
        if person % 100 == 99:
            stored._mmap.madvise(4)  # MADV_DONTNEED
    del stored
    data = np.load(path, mmap_mode="r")
    statistic = Student(np.ones(people), _sequence(people)[:, None])
    arrangements = sign_flips(people, 100 if case == "people" else 10_000, 0)
    options = {"tfce": case == "tfce", "tail": False, "threads": 2 if case == "tfce" else 1}
    if case == "tfce":
        # Memory reaches its maximum within the first batches.
        arrangements = arrangements.part(slice(0, 2000))
    infer([data], statistic, arrangements, mask, **options)
    from fresh import peak

    held = 2**20 * peak()
    if case == "tfce":
        # Shared pages are counted in both processes, so this overestimates the memory.
        held += 2 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(held / 2**20)


def _ceiling(wall) -> float:
    """Measure how much more two independent processes get done here than one (2 at best)."""
    context = multiprocessing.get_context("fork")

    def work(answers) -> None:
        answers.put(min(wall(2000, 1) for _ in range(3)))

    def slowest(count: int) -> float:
        answers = context.Queue()
        running = [context.Process(target=work, args=(answers,)) for _ in range(count)]
        for process in running:
            process.start()
        return max(answers.get() for _ in running)

    return 2 * slowest(1) / slowest(2)


if __name__ == "__main__":
    _use_memory(*sys.argv[1:])
