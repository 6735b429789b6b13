"""Words by which columns and labels of data sets tell what they are."""

import re

# Names of columns, each word by itself: `treatment_group` has both `treatment` and `group`.
_COLUMNS = {
    "treatment": (
        *("treatment", "treatments", "drug", "drugs", "substance", "compound", "intervention"),
        *("infusion", "injection", "arm"),
    ),
    # These tell other things too, such as what patients take, or whether eyes are open.
    "perhaps treatment": ("medication", "condition", "dose", "type"),
    "occasion": ("occasion", "timepoint", "visit", "day", "week", "wave", "phase"),
    "period": ("period",),
    "order": ("order", "sequence", "randomisation", "randomization", "allocation", "crossover"),
    "group": ("group", "diagnosis", "dx", "cohort", "population", "patient"),
    "covariate": ("age", "sex", "gender"),
}
_CONTROL = (
    *("placebo", "plac", "plcb", "plc", "pla", "pbo", "pcb", "saline", "sal", "sham", "vehicle"),
    *("veh", "control", "ctrl", "comparator"),
)
_HEALTHY = (
    *("hc", "hv", "hcs", "hs", "healthy", "control", "controls", "ctrl", "ctl", "con", "nc"),
    *("volunteer", "volunteers", "norm", "normal"),
)
_NOTHING = ("none", "nothing", "no", "off")
_BEFORE = ("pre", "before", "baseline", "base", "bl")
_AFTER = ("post", "after")


def words(text: str) -> list[str]:
    """Split a name into its words in lower case: ``TreatmentGroup_1`` has three."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return re.findall(r"[a-z]+|[0-9]+", apart.lower())


def is_column_of(name: str, kind: str) -> bool:
    """Test whether the name of a column says that it tells a treatment, an occasion, …."""
    return any(word in _COLUMNS[kind] for word in words(name.replace("time_point", "timepoint")))


def is_control(label: str) -> bool:
    """Test whether a treatment is a placebo or another control by its name."""
    return any(word in _CONTROL for word in words(label))


def is_healthy(label: str) -> bool:
    """Test whether a group is one of healthy people by its name."""
    return any(word in _HEALTHY for word in words(label))


def may_be_before(label: str) -> bool:
    """Test whether a label of a treatment may stand for none, as before all treatment."""
    return label.lower() in _NOTHING or time_of(label) == 0


def time_of(label: str) -> int | None:
    """Return 0 for a session before treatment and 1 for one after it; None for other labels."""
    said = set(words(label))
    return 0 if said & set(_BEFORE) else 1 if said & set(_AFTER) else None


def stem(label: str) -> tuple[str, str]:
    """Split a label into what comes before its last number, and that number."""
    found = re.fullmatch(r"(.*?)[_-]?(\d*)", label)
    assert found is not None
    return found[1], found[2]
