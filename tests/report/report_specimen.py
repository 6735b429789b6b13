"""A small study's results, made up but consistent: every table the page reads.

Maps are t maps of simulated people on a coarse grid, with corrected p by sign flips or shuffles
of the same data, so that tables, maps and cells tell one story.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from scipy import ndimage, stats

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.quality.motion import COLUMNS as MOTION_COLUMNS
from crossfc.report.results import Results
from crossfc.report.study import read_results

FORMING_P = 0.001
ACTIVE, CONTROL = "ketamine", "placebo"
SCALES = [
    dict(zip(("scale", "instrument", "better", "construct"), row, strict=True))
    for row in (
        ("MADRS", "Montgomery-Asberg", "lower", "depression"),
        ("SHAPS", "Snaith-Hamilton", "lower", "anhedonia"),
        ("TEPS_A", "TEPS, anticipatory", "higher", "anhedonia"),
    )
]
TARGETS = [
    {
        "target": "insulaR",
        "kind": "sphere",
        "x": 38,
        "y": 12,
        "z": -4,
        "radius_mm": 6,
        "citation": "a",
    },
    {
        "target": "SMG",
        "kind": "sphere",
        "x": -58,
        "y": -36,
        "z": 32,
        "radius_mm": 6,
        "citation": "b",
    },
    {
        "target": "SMG",
        "kind": "sphere",
        "x": 58,
        "y": -36,
        "z": 32,
        "radius_mm": 6,
        "citation": "b",
    },
]
READ = (
    "config", "analyses", "pipelines", "made", "group_dir", "clinic_dir", "quality_dir",
    "trial_dir", "robustness", "truth", "scales", "seeds", "targets",
)  # fmt: skip
SEED_PLACES = {"pgACC": (2, 43, 9), "dACC": (2, 26, 22), "sgACC": (1, 31, -5)}


@dataclass
class Specimen:
    """Where the results are, and the arguments that make a page of them."""

    folder: Path
    arguments: dict[str, Any]
    people: pd.DataFrame
    written: dict[str, Any] = field(default_factory=dict)


def make(
    folder: Path,
    *,
    effect: float = 1.0,
    sizes: tuple[int, ...] = (7, 3),
    seeds: tuple[str, ...] = ("pgACC", "dACC"),
    groups: tuple[str, ...] = ("TRD", "HV"),
    resolution_mm: int = 6,
    n_permutations: int = 99,
    sequence_known: bool = True,
    truth: bool = False,
    carpets: int = 0,
    random: int = 3,
) -> Specimen:
    """Write a study's results; ``effect`` 0 makes it null."""
    rng = np.random.default_rng(random)
    study = folder / "results" / "made_up"
    people = _people(rng, groups, sizes, sequence_known)
    mask, affine = _mask(resolution_mm)
    delta, total = _data(rng, people, seeds, mask, affine, effect)
    primary = study / "group" / "primary"
    writer = _Writer(
        primary, people, seeds, mask, affine, delta, total, n_permutations, groups, rng
    )
    names = writer.all_analyses()
    _write(primary / "pairs" / "people.tsv", people)
    _json(primary / "pairs" / "pairs.json", {"seeds": list(seeds), "fwhm_mm": 6})
    left = pd.DataFrame(
        [
            (
                "sub-98",
                groups[0],
                "participant",
                "",
                "paired",
                "no rest scan under placebo <script>",
            ),
            ("sub-99", groups[0], "session", "ses-b", "all", "fell asleep & left"),
        ],
        columns=["participant_id", "group", "level", "what", "analysis", "reason"],
    )
    _write(study / "trial" / "left.tsv", left)
    everyone = pd.concat(
        [people[["participant_id", "group", "sequence"]], left[["participant_id", "group"]]]
    )  # noqa: E501
    _write(study / "trial" / "participants.tsv", everyone)
    edges = _targets(rng, people, seeds, effect)
    _write(primary / "pairs" / "targets.tsv", edges)
    _mixed(rng, primary, seeds, groups)
    _clinic(rng, study / "clinic", people, edges, seeds, groups, effect)
    _quality(rng, study / "quality", people, seeds, edges)
    _write(study / "robustness.tsv", _robustness(rng, names, seeds))
    arguments: dict[str, Any] = {
        "config": _config(groups),
        "analyses": names,
        "pipelines": ["primary", "gsr"],
        "made": [study],
        "group_dir": study / "group",
        "clinic_dir": study / "clinic",
        "quality_dir": study / "quality",
        "trial_dir": study / "trial",
        "robustness": study / "robustness.tsv",
        "scales": pd.DataFrame(SCALES),
        "seeds": [
            {"seed": s, "kind": "sphere", "radius_mm": 5, "citation": "Rolls et al. 2020"}
            | dict(zip("xyz", SEED_PLACES[s], strict=True))
            for s in seeds
        ],
        "targets": TARGETS,
        "strategies": {
            "acompcor": {"methods": "24 parameters (Friston et al. 1996) were removed."}
        },
        "hypotheses": [
            {"seed": seeds[0], "target": "insulaR", "scales": ["MADRS"], "citation": "Q 1"}
        ],
        "versions": {"crossfc": "0.1.0", "numpy": np.__version__},
        "carpets": _carpets(study, people, carpets),
    }
    if truth:
        _json(study / "truth.json", _truth(groups, seeds, effect))
        arguments["truth"] = study / "truth.json"
    return Specimen(study, arguments, people)


