"""Whether groups differ in what the drug changed in a score, in sentences."""

from dataclasses import dataclass
from itertools import combinations

from crossfc.clinic.order import NO_PERIODS
from crossfc.report import number
from crossfc.report.results import Results, Row, adjusts_for_baseline
from crossfc.significance import SIGNIFICANT

NO_DIFFERENCE_OF_GROUPS = (
    "A change that is significant in one group and not in another is no difference between them "
    "(Nieuwenhuis et al. 2011): only this comparison tells."
)


@dataclass(frozen=True)
class Comparison:
    """What the comparison of the groups' changes of a score tells.

    ``found`` is whether p, corrected over all comparisons of scores, is below 0.05; ``shorts`` are
    those differences in a few words.
    """

    sentences: list[str]
    found: bool
    shorts: list[str]


def comparison(results: Results, scale: str, *, unlike: bool) -> Comparison:
    """Compare the groups in the change of a scale: estimate, interval, test, and its model.

    Of three and more groups there is F over all of them, and the pairs that differ.

    Parameters
    ----------
    results : Results
        Of one contrast.
    scale : str
    unlike : bool
        Whether the change is significant in one group and not in another, which by itself is no
        difference, and is said so.
    """
    table = results.between
    rows = [] if table.empty else table[table["scale"] == scale].to_dict("records")
    if not rows:
        return Comparison([], False, [])
    told = [_sentence(results, row, scale) for row in rows]
    # Pairs of three and more groups that do not differ are in the table alone.
    said = [text for place, (text, found) in enumerate(told) if place == 0 or found]
    if unlike:
        said[0] += f" {NO_DIFFERENCE_OF_GROUPS}"
    shorts = [_short(results, row) for row, (_, found) in zip(rows, told, strict=True) if found]
    return Comparison(said, any(found for _, found in told), shorts)


def _short(results: Results, row: Row) -> str:
    """Name a difference that is significant, with its corrected p."""
    p = f"corrected p = {number.probability(row['p_holm'])}"
    if not number.missing(row.get("df_effect")):
        return f"groups differ ({p})"
    estimate = number.cell(row, "adjusted_estimate")
    if number.missing(estimate):
        estimate = number.cell(row, "unadjusted_difference")
    first, second = _pair(results, row)
    return (
        f"{'more positive' if estimate > 0 else 'more negative'} in {first} than in {second} ({p})"
    )


def _sentence(results: Results, row: Row, scale: str) -> tuple[str, bool]:
    """Describe one comparison, and tell whether it is significant."""
    prefix = "unadjusted" if number.missing(row["adjusted_p"]) else "adjusted"
    p, corrected = number.cell(row, f"{prefix}_p"), number.cell(row, "p_holm")
    together = not number.missing(row.get("df_effect"))
    model = _model(results, row, scale, adjusted=prefix == "adjusted", together=together)
    if number.missing(p):
        return (
            f"Whether the groups differ in the change of {scale} could not be tested{model}.",
            False,
        )
    found = corrected < SIGNIFICANT
    tested = f"{number.p_equals(p)}{over_scores(corrected, number.cell(row, 'n_tests'))}{model}"
    df = number.general(row[f"{prefix}_df"], 3)
    if together:
        word = "differed" if found else "did not differ significantly"
        return (
            f"The groups {word} in the change of {scale}: F({number.whole(row['df_effect'])}, "
            f"{df}) = {number.fixed(row[f'{prefix}_f'])}, {tested}; pairs with their intervals are "
            "in the table.",
            found,
        )
    pair = _pair(results, row)
    estimate = row["adjusted_estimate" if prefix == "adjusted" else "unadjusted_difference"]
    size = ""
    if not number.missing(row["g"]):
        limits = number.interval(row["g_low"], row["g_high"])
        size = f"; Hedges' g {number.signed(row['g'])} {limits}"
    numbers = (
        f"{' − '.join(pair)} {number.signed(estimate)}, 95 % interval "
        f"{number.interval(row[f'{prefix}_low'], row[f'{prefix}_high'])}, t({df}) = "
        f"{number.fixed(row[f'{prefix}_t'])}, {tested}{size}"
    )
    if not found:
        said = f"The groups did not differ significantly in the change of {scale}: {numbers}."
        return said, False
    more = "more positive" if estimate > 0 else "more negative"
    said = f"The change of {scale} was {more} in {pair[0]} than in {pair[1]}: {numbers}."
    return said, True


def _pair(results: Results, row: Row) -> tuple[str, str]:
    """Return the two groups that a row compares, the first minus the second."""
    pairs = {"-".join(pair): pair for pair in combinations(results.groups, 2)}
    return pairs[str(row["group"])]


def _model(results: Results, row: Row, scale: str, *, adjusted: bool, together: bool) -> str:
    """Name what the comparison is adjusted for, or why it is not."""
    if adjusted:
        # The F over several groups has the periods in its model, and not the baseline.
        with_baseline = adjusts_for_baseline(results, scale) and not together
        terms = results.adjusted_for if with_baseline else "period"
        return f", adjusted for {terms} by one model for all groups"
    because = row.get("unadjusted_because")
    # With one period there is nothing to adjust for.
    told = not number.missing(because) and because not in (number.MISSING, NO_PERIODS)
    return f", not adjusted for period, as {because}" if told else ""


def over_scores(p: float, n_tests: float) -> str:
    """Add p corrected over the tests of scores, where there are several."""
    if number.missing(p) or n_tests < 2:
        return ""
    return f", corrected over {number.whole(n_tests)} tests of scores {number.p_equals(p)}"
