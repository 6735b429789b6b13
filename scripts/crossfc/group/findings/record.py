"""The record of an analysis as JSON: the question, the method and the results."""

import hashlib
from collections.abc import Sequence

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray
from crossfc.group.design.model import Inestimable, Model
from crossfc.group.design.options import RERANDOMISATION, SIGN_FLIPS, WITHIN, AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import (
    BETWEEN_SEEDS,
    CARRYOVER,
    CHANGE,
    GROUP,
    MULTIVARIATE,
    Question,
    group_labels,
)
from crossfc.group.findings.result import MapSummary, Result
from crossfc.group.inference.fisher import FRatio
from crossfc.group.inference.permutation import Inference
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF
from crossfc.measure import GIVEN
from crossfc.significance import SIGNIFICANT

# Smallest skewness of the differences that gets a note on the page (docs/statistics.md).
_SKEWED = 0.5
# Smallest p from here on are told, and fewer permutations than this are warned of.
_COARSE = 0.01
_ENOUGH = 1000
# Smallest ratio of the variances of two arms that gets a note.
_UNEQUAL = 2.0
_NAMES = {
    "Student": "t",
    "Slope": "t with robust standard error (HC2)",
    "Hall": "Welch's t, corrected for skewness (Hall)",
    "Hotelling": "Hotelling's T² as F",
    "Given": "t",
    "SlopeGiven": "t with robust standard error (HC2)",
    "HallGiven": "Welch's t, corrected for skewness (Hall)",
    "HotellingGiven": "Hotelling's T² as F",
    "WelchF": "Welch's F",
    "Pillai": "Pillai's trace as F",
}


def estimated(
    asked: Question,
    pairs: Pairs,
    design: Model,
    statistic: Student,
    found: Inference,
    maps: Sequence[str],
    skewed: Sequence[float],
    options: AnalysisOptions,
) -> Result:
    """Build the record of an analysis that was estimated.

    Parameters
    ----------
    asked : Question
    pairs : Pairs
    design : Model
    statistic : Student, Slope, Hall, WelchF, Hotelling or Pillai
    found : Inference
    maps : sequence of str
        Names of the maps.
    skewed : sequence of float
        Skewness of the differences in each map; see `crossfc.group.inference.skewness`.
    options : AnalysisOptions

    Returns
    -------
    Result
        The record, ready for JSON.
    """
    arrangements = found.arrangements
    mask = np.asarray(pairs.mask.dataobj) != 0
    affine = pairs.mask.affine
    points = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    degrees: float | dict[str, float] = statistic.df
    if isinstance(statistic, WelchF):
        df = found.degrees_of_freedom
        degrees = {"numerator": statistic.df_effect}
        degrees |= {"min": float(df.min()), "max": float(df.max())}
    elif isinstance(statistic, FRatio):
        degrees = {"numerator": statistic.df_effect, "denominator": statistic.df_error}
    elif isinstance(statistic, Slope):
        degrees = statistic.robust_df
    elif isinstance(statistic, Welch):
        df = found.degrees_of_freedom
        degrees = {"min": float(df.min()), "max": float(df.max())}
    per_seed = {name: _summary(found, number, points) for number, name in enumerate(maps)}
    for name, value in zip(maps, skewed, strict=True):
        per_seed[name]["skewness"] = None if np.isnan(value) else round(value, 4)
    of_all = float(np.sqrt(np.nanmean(np.square(skewed)))) if np.isfinite(skewed).any() else None
    result: Result = {
        "analysis": asked.name,
        "kind": asked.kind,
        "title": asked.title,
        "question": asked.text,
        "contrast": asked.contrast,
        "effect": pairs.record["effect"],
        "order": pairs.record["order"],
        "active": pairs.record["treatments"]["active"],
        "control": pairs.record["treatments"]["control"],
        "group": asked.group,
        "scale": asked.scale,
        "pipeline": pairs.record["pipeline"],
        "estimable": True,
        "model": design.formula,
        "statistic": statistic.name,
        "statistic_name": _NAMES[type(statistic).__name__],
        "degrees_of_freedom": degrees,
        "n": {label: n for label, n in _counts(pairs, design.rows).items() if n},
        "weights": pairs.record["weights"],
        "mapped_seeds": pairs.record["seeds"],
        "unit": _unit(asked, pairs),
        "fwhm_mm": pairs.record["fwhm_mm"],
        "space": pairs.record["space"],
        "voxel_mm": np.linalg.norm(affine[:3, :3], axis=0).round(4).tolist(),
        "n_voxels": len(points),
        "n_permutations": len(arrangements) - (not arrangements.exhaustive),
        "n_possible": arrangements.possible,
        "copies": found.copies,
        "smallest_p": _smallest_p(found),
        "exhaustive": arrangements.exhaustive,
        "arrangement": RERANDOMISATION if design.flip is not None else arrangements.kind,
        "arrangement_digest": _digest(pairs, design, found),
        "block_exchange": design.block_exchange if _blocked(design) else None,
        "two_sided": found.two_sided,
        "forming_threshold": found.forming_threshold,
        "seeds": list(maps),
        "tested_columns": design.effect_names,
        "sequence_adjusted": design.sequence_adjusted,
        "period_columns": design.period_columns,
        "covariates": design.covariates,
        "covariate_levels": design.covariate_levels,
        "threshold_fwe_voxel": (
            found.threshold_voxel if np.isfinite(found.threshold_voxel) else None
        ),
        "tfce": found.tfce is not None,
        "tail": {measure: tail.record() for measure, tail in found.tails.items()},
        "skewness": None if of_all is None else round(of_all, 4),
        "per_seed": per_seed,
        "left": design.left,
        "notes": _notes(design, statistic, found) + _skewed(asked, design, of_all),
        "cluster_forming_p": options.cluster_forming_p,
        "connectivity": options.connectivity,
        "random_seed": options.seed,
    }
    if design.baseline is not None:
        result["baseline"] = design.baseline
    return _with_question(result, asked, pairs)