def read(specimen: Specimen) -> Results:
    """Read a specimen as the page does."""
    return read_results(**{key: specimen.arguments.get(key) for key in READ})


def _config(groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        "study": "made_up",
        "title": "A made-up crossover trial",
        "entry": "fmriprep",
        "space": "MNI152NLin2009aSym",
        "groups": {"patients": groups[0], "controls": groups[1] if len(groups) > 1 else None},
        "treatments": {"active": ACTIVE, "control": CONTROL},
        "pipelines": {
            "primary": {
                "strategy": "acompcor", "high_pass_hz": 0.008, "low_pass_hz": 0.1,
                "censor_fd_mm": None, "fwhm_mm": 6, "seed_set": "aal3_spheres",
            },
            "gsr": {
                "strategy": "acompcor_gsr", "high_pass_hz": 0.008, "low_pass_hz": 0.1,
                "censor_fd_mm": None, "fwhm_mm": 6, "seed_set": "aal3_spheres",
            },
        },
        "group": {"permutations": 99, "cluster_forming_p": FORMING_P},
        "clinical": {"permutations": 999, "bootstrap": 500},
        "exclusion": {
            "maximum_mean_fd_mm": 0.5, "maximum_censored_share": 0.5, "minimum_template_dice": 0.8,
        },
    }  # fmt: skip


def _people(rng, groups, sizes, sequence_known) -> pd.DataFrame:
    rows = []
    labels = [g for g, n in zip(groups, sizes, strict=False) for _ in range(n)]
    for k, label in enumerate(labels):
        order = (ACTIVE, CONTROL) if k % 2 else (CONTROL, ACTIVE)
        fd = 0.12 + 0.08 * rng.random(2)
        row = {
            "participant_id": f"sub-{k + 1:02d}",
            "group": label,
            "sequence": "-".join(order) if sequence_known else "n/a",
            "sequence_code": (-1 if k % 2 else 1) if sequence_known else np.nan,
            "age": int(rng.integers(20, 60)),
            "mean_fd_active": fd[0],
            "mean_fd_control": fd[1],
            "delta_mean_fd": fd[0] - fd[1],
        }
        patient = row["group"] == groups[0]
        for scale, base, drop in (("MADRS", 28, -8), ("SHAPS", 34, -4), ("TEPS_A", 30, 4)):
            if patient or scale == "MADRS":
                control = base + rng.integers(-4, 5) if patient else rng.integers(0, 4)
                change = drop + rng.integers(-5, 6) if patient else rng.integers(-1, 2)
                row[f"score_{scale}_control"] = control
                row[f"score_{scale}_active"] = control + change
                row[f"delta_{scale}"] = change
        rows.append(row)
    return pd.DataFrame(rows)


