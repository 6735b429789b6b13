"""Whether groups differ in what the drug changed in a score, in a sentence."""

from collections.abc import Mapping
from typing import Any

from crossfc.clinic.order import NO_PERIODS
from crossfc.report import number
from crossfc.report.outcome import adjusts_for_baseline, told_change
from crossfc.report.results import Results
from crossfc.significance import SIGNIFICANT

NO_DIFFERENCE_OF_GROUPS = (
    "A change that is significant in one group and not in another is no difference between them "
    "(Nieuwenhuis et al. 2011): only this comparison tells."
)


def sentence(results: Results, scale: str) -> str:
    """Compare the groups in the change of a scale: estimate, interval, test, and its model.

    Parameters
    ----------
    results : Results
        Of one contrast.
    scale : str

    Returns
    -------
    str
        Empty where there is one group, or one of them was not scored. Where the change is
        significant in one group and not in another, it is said that this is no difference.
    """
    table = results.between
    if table.empty:
        return ""
    rows = table[table["scale"] == scale].to_dict("records")
    if not rows:
        return ""
    row = rows[0]
    names = str(row["group"]) if len(results.groups) > 2 else " − ".join(results.groups)
    if not number.missing(row.get("df_effect")):
        said = _of_several(results, row, scale)
    else:
        said = _of_two(results, row, scale, names)
    own = results.change[results.change["scale"] == scale].to_dict("records")
    found = {told_change(change).significant for change in own}
    return f"{said} {NO_DIFFERENCE_OF_GROUPS}" if len(found) == 2 else said


def _of_two(results: Results, row: Mapping[Any, Any], scale: str, names: str) -> str:
    """Describe the comparison of two groups."""
    adjusted = not number.missing(row["adjusted_p"])
    keys = ("estimate", "low", "high", "t", "df", "p")
    if adjusted:
        told = {key: row[f"adjusted_{key}"] for key in keys}
    else:
        told = {key: row[f"unadjusted_{key}"] for key in keys if key != "estimate"}
        told["estimate"] = row["unadjusted_difference"]
    model = _model(results, row, scale, adjusted=adjusted)
    if number.missing(told["p"]):
        return f"Whether the groups differ in the change of {scale} could not be tested{model}."
    word = "differed" if told["p"] < SIGNIFICANT else "did not differ significantly"
    size = ""
    if not number.missing(row["g"]):
        interval = number.interval(row["g_low"], row["g_high"])
        size = f"; Hedges' g {number.signed(row['g'])} {interval}"
    return (
        f"The groups {word} in the change of {scale}: {names} "
        f"{number.signed(told['estimate'])}, 95 % interval "
        f"{number.interval(told['low'], told['high'])}, t({number.general(told['df'], 3)}) = "
        f"{number.fixed(told['t'])}, {number.p_equals(told['p'])}{model}{size}."
    )


def _of_several(results: Results, row: Mapping[Any, Any], scale: str) -> str:
    """Describe the comparison of three and more groups together."""
    adjusted = not number.missing(row["adjusted_p"])
    of = "adjusted" if adjusted else "unadjusted"
    model = _model(results, row, scale, adjusted=adjusted, several=True)
    p = row[f"{of}_p"]
    if number.missing(p):
        return f"Whether the groups differ in the change of {scale} could not be tested{model}."
    word = "differed" if p < SIGNIFICANT else "did not differ significantly"
    return (
        f"The groups {word} in the change of {scale}: F({number.whole(row['df_effect'])}, "
        f"{number.general(row[f'{of}_df'], 3)}) = {number.fixed(row[f'{of}_f'])}, "
        f"{number.p_equals(p)}{model}; pairs with their intervals are in the table."
    )


def _model(
    results: Results, row: Mapping[Any, Any], scale: str, *, adjusted: bool, several: bool = False
) -> str:
    """Name what the comparison is adjusted for, or why it is not."""
    if adjusted:
        # The F over several groups has the periods in its model, and not the baseline.
        with_baseline = adjusts_for_baseline(results, scale) and not several
        return f", adjusted for {results.adjusted_for if with_baseline else 'period'}"
    because = row.get("unadjusted_because")
    # With one period there is nothing to adjust for.
    told = not number.missing(because) and because not in (number.MISSING, NO_PERIODS)
    return f", not adjusted for period, as {because}" if told else ""
