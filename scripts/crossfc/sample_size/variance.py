"""How much an outcome varies: from a pilot's results, or from the table that crossfc brings."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.order import known_design, order_groups
from crossfc.fault import Fault
from crossfc.sample_size.power import Variation
from crossfc.table import read_table
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.visit import ORDER

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "variation.tsv"
# Upper limit of the standard deviation with which a trial is planned again: Browne 1995.
CAUTIOUS = 0.8


@dataclass(frozen=True)
class Pilot:
    """The variation of an outcome as a pilot shows it.

    Attributes
    ----------
    variation : Variation
    people : int
        Number of people whose changes it is from.
    df : int
        Degrees of freedom of its standard deviation.
    source : str
        Where it is from, in words.
    """

    variation: Variation
    people: int
    df: int
    source: str

    def limit(self, share: float) -> float:
        """Return the upper confidence limit of the standard deviation of a change, by χ².

        Parameters
        ----------
        share : float
            Confidence of this one limit; of 0.025 it is the lower end of the 95 % interval.
        """
        from scipy import stats

        return self.variation.sd_change * float(
            np.sqrt(self.df / stats.chi2.ppf(1 - share, self.df))
        )


def pilot_of_scale(
    folder: str | os.PathLike[str], scale: str, group: str | None, contrast: str | None
) -> Pilot:
    """Read the variation of a score from ``clinic/scores.tsv`` of a folder of results.

    Parameters
    ----------
    folder : path
        Results of a study, such as ``results/demo``.
    scale : str
    group, contrast : str or None
        Which, where there are several.

    Returns
    -------
    Pilot
        The standard deviation is that of the residuals from the orders of treatments, where they
        are known.

    Raises
    ------
    Fault
        If there are no such results, or too few people.
    """
    path = Path(folder) / "clinic" / "scores.tsv"
    table = _read(path, "the target clinical_change")
    table = _chosen(table, "scale", scale, path, "--scale")
    table = _chosen(table, "contrast", contrast, path, "--contrast")
    table = _chosen(table, "group", group, path, "--group")
    table = table[table["used"].astype(bool)]
    columns = _period_columns(table)
    sides = table[["active", "control"]].to_numpy(float)
    what = f"{scale} ({table['group'].iloc[0]})" if len(table) else scale
    return _pilot(table["delta"].to_numpy(float), table[columns], sides, what, path)


def pilot_of_edge(
    folder: str | os.PathLike[str],
    edge: str,
    group: str | None,
    contrast: str | None,
    pipeline: str | None,
) -> Pilot:
    """Read the variation of an edge from the pairs of sessions of a folder of results.

    Parameters
    ----------
    folder : path
        Results of a study, such as ``results/demo``.
    edge : str
        Its seed and target, joined by a hyphen.
    group, contrast, pipeline : str or None
        Which, where there are several.

    Returns
    -------
    Pilot
        See `pilot_of_scale`.

    Raises
    ------
    Fault
        If there are no such results, or too few people.
    """
    base = Path(folder) / "group"
    pipelines = sorted(path.name for path in base.glob("*") if path.is_dir())
    own = base / _one(pipelines, pipeline, base, "--pipeline", "the target group")
    pairs = sorted(path.name for path in own.glob("pairs*") if (path / "edges.tsv").is_file())
    if pairs == ["pairs"]:
        data = own / "pairs"
    else:
        names = [name.removeprefix("pairs_") for name in pairs]
        data = own / f"pairs_{_one(names, contrast, own, '--contrast', 'the target group')}"
    edges = read_table(data / "edges.tsv")
    named = (edges["seed"] + "-" + edges["target"]).astype(str)
    _one(list(dict.fromkeys(named)), edge, data / "edges.tsv", "--edge", "another study")
    edges = edges[named == edge]
    weights, people = read_table(data / "sessions.tsv"), read_table(data / "people.tsv")
    people = _chosen(people, "group", group, data / "people.tsv", "--group")
    change = connectivity_change(edges, weights).iloc[:, 0]
    people = people[people["participant_id"].isin(change.dropna().index)]
    delta = change.reindex(people["participant_id"]).to_numpy()
    columns = _period_columns(people)
    values = edges.set_index(["participant_id", "session_id"])["fisher_z"]
    sides = np.full((len(people), 2), np.nan)
    if not np.allclose(weights["weight"].abs(), 1):
        raise Fault(
            f"{data / 'sessions.tsv'}: this contrast is not of one session with another, so its "
            "standard deviation is not that of such a change; choose another with --contrast, or "
            "give --sd-change"
        )
    signed = weights.assign(
        z=values.reindex(pd.MultiIndex.from_frame(weights.iloc[:, :2])).to_numpy()
    )
    for column, positive in enumerate((True, False)):
        side = signed[(signed["weight"] > 0) == positive]
        summed = (side["z"] * side["weight"].abs()).groupby(side["participant_id"]).sum()
        sides[:, column] = summed.reindex(people["participant_id"]).to_numpy()
    what = f"{edge} ({people['group'].iloc[0]})" if len(people) else edge
    return _pilot(delta, people[columns], sides, what, data / "edges.tsv")


def shipped(name: str) -> Pilot:
    """Return a row of ``config/variation.tsv``.

    Raises
    ------
    Fault
        If it has no such row.
    """
    table = read_table(SHIPPED)
    names = list(table["name"])
    row = table.iloc[names.index(_one(names, name, SHIPPED, "--shipped", "--sd-change"))]
    return Pilot(
        Variation(float(row["sd_change"]), float(row["correlation"])),
        int(row["people"]),
        int(row["df"]),
        f"that of {row['outcome']} ({row['source']})",
    )


def _pilot(
    delta: FloatArray, columns: pd.DataFrame, sides: FloatArray, what: str, path: Path
) -> Pilot:
    order = columns.to_numpy(dtype=float)
    known = np.isfinite(order_groups(order)) if order.shape[1] else np.zeros(len(delta), bool)
    adjusted = known.sum() > order.shape[1] + 1
    if adjusted:
        delta, sides, design = delta[known], sides[known], known_design(order)[0]
    else:
        design = np.ones((len(delta), 1))
    df = len(delta) - design.shape[1]
    if df < 2:
        raise Fault(
            f"{path}: with {len(delta)} of {what} there are too few changes for a standard "
            "deviation; give one (--sd-change)"
        )
    rest = delta - design @ np.linalg.lstsq(design, delta, rcond=None)[0]
    sd = float(np.sqrt(rest @ rest / df))
    if not sd > 1e-9 * float(np.abs(delta).max(initial=0)):
        raise Fault(f"{path}: the change of {what} is the same in everybody; give --sd-change")
    both = np.isfinite(sides).all(axis=1)
    varies = both.sum() > 2 and bool((np.ptp(sides[both], axis=0) > 0).all())
    correlation = float(np.corrcoef(sides[both].T)[0, 1]) if varies else np.nan
    source = f"that of {what} in {len(delta)} people of {path}"
    source += ", adjusted for period" if adjusted else ""
    return Pilot(Variation(sd, correlation), len(delta), df, source)


def _period_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of periods that are known for somebody; other contrasts have others."""
    named = [c for c in table.columns if c == ORDER or c.startswith("period_")]
    return [column for column in named if table[column].notna().any()]


def _read(path: Path, made_by: str) -> pd.DataFrame:
    if not path.is_file():
        raise Fault(
            f"{path} is not there; name the folder of a study's results (such as results/demo), "
            f"and make it with {made_by}"
        )
    return read_table(path)


def _chosen(
    table: pd.DataFrame, column: str, wanted: str | None, path: Path, option: str
) -> pd.DataFrame:
    names = [str(name) for name in dict.fromkeys(table[column])]
    return table[table[column] == _one(names, wanted, path, option, "another study")]


def _one(names: Sequence[str], wanted: str | None, path: Path, option: str, remedy: str) -> str:
    """Return the name that is wanted, or the only one there is."""
    if not names:
        raise Fault(f"{path} holds nothing for {option}; make it with {remedy}")
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise Fault(f"{path} has {', '.join(names)}; choose one with {option}")
    if wanted not in names:
        raise Fault(
            f"{option}: {path} has no {wanted}{did_you_mean(wanted, names)}; it has "
            f"{', '.join(names)}"
        )
    return wanted