def _mask(resolution_mm: int) -> tuple[np.ndarray, np.ndarray]:
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=resolution_mm)
    return np.asarray(image.dataobj) > 0, image.affine


def _ball(place, radius, mask, affine) -> np.ndarray:
    grid = np.indices(mask.shape).reshape(3, -1)
    mm = affine[:3, :3] @ grid + affine[:3, 3:]
    near = ((mm - np.array(place, dtype=float)[:, None]) ** 2).sum(0) <= radius**2
    return near.reshape(mask.shape)


def _data(rng, people, seeds, mask, affine, effect):
    """Differences and sums of everybody: smooth noise, and an effect in patients at one place."""
    step = abs(affine[0, 0])
    shape = (len(people), len(seeds), int(mask.sum()))
    delta, total = np.empty(shape, np.float32), np.empty(shape, np.float32)
    patient = (people["group"] == people["group"].iloc[0]).to_numpy()
    place = {seeds[0]: ((38, 12, -4), -0.6), seeds[1]: ((58, -36, 32), 0.6)}
    for k in range(len(people)):
        for j, seed in enumerate(seeds):
            noise = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 8 / step)
            noise *= 0.12 / noise.std()
            if seed in place and patient[k]:
                centre, size = place[seed]
                noise = noise + effect * size * _ball(centre, 17, mask, affine)
            delta[k, j] = noise[mask]
            base = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 8 / step)
            total[k, j] = (0.4 + 0.15 * base / base.std())[mask]
    return delta, total


