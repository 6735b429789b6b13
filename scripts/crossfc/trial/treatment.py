"""The treatments of a trial, as the configuration names them."""

from collections.abc import Iterable, Mapping

from crossfc.trial.configuration import Configuration


def treatment_labels(config: Configuration) -> list[str]:
    """List the treatments by their labels in the sheets, the reference first."""
    named = config["treatments"]
    return [named["control"], named["active"]] if isinstance(named, Mapping) else list(named)


def treatment_places(config: Configuration) -> dict[str, str]:
    """Return each treatment by the config key that names it, for messages."""
    named = config["treatments"]
    if isinstance(named, Mapping):
        return {f"treatments.{role}": label for role, label in named.items()}
    return {f"treatments, number {number}": label for number, label in enumerate(named, 1)}


def alternatives(names: Iterable[str]) -> str:
    """Word what a label is none of: ``neither a nor b``, ``none of a, b, c``."""
    known = list(names)
    if len(known) == 2:
        return f"neither {known[0]} nor {known[1]}"
    return f"none of {', '.join(known)}"
