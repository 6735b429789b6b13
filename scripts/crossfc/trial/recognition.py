"""Name the design of a trial: crossover, Williams design, incomplete blocks, arms."""

from collections import Counter
from collections.abc import Collection, Sequence

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def design_name(
    treatments: Sequence[str],
    n_periods: int,
    occasions: Sequence[str],
    orders: Collection[tuple[str, ...]],
    *,
    arms: bool,
) -> str:
    """Describe the design of a trial in words, to follow "the trial was".

    Parameters
    ----------
    treatments : sequence of str
        Labels, the reference first.
    n_periods : int
    occasions : sequence of str
        Labels, in the order of time; empty if there is one session in each period.
    orders : collection of tuple of str
        The order of treatments of each person, where it is known.
    arms : bool
        Nobody had more than one treatment.

    Returns
    -------
    str
        Such as ``a two-treatment, two-period crossover of ketamine and placebo``.
    """
    named = _listed([*treatments[1:], treatments[0]])
    at = f", with sessions at {_listed(occasions)}" if occasions else ""
    if len(treatments) == 1:
        return f"a single-arm study of {treatments[0]}{at}"
    if arms:
        return f"a comparison of the parallel arms {named}{at}"
    what = f"{_number(len(treatments))}-treatment, {_number(n_periods)}-period crossover of {named}"
    return f"a {what}{_balance(treatments, n_periods, set(orders))}{at}"


def _balance(treatments: Sequence[str], n_periods: int, orders: set[tuple[str, ...]]) -> str:
    """Name what is known of designs with these orders: replicated, incomplete, Williams."""
    if not orders:
        return ""
    if any(len(set(order)) < len(order) for order in orders):
        again = Counter(label for order in orders for label in {
            label for label in order if order.count(label) > 1
        })  # fmt: skip
        were = "was" if len(again) == 1 else "were"
        return f", in which {_listed(sorted(again))} {were} repeated"
    if n_periods < len(treatments):
        return ", in incomplete blocks"
    if len(treatments) > 2 and is_williams(treatments, orders):
        return ", in a Williams design"
    if len(treatments) > 2 and _is_latin(treatments, orders):
        return ", in a Latin square"
    return ""


def _is_latin(treatments: Sequence[str], orders: Collection[tuple[str, ...]]) -> bool:
    """Test whether every treatment comes equally often in every period, over distinct orders."""
    if any(sorted(order) != sorted(treatments) for order in orders):
        return False
    counts = Counter((period, label) for order in orders for period, label in enumerate(order))
    return len(counts) == len(treatments) ** 2 and len(set(counts.values())) == 1


def is_williams(treatments: Sequence[str], orders: Collection[tuple[str, ...]]) -> bool:
    """Test whether orders are a Latin square in which each treatment follows each other equally.

    Williams 1949, Aust J Sci Res A 2:149: balanced for first-order carry-over.
    """
    if not _is_latin(treatments, orders):
        return False
    pairs = Counter(pair for order in orders for pair in zip(order, order[1:], strict=False))
    n = len(treatments)
    return len(pairs) == n * (n - 1) and len(set(pairs.values())) == 1


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
