"""How far a finding of the maps holds: in the other pipelines, and in those who moved less."""

from crossfc.report import number
from crossfc.report.results import Analysis, Results, Row


def clause(results: Results, analysis: Analysis, row: Row) -> str:
    """Say in which pipelines a significant cluster is found; empty where there is one pipeline.

    Parameters
    ----------
    results : Results
    analysis : Analysis
    row : mapping
        The cluster's row of clusters.tsv.
    """
    table = results.cluster_robustness
    if table.empty:
        return ""
    own = table[
        (table["analysis"] == analysis.name)
        & (table["seed"] == row["seed"])
        & (table["cluster"] == row["cluster"])
        & (table["sign"] == row["sign"])
    ]
    asked = own[own["maximum_mean_fd_mm"].isna()]
    told = ""
    if len(asked) > 1:
        found = asked["found"].astype(str).str.lower() == "true"
        missed = [str(name) for name in asked.loc[~found, "pipeline"]]
        told = f" Found in {int(found.sum())} of {len(asked)} pipelines"
        told += f"; not in {number.listed(missed)}." if missed else "."
    signed = own[own["same_sign"].notna()]
    if len(signed) > 1:
        same = int((signed["same_sign"].astype(str).str.lower() == "true").sum())
        ways = "pipelines and limits of motion"
        told += f" The effect on its mean has this sign in {same} of {len(signed)} {ways}."
    return told


def carryover_note(results: Results) -> str:
    """Name the pipelines under which the diagnostic of carry-over found an effect."""
    found = results.carryover_pipelines
    if not found:
        return ""
    told = "; ".join(f"{name} ({'; '.join(seeds)})" for name, seeds in found.items())
    primary = results.pipelines[0]
    own = "" if primary in found else f" (not in {primary}, the primary pipeline)"
    return (
        f"Carry-over: the diagnostic survived correction in {told}{own}, not corrected over "
        "pipelines. Any other difference between the people of the two orders looks the same; "
        "nothing is decided by it (group/<pipeline>/carryover/clusters.tsv)."
    )