class _Writer:
    """Writes analyses as the group floor does, with the plainest statistics that serve."""

    def __init__(self, primary, people, seeds, mask, affine, delta, total, n, groups, rng):
        self.primary, self.people, self.seeds, self.groups = primary, people, seeds, groups
        self.mask, self.affine, self.delta, self.total = mask, affine, delta, total
        self.n, self.rng = n, rng

    def all_analyses(self) -> list[str]:
        group = self.people["group"].to_numpy()
        names = []
        for label in self.groups:
            who = group == label
            names.append(f"drug_{label}")
            self.analysis(
                names[-1], self.delta[who], np.ones(who.sum()), who, True, f"Drug in {label}"
            )
            pooled = self.delta[who].mean(1, keepdims=True)
            apart = (self.delta[who, :1] - self.delta[who, 1:2]) / np.sqrt(2)
            for suffix, data in (("pooled", pooled), ("by_subregion", apart)):
                names.append(f"drug_{label}_{suffix}")
                self.analysis(
                    names[-1], data, np.ones(who.sum()), who, True, f"Drug in {label}, {suffix}",
                    [suffix.removeprefix("by_")], square=suffix == "by_subregion",
                )  # fmt: skip
        everyone = np.ones(len(group), dtype=bool)
        if len(self.groups) == 2:
            code = np.where(group == self.groups[0], 0.5, -0.5)
            names.append("group_by_drug")
            self.analysis(names[-1], self.delta, code, everyone, False, "Group by drug")
            names.append("group_by_drug_pooled")
            pooled = self.delta.mean(1, keepdims=True)
            self.analysis(
                names[-1], pooled, code, everyone, False, "Group by drug, pooled", ["pooled"]
            )
            names.append("group_by_drug_by_subregion")
            apart = (self.delta[:, :1] - self.delta[:, 1:2]) / np.sqrt(2)
            self.analysis(
                names[-1], apart, code, everyone, False, "Group by drug by subregion",
                ["subregion"], square=True,
            )  # fmt: skip
        if (self.people["sequence"] != "n/a").all():
            names.append("carryover")
            code = -self.people["sequence_code"].to_numpy(float) / 2
            self.analysis(names[-1], self.total, code, everyone, False, "Carry-over")
        who = group == self.groups[0]
        change = self.people.loc[who, "delta_MADRS"].to_numpy(float)
        names.append("change_MADRS")
        self.analysis(names[-1], self.delta[who], change - change.mean(), who, False, "With MADRS")
        return names

    def analysis(self, name, data, code, who, flips, title, seeds=None, square=False):
        seeds = list(seeds or self.seeds)
        folder = self.primary / name
        n, n_seeds, _ = data.shape
        freedom = n - 1 if flips else n - 2
        threshold = float(stats.t.isf(FORMING_P / 2, freedom))

        def t_of(values, column):
            if flips:
                mean, sd = values.mean(0), values.std(0, ddof=1)
                return mean / (sd / np.sqrt(n))
            centred = column - column.mean()
            spread = values - values.mean(0)
            r = np.tensordot(centred, spread, 1)
            r /= np.sqrt((centred**2).sum() * (spread**2).sum(0))
            return r * np.sqrt(freedom / (1 - r**2))

        observed = t_of(data, code)
        highest, largest, heaviest = [], [], []
        for _ in range(self.n):
            if flips:
                sign = self.rng.choice([-1.0, 1.0], n)
                t = t_of(data * sign[:, None, None], code)
            elif name.startswith("group"):
                sign = self.rng.choice([-1.0, 1.0], n)
                t = t_of((data - data.mean(0)) * sign[:, None, None], code)
            else:
                t = t_of(data, self.rng.permutation(code))
            highest.append(np.abs(t).max())
            found = [(row, *self._sizes(row, threshold)) for row in t]
            largest.append(max(sizes.max(initial=0) for _, _, sizes in found))
            heaviest.append(max(self._masses(*one).max(initial=0) for one in found))
        highest, largest, heaviest = map(np.array, (highest, largest, heaviest))
        clusters, cells, peaks, per_seed = [], [], [], {}
        for j, seed in enumerate(seeds):
            t = observed[j]
            labels, sizes = self._sizes(t, threshold)
            p_size = np.array([(1 + (largest >= s).sum()) / (1 + self.n) for s in sizes])
            p_mass = (heaviest[:, None] >= self._masses(t, labels, sizes)).sum(0)
            p_mass = (1 + p_mass) / (1 + self.n)
            p_map = np.ones(len(t))
            for k in range(len(sizes)):
                p_map[labels == k + 1] = p_size[k]
            p_voxel = (1 + (highest[:, None] >= np.abs(t)[None]).sum(0)) / (1 + self.n)
            rows = self._clusters(
                name, seed, t, labels, sizes, (p_size, p_mass), p_voxel, j, who, data.shape[1]
            )
            clusters += rows[0]
            cells += rows[1]
            peaks += rows[2]
            statistic = "F" if square else "t"
            self._image(folder, seed, statistic, t**2 if square else t)
            self._image(folder, seed, "pfwecluster", p_map)
            self._image(folder, seed, "pfwevoxel", p_voxel)
            mm = self._mm()
            per_seed[seed] = {
                "max": float(t.max()), "min": float(t.min()),
                "peak_mm_max": mm[t.argmax()].tolist(), "peak_mm_min": mm[t.argmin()].tolist(),
                "p_fwe_voxel_min": float(p_voxel.min()),
                "p_fwe_cluster_min": float(p_size.min(initial=1.0)),
                "p_fwe_mass_min": float(p_mass.min(initial=1.0)),
                "p_fwe_tfce_min": float(p_voxel.min()),
                "q_fdr_min": 0.5,
                "n_clusters_significant": int((p_size < 0.05).sum()),
                "extrapolated": ["voxel"] if p_voxel.min() <= 1 / (1 + self.n) else [],
            }  # fmt: skip
        columns = [
            "analysis", "seed", "sign", "cluster", "peak", "x", "y", "z", "stat", "p_fwe_peak",
            "p_fwe_tfce", "q_fdr", "region",
        ]  # fmt: skip
        _write(folder / "peaks.tsv", pd.DataFrame(peaks, columns=columns))
        means = [f"{kind}_{g}_{t}" for kind in ("mean", "loo_mean") for g in self.groups
                 for t in (ACTIVE, CONTROL)]  # fmt: skip
        columns = [
            "analysis", "seed", "sign", "cluster", "x", "y", "z", "peak_stat", "size_voxels",
            "size_mm3", "mass", "p_fwe_cluster", "p_fwe_mass", "p_fwe_tfce", "p_fwe_peak",
            "q_fdr_peak", "extrapolated", "region", "region_share", "regions", "peak_region",
            "hedges_g", "hedges_g_low", "hedges_g_high", "partial_r2", "partial_r2_low",
            "partial_r2_high", "effect_in_sample", "effect_loo", "n_folds", "n_decisive",
            "without_person", "effect_without_person", "p_without_person", *means,
        ]  # fmt: skip
        _write(folder / "clusters.tsv", pd.DataFrame(clusters, columns=columns))
        columns = [
            "analysis", "seed", "sign", "cluster", "map", "participant_id", "group", "sequence",
            "active", "control", "delta",
        ]  # fmt: skip
        _write(folder / "cells.tsv", pd.DataFrame(cells, columns=columns))
        chosen = self.people[who]
        known = bool((chosen["sequence"] != "n/a").all())
        _json(
            folder / "result.json",
            {
                "analysis": name,
                "title": title,
                "question": f"{title}?",
                "model": "D ~ 1 + sequence" if known else "D ~ 1",
                "statistic": "F" if square else "t",
                "degrees_of_freedom": {"numerator": 1, "denominator": freedom}
                if square
                else freedom,
                "n": {
                    g: int((chosen["group"] == g).sum())
                    for g in self.groups
                    if (chosen["group"] == g).any()
                },  # noqa: E501
                "n_permutations": self.n,
                "exhaustive": False,
                "arrangement": "shuffles" if name.startswith("c") else "sign flips",
                "block_exchange": None,
                "tfce": True,
                "tail": {"voxel": {"fits": True}, "mass": {"fits": False, "reason": "made up"}},
                "two_sided": not square,
                "forming_threshold": threshold**2 if square else threshold,
                "cluster_forming_p": FORMING_P,
                "connectivity": 26,
                "seeds": seeds,
                "sequence_adjusted": known and name != "carryover",
                "covariates": [],
                "threshold_fwe_voxel": float(np.percentile(highest, 95)),
                "per_seed": per_seed,
                "left": [],
                "notes": [],
            },
        )

    def _mm(self):
        return np.argwhere(self.mask) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def _sizes(self, t, threshold):
        labels, sizes = np.zeros(len(t), int), []
        for sign in (1, -1):
            volume = np.zeros(self.mask.shape, bool)
            volume[self.mask] = sign * t > threshold
            if volume.any():
                found, count = ndimage.label(volume, np.ones((3, 3, 3)))
                found = found[self.mask]
                labels[found > 0] = found[found > 0] + len(sizes)
                sizes += np.bincount(found)[1 : count + 1].tolist()
        return labels, np.array(sizes)

    @staticmethod
    def _masses(t, labels, sizes):
        return np.bincount(labels, np.abs(t), minlength=len(sizes) + 1)[1:]

    def _clusters(self, name, seed, t, labels, sizes, p_both, p_voxel, j, who, n_maps):
        mm, rows, cells, peaks = self._mm(), [], [], []
        p_size, p_mass = p_both
        masses = self._masses(t, labels, sizes)
        people = self.people[who].reset_index(drop=True)
        columns = [j] if n_maps == len(self.seeds) else list(range(len(self.seeds)))
        order = np.lexsort((-sizes, p_size)) if len(sizes) else []
        for rank, k in enumerate(order):
            voxels = np.flatnonzero(labels == k + 1)
            peak = voxels[np.abs(t[voxels]).argmax()]
            sign = "-" if t[peak] < 0 and seed != "subregion" else "+"
            read = {}
            for part in columns:
                d = self.delta[who][:, part][:, voxels].mean(1)
                s = self.total[who][:, part][:, voxels].mean(1)
                read[part] = (np.round((s + d) / 2, 6), np.round((s - d) / 2, 6))
            active = np.mean([v[0] for v in read.values()], axis=0)
            control = np.mean([v[1] for v in read.values()], axis=0)
            means = {}
            for g in self.groups:
                own = (people["group"] == g).to_numpy()
                means[f"mean_{g}_{ACTIVE}"] = active[own].mean() if own.any() else np.nan
                means[f"mean_{g}_{CONTROL}"] = control[own].mean() if own.any() else np.nan
            # Left-out values are made up too: a tenth nearer to zero.
            means |= {f"loo_{key}": 0.9 * value for key, value in means.items()}
            change = (active - control).mean()
            extrapolated = p_voxel[peak] <= 1 / (1 + self.n)
            region = "insula (R)" if mm[peak][1] > -10 else "supramarginal (R)"
            stat = float(t[peak] ** 2 if seed == "subregion" else t[peak])
            g = np.nan if seed == "subregion" else t[peak] / np.sqrt(len(people))
            same = {"analysis": name, "seed": seed, "sign": sign, "cluster": int(k + 1)}
            rows.append(
                same
                | dict(zip("xyz", mm[peak].tolist(), strict=True))
                | {
                    "peak_stat": stat,
                    "size_voxels": int(sizes[k]),
                    "mass": masses[k],
                    "size_mm3": float(sizes[k] * abs(np.linalg.det(self.affine[:3, :3]))),
                    "p_fwe_cluster": float(p_size[k]), "p_fwe_mass": float(p_mass[k]),
                    "p_fwe_tfce": float(p_voxel[peak]),
                    "p_fwe_peak": float(p_voxel[peak] / (10 if extrapolated else 1)),
                    "q_fdr_peak": 0.5,
                    "extrapolated": "p_fwe_peak" if extrapolated else "",
                    "region": region, "region_share": 0.62, "peak_region": "putamen (R)",
                    "regions": f"62% {region}; 20% putamen (R)",
                    "hedges_g": g, "hedges_g_low": g - 0.5, "hedges_g_high": g + 0.5,
                    "partial_r2": 0.4, "partial_r2_low": 0.1, "partial_r2_high": 0.6,
                    "effect_in_sample": change, "effect_loo": 0.9 * change,
                    "n_folds": len(people), "n_decisive": 0,
                    "without_person": people["participant_id"][0],
                    "effect_without_person": 0.8 * change, "p_without_person": 0.004,
                }
                | means
            )  # fmt: skip
            for number, voxel in enumerate([peak, voxels[0]][: 2 if sizes[k] > 9 else 1], start=1):
                peaks.append(
                    same | {"peak": number, "stat": t[voxel], "p_fwe_peak": p_voxel[voxel]}
                    | {"p_fwe_tfce": p_voxel[voxel], "q_fdr": 0.5, "region": region}
                    | dict(zip("xyz", mm[voxel].tolist(), strict=True))
                )  # fmt: skip
            if p_size[k] < 0.05 or rank == 0:
                parts = read if seed == "subregion" else {None: (active, control)}
                for part, (a, c) in parts.items():
                    for i, person in people.iterrows():
                        cells.append(
                            same
                            | {
                                "map": seed if part is None else self.seeds[part],
                                "participant_id": person["participant_id"],
                                "group": person["group"],
                                "sequence": person["sequence"], "active": a[i], "control": c[i],
                                "delta": a[i] - c[i],
                            }
                        )  # fmt: skip
        return rows, cells, peaks

    def _image(self, folder, seed, stat, values):
        volume = np.full(self.mask.shape, np.nan, np.float32)
        volume[self.mask] = values
        folder.mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(volume, self.affine)
        nibabel.save(image, folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz")


def _targets(rng, people, seeds, effect) -> pd.DataFrame:
    rows = []
    for person in people.to_dict("records"):
        for seed in seeds:
            for target in ("insulaR", "SMG"):
                tied = effect * 0.05 * person.get("delta_MADRS", 0) if target == "insulaR" else 0
                for treatment, session in ((ACTIVE, "ses-d2"), (CONTROL, "ses-p2")):
                    z = 0.3 + 0.05 * rng.standard_normal() + (tied if treatment == ACTIVE else 0)
                    rows.append((person["participant_id"], person["group"], person["sequence"],
                                 session, treatment, 1, seed, target, z))  # fmt: skip
    alone = people.iloc[0]["group"]
    for seed in seeds:
        for target in ("insulaR", "SMG"):
            rows.append(("sub-98", alone, "n/a", "ses-d2", ACTIVE, 1, seed, target, 0.2))
    columns = ["participant_id", "group", "sequence", "session_id", "treatment", "period", "seed",
               "target", "fisher_z"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _clinic(rng, folder, people, edges, seeds, groups, effect):
    scores = []
    for scale in ("MADRS", "SHAPS", "TEPS_A"):
        for group in groups:
            own = people[(people["group"] == group) & people[f"delta_{scale}"].notna()]
            if own.empty:
                continue
            for p in own.to_dict("records"):
                scores.append((scale, group, p["participant_id"], p["sequence"],
                               p[f"score_{scale}_active"], p[f"score_{scale}_control"],
                               p[f"delta_{scale}"], True, "n/a"))  # fmt: skip
    scores = pd.DataFrame(scores, columns=[
        "scale", "group", "participant_id", "sequence", "active", "control", "delta", "used",
        "reason",
    ])  # fmt: skip
    _write(folder / "scores.tsv", scores)
    treatments = {"active": ACTIVE, "control": CONTROL}
    scales = [row["scale"] for row in SCALES]
    _write(folder / "change.tsv", clinical_change(scores, treatments, groups, scales)[0])
    between = change_between_groups(scores, treatments, groups, scales)
    _write(folder / "between_groups.tsv", between)
    rows, points = [], []
    patients = people[people["group"] == groups[0]]
    wide = edges.pivot_table(
        index="participant_id", columns=["seed", "target", "treatment"], values="fisher_z"
    )
    for scale in ("MADRS", "SHAPS", "TEPS_A"):
        for seed in seeds:
            for target in ("insulaR", "SMG"):
                z = wide[seed, target, ACTIVE] - wide[seed, target, CONTROL]
                z = z.loc[patients["participant_id"]].to_numpy()
                score = patients[f"delta_{scale}"].to_numpy(float)
                r, p = stats.pearsonr(z, score)
                rows.append({
                    "seed": seed, "target": target, "scale": scale, "group": groups[0],
                    "n": len(z), "r": r, "p_permutation": max(p, 0.001),
                    "ci_low": max(r - 0.3, -1), "ci_high": min(r + 0.3, 1), "spearman_rho": r,
                    "spearman_p": p, "percentage_bend_r": r, "percentage_bend_p": p,
                    "skipped_r": r, "skipped_p": p, "partial_r": r, "partial_p": p,
                    "loo_min": r - 0.1, "loo_max": min(r + 0.05, 1),
                    "adjusted_for": "order of treatments", "unadjusted_because": "n/a",
                    "no_interval_because": "n/a", "n_decisive": 0, "decisive_person": "n/a",
                    "decisive_r": np.nan, "decisive_p": np.nan,
                    "partial_covariates": "sequence_code, delta_mean_fd",
                    "pearson_n": len(z), "pearson_r": r, "pearson_p": p,
                })  # fmt: skip
                for person, a, b in zip(patients.to_dict("records"), z, score, strict=True):
                    points.append((seed, target, scale, groups[0], person["participant_id"],
                                   person["sequence"], a, b, a, b))  # fmt: skip
    table = pd.DataFrame(rows)
    table["q_fdr"] = stats.false_discovery_control(table["p_permutation"])
    table["n_tests"] = len(table)
    _write(folder / "correlation.tsv", table)
    _write(folder / "points.tsv", pd.DataFrame(points, columns=[
        "seed", "target", "scale", "group", "participant_id", "sequence", "delta_fisher_z",
        "delta_score", "adjusted_delta_fisher_z", "adjusted_delta_score",
    ]))  # fmt: skip


def _mixed(rng, primary, seeds, groups):
    terms = ["intercept", "group", "drug", "group_by_drug", "period"]
    if len(groups) == 1:
        terms = ["intercept", "drug", "period"]
    rows = [
        (seed, target, term, 0.05, 0.04, 1.25, 18.4, 0.23, 10, 21, True, "n/a")
        for seed in seeds
        for target in ("insulaR", "SMG")
        for term in terms
    ]
    columns = ["seed", "target", "term", "estimate", "se", "t", "df", "p", "n_people", "n_sessions",
               "converged", "note"]  # fmt: skip
    _write(primary / "mixed.tsv", pd.DataFrame(rows, columns=columns))


def _quality(rng, folder, people, seeds, edges):
    rows = []
    for p in people.to_dict("records"):
        for treatment, session, role in (
            (ACTIVE, "ses-d2", "active"),
            (CONTROL, "ses-p2", "control"),
        ):
            rows.append({
                "participant_id": p["participant_id"], "group": p["group"], "session_id": session,
                "treatment": treatment, "period": 1, "mean_fd": p[f"mean_fd_{role}"],
                "max_fd": 0.9, "share_fd_above_0.5": 0.02, "mean_dvars": 1.1,
                "tsnr_median": 60 + 9 * rng.standard_normal(), "mask_dice_template": 0.93,
                "volumes": 160, "volumes_censored": 0, "volumes_kept": 160,
                "residual_degrees_of_freedom": 71,
                **{f"coverage_{s}": 1 - 0.1 * rng.random() for s in seeds},
                "excluded": False, "exclusion_reasons": "n/a",
            })  # fmt: skip
    _write(folder / "sessions.tsv", pd.DataFrame(rows))
    motion = [
        ("mean_fd", g, 5, 0.16, 0.15, 5, 0.012, 0.4, 3, 0.71, 0.8, "n/a", 0.01, 0.4, 4, 0.7, 0.8)
        for g in dict.fromkeys(people["group"])
    ]
    between = (10, 0.002, 0.1, 7, 0.92, np.nan, "n/a", 0.002, 0.1, 8, 0.92, np.nan)
    motion.append(("mean_fd", "group_by_drug", 10, np.nan, np.nan, *between))
    _write(folder / "motion.tsv", pd.DataFrame(motion, columns=MOTION_COLUMNS))
    excluded = ["participant_id", "group", "session_id", "treatment", "exclusion_reasons"]
    _write(folder / "excluded.tsv", pd.DataFrame(columns=excluded))
    qcfc = [(s, t, "all", 10, 0.1, 0.78, "n/a") for s in seeds for t in ("insulaR", "SMG")]
    columns = ["seed", "target", "group", "n", "r", "p", "unadjusted_because"]
    _write(folder / "qcfc.tsv", pd.DataFrame(qcfc, columns=columns))


def _robustness(rng, names, seeds) -> pd.DataFrame:
    rows = [
        ("gsr", name, seed, 0.7 + 0.2 * rng.random(), 38.0, 12.0, -4.0, -4.2, 0.5, 10)
        for name in names[:2]
        for seed in seeds
    ]
    columns = ["pipeline", "analysis", "seed", "map_correlation_with_primary", "primary_peak_x",
               "primary_peak_y", "primary_peak_z", "stat_at_primary_peak", "dice_top_percent",
               "n_people"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _truth(groups, seeds, effect) -> dict[str, Any]:
    def edge(seed, target, size, ties):
        drug = {groups[0]: size} | ({groups[1]: 0.0} if len(groups) > 1 else {})
        return {"seed": seed, "target": target, "meaning": "made up", "drug": drug, "ties": ties}

    return {
        "edges": [
            edge(seeds[0], "insulaR", -0.6, {"MADRS": {"slope_per_point": 0.05, "planted": True}}),
            edge(seeds[1], "SMG", 0.6, {}),
            edge(seeds[1], "insulaR", 0.0, {}),
        ]
    }


def _carpets(study, people, count) -> list[Path]:
    from PIL import Image

    out = []
    for person in people["participant_id"][:count]:
        path = (
            study / person / "ses-d2" / "func" / f"{person}_ses-d2_task-rest_desc-carpet_bold.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((40, 80), np.uint8)).save(path)
        out.append(path)
    return out


def _write(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)


def _json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
