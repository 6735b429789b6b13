"""Whether the drug changed head motion, in sentences."""

from crossfc.clinic.student import t_test
from crossfc.report import number
from crossfc.report.results import Results
from crossfc.significance import SIGNIFICANT


def motion_sentences(results: Results) -> list[tuple[str, bool]]:
    """Say in which group the drug changed head motion, and whether p is below 0.05.

    A diagnostic is better too ready than too slow to warn, so p is not corrected.

    Returns
    -------
    list of (str, bool)
        For each group whose motion could be tested.
    """
    if results.motion.empty:
        return []
    rows = results.motion[results.motion["measure"] == "mean_fd"]
    told = []
    for row in rows[rows["group"].isin(results.groups)].to_dict("records"):
        adjusted = not number.missing(row["adjusted_p"])
        of = "adjusted" if adjusted else "unadjusted"
        change = number.cell(row, "adjusted_difference" if adjusted else "mean_difference")
        p, t = number.cell(row, f"{of}_p"), number.cell(row, f"{of}_t")
        if number.missing(p) or t == 0:
            continue
        test = t_test(change, abs(change / t), number.cell(row, f"{of}_df"))
        limits = number.interval(test.low, test.high, 3)
        found = p < SIGNIFICANT
        word = "no significant difference"
        if found:
            word = f"{'more' if change > 0 else 'less'} {results.on_active}"
        numbers = f"{number.signed(change, 3)} mm, 95 % interval {limits}, {number.p_equals(p)}"
        against = "" if found else f" between {results.active} and {results.control}"
        told.append((f"{word} in {row['group']}{against} ({numbers}, not corrected)", found))
    return told


def motion_note(results: Results) -> str:
    """Warn at the top of the page where the drug changed head motion; empty where it did not."""
    found = [told for told, changed in motion_sentences(results) if changed]
    if not found:
        return ""
    of = f" ({results.heading})" if results.heading else ""
    return (
        f"Head motion (mean framewise displacement{of}) was {'; '.join(found)}. What is left of "
        "effects given it: Quality and sensitivity."
    )


def motion_line(results: Results) -> str:
    """Say for every group whether the drug changed head motion; empty where nobody knows."""
    told = [text for text, _ in motion_sentences(results)]
    of = f" ({results.heading})" if results.heading else ""
    return f"Mean framewise displacement{of}: {'; '.join(told)}." if told else ""
