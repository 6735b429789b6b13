"""The estimates of the bundle: of scores, edges and correlations, by group."""

from collections.abc import Sequence

import pandas as pd

from crossfc.bundle.withheld import Withheld, groups_of, too_few

_TEST = ["contrast", "kind", "scale", "seed", "target"]
COLUMNS = [
    *_TEST, "group", "n", "n_by_group", "estimate", "se", "df", "low", "high", "p", "adjusted",
]  # fmt: skip


def shared_estimates(
    evidence: pd.DataFrame, groups: Sequence[str], smallest: int
) -> tuple[pd.DataFrame, list[Withheld]]:
    """Return the rows of the table of evidence that can be shared.

    Parameters
    ----------
    evidence : DataFrame
        The table ``clinic/evidence.tsv``.
    groups : sequence of str
        Labels of the groups.
    smallest : int
        Number of people from which on a group's values are shared.

    Returns
    -------
    table : DataFrame
        The columns `COLUMNS`. Differences between groups have the number of people of each in
        ``n_by_group``.
    withheld : list of Withheld
        Tests that are about too few people.
    """
    rows, withheld = [], []
    for _, tests in evidence.groupby(_TEST, sort=False, dropna=False):
        counts = {row["group"]: int(row["n"]) for _, row in tests.iterrows()}
        for row in tests.to_dict("records"):
            own = {label: counts.get(label, 0) for label in groups_of(row["group"], groups)}
            because = too_few(own, smallest)
            if because is None:
                of_each = ", ".join(f"{label} {n}" for label, n in own.items())
                rows.append({**row, "n_by_group": of_each})
            else:
                named = [row["kind"], *(row[k] for k in _TEST if k != "kind"), row["group"]]
                words = " ".join(str(word) for word in named if word == word)
                withheld.append(Withheld(words, because))
    return pd.DataFrame(rows, columns=COLUMNS), withheld
