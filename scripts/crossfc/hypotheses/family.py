"""The confirmatory family: every hypothesis tested, corrected together, over all ways to look.

Hypotheses stated beforehand are corrected among themselves and for nothing else (Holm 1979, Scand
J Stat 6:65). The same family is tested again in every pipeline and, of what comes from scans, in
the people who moved less than stricter limits: a specification curve (Simonsohn, Simmons and Nelson
2020, Nat Hum Behav 4:1208). Only the primary pipeline with the configured limits is confirmatory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crossfc.clinic.contrast import Design
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.people import with_columns
from crossfc.group.design.question import question_of
from crossfc.group.region_mean import EffectTest, untested
from crossfc.hypotheses.correlation_test import correlation_test
from crossfc.hypotheses.hypothesis import NEGATIVE, POSITIVE, HypothesisRow, options_of
from crossfc.hypotheses.region_test import region_test
from crossfc.hypotheses.score_test import score_test
from crossfc.quality.stillness import different_ways, still_people
from crossfc.significance import SIGNIFICANT, holm
from crossfc.table import read_table
from crossfc.trial.hypothesis import CORRELATION, MAP, SCORE

SUPPORTED, OPPOSITE = "supported", "opposite"
NOT_SIGNIFICANT, NOT_TESTED = "not significant", "not tested"

STATED = ["hypothesis", "kind", "contrast", "analysis", "group", "seed", "region", "scale"]
RESULT = [
    *("n", "statistic", "value", "df", "estimate", "low", "high", "unit", "p", "p_holm"),
    *("n_tests", "adjusted_for", "because"),
]
COLUMNS = [
    *STATED, "direction", *RESULT, "verdict",
    "n_specifications", "n_same_sign", "n_significant", "not_significant_in",
]  # fmt: skip
SPECIFICATIONS = [*STATED, "pipeline", "maximum_mean_fd_mm", "primary", *RESULT]


class HypothesisTables(NamedTuple):
    """The tables of hypotheses: the confirmatory one, and every specification."""

    hypotheses: pd.DataFrame
    specifications: pd.DataFrame


@dataclass(frozen=True)
class Source:
    """What hypotheses are tested with.

    Attributes
    ----------
    folders : mapping
        Pipeline, the primary one first, to contrast to the folder of its data. Empty for a study
        without images.
    designs : sequence of Design
        The contrasts.
    change, between : DataFrame
        The tables of changes of scores; empty where there are none.
    motion : DataFrame or None
        participant_id, session_id and mean_fd of every session; None where it is not known.
    scores : mapping
        Contrast to rows with participant_id and the scores of both sides.
    n_permutations, random_seed : int
        Of correlations.
    """

    folders: Mapping[str, Mapping[str, str | Path]]
    designs: Sequence[Design]
    change: pd.DataFrame
    between: pd.DataFrame
    motion: pd.DataFrame | None
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    n_permutations: int
    random_seed: int

    @classmethod
    def read(
        cls,
        pairs: Sequence[str | Path],
        pipelines: Mapping[str, Sequence[str]],
        tables: Sequence[str | Path],
        motion: Sequence[str | Path],
        *,
        designs: Sequence[Design],
        scores: Mapping[str, Sequence[Mapping[str, Any]]],
        n_permutations: int,
        random_seed: int,
    ) -> "Source":
        """Read the tables.

        Parameters
        ----------
        pairs : sequence of path
            The folders of all contrasts' data, pipeline by pipeline.
        pipelines : mapping
            Pipeline to the names of its contrasts, in the order of ``pairs``.
        tables : sequence of path
            ``clinic/change.tsv`` and ``clinic/between_groups.tsv``, or none.
        motion : sequence of path
            ``quality/sessions.tsv``, or none.
        designs, scores, n_permutations, random_seed
            See above.
        """
        folders = iter(pairs)
        empty = pd.DataFrame()
        change, between = map(read_table, tables) if tables else (empty, empty)
        return cls(
            {name: {own: next(folders) for own in of} for name, of in pipelines.items()},
            designs,
            change,
            between,
            read_table(motion[0]) if motion else None,
            scores,
            n_permutations,
            random_seed,
        )


def hypothesis_tables(
    stated: Sequence[HypothesisRow], source: Source, fd_limits: Sequence[float] = ()
) -> HypothesisTables:
    """Test every hypothesis in every pipeline and, by scans, in the people who moved less.

    Parameters
    ----------
    stated : sequence of HypothesisRow
    source : Source
    fd_limits : sequence of float
        Stricter limits of a session's mean framewise displacement, mm.

    Returns
    -------
    HypothesisTables
        ``hypotheses`` has one row per hypothesis: its test in the primary pipeline, p corrected
        over the family (``p_holm`` over ``n_tests``), the verdict, and in how many of the
        specifications the effect has the same sign, and is significant at p corrected over the
        family of that specification. ``specifications`` has a row per hypothesis, pipeline and
        limit; a limit that leaves out nobody is no other way, and has none. A change of score is no
        matter of pipelines, so it has one specification, and its p belongs to every family.
    """
    pipelines = list(source.folders) or [""]
    places = [(name, limit) for name in pipelines for limit in (None, *fd_limits)]
    rows: list[dict[str, Any]] = []
    for place, (pipeline, limit) in enumerate(places):
        of_place = [_tested(row, source, pipeline, limit) for row in stated]
        corrected = holm(np.array([test.p for test in of_place], dtype=float))
        count = int(np.isfinite([test.p for test in of_place]).sum())
        for row, test, p in zip(stated, of_place, corrected, strict=True):
            if row["kind"] == SCORE and place:
                continue
            told = asdict(test) | {"p_holm": float(p), "n_tests": count}
            of_scans = row["kind"] != SCORE
            rows.append(
                {name: row[name] for name in STATED}  # type: ignore[literal-required]
                | {
                    "pipeline": pipeline if of_scans else "",
                    "maximum_mean_fd_mm": limit,
                    "primary": place == 0,
                }
                | told
            )
    table = different_ways(pd.DataFrame(rows, columns=SPECIFICATIONS), ["hypothesis"])
    own = [_summary(row, table[table["hypothesis"] == row["hypothesis"]]) for row in stated]
    return HypothesisTables(pd.DataFrame(own, columns=COLUMNS), table)


def _tested(row: HypothesisRow, source: Source, pipeline: str, limit: float | None) -> EffectTest:
    design = next(own for own in source.designs if own["contrast"] == row["contrast"])
    if row["kind"] == SCORE:
        return score_test(
            question_of(row["analysis"], design), row["scale"], source.change, source.between
        )
    if not source.folders:
        return untested(0, "nobody has the scans")
    folder = Path(source.folders[pipeline][row["contrast"]])
    weights = read_table(folder / "sessions.tsv")
    pairs = Pairs.read(folder)
    keep = None
    if limit is not None and source.motion is not None:
        keep = still_people(pairs.people, weights, source.motion, limit)
    if row["kind"] == MAP:
        pairs.people = with_columns(pairs.people, row["people"])
        return region_test(
            question_of(row["analysis"], design), pairs, row["seed"], row["region"], row["rows"],
            options_of(row), keep,
        )  # fmt: skip
    assert row["kind"] == CORRELATION
    people = pairs.people if keep is None else pairs.people[keep]
    return correlation_test(
        row,
        design,
        read_table(folder / "edges.tsv"),
        people.reset_index(drop=True),
        weights,
        source.scores[row["contrast"]],
        n_permutations=source.n_permutations,
        random_seed=source.random_seed,
    )


def _summary(row: HypothesisRow, tests: pd.DataFrame) -> dict[str, Any]:
    """Return a hypothesis with its confirmatory test, and how far it holds in the others."""
    first = tests[tests["primary"]].iloc[0]
    known = tests[tests["p"].notna()]
    signed = known[known["estimate"].notna() & (known["statistic"] != "F")]
    sign = np.sign(first["estimate"])
    significant = known["p_holm"] < SIGNIFICANT
    found = known[
        significant & ~((known["statistic"] != "F") & (np.sign(known["estimate"]) != sign))
    ]
    missed = tests[~tests.index.isin(found.index)]
    return (
        {name: first[name] for name in [*STATED, *RESULT]}
        | {"direction": row["direction"], "verdict": _verdict(row, first)}
        | {
            "n_specifications": len(tests),
            "n_same_sign": int((np.sign(signed["estimate"]) == sign).sum())
            if len(signed)
            else None,
            "n_significant": len(found),
            "not_significant_in": "; ".join(_place(test) for _, test in missed.iterrows()),
        }
    )


def _place(test: "pd.Series") -> str:
    """Name a specification: the pipeline, and the limit of motion if there is one."""
    limit = test["maximum_mean_fd_mm"]
    return str(test["pipeline"]) + ("" if pd.isna(limit) else f", FD up to {limit:g} mm")


def _verdict(row: HypothesisRow, first: "pd.Series") -> str:
    if pd.isna(first["p"]):
        return NOT_TESTED
    if not first["p_holm"] < SIGNIFICANT:
        return NOT_SIGNIFICANT
    stated = {POSITIVE: 1, NEGATIVE: -1}.get(row["direction"])
    return OPPOSITE if stated is not None and np.sign(first["estimate"]) != stated else SUPPORTED
