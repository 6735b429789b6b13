"""Findings: the clusters of an analysis, where they lie, and the people's values in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray, IntArray, LabelArray, MapData
from crossfc.group.findings.leave_one_out import LeaveOneOut, effect_of, without_each
from crossfc.group.findings.peak import peaks
from crossfc.group.findings.readout import Sessions, column_label, group_means
from crossfc.group.findings.region import Atlas
from crossfc.group.findings.result import LargestCluster
from crossfc.group.inference.cluster import neighbours
from crossfc.group.inference.permutation import Inference
from crossfc.group.inference.statistic import Student
from crossfc.significance import SIGNIFICANT

_MOST = 20  # clusters listed per map and sign
_FURTHER = 3  # further peaks listed per cluster, beside its highest
_APART_MM = 8.0  # smallest distance between listed peaks, as in SPM
_SHARE = 0.01  # smallest share of a cluster for which a region is named

_CLUSTER_COLUMNS = [
    "analysis", "seed", "sign", "cluster", "x", "y", "z", "peak_stat", "size_voxels", "size_mm3",
    "mass", "p_fwe_cluster", "p_fwe_mass", "p_fwe_tfce", "p_fwe_peak", "q_fdr_peak",
    "extrapolated", "region", "region_share", "regions", "peak_region", "hedges_g",
    "hedges_g_low", "hedges_g_high", "partial_r2", "partial_r2_low", "partial_r2_high",
    "effect_in_sample", "effect_loo", "n_folds", "effect_without_min", "effect_without_max",
    "n_decisive", "without_person", "effect_without_person", "p_without_person",
]  # fmt: skip
# Columns of standardised effects, keyed by the name of their map.
_SIZE_COLUMNS = {
    "hedgesg": "hedges_g", "hedgesglow": "hedges_g_low", "hedgesghigh": "hedges_g_high",
    "partialrsq": "partial_r2", "partialrsqlow": "partial_r2_low",
    "partialrsqhigh": "partial_r2_high",
}  # fmt: skip
# Columns of corrected p, keyed by measure.
_P_COLUMNS = {
    "extent": "p_fwe_cluster", "mass": "p_fwe_mass", "tfce": "p_fwe_tfce", "voxel": "p_fwe_peak",
}  # fmt: skip
_PEAK_COLUMNS = [
    "analysis", "seed", "sign", "cluster", "peak", "x", "y", "z", "stat", "p_fwe_peak",
    "p_fwe_tfce", "q_fdr", "region",
]  # fmt: skip
_CELL_COLUMNS = [
    "analysis", "seed", "sign", "cluster", "map", "participant_id", "group", "sequence",
    "active", "control", "delta", "loo_active", "loo_control", "loo_delta",
]  # fmt: skip


@dataclass
class Analysed:
    """What was analysed, so that the analysis can be repeated without each person.

    Attributes
    ----------
    statistic : Student, Slope, Hall, WelchF, Hotelling or Pillai
    maps : sequence of array
        The data of each map; see `crossfc.group.inference.permutation.infer`.
    rows : int ndarray
        Rows of the analysed people in the arrays of `Sessions`.
    cluster_forming_p : float
    connectivity : int
    """

    statistic: Student
    maps: Sequence[MapData]
    rows: IntArray
    cluster_forming_p: float
    connectivity: int


@dataclass
class Findings:
    """The tables of an analysis.

    Attributes
    ----------
    clusters : DataFrame
        At most 20 clusters per map and sign, sorted by p and then size. Columns:

        - ``p_fwe_tfce``: the smallest p in the cluster. ``extrapolated``: names of the columns
          whose p comes from a fitted tail.
        - ``region``: the region that holds most of the cluster; ``region_share``: the share of the
          cluster in it (see `crossfc.group.findings.region.Atlas.most`); ``regions``: all
          regions; ``peak_region``: the region at the peak.
        - ``mean_<group>_<treatment>`` and ``effect_in_sample``: means and effect in the people in
          whom the cluster was found.
        - ``loo_mean_<group>_<treatment>`` and ``effect_loo``: the same people, each read out in
          the cluster that all others find there; ``n_folds``: number of people for whom the
          others find it. People outside the analysis are read out in the cluster itself.
        - ``effect_without_min`` and ``effect_without_max``: range of the effect on the mean over
          the cluster's unchanged voxels when each person in turn is left out.
        - ``without_person``: the person whose removal weakens the effect most (largest p; a
          changed sign counts as weaker than any p), with the effect and the p without them.
        - ``n_decisive``: number of people whose removal alone makes p larger than 0.05 or changes
          the sign of the effect.

        The p without a person is that of the statistic's own distribution, uncorrected, in voxels
        that the same people selected. So it is too small to serve as a test, but it is a warning
        if even this p is large.
    peaks : DataFrame
        The highest peak of each of these clusters, and up to three more local maxima at least
        8 mm apart.
    cells : DataFrame
        Each person's mean in the significant clusters of each map, or in its largest cluster if
        none is significant. Descriptive: testing these values again on the same people would be
        circular.
    largest : dict
        For each map and sign: the effect in the map's largest cluster (``effect_in_sample``); the
        effect when each person is read out in the largest cluster without this person, wherever it
        lies (``effect_loo``); and ``n_folds``.
    """

    clusters: pd.DataFrame
    peaks: pd.DataFrame
    cells: pd.DataFrame
    largest: dict[str, dict[str, LargestCluster]]


@dataclass(eq=False)
class _Cluster:
    """One cluster: its row of the table, voxels, sign, and the values read from it."""

    row: dict[str, Any]
    voxels: IntArray
    peak: int
    sign: int
    # Read out by `_leave_one_out`: (n_people, n_columns, 3), and the same with each person read in
    # the others' cluster.
    values: FloatArray = field(init=False)
    left_out: FloatArray = field(init=False)


def findings(
    analysis: str,
    maps: dict[str, list[int]],
    found: Inference,
    analysed: Analysed,
    sessions: Sessions,
    seeds: list[str],
    mask: BoolArray,
    affine: FloatArray,
    sizes: Sequence[dict[str, FloatArray]],
    atlas: Atlas | None = None,
    apart: bool = False,
) -> Findings:
    """List the clusters of an analysis and read them out in everybody's sessions.

    Parameters
    ----------
    analysis : str
    maps : dict
        Name of each map of the analysis, and the indices of the seeds that it is made of.
    found : Inference
    analysed : Analysed
    sessions : Sessions
    seeds : list of str
    mask : bool ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
    sizes : sequence of dict
        For each map of the analysis, the maps of standardised effects, keyed by name.
    atlas : Atlas, optional
        Names the regions.
    apart : bool
        If True, the cells hold each seed of a map separately (column ``map``), not their mean.

    Returns
    -------
    Findings
    """
    places = np.argwhere(mask)
    points = places @ affine[:3, :3].T + affine[:3, 3]
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    before = neighbours(mask, analysed.connectivity)
    tables = no_findings(sessions.groups, sessions.treatments)
    clusters, tops, cells = [], [], []
    for number, (name, columns) in enumerate(maps.items()):
        listed = _listed(found, number, voxel_mm3)
        if not listed:
            continue
        tables.largest[name] = _leave_one_out(
            listed, found, number, analysed, sessions, columns, before
        )
        shown = [one for one in listed if one.row["p_fwe_cluster"] < SIGNIFICANT] or listed[:1]
        for one in listed:
            one.row |= {"analysis": analysis, "seed": name} | _place(points[one.peak])
            one.row |= {_SIZE_COLUMNS[key]: of[one.peak] for key, of in sizes[number].items()}
            one.row |= group_means(one.values, sessions, "mean")
            one.row |= group_means(one.left_out, sessions, "loo_mean")
            if atlas:
                shares = atlas.shares(points[one.voxels]).items()
                named = [f"{share:.0%} {region}" for region, share in shares if share >= _SHARE]
                region, share = atlas.most(points[one.voxels], points[one.peak])
                one.row |= {"region": region, "region_share": share, "regions": "; ".join(named)}
                one.row |= {"peak_region": atlas.name(*points[one.peak])}
            clusters.append(one.row)
            tops += _peaks(one, found, number, places, points, atlas)
            if one in shown:
                cells += _cells(one, sessions, name, [seeds[c] for c in columns], apart)
    if clusters:
        tables.clusters = pd.DataFrame(clusters, columns=tables.clusters.columns)
        tables.peaks = pd.DataFrame(tops, columns=_PEAK_COLUMNS)
        tables.cells = pd.concat(cells)[_CELL_COLUMNS]
    return tables


def no_findings(groups: dict[str, str | None], treatments: dict[str, str]) -> Findings:
    """Return the tables of an analysis without clusters: columns but no rows."""
    means = [
        f"{kind}_{label}_{treatment}"
        for kind in ("mean", "loo_mean")
        for label in groups.values()
        for treatment in map(column_label, treatments.values())
        if label
    ]
    return Findings(
        clusters=pd.DataFrame(columns=_CLUSTER_COLUMNS + means),
        peaks=pd.DataFrame(columns=_PEAK_COLUMNS),
        cells=pd.DataFrame(columns=_CELL_COLUMNS),
        largest={},
    )


def _listed(found: Inference, number: int, voxel_mm3: float) -> list[_Cluster]:
    """List the clusters of a map that are reported, with their inference results."""
    labels, statistic = found.clusters[number], found.statistic[number]
    every = []
    for cluster, size in enumerate(found.sizes[number], start=1):
        voxels = np.flatnonzero(labels == cluster)
        peak = voxels[np.argmax(np.abs(statistic[voxels]))]
        sign = -1 if statistic[peak] < 0 else 1
        row = {
            "sign": "-" if sign < 0 else "+",
            "cluster": cluster,
            "peak_stat": statistic[peak],
            "size_voxels": int(size),
            "size_mm3": round(size * voxel_mm3, 3),
            "mass": found.masses[number][cluster - 1],
            "p_fwe_cluster": found.p_cluster[number, peak],
            "p_fwe_mass": found.p_mass[number, peak],
            "p_fwe_peak": found.p_voxel[number, peak],
            "q_fdr_peak": found.q_fdr[number, peak],
        }
        where = {"extent": peak, "mass": peak, "voxel": peak}
        if found.p_tfce is not None:
            where["tfce"] = voxels[np.argmin(found.p_tfce[number, voxels])]
            row["p_fwe_tfce"] = found.p_tfce[number, where["tfce"]]
        beyond = [
            _P_COLUMNS[measure]
            for measure, voxel in where.items()
            if measure in found.extrapolated and found.extrapolated[measure][number, voxel]
        ]
        every.append(_Cluster(row | {"extrapolated": ", ".join(beyond)}, voxels, peak, sign))
    every.sort(key=lambda one: (one.row["p_fwe_cluster"], -one.row["size_voxels"]))
    of_sign = {sign: [one for one in every if one.sign == sign][:_MOST] for sign in (1, -1)}
    return [one for one in every if one in of_sign[one.sign]]


def _leave_one_out(
    listed: list[_Cluster],
    found: Inference,
    number: int,
    analysed: Analysed,
    sessions: Sessions,
    columns: list[int],
    before: IntArray,
) -> dict[str, LargestCluster]:
    """Read clusters out as they are and with each person left out; also the largest clusters."""
    place_of = {row: place for place, row in enumerate(sessions.rows)}
    places = [place_of[row] for row in analysed.rows]
    for one in listed:
        one.values = sessions.read(columns, one.voxels)
        one.left_out = one.values.copy()
        one.left_out[places] = np.nan
    leave = LeaveOneOut(analysed.statistic, analysed.maps[number], found.flat[number])
    values = np.full((len(places), len(listed)), np.nan)
    largest = {sign: np.full(len(places), np.nan) for sign in (1, -1)}
    clusters = [(one.voxels, one.sign) for one in listed]
    for fold in leave.folds(clusters, before, analysed.cluster_forming_p, found.two_sided):
        values[fold.person] = fold.values
        for sign, value in fold.largest.items():
            largest[sign][fold.person] = value
        for one, region in zip(listed, fold.regions, strict=True):
            if region is not None:
                row = analysed.rows[fold.person]
                one.left_out[places[fold.person]] = sessions.read_row(row, columns, region)

    def effects(one: _Cluster, left_out: FloatArray) -> LargestCluster:
        return {
            "effect_in_sample": leave.effect_in(one.voxels),
            "effect_loo": effect_of(analysed.statistic, left_out),
            "n_folds": int(np.isfinite(left_out).sum()),
        }

    data = analysed.maps[number]
    means = np.stack([
        np.stack([row[..., one.voxels].mean(axis=-1, dtype=float) for one in listed], axis=-1)
        for row in (np.asarray(data[person]) for person in range(data.shape[0]))
    ])  # fmt: skip
    without = without_each(analysed.statistic, means, found.two_sided)
    ids = sessions.people["participant_id"].to_numpy()[places]
    for one, left_out, effect, p in zip(listed, values.T, without[0].T, without[1].T, strict=True):
        one.row |= effects(one, left_out)
        one.row |= _weakest(one.row["effect_in_sample"], effect, p, ids)
    biggest = {one.sign: one for one in sorted(listed, key=lambda one: one.row["size_voxels"])}
    return {one.row["sign"]: effects(one, largest[sign]) for sign, one in biggest.items()}


def _weakest(whole: float, effect: FloatArray, p: FloatArray, ids: LabelArray) -> dict[str, Any]:
    """Return the range of the effect without each person, and who weakens it most by leaving."""
    known = np.isfinite(p)
    if not known.any():
        return {"n_decisive": 0, "without_person": ""}
    turned = known & ((p > SIGNIFICANT) | (np.sign(effect) != np.sign(whole)))
    # A change of sign counts as weaker than any p with the same sign.
    other_sign = known & (np.sign(effect) != np.sign(whole))
    most = np.argmax(np.where(known, p + 2 * other_sign, -1))
    return {
        "effect_without_min": float(effect[known].min()),
        "effect_without_max": float(effect[known].max()),
        "n_decisive": int(turned.sum()),
        "without_person": str(ids[most]),
        "effect_without_person": float(effect[most]),
        "p_without_person": float(p[most]),
    }


def _place(point: FloatArray) -> dict[str, float]:
    return dict(zip("xyz", point.round(3) + 0.0, strict=True))


def _peaks(
    one: _Cluster,
    found: Inference,
    number: int,
    places: IntArray,
    points: FloatArray,
    atlas: Atlas | None,
) -> list[dict[str, Any]]:
    """Return the rows of the peaks of a cluster."""
    height = np.abs(found.statistic[number, one.voxels])
    chosen = peaks(height, places[one.voxels], points[one.voxels], 1 + _FURTHER, _APART_MM)
    same = {key: one.row[key] for key in ("analysis", "seed", "sign", "cluster")}
    return [
        same
        | {"peak": rank, **_place(points[voxel]), "stat": found.statistic[number, voxel]}
        | {
            "p_fwe_peak": found.p_voxel[number, voxel],
            "p_fwe_tfce": np.nan if found.p_tfce is None else found.p_tfce[number, voxel],
            "q_fdr": found.q_fdr[number, voxel],
            "region": atlas.name(*points[voxel]) if atlas else "",
        }
        for rank, voxel in enumerate(one.voxels[chosen], start=1)
    ]


def _cells(
    one: _Cluster, sessions: Sessions, name: str, seeds: list[str], apart: bool
) -> list[pd.DataFrame]:
    """Return each person's values, of every seed or of their mean."""
    people = sessions.people[["participant_id", "group", "sequence"]].reset_index(drop=True)
    same = {key: one.row[key] for key in ("analysis", "seed", "sign", "cluster")}
    both = np.concatenate([one.values, one.left_out], axis=2)
    parts = dict(zip(seeds, both.swapaxes(0, 1), strict=True)) if apart else {name: both.mean(1)}
    return [
        people.assign(**same, map=part, **dict(zip(_CELL_COLUMNS[-6:], values.T, strict=True)))
        for part, values in parts.items()
    ]
