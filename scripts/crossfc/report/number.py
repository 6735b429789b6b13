"""Numbers as a paper prints them: true minus signs, and two significant digits of small p."""

import math
from collections.abc import Mapping
from typing import Any

MISSING = "n/a"
DAGGER = "†"  # marks a p that was extrapolated instead of counted


def missing(value: Any) -> bool:
    """Return whether a value is missing (None, NaN or empty)."""
    if value is None or value == "":
        return True
    return isinstance(value, float) and math.isnan(value)


def cell(row: Mapping[str, Any], column: str) -> float:
    """Return the number in a column of a row; NaN if it is missing, or there is no such column."""
    value: Any = row.get(column)
    return math.nan if missing(value) else float(value)


def fixed(value: Any, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals and a true minus sign.

    A number that rounds to zero has no sign.
    """
    if missing(value):
        return MISSING
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(value: Any, digits: int = 2) -> str:
    """Format a number with its sign, including plus."""
    text = fixed(value, digits)
    plain = text == MISSING or text.startswith("−") or not any(c in "123456789∞" for c in text)
    return text if plain else f"+{text}"


def whole(value: Any) -> str:
    """Format a whole number; from 10 000 up, a thin space separates thousands."""
    if missing(value):
        return MISSING
    rounded = round(float(value))
    text = f"{rounded:,}" if abs(rounded) >= 10_000 else str(rounded)
    return text.replace(",", "\u2009").replace("-", "−")


def percent(share: Any) -> str:
    """Format a share (0 to 1) as a whole percentage; a small share is not printed as 0."""
    if missing(share):
        return MISSING
    told = 100 * float(share)
    return "< 1 %" if 0 < told < 0.5 else f"{told:.0f} %"


def general(value: Any, digits: int = 4) -> str:
    """Format a number with as many digits as it needs, up to ``digits`` significant ones."""
    if missing(value):
        return MISSING
    return f"{float(value):.{digits}g}".replace("-", "−")


def probability(p: Any) -> str:
    """Format a p value without its letter: ``0.21``, ``0.043``, ``0.0021``, ``1.2 × 10⁻⁵``.

    It has two decimals from 0.1 up, and two significant digits below. A p close to 0.05 keeps
    enough digits to show on which side it lies.
    """
    if missing(p):
        return MISSING
    p = float(p)
    if p <= 0:
        return "0"
    exponent = math.floor(math.log10(p))
    if exponent < -4:
        mantissa = f"{p / 10**exponent:.1f}"
        if mantissa == "10.0":
            mantissa, exponent = "1.0", exponent + 1
        return f"{mantissa} × 10{_superscript(exponent)}"
    decimals = max(2, 1 - exponent)
    while round(p, decimals) == 0.05 and p != 0.05 and decimals < 6:
        decimals += 1
    return f"{p:.{decimals}f}"


def smallest_p(n_permutations: Any, exhaustive: bool = False, copies: int = 1) -> float:
    """Compute the smallest p that the arrangements can give.

    With n random arrangements it is (1 + 0) / (1 + n). With all n arrangements it is
    ``copies`` / n, where ``copies`` counts those that give the observed statistic again, such as 2
    for sign flips tested on both sides.
    """
    if missing(n_permutations) or float(n_permutations) < 1:
        return 0.0
    n = float(n_permutations)
    return copies / n if exhaustive else 1 / (1 + n)


def p_equals(
    p: Any,
    n_permutations: Any = None,
    exhaustive: bool = False,
    copies: int = 1,
    least: float | None = None,
) -> str:
    """Format ``p = …``, marking a p that the permutations cannot make smaller.

    p = (1 + exceedances) / (1 + permutations) is never zero (Phipson & Smyth 2010). An extrapolated
    p is marked too; ``least`` is the smallest p that the extrapolation gives.
    """
    if missing(p):
        return f"p {MISSING}"
    if least is not None:
        return f"p {'≤' if float(p) <= least * 1.001 else '='} {probability(p)}{DAGGER}"
    lowest = smallest_p(n_permutations, exhaustive, copies)
    if lowest and float(p) <= lowest * 1.001:
        kind, noun = ("all ", "arrangements") if exhaustive else ("", "permutations")
        # 1 / 1001 is printed as 0.001, as further digits only come from the "+ 1".
        shown = f"{lowest:.1g}" if lowest >= 1e-4 else probability(lowest)
        return f"p = {shown} (smallest possible with {kind}{whole(n_permutations)} {noun})"
    return f"p = {probability(p)}"


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """Format an interval in brackets."""
    if missing(low) or missing(high):
        return MISSING
    return f"[{fixed(low, digits)}, {fixed(high, digits)}]"


def place(x: Any, y: Any, z: Any) -> str:
    """Format coordinates in mm: ``(38, 12, −4)``."""
    if missing(x) or missing(y) or missing(z):
        return MISSING
    parts = [fixed(v, 0 if float(v) == round(float(v)) else 1) for v in (x, y, z)]
    return f"({', '.join(parts)})"


def counted(count: int, noun: str) -> str:
    """Count things: ``1 measure``, ``2 measures``."""
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"


def listed(items: list[str], word: str = "and") -> str:
    """Join words as in a sentence: ``a, b and c``."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