def not_estimated(asked: Question, pairs: Pairs, reason: Inestimable) -> Result:
    """Build the record of an analysis that could not be estimated, with the reason."""
    counts = _counts(pairs, reason.rows)
    result: Result = {
        "analysis": asked.name,
        "kind": asked.kind,
        "title": asked.title,
        "question": asked.text,
        "contrast": asked.contrast,
        "effect": pairs.record["effect"],
        "order": pairs.record["order"],
        "active": pairs.record["treatments"]["active"],
        "control": pairs.record["treatments"]["control"],
        "group": asked.group,
        "scale": asked.scale,
        "pipeline": pairs.record["pipeline"],
        "estimable": False,
        "n": {
            label: n
            for label, n in counts.items()
            if asked.group in (None, label) and label in (asked.groups or counts)
        },
        "seeds": [],  # none was tested
        "per_seed": {},
        "left": reason.left,
        "notes": [f"This analysis cannot be estimated. {pairs.record.get('because') or reason}."],
    }
    return _with_question(result, asked, pairs)


def _with_question(result: Result, asked: Question, pairs: Pairs) -> Result:
    """Add the measure given, and of three and more groups those that are compared; in place."""
    if asked.given:
        result["given"] = asked.given
    if asked.groups and len(group_labels(pairs.record["groups"])) > 2:
        result["groups"] = list(asked.groups)
    return result


def _unit(asked: Question, pairs: Pairs) -> str:
    """Return the unit of the effect: that of the maps, or for each point of a scale."""
    ready = pairs.record.get("maps_kind") == "other"
    unit = "units of the given maps" if ready else "Fisher z"
    return f"{unit} per point of {asked.scale}" if asked.kind == CHANGE else unit


def _counts(pairs: Pairs, rows: IntArray) -> dict[str, int]:
    """Count the people of each group among the rows."""
    group = pairs.people["group"].iloc[rows]
    return {label: int((group == label).sum())
            for label in pairs.record["groups"].values() if label}  # fmt: skip


def _digest(pairs: Pairs, design: Model, found: Inference) -> str:
    people = pairs.people["participant_id"].iloc[design.rows]
    total = hashlib.sha256("\n".join(people).encode())
    for table in (found.arrangements.order, found.arrangements.signs, design.flip):
        total.update(b"-" if table is None else np.ascontiguousarray(table).tobytes())
    return total.hexdigest()[:16]


