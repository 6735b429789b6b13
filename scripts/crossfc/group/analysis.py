"""One analysis of the group, from the pairs of sessions to maps, tables and a record."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.bids import bids_name
from crossfc.fault import Fault
from crossfc.group import question as questions
from crossfc.group.arrangement import SIGN_FLIPS, Arrangements, shuffles, sign_flips
from crossfc.group.effect import hedges_g, partial_eta_squared, partial_r
from crossfc.group.finding import Sessions, findings, no_findings
from crossfc.group.hotelling import Hotelling
from crossfc.group.inference import Inference, infer
from crossfc.group.model import Inestimable, Model, model
from crossfc.group.pairs import Pairs
from crossfc.group.question import Question, question
from crossfc.group.region import Atlas
from crossfc.group.statistic import Student
from crossfc.group.welch import Welch


def analyse(
    name: str,
    pairs_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    *,
    n_permutations: int = 5000,
    seed: int = 0,
    cluster_forming_p: float = 0.001,
    connectivity: int = 26,
    two_sided: bool = True,
    covariates: Sequence[str] = (),
    blocks: str | None = None,
    arrangement: str | None = None,
    atlas: dict | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Do one analysis and write its maps, tables and record.

    Written to ``out_dir``: ``seed-<seed>_stat-<stat>_statmap.nii.gz`` (NaN outside the search
    volume), ``clusters.tsv``, ``cells.tsv`` and ``result.json``. The maps are the statistic
    (``t`` or ``F``), ``effect``, ``stderr``, ``puncorrected``, ``pfwevoxel``, ``pfwecluster``
    and a standardised effect: ``hedgesg`` with ``hedgesglow`` and ``hedgesghigh``; ``partialr``
    for a slope on a score; ``partialetasq`` (and no ``stderr``) for F.

    Where the people who are left do not allow an estimate (a group is empty, or too few people
    for the model), the record says so (``estimable``) with the reason among its notes, the
    tables have no rows, and there are no maps.

    Parameters
    ----------
    name : str
        One of `crossfc.group.question.names`.
    pairs_dir, out_dir : path
    n_permutations : int
        Arrangements besides the identity; all there are, if they are not more than this.
    seed : int
        Seed of the random arrangements.
    cluster_forming_p, connectivity, two_sided
        See `crossfc.group.inference.infer`.
    covariates : sequence of str
        Columns of people.tsv to adjust for.
    blocks : str, optional
        Column of exchangeability blocks, for shuffles.
    arrangement : str, optional
        ``sign flips`` or ``shuffles`` instead of the default; see `crossfc.group.model.model`.
    atlas : dict, optional
        ``image`` and ``table`` that name regions; see `crossfc.group.region.Atlas`.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict
        What ``result.json`` holds.

    Raises
    ------
    Fault
        If the analysis is not one of this trial, or its data cannot be analysed for another
        reason than that too few people are left.
    """
    pairs, out_dir = Pairs.read(pairs_dir), Path(out_dir)
    record, seeds = pairs.record, pairs.record["seeds"]
    groups, treatments = record["groups"], record["treatments"]
    asked = question(name, groups, treatments)
    parts = _parts(asked, pairs)
    try:
        design = model(asked, pairs.people, groups, covariates, blocks, arrangement)
        statistic = _statistic(asked, design, len(seeds))
    except Inestimable as reason:
        return _leave_out(asked, pairs, reason, out_dir)
    arrangements = _arrange(design, statistic, n_permutations, seed)
    maps = _maps(asked, pairs, design)
    mask = np.asarray(pairs.mask.dataobj) != 0
    named = Atlas(atlas["image"], atlas["table"]) if atlas else None
    found = infer(
        maps,
        statistic,
        arrangements,
        mask,
        cluster_forming_p=cluster_forming_p,
        connectivity=connectivity,
        two_sided=two_sided,
        progress=progress,
    )
    gone = {person["participant_id"] for person in design.left}
    rows = np.flatnonzero(~pairs.people["participant_id"].isin(gone).to_numpy())
    sessions = Sessions(pairs.people.iloc[rows], rows, pairs.delta, pairs.total, groups, treatments)
    clusters, cells = findings(
        name, parts, found, sessions, seeds, mask, pairs.mask.affine, named,
        apart=asked.kind == questions.SUBREGION,
    )  # fmt: skip
    for number, part in enumerate(parts):
        for stat, values in _maps_of(asked, statistic, found, number).items():
            path = out_dir / bids_name({"seed": part, "stat": stat}, "statmap", ".nii.gz")
            atomic.save_image(path, _image(pairs.mask, mask, values, stat, statistic))
    atomic.write_table(out_dir / "clusters.tsv", clusters)
    atomic.write_table(out_dir / "cells.tsv", cells)
    result = _result(asked, design, statistic, found, pairs, parts, clusters, mask)
    result |= {
        "cluster_forming_p": cluster_forming_p,
        "connectivity": connectivity,
        "random_seed": seed,
    }
    atomic.write_json(out_dir / "result.json", result)
    return result


