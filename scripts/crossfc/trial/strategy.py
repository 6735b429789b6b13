"""Read and check the file of confound strategies, which says which columns are regressed out.

Every key is checked: a misspelt key would remove nothing, although the methods text says that it
did.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

from crossfc.fault import raise_all
from crossfc.trial.document import load_yaml
from crossfc.trial.sheet import did_you_mean

# What the key ``columns`` holds: names and patterns, in lists that YAML anchors may nest.
Columns: TypeAlias = "str | list[Columns] | None"


class Retroicor(TypedDict):
    """How many harmonics of heart beat and breathing, and whether their interaction too."""

    cardiac: int
    respiratory: int
    interaction: bool


# The strategy of scans that another program cleaned. It needs no entry in the file of strategies.
CLEANED = "cleaned"
# Two harmonics of each, as Glover et al. 2000 have it.
_RETROICOR: Retroicor = {"cardiac": 2, "respiratory": 2, "interaction": False}


class Strategy(TypedDict, total=False):
    """What is regressed out of a scan; only the keys that its file has.

    ``columns`` are names and patterns of columns of the confounds table, ``compcor`` is tissue to
    number of components, ``retroicor`` and ``respiratory_volume`` are taken from recordings of
    pulse and breathing, ``methods`` is the sentence of the methods text. ``no_confounds`` says that
    nothing is to be regressed out.
    """

    columns: Columns
    compcor: dict[str, int] | None
    retroicor: Retroicor | None
    respiratory_volume: bool
    no_confounds: bool
    methods: str


_OF_CLEANED: Strategy = {
    "no_confounds": True,
    "methods": "The scans had been cleaned by another program; no confounds were regressed out.",
}


def read_strategies(path: str | Path, schema: dict[str, Any]) -> dict[str, Strategy]:
    """Read a file of confound strategies.

    Parameters
    ----------
    path : path
        The YAML file.
    schema : dict
        The JSON Schema of such files.

    Returns
    -------
    dict
        Name to strategy.

    Raises
    ------
    Fault
        One sentence per fault: unknown keys (with the most similar known one), values of a wrong
        type, or a strategy that removes nothing without ``no_confounds: true``.
    """
    from jsonschema import Draft202012Validator

    strategies: dict[str, Strategy] = load_yaml(path)
    faults = []
    for error in Draft202012Validator(schema).iter_errors(strategies):
        faults += [f"{path}, {sentence}" for sentence in _sentences(error, strategies)]
    raise_all(faults)
    own = strategies.setdefault(CLEANED, _OF_CLEANED)
    if not own.get("no_confounds"):
        raise_all(
            [
                f"{path}, strategy {CLEANED}: this is the name of what is done with scans that "
                "another program cleaned, which is nothing further; rename it"
            ]
        )
    raise_all(
        [
            f"{path}, strategy {name}: {why}"
            for name, strategy in strategies.items()
            if (why := _contradiction(strategy))
        ]
    )
    for strategy in strategies.values():
        # JSON Schema accepts 5.0 as a whole number.
        if counts := strategy.get("compcor"):
            strategy["compcor"] = {k: int(v) for k, v in counts.items()}
        if (wanted := strategy.get("retroicor")) is not None:
            whole: Retroicor = {**_RETROICOR, **wanted}
            for key in ("cardiac", "respiratory"):
                whole[key] = int(whole[key])
            strategy["retroicor"] = whole
    return strategies


def recorded_kinds(strategy: Strategy) -> list[str]:
    """Return the recordings that a strategy needs: of ``cardiac`` and ``respiratory``."""
    wanted = {**_RETROICOR, **own} if (own := strategy.get("retroicor")) is not None else {}
    kinds = [kind for kind in ("cardiac", "respiratory") if wanted.get(kind)]
    if wanted.get("interaction"):
        kinds = ["cardiac", "respiratory"]
    if strategy.get("respiratory_volume") and "respiratory" not in kinds:
        kinds.append("respiratory")
    return kinds


def flat(columns: Columns) -> list[str]:
    """Flatten nested lists of names, which YAML anchors produce, into one list."""
    if columns is None:
        return []
    if isinstance(columns, list):
        return [name for inner in columns for name in flat(inner)]
    return [columns]


def _contradiction(strategy: Strategy) -> str | None:
    compcor = strategy.get("compcor") or {}
    removes = bool(flat(strategy.get("columns"))) or any(compcor.values())
    removes = removes or bool(recorded_kinds(strategy))
    if strategy.get("no_confounds"):
        if removes:
            return "no_confounds is true, but confounds are named too; remove one of the two"
        return None
    if not removes:
        return (
            "names no confound, neither in columns nor in compcor; name some, or write "
            "retroicor or respiratory_volume for those of recordings, or no_confounds: true if "
            "nothing is to be regressed out"
        )
    return None


def _sentences(error: Any, strategies: Any) -> Iterable[str]:
    """Describe an error of the schema in sentences."""
    path = list(error.absolute_path)
    if not path:
        yield (
            "holds no strategy: write such as "
            "{p6: {columns: [trans_x, …], methods: Six motion parameters were regressed out.}}"
            if not isinstance(strategies, dict) or not strategies
            else f"{error.message}; correct it"
        )
        return
    where = f"strategy {path[0]}"
    key = ".".join(str(part) for part in path[1:] if not isinstance(part, int))
    value = error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for unknown in value:
            if unknown not in known:
                name = f"{key}.{unknown}" if key else str(unknown)
                hint = (
                    did_you_mean(str(unknown).lower(), known) or f"; known here: {', '.join(known)}"
                )
                yield f"{where}: the key {name} is unknown{hint}"
    elif error.validator == "required":
        known = error.schema["properties"]
        if any(did_you_mean(str(k), known).endswith("methods?") for k in value if k not in known):
            return  # the key is misspelt, which is reported already
        yield (
            f"{where}: has no methods; write the sentence that the methods text is to print, which "
            "says what is regressed out"
        )
    elif key == "columns":
        yield (
            f"{where}: columns holds {_odd(value)}; write a list of column names of the confounds "
            "table, such as [trans_x, trans_y]"
        )
    elif key.startswith("compcor"):
        yield f"{where}: {key} is {value!r}; write whole numbers such as {{wm: 5, csf: 5}}"
    elif key == "methods":
        yield f"{where}: methods is {value!r}; write a sentence"
    elif key.startswith("retroicor"):
        yield (
            f"{where}: {key} is {value!r}; write numbers of harmonics from 0 to 5 such as "
            "{cardiac: 2, respiratory: 2, interaction: false}"
        )
    elif key in ("no_confounds", "respiratory_volume"):
        yield f"{where}: {key} is {value!r}; write true or false"
    else:
        yield (
            f"{where} is {value!r}; write its columns, compcor and methods below its name, indented"
        )


def _odd(value: Any) -> str:
    """Return the first invalid entry of a list of columns; the whole value if it is no list."""
    if isinstance(value, list):
        return next((_odd(inner) for inner in value if not _is_column(inner)), repr(value))
    return repr(value)


def _is_column(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_column, value))
    return isinstance(value, str) and bool(value) and not any(sign.isspace() for sign in value)
