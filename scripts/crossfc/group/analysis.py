"""Run one analysis of the group, from the pairs of sessions to maps, tables and a record."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import nibabel as nib
import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.array import BoolArray, FloatArray, MapData
from crossfc.bids import bids_name
from crossfc.fault import Fault
from crossfc.group.design import question as questions
from crossfc.group.design.contrast import parts
from crossfc.group.design.matrix import design_matrix
from crossfc.group.design.model import Inestimable
from crossfc.group.design.options import AnalysisOptions, Together
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.people import PersonRow, with_columns
from crossfc.group.design.question import Question, question_of, set_questions
from crossfc.group.design.together import Joined, joined_pairs
from crossfc.group.estimation import estimation
from crossfc.group.findings.finding import Analysed, Findings, findings, no_findings
from crossfc.group.findings.readout import Sessions
from crossfc.group.findings.record import estimated, not_estimated, unequal_arms
from crossfc.group.findings.region import Atlas
from crossfc.group.findings.result import RESULT_FILE, Result
from crossfc.group.inference.effect import hedges_g, hedges_g_welch, partial_r_squared
from crossfc.group.inference.equivalence import equivalence
from crossfc.group.inference.fisher import FRatio
from crossfc.group.inference.given import Given
from crossfc.group.inference.permutation import Inference, infer
from crossfc.group.inference.skewness import skewness
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.spread import spread
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF
from crossfc.significance import SIGNIFICANT

DESIGN_FILE = "design.tsv"
_TABLES = ("clusters", "peaks", "cells", "null", "design")


class AtlasFiles(TypedDict):
    """The image of an atlas, and the table of its names; see `Atlas`."""

    image: str
    table: str


def analyse(
    name: str,
    pairs_dir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out_dir: str | os.PathLike[str],
    options: AnalysisOptions,
    *,
    together: Together | None = None,
    people: Sequence[PersonRow] = (),
    atlas: AtlasFiles | None = None,
    threads: int = 1,
    memory_gb: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run one analysis and write its maps, tables and record.

    Everything is first written to a temporary folder beside ``out_dir``, which then replaces
    ``out_dir``. So a process that is killed never leaves half an analysis behind.

    Maps are ``seed-<seed>_stat-<stat>_statmap.nii.gz``, NaN outside the search volume:

    ====================================  =====================================================
    ``t`` or ``F``                        the statistic
    ``effect``, ``stderr``                mean change, difference or slope, and its standard error
                                          (for F: the length of the effect, of several groups the
                                          standard deviation over people that they explain; no
                                          standard error)
    ``hedgesg``, ``…low``, ``…high``      Hedges' g and its 95 % interval (means and differences)
    ``partialrsq``, ``…low``, ``…high``   partial R² and its 95 % interval
    ``puncorrected``, ``qfdr``            uncorrected p, and q of the false discovery rate
    ``pfwevoxel``                         p corrected by the largest statistic
    ``pfwecluster``, ``pfwemass``         p corrected by the largest cluster extent, and mass
    ``tfce``, ``pfwetfce``                threshold-free cluster enhancement, and p corrected by
                                          its largest value
    ``pfweequivalence``                   p of equivalence to nothing within the smallest effect
                                          of interest, where one is stated (means, differences)
    ====================================  =====================================================

    Tables are ``clusters.tsv``, ``peaks.tsv`` and ``cells.tsv`` (see
    `crossfc.group.findings.finding.Findings`), ``null.tsv``: for each measure, the largest value
    over voxels and maps under every arrangement, the observed arrangement first; and
    ``design.tsv``, the design matrix (`crossfc.group.design.matrix.design_matrix`).
    ``result.json`` is the record.

    If the remaining people do not allow an estimate (a group is empty, there are too few people
    for the model, or nobody can change places), ``estimable`` is false in the record and its
    notes give the reason; the tables then have no rows, and there are no maps.

    Parameters
    ----------
    name : str
        One of `crossfc.group.design.question.names`.
    pairs_dir : path, or sequence of path
        Folder that `crossfc.group.design.pairs.pair_sessions` wrote; of a set of contrasts the
        folder of each.
    out_dir : path
        Folder of the results; an earlier analysis in it is replaced.
    options : AnalysisOptions
    together : Together, optional
        The set of contrasts, where one is tested.
    people : sequence of dict
        Further columns of people.tsv, by participant_id: scores, covariates, blocks.
    atlas : dict, optional
        ``image`` and ``table`` that name regions; see `crossfc.group.findings.region.Atlas`.
    threads, memory_gb
        See `crossfc.group.inference.permutation.infer`; results do not depend on them.
    progress : callable, optional
        Called with (done, total), in arrangements.

    Returns
    -------
    Result
        The content of ``result.json``.

    Raises
    ------
    Fault
        If this trial does not have the analysis, if its data cannot be analysed (for another
        reason than too few people), or if ``out_dir`` holds anything but an analysis.
    """
    out_dir = Path(out_dir)
    _check_own(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    running = threads, memory_gb, progress
    if together is None:
        pairs = Pairs.read(_single(pairs_dir))
        own = question_of(name, pairs.record)
        return _analyse(own, pairs, out_dir, options, people, atlas, *running)
    assert not isinstance(pairs_dir, str | os.PathLike)  # a set has several contrasts
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".together-") as scratch:
        joined = joined_pairs(pairs_dir, together, scratch)
        pairs = joined.pairs
        asked = {
            own.name: own
            for own in set_questions(together["name"], together["labels"], pairs.record["groups"])
        }
        if name not in asked:
            raise Fault(f'there is no analysis "{name}" of this set; there are {", ".join(asked)}')
        return _analyse(
            asked[name],
            pairs,
            out_dir,
            options,
            people,
            atlas,
            *running,
            together["labels"],
            joined,
        )


