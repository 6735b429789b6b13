"""Roles of the groups: the keys under which their labels go through the workflow."""

from collections.abc import Sequence

PATIENTS, CONTROLS = "patients", "controls"


def roles(labels: Sequence[str]) -> dict[str, str | None]:
    """Give each group its role, in the order in which groups are compared.

    Parameters
    ----------
    labels : sequence of str
        One or more.

    Returns
    -------
    dict
        ``patients``, ``controls`` (None of one group), ``group_3``, ``group_4``, …; of three and
        more groups only the order matters.
    """
    named = [PATIENTS, CONTROLS, *(f"group_{n}" for n in range(3, len(labels) + 1))]
    return dict(zip(named, [*labels, None] if len(labels) < 2 else labels, strict=True))


def key_of(role: str) -> str:
    """Name the config key of a role; groups beyond the second stand in a list without roles."""
    return f"groups.{role}" if role in (PATIENTS, CONTROLS) else "groups"