def _statistic(asked: Question, design: Model, n_seeds: int) -> Student:
    try:
        if asked.kind == questions.SUBREGION:
            return Hotelling(design.effect, design.nuisance, n_seeds - 1)
        if design.second is not None:
            return Welch(design.effect, design.nuisance, design.second)
        return Student(design.effect, design.nuisance)
    except Fault as reason:
        # What a statistic refuses is a design of too few people or of too low a rank.
        raise Inestimable(
            f"{asked.name} ({design.formula}, {len(design.rows)} people): {reason}",
            design.rows,
            design.left,
        ) from None


def _arrange(design: Model, statistic: Student, n_permutations: int, seed: int) -> Arrangements:
    if design.arrangement == SIGN_FLIPS:
        return sign_flips(len(design.rows), n_permutations, seed)
    return shuffles(statistic.design, n_permutations, seed, design.blocks)


def _parts(asked: Question, pairs: Pairs) -> dict[str, list[int]]:
    """The maps of an analysis, and the seeds (by number) that each is made of."""
    seeds = pairs.record["seeds"]
    everything = list(range(len(seeds)))
    if asked.kind == questions.CARRYOVER and pairs.total is None:
        raise Fault("ready contrast maps hold no sum of sessions, so no carry-over")
    if asked.kind == questions.POOLED:
        return {"pooled": everything}
    if asked.kind == questions.SUBREGION:
        if len(seeds) < 2:
            raise Fault(f"{asked.name} compares seeds, but there is only one")
        return {"subregion": everything}
    return {seed: [column] for column, seed in enumerate(seeds)}


def _maps(asked: Question, pairs: Pairs, design: Model) -> Sequence[np.ndarray]:
    """The data of each map."""
    if asked.kind == questions.POOLED:
        return [np.mean(pairs.delta[design.rows], axis=1, dtype=np.float32)]
    if asked.kind == questions.SUBREGION:
        contrasts = seed_contrasts(pairs.delta.shape[1]).astype(np.float32)
        return [np.matmul(contrasts, pairs.delta[design.rows])]
    data = pairs.total if asked.kind == questions.CARRYOVER else pairs.delta
    return _Columns(data, design.rows)


class _Columns:
    """The seeds of an array one by one, each read from the disk when it is its turn."""

    def __init__(self, data: np.ndarray, rows: np.ndarray) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return self._data.shape[1]

    def __getitem__(self, number: int) -> np.ndarray:
        if number >= len(self):
            raise IndexError(number)
        return self._data[self._rows, number]


def seed_contrasts(n_seeds: int) -> np.ndarray:
    """Orthonormal contrasts among seeds, shape (n_seeds - 1, n_seeds): each with those before."""
    contrasts = np.zeros((n_seeds - 1, n_seeds))
    for row in range(n_seeds - 1):
        contrasts[row, : row + 1] = -1
        contrasts[row, row + 1] = row + 1
    return contrasts / np.linalg.norm(contrasts, axis=1, keepdims=True)


def _maps_of(
    asked: Question, statistic: Student, found: Inference, number: int
) -> dict[str, np.ndarray]:
    maps = {statistic.name: found.statistic[number], "effect": found.effect[number]}
    if asked.kind == questions.SUBREGION:
        maps["partialetasq"] = partial_eta_squared(
            found.statistic[number], statistic.measures, statistic.df_error
        )
    else:
        maps["stderr"] = found.standard_error[number]
        if asked.kind == questions.CHANGE:
            maps["partialr"] = partial_r(found.t[number], statistic.df)
        else:
            size = hedges_g(found.t[number], statistic.df, statistic.effect_variance)
            names = ("hedgesg", "hedgesglow", "hedgesghigh")
            maps |= dict(zip(names, size, strict=True))
    return maps | {
        "puncorrected": found.p_uncorrected[number],
        "pfwevoxel": found.p_voxel[number],
        "pfwecluster": found.p_cluster[number],
    }


def _image(
    like: nib.Nifti1Image, mask: np.ndarray, values: np.ndarray, stat: str, statistic: Student
) -> nib.Nifti1Image:
    volume = np.full(mask.shape, np.nan, dtype=np.float32)
    volume[mask] = values
    header = like.header.copy()
    header.set_data_dtype(np.float32)
    image = nib.Nifti1Image(volume, like.affine, header)
    if stat == "t" and not isinstance(statistic, Welch):
        image.header.set_intent("t test", (statistic.df,))
    elif stat == "F":
        image.header.set_intent("f test", (statistic.measures, statistic.df_error))
    elif stat.startswith("p") and not stat.startswith("partial"):
        image.header.set_intent("p value")
    return image