def _smallest_p(found: Inference) -> float:
    """Return the smallest p that can be counted; a fitted tail may give smaller ones."""
    arrangements = found.arrangements
    drawn = 0.0 if arrangements.exhaustive else 1 / len(arrangements)
    return max(drawn, found.copies / arrangements.possible)


def _blocked(design: Model) -> bool:
    """Test whether exchangeability blocks restrict who may change places or sign."""
    flips_within = design.arrangement == SIGN_FLIPS and design.block_exchange == WITHIN
    return design.blocks is not None and not flips_within


def _summary(found: Inference, number: int, points: FloatArray) -> MapSummary:
    """Summarise the results of one map."""
    values = found.statistic[number]
    labels, first = np.unique(found.clusters[number], return_index=True)
    p_clusters = found.p_cluster[number][first[labels > 0]]

    def point(voxel: int) -> list[float]:
        x, y, z = points[voxel].round(3) + 0.0
        return [float(x), float(y), float(z)]

    summary: MapSummary = {
        "max": float(values.max()),
        "min": float(values.min()),
        "peak_mm_max": point(int(values.argmax())),
        "peak_mm_min": point(int(values.argmin())),
        "p_fwe_voxel_min": float(found.p_voxel[number].min()),
        "p_fwe_cluster_min": float(p_clusters.min(initial=1.0)),
        "p_fwe_mass_min": float(found.p_mass[number].min()),
        "q_fdr_min": float(found.q_fdr[number].min()),
        "n_clusters": len(p_clusters),
        "n_clusters_significant": int(np.count_nonzero(p_clusters < SIGNIFICANT)),
        "extrapolated": [
            measure for measure, where in found.extrapolated.items() if where[number].any()
        ],
    }
    if found.p_tfce is not None:
        summary["p_fwe_tfce_min"] = float(found.p_tfce[number].min())
    return summary


def _skewed(asked: Question, design: Model, value: float | None) -> list[str]:
    """Warn if the differences are so skewed that a test of their mean is wrong too often."""
    if value is None or value < _SKEWED or asked.kind in (CARRYOVER, CHANGE):
        return []
    said = (
        f"The differences look skewed over people (skewness {value:.2f}, root mean square over "
        f"voxels; told from {_SKEWED:g} on)."
    )
    if asked.group is None:
        said += " It is that of the group where it is largest."
        if asked.kind in MULTIVARIATE or len(asked.groups) > 2:
            said += (
                " Groups whose differences are not equally skewed are called different in more "
                "than 5 % of studies though their means are the same."
            )
            if asked.kind == GROUP:
                said += " The comparisons of pairs of groups allow for skewness; this F does not."
        else:
            said += (
                " The statistic allows for skewness, but in small samples not for all of it: "
                "groups of the same mean were called different in 5 to 10 % of simulated studies "
                "where one group had a skewness of 1.5 and twice the spread (by Welch's t in 15 to "
                "22 %), and uncorrected p and q are too small there."
            )
    else:
        said += (
            " A mean change of zero with differences so skewed is called significant in more than "
            "5 % of studies (simulated: 15 to 25 % at a skewness of 1, 30 to 40 % at 1.5), by sign "
            "flips and by orders drawn again."
        )
    if design.flip is not None:
        said += " That nothing changes in anybody is still rejected in 5 % at most."
    return [f"{said} Look at everybody's values before this is called a change of the mean."]


