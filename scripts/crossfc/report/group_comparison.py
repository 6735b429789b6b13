"""Whether the groups' changes of a score differ, in words."""

from itertools import combinations

from crossfc.report import number
from crossfc.report.results import Results, Row
from crossfc.significance import SIGNIFICANT


def between_sentences(results: Results, scale: str) -> list[tuple[str, bool]]:
    """Say whether the groups' changes of a score differ, and whether that is significant.

    One group with a significant change beside one without does not show that they differ
    (Nieuwenhuis et al. 2011, Nat Neurosci 14:1105), so this test stands beside both. Of three and
    more groups there are F and every pair.
    """
    table = results.between
    if table.empty:
        return []
    said = []
    for row in table[table["scale"] == scale].to_dict("records"):
        adjusted = not number.missing(row.get("adjusted_p"))
        prefix = "adjusted" if adjusted else "unadjusted"
        p, corrected = number.cell(row, f"{prefix}_p"), number.cell(row, "p_holm")
        whole = not number.missing(row.get("df_effect"))
        names = number.listed(results.groups if whole else list(_two(results, row)))
        if number.missing(p):
            said.append(
                (f"Whether the change in {scale} differs between {names} is not known.", False)
            )
            continue
        found = corrected < SIGNIFICANT
        if whole:
            numbers = f"F = {number.fixed(row[f'{prefix}_f'])}"
        else:
            estimate = row["adjusted_estimate" if adjusted else "unadjusted_difference"]
            limits = number.interval(row[f"{prefix}_low"], row[f"{prefix}_high"])
            numbers = (
                f"difference of the changes{', period-adjusted' if adjusted else ''} "
                f"{number.signed(estimate)}, 95 % interval {limits}, "
                f"t({number.general(row[f'{prefix}_df'], 3)}) = {number.fixed(row[f'{prefix}_t'])}"
            )
        numbers += f", {number.p_equals(p)}{over_scores(corrected, number.cell(row, 'n_tests'))}"
        if not found:
            said.append(
                (
                    f"No difference in this change between {names} was significant ({numbers}).",
                    False,
                )
            )
        elif whole:
            said.append((f"The change in {scale} differed among {names} ({numbers}).", True))
        else:
            more = "more positive" if estimate > 0 else "more negative"
            first, second = _two(results, row)
            said.append(
                (f"The change in {scale} was {more} in {first} than in {second} ({numbers}).", True)
            )
    return said


def _two(results: Results, row: Row) -> tuple[str, str]:
    """Return the two groups that a row compares, the first minus the second."""
    if len(results.groups) == 2:
        return results.groups[0], results.groups[1]
    pairs = {"-".join(pair): pair for pair in combinations(results.groups, 2)}
    return pairs[str(row["group"])]


def over_scores(p: float, n_tests: float) -> str:
    """Add p corrected over the scores, where there are several."""
    if number.missing(p) or n_tests < 2:
        return ""
    return f", corrected over {number.whole(n_tests)} tests of scores {number.p_equals(p)}"