def _result(
    asked: Question,
    design: Model,
    statistic: Student,
    found: Inference,
    pairs: Pairs,
    parts: dict[str, list[int]],
    clusters: pd.DataFrame,
    mask: np.ndarray,
) -> dict:
    arrangements, n_arrangements = found.arrangements, len(found.arrangements)
    places, affine = np.argwhere(mask), pairs.mask.affine

    def point(voxel: int) -> list[float]:
        return [round(float(v), 3) + 0.0 for v in affine[:3, :3] @ places[voxel] + affine[:3, 3]]

    per_seed = {}
    for number, part in enumerate(parts):
        values = found.statistic[number]
        by_size = found.p_cluster[number][found.clusters[number] > 0]
        labels, first = np.unique(found.clusters[number], return_index=True)
        p_clusters = found.p_cluster[number][first[labels > 0]]
        per_seed[part] = {
            "max": float(values.max()),
            "min": float(values.min()),
            "peak_mm_max": point(int(values.argmax())),
            "peak_mm_min": point(int(values.argmin())),
            "p_fwe_voxel_min": float(found.p_voxel[number].min()),
            "p_fwe_cluster_min": float(by_size.min(initial=1.0)),
            "n_clusters": len(p_clusters),
            "n_clusters_significant": int(np.count_nonzero(p_clusters < 0.05)),
        }
    notes = list(design.notes)
    name = {"Student": "t", "Welch": "Welch's t (G)", "Hotelling": "Hotelling's T² as F"}
    df = found.degrees_of_freedom
    if isinstance(statistic, Hotelling):
        degrees = {"numerator": statistic.measures, "denominator": statistic.df_error}
    elif isinstance(statistic, Welch):
        degrees = {"min": float(df.min()), "max": float(df.max())}
        notes.append(
            "The cluster-forming threshold is that of equal variances; the degrees of freedom of "
            "Welch's statistic vary over voxels."
        )
    else:
        degrees = statistic.df
    if n_arrangements <= 20:
        notes.append(
            f"There are only {n_arrangements} arrangements, so no p can be below "
            f"{1 / n_arrangements:.3g}."
        )
    if design.blocks is not None and design.arrangement == SIGN_FLIPS:
        notes.append("Sign flips need no exchangeability blocks; the blocks were not used.")
    if found.flat.any():
        count = int(np.count_nonzero(found.flat.any(axis=0)))
        notes.append(f"{count} voxels do not vary among the people analysed; their p is 1.")
    return _words(asked, pairs) | {
        "estimable": True,
        "model": design.formula,
        "statistic": statistic.name,
        "statistic_name": name[type(statistic).__name__],
        "degrees_of_freedom": degrees,
        "n": {label: n for label, n in _counts(pairs, design.rows).items() if n},
        "n_voxels": int(mask.sum()),
        "n_permutations": n_arrangements if arrangements.exhaustive else n_arrangements - 1,
        "exhaustive": arrangements.exhaustive,
        "arrangement": arrangements.kind,
        "two_sided": found.two_sided,
        "forming_threshold": found.forming_threshold,
        "seeds": list(parts),
        "sequence_adjusted": design.sequence_adjusted,
        "covariates": design.covariates,
        "threshold_fwe_voxel": (
            found.threshold_voxel if np.isfinite(found.threshold_voxel) else None
        ),
        "per_seed": per_seed,
        "left": design.left,
        "notes": notes,
    }


def _words(asked: Question, pairs: Pairs) -> dict:
    return {
        "analysis": asked.name,
        "kind": asked.kind,
        "title": asked.title,
        "question": asked.text,
        "pipeline": pairs.record["pipeline"],
    }


def _counts(pairs: Pairs, rows: np.ndarray) -> dict[str, int]:
    """People of each group among the rows."""
    group = pairs.people["group"].iloc[rows]
    return {label: int((group == label).sum())
            for label in pairs.record["groups"].values() if label}  # fmt: skip


def _leave_out(asked: Question, pairs: Pairs, reason: Inestimable, out_dir: Path) -> dict:
    """Write the record and the empty tables of an analysis that cannot be estimated."""
    # Maps of a run with more people would be taken for those of this one.
    for path in out_dir.glob("seed-*_statmap.nii.gz"):
        path.unlink()
    clusters, cells = no_findings(pairs.record["groups"], pairs.record["treatments"])
    atomic.write_table(out_dir / "clusters.tsv", clusters)
    atomic.write_table(out_dir / "cells.tsv", cells)
    counts = _counts(pairs, reason.rows)
    result = _words(asked, pairs) | {
        "estimable": False,
        "n": {label: n for label, n in counts.items() if asked.group in (None, label)},
        "seeds": [],  # none was tested
        "per_seed": {},
        "left": reason.left,
        "notes": [f"This analysis cannot be estimated. {reason}."],
    }
    atomic.write_json(out_dir / "result.json", result)
    return result