def _single(pairs_dir: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Path:
    if isinstance(pairs_dir, str | os.PathLike):
        return Path(pairs_dir)
    if len(pairs_dir) == 1:
        return Path(pairs_dir[0])
    raise Fault("several contrasts are analysed together only as a set; name it")


def _analyse(
    asked: Question,
    pairs: Pairs,
    out_dir: Path,
    options: AnalysisOptions,
    people: Sequence[PersonRow],
    atlas: AtlasFiles | None,
    threads: int,
    memory_gb: float,
    progress: Callable[[int, int], None] | None,
    labels: Sequence[str] = (),
    joined: Joined | None = None,
) -> Result:
    """Run an analysis of pairs; ``labels`` are those of the contrasts that are tested together."""
    pairs.people = with_columns(pairs.people, people)
    record, seeds = pairs.record, pairs.record["seeds"]
    groups, treatments = record["groups"], record["treatments"]
    maps = parts(asked, pairs)
    try:
        estimated_by = estimation(asked, pairs, options, measures=len(labels) or None)
    except Inestimable as reason:
        result = not_estimated(asked, pairs, reason)
        _add_set(result, joined)
        with atomic.writing_folder(out_dir) as folder:
            _write(folder, no_findings(groups, treatments), result)
        return result
    design, statistic = estimated_by.design, estimated_by.statistic
    data = estimated_by.data
    mask = np.asarray(pairs.mask.dataobj) != 0
    named = Atlas(atlas["image"], atlas["table"]) if atlas else None
    found = infer(
        data,
        statistic,
        estimated_by.arrangements,
        mask,
        cluster_forming_p=options.cluster_forming_p,
        connectivity=options.connectivity,
        tfce=options.tfce,
        tail=options.tail,
        threads=threads,
        memory_gb=memory_gb,
        scratch_dir=out_dir.parent,
        progress=progress,
    )
    # Three and more groups together have no single effect.
    bounded = asked.kind in questions.DIFFERENCES and statistic.effect.ndim == 1
    within = None
    if options.smallest_fisher_z is not None and bounded:
        within = equivalence(
            data,
            statistic,
            estimated_by.arrangements,
            mask,
            options.smallest_fisher_z,
            threads=threads,
            memory_gb=memory_gb,
            scratch_dir=out_dir.parent,
        )
    gone = {person["participant_id"] for person in design.left}
    rows = np.flatnonzero(~pairs.people["participant_id"].isin(gone).to_numpy())
    sizes = [_effect_sizes(asked, statistic, found, n, part) for n, part in enumerate(data)]
    told = findings(
        asked.name,
        maps,
        found,
        Analysed(statistic, data, design.rows, options.cluster_forming_p, options.connectivity),
        Sessions(pairs.people.iloc[rows], rows, pairs.delta, pairs.total, groups, treatments),
        [label for label in labels for _ in seeds] or seeds,
        mask,
        pairs.mask.affine,
        sizes,
        named,
        apart=asked.kind in questions.MULTIVARIATE,
    )
    columns = np.column_stack([design.effect, design.nuisance])
    skewed = [
        skewness(
            values,
            columns,
            design.flip,
            design.variance_groups,
            found.flat[number],
            _given(statistic),
        )
        for number, values in enumerate(data)
    ]
    result = estimated(asked, pairs, design, statistic, found, list(maps), skewed, options)
    if pairs.record["arms"] and asked.compares_groups:
        arms = pairs.people["group"].to_numpy()[design.rows]
        variances = [
            spread(values, columns, arms, found.flat[number], _given(statistic))
            for number, values in enumerate(data)
        ]
        result["notes"] += unequal_arms(asked, arms, np.nanmedian(variances, axis=0))
    if labels:
        result["together"] = list(labels)
    _add_set(result, joined)
    for part, largest in told.largest.items():
        result["per_seed"][part]["largest"] = largest
    if within is not None and options.smallest_fisher_z is not None:
        result["smallest_effect"] = options.smallest_fisher_z
        for part, p in zip(maps, within, strict=True):
            result["per_seed"][part]["equivalent_share"] = float(np.mean(p < SIGNIFICANT))
    with atomic.writing_folder(out_dir) as folder:
        for number, part in enumerate(maps):
            written = _maps_of(statistic, found, number) | sizes[number]
            written |= {} if within is None else {"pfweequivalence": within[number]}
            for stat, values in written.items():
                path = folder / bids_name({"seed": part, "stat": stat}, "statmap", ".nii.gz")
                atomic.save_image(path, _image(pairs.mask, mask, values, stat, statistic))
        atomic.write_table(folder / "null.tsv", pd.DataFrame(found.null))
        atomic.write_table(folder / DESIGN_FILE, design_matrix(design, pairs.people))
        _write(folder, told, result)
    return result


def _check_own(out_dir: Path) -> None:
    """Refuse to replace a folder that holds anything but the results of an analysis."""
    for path in sorted(out_dir.iterdir()) if out_dir.is_dir() else ():
        table = path.stem in _TABLES and path.suffix in (".tsv", ".json")
        own = table or path.name == RESULT_FILE or path.match("seed-*_statmap.*")
        if not own and not path.name.startswith("."):
            raise Fault(
                f"{out_dir} is to be replaced, but holds {path.name}, which is not of an analysis; "
                "choose another folder or move this away"
            )


def _add_set(result: Result, joined: Joined | None) -> None:
    """Add to a record who is in some contrasts of a set only, and the notes on the set."""
    if joined is not None:
        own = result["group"]
        result["left"] = [*result["left"], *(r for r in joined.left if own in (None, r["group"]))]
        result["notes"] = [*result["notes"], *joined.notes]


def _given(statistic: Student) -> int:
    """Return the number of covariates by voxel."""
    return statistic.n_covariates if isinstance(statistic, Given) else 0


def _effect_sizes(
    asked: Question, statistic: Student, found: Inference, number: int, data: MapData
) -> dict[str, FloatArray]:
    """Compute standardised effects with their intervals, keyed by the name of their map."""
    sizes = {}
    if asked.kind != questions.CHANGE and not isinstance(statistic, FRatio):
        if isinstance(statistic, Welch):
            of_groups = statistic.group_variances(data)
            g = hedges_g_welch(found.effect[number], found.standard_error[number], *of_groups)
            # g is NaN where the residuals do not vary; the effect there is written as 0.
            g = np.nan_to_num(g[0]), np.nan_to_num(g[1]), np.nan_to_num(g[2])
        else:
            variance: float | FloatArray = statistic.effect_variance
            if isinstance(statistic, Given):
                variance = statistic.effect_variances(data)
            g = hedges_g(found.t[number], statistic.df, variance)
        sizes = dict(zip(("hedgesg", "hedgesglow", "hedgesghigh"), g, strict=True))
    if isinstance(statistic, WelchF):
        # Of the variance that is the same for everybody, as with Welch's t.
        f = np.square(found.t[number])
        share = partial_r_squared(f, statistic.df_effect, statistic.df_error)
    elif isinstance(statistic, FRatio):
        share = partial_r_squared(found.statistic[number], statistic.df_effect, statistic.df_error)
    else:
        share = partial_r_squared(np.square(found.t[number]), 1, statistic.df)
    names = ("partialrsq", "partialrsqlow", "partialrsqhigh")
    return sizes | dict(zip(names, share, strict=True))


def _maps_of(statistic: Student, found: Inference, number: int) -> dict[str, FloatArray]:
    maps = {statistic.name: found.statistic[number], "effect": found.effect[number]}
    if not isinstance(statistic, FRatio):
        maps["stderr"] = found.standard_error[number]
    maps |= {
        "puncorrected": found.p_uncorrected[number],
        "qfdr": found.q_fdr[number],
        "pfwevoxel": found.p_voxel[number],
        "pfwecluster": found.p_cluster[number],
        "pfwemass": found.p_mass[number],
    }
    if found.tfce is not None and found.p_tfce is not None:
        maps |= {"tfce": found.tfce[number], "pfwetfce": found.p_tfce[number]}
    return maps


def _image(
    like: nib.Nifti1Image, mask: BoolArray, values: FloatArray, stat: str, statistic: Student
) -> nib.Nifti1Image:
    volume = np.full(mask.shape, np.nan, dtype=np.float32)
    volume[mask] = values
    header = like.header.copy()
    header.set_data_dtype(np.float32)
    image = nib.Nifti1Image(volume, like.affine, header)
    if stat == "t" and not isinstance(statistic, Welch | Slope):
        image.header.set_intent("t test", (statistic.df,))
    elif stat == "F" and isinstance(statistic, FRatio) and not isinstance(statistic, WelchF):
        image.header.set_intent("f test", (statistic.df_effect, statistic.df_error))
    elif stat.startswith(("pfwe", "puncorrected")):
        image.header.set_intent("p value")
    return image


def _write(folder: Path, told: Findings, result: Result) -> None:
    atomic.write_table(folder / "clusters.tsv", told.clusters)
    atomic.write_table(folder / "peaks.tsv", told.peaks)
    atomic.write_table(folder / "cells.tsv", told.cells)
    atomic.write_json(folder / RESULT_FILE, result)
