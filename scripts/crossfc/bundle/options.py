"""What a bundle is made of, and what it says besides the results."""

from typing import TypedDict


class BundleOptions(TypedDict):
    """What a bundle says besides the results.

    ``primary`` is the pipeline (empty of ready maps), ``codes`` are what codes of treatments stand
    for (empty where treatments are named), ``smallest_group`` is the number of people from which on
    a group's values are shared.
    """

    title: str
    primary: str
    groups: list[str]
    license: str | None
    smallest_group: int
    codes: dict[str, str]


class BundleSources(TypedDict):
    """The files of the results that a bundle is made of; None for a table that a study lacks.

    ``evidence`` is ``clinic/evidence.tsv``, ``sessions`` is ``quality/sessions.tsv``.
    """

    evidence: str | None
    sessions: str | None
    methods: str
    provenance: str