def unequal_arms(asked: Question, arms: LabelArray, variances: FloatArray) -> list[str]:
    """Warn where arms vary so differently that a comparison of their means errs too often.

    Parameters
    ----------
    asked : Question
    arms : ndarray, shape (n_people,)
        Label of each person's arm.
    variances : ndarray, shape (n_arms,)
        Of each arm, in the order of the sorted labels; see `crossfc.group.inference.spread`.
    """
    labels, counts = np.unique(arms, return_counts=True)
    if np.isfinite(variances).sum() < 2:
        return []
    most, least = int(np.nanargmax(variances)), int(np.nanargmin(variances))
    ratio = variances[most] / variances[least] if variances[least] > 0 else np.inf
    several = asked.kind in MULTIVARIATE
    if ratio < _UNEQUAL or not (several or counts[most] < counts[least]):
        return []
    size = "Means"
    if several:
        size = "Differences between seeds" if asked.kind in BETWEEN_SEEDS else "Contrasts"
    return [
        f"Changes vary {ratio:.1f} times as much (variance) in {labels[most]} (n = {counts[most]}) "
        f"as in {labels[least]} (n = {counts[least]}). That no treatment changes anybody is "
        f"rejected in 5 % at most, as people are shuffled as lots were drawn. {size} that are "
        "equal may still be called different more often: in simulated studies of 8, 12 and 16 "
        "people, of whom the fewest had four times the variance, in 14 % by F, in 11 % for a pair "
        "and in 49 % between seeds."
    ]


def few_arrangements(n: int, arrangements: int, copies: int, *, exhaustive: bool) -> list[str]:
    """Warn where so few arrangements do not allow a small p, or tell 0.05 only roughly.

    Parameters
    ----------
    n : int
        Number of people.
    arrangements : int
        Number of arrangements, the observed one among them.
    copies : int
        Number of these that give the observed statistic again.
    exhaustive : bool
        Whether these are all that exist.
    """
    if exhaustive:
        least = copies / arrangements
        if least < _COARSE:
            return []
        alike = f", {copies} of which are alike" if copies > 1 else ""
        nothing = ", and nothing can be significant" if least >= SIGNIFICANT else ""
        return [
            f"There are only {arrangements} arrangements of {n} people{alike}, so no p can be "
            f"below {least:.3g}, whatever the data{nothing}."
        ]
    drawn = arrangements - 1
    if drawn >= _ENOUGH:
        return []
    error = np.sqrt(SIGNIFICANT * (1 - SIGNIFICANT) / drawn)
    return [
        f"A p of {SIGNIFICANT} has a standard error of {error:.2g} with {drawn} permutations; draw "
        f"{_ENOUGH} or more (config key group.permutations) before a p near it is believed."
    ]


def _notes(design: Model, statistic: Student, found: Inference) -> list[str]:
    notes, n_arrangements = list(design.notes), len(found.arrangements)
    if isinstance(statistic, Welch):
        notes.append(
            "The cluster-forming threshold is that of Welch's t with equal variances; its degrees "
            "of freedom vary over voxels. The statistic is this t, corrected for the skewness that "
            "the residuals of each group show; standard errors are those of t itself."
        )
    if design.baseline is not None:
        notes.append(
            f"The same contrast of {design.baseline} (in parallel arms its map) is a covariate in "
            "every voxel."
        )
    if design.given:
        label = GIVEN[design.given].label
        held = (
            f"the effect is that where {label} does not change, and signs are flipped, as "
            "drawing the orders again would suppose that the drug does not change it"
            if design.variance_groups is None
            else f"the difference is that at an equal change of {label}, with one slope for all"
        )
        notes.append(
            f"The change of {label} of each person is in the model, not centred: {held}. If the "
            f"drug acts by way of {label}, that part of its effect is taken off too; and what "
            f"{label} misses of its cause is not."
        )
    if isinstance(statistic, WelchF):
        notes.append(
            "The cluster-forming threshold is that of Welch's F with equal variances; its second "
            "degrees of freedom vary over voxels."
        )
    if isinstance(statistic, Slope):
        notes.append(
            "The degrees of freedom, which set the cluster-forming threshold, are those of the "
            "robust standard error where variances are equal."
        )
    notes += few_arrangements(
        len(design.rows), n_arrangements, found.copies, exhaustive=found.arrangements.exhaustive
    )
    if design.blocks is not None and not _blocked(design):
        notes.append("Sign flips need no exchangeability blocks; the blocks were not used.")
    if found.flat.any():
        count = int(np.count_nonzero(found.flat.any(axis=0)))
        notes.append(f"{count} voxels do not vary among the people analysed; their p is 1.")
    return notes
