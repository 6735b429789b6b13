"""Contrasts: what is compared within a person, as weights over cells (treatment and occasion)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import Configuration
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.treatment import treatment_labels

# Keys of a contrast's weights that are no treatment.
BEFORE = "n/a"  # sessions before all treatment
ANY = "any"  # sessions at an occasion, whatever the treatment
# The contrast of a trial of two treatments that names none.
DRUG = "drug"
TIME = "time"
# Words that stand for something else in the names of analyses.
_TAKEN = ("all", "carryover", "change", "group", "paired", "pairs")
# The key of a contrast that gives doses in place of weights.
DOSES = "doses"
# What is done with the baseline of every period (config key ``baseline``).
NO_BASELINE, PERIOD, DIFFERENCE = "none", "period", "difference"
_SMALL = 1e-9  # of a sum of weights such as 1/3, 1/3, 1/3, -1


class Cell(NamedTuple):
    """What a person is measured under: a treatment (or `BEFORE`, or `ANY`) and an occasion.

    The occasion is None in a trial with one session in each period.
    """

    treatment: str
    occasion: str | None

    @property
    def label(self) -> str:
        """The cell in words, such as ``ketamine day2``."""
        under = "" if self.treatment in (BEFORE, ANY) and self.occasion else self.treatment
        return " ".join(filter(None, (under, self.occasion)))


class CellWeight(TypedDict):
    """The weight of a cell in a contrast, as records have it."""

    treatment: str
    occasion: str | None
    weight: float


@dataclass(frozen=True)
class Contrast:
    """What is compared within a person: D = Σ w(c) Z(c) over cells c, with Σ w = 0.

    Attributes
    ----------
    name : str
        Part of the names of analyses and files.
    weights : tuple of (Cell, float)
        The cells whose weight is not zero, those with positive weights first.
    baseline : tuple of (Cell, float)
        The cells of the baseline that is a covariate: B = Σ w(c) Z(baseline of c's period). Empty
        where there is none.
    """

    name: str
    weights: tuple[tuple[Cell, float], ...]
    baseline: tuple[tuple[Cell, float], ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """All cells that a person needs: of the contrast, then of its baseline."""
        return list(dict.fromkeys(cell for cell, _ in (*self.weights, *self.baseline)))

    @property
    def cell_weights(self) -> list[CellWeight]:
        """The weights as plain structures."""
        return [{"treatment": cell.treatment, "occasion": cell.occasion, "weight": weight}
                for cell, weight in self.weights]  # fmt: skip

    @property
    def over_time(self) -> bool:
        """Whether occasions are compared, so that time may have done what treatment seems to do.

        They are if the weights at some occasion do not add up to zero, or a cell is of no
        treatment by name.
        """
        sums: dict[str | None, float] = {}
        for cell, weight in self.weights:
            sums[cell.occasion] = sums.get(cell.occasion, 0.0) + weight
        of_none = any(cell.treatment in (BEFORE, ANY) for cell, _ in self.weights)
        return of_none or any(abs(total) > _SMALL for total in sums.values())

    @property
    def baseline_within(self) -> bool:
        """Whether the baseline is a contrast within people, whose expectation is zero.

        Else (after minus before, of which the baseline is a part) it is a covariate only of a
        comparison between people.
        """
        return bool(self.baseline) and abs(sum(w for _, w in self.baseline)) < _SMALL

    @property
    def active(self) -> str:
        """The cells with positive weights in words, from which the others are subtracted."""
        return side_label([(cell, w) for cell, w in self.weights if w > 0])

    @property
    def control(self) -> str:
        """The cells with negative weights in words."""
        return side_label([(cell, -w) for cell, w in self.weights if w < 0])

    @property
    def sides(self) -> dict[str, str]:
        """Labels of both sides: ``active`` and ``control``."""
        return {"active": self.active, "control": self.control}

    @property
    def effect(self) -> str:
        """What the contrast shows, in a few words.

        ``ketamine``, ``change from before to after``, or the name of a contrast whose sides are
        more than one cell each and no mean.
        """
        if self.is_occasion("active") and self.is_occasion("control"):
            return f"change from {self.control} to {self.active}"
        weighed = any(" + " in side or side[:1].isdigit() for side in self.sides.values())
        return self.name if weighed else self.active

    def is_occasion(self, side: str) -> bool:
        """Test whether ``active`` or ``control`` consists of occasions under no treatment named."""
        own = [c for c, weight in self.weights if (weight > 0) == (side == "active")]
        return all(cell.treatment in (BEFORE, ANY) for cell in own)

    @property
    def treatments(self) -> tuple[str, str] | None:
        """The two treatments that change places in this contrast, if there are such.

        These are two treatments that have the opposite weight at every occasion, and no other cell
        has a weight. In a trial of two periods the sign of D then tells which of the two came
        first.
        """
        of: dict[str, dict[str | None, float]] = {}
        for cell, weight in self.weights:
            of.setdefault(cell.treatment, {})[cell.occasion] = weight
        if len(of) != 2 or {BEFORE, ANY} & set(of):
            return None
        first, second = of
        if set(of[first]) != set(of[second]):
            return None
        if any(abs(of[first][o] + of[second][o]) > _SMALL for o in of[first]):
            return None
        return first, second


def side_label(side: Sequence[tuple[Cell, float]]) -> str:
    """Put one side of a contrast into words.

    ``ketamine``, ``ketamine day2``, ``mean of ketamine day2 and ketamine day10``, or weights and
    cells where the weights are neither 1 nor shares of 1.
    """
    names = [cell.label for cell, _ in side]
    weights = [weight for _, weight in side]
    if len(side) == 1 and abs(weights[0] - 1) < _SMALL:
        return names[0]
    if len(side) > 1 and all(abs(w - 1 / len(side)) < _SMALL for w in weights):
        return f"mean of {', '.join(names[:-1])} and {names[-1]}"
    each = zip(names, weights, strict=True)
    return " + ".join(name if abs(w - 1) < _SMALL else f"{w:.3g} {name}" for name, w in each)


def difference_label(active: str, control: str) -> str:
    """Put both sides of a contrast into words; a side that is a sum is in brackets."""
    return f"{side_in_difference(active)} − {side_in_difference(control)}"


def side_in_difference(side: str) -> str:
    """Put one side of a contrast as it stands in a difference: a sum in brackets."""
    return f"({side})" if " + " in side else side


def read_contrasts(config: Configuration, *, arms: bool) -> list[Contrast]:
    """Read the contrasts of the configuration, or make the default ones.

    Parameters
    ----------
    config : Configuration
    arms : bool
        Nobody had more than one treatment, so that treatments are compared between people.

    Returns
    -------
    list of Contrast

    Raises
    ------
    Fault
        One sentence per fault of the key ``contrasts``.
    """
    return _with_baselines(config, _contrasts(config, arms), arms)


def _contrasts(config: Configuration, arms: bool) -> list[Contrast]:
    occasions = config["occasions"]
    main = main_occasion(config)
    if not config["contrasts"]:
        return _default(config, arms)
    known = [*treatment_labels(config), BEFORE, ANY]
    found, faults = [], []
    for name, given in config["contrasts"].items():
        place = f"config key contrasts.{name}"
        weights: dict[Cell, float] = {}
        if DOSES in given and DOSES not in known:
            doses = given[DOSES]
            weights, wrong = _trend(place, doses, treatment_labels(config), main)
            wrong += [
                f"{place}: beside {DOSES} stands {label!r}; a trend over doses has no other weights"
                for label in given
                if label != DOSES
            ]
            faults += wrong or _unsound(place, name, weights)
            found.append(contrast(name, weights))
            continue
        for label, own in given.items():
            if label not in known:
                faults.append(
                    f"{place}: {label!r} is none of {', '.join(known)}"
                    f"{did_you_mean(label, known) or '; correct it'}"
                )
                continue
            for occasion, weight in own.items() if isinstance(own, Mapping) else [(main, own)]:
                if isinstance(own, Mapping) and occasion not in occasions:
                    faults.append(
                        f"{place}.{label}: {occasion!r} is none of the occasions"
                        + (
                            f" {', '.join(occasions)}{did_you_mean(occasion or '', occasions)}"
                            if occasions
                            else "; list them in the config key occasions"
                        )
                    )
                weights[Cell(label, occasion)] = float(weight)
        faults += _unsound(place, name, weights)
        found.append(contrast(name, weights))
    raise_all(faults)
    return found


def _trend(
    place: str, doses: object, treatments: list[str], occasion: str | None
) -> tuple[dict[Cell, float], list[str]]:
    """Return the weights whose contrast is the slope over doses, per unit of dose, and faults.

    Least squares over treatments at equal shares: w = (dose - mean dose) / Σ (dose - mean dose)².
    """
    if not isinstance(doses, Mapping) or not doses:
        return {}, [f"{place}.{DOSES}: write the dose of each treatment, such as {{placebo: 0, …}}"]
    strange = [label for label in doses if label not in treatments]
    faults = [
        f"{place}.{DOSES}: {label!r} is none of the treatments {', '.join(treatments)}"
        f"{did_you_mean(label, treatments) or '; correct it'}"
        for label in strange
    ]
    mean = sum(doses.values()) / len(doses)
    squares = sum((dose - mean) ** 2 for dose in doses.values())
    if not faults and squares == 0:
        faults = [f"{place}.{DOSES}: all doses are the same, so they have no trend; correct them"]
    if faults:
        return {}, faults
    return {Cell(t, occasion): (dose - mean) / squares for t, dose in doses.items()}, []


def _with_baselines(config: Configuration, contrasts: list[Contrast], arms: bool) -> list[Contrast]:
    """Add the baseline of each period to contrasts, as a covariate or as a difference.

    Raises
    ------
    Fault
        If the config keys ``baseline`` and ``baseline_occasion`` do not fit, or no contrast has a
        use for the baseline.
    """
    occasion, how = config["baseline_occasion"], _use_of_baseline(config)
    if how == NO_BASELINE:
        return contrasts
    known = config["occasions"]
    if occasion not in known:
        said = "it is left out" if occasion is None else f"{occasion!r} is none of the occasions"
        listed = ", ".join(known) or "none: list them in the config key occasions"
        raise Fault(
            f"config key baseline_occasion: {said} where baseline is {how}; name the occasion "
            f"at which every period's baseline was measured (occasions: {listed})"
            f"{did_you_mean(occasion or '', known)}"
        )
    if config["entry"] == "maps" and config["maps"]["level"] == "contrast":
        raise Fault(
            "config key baseline: ready contrast maps (maps.level: contrast) hold no baselines; "
            "give maps of sessions (maps.level: session), or leave baseline_occasion out"
        )
    later = known[: known.index(str(occasion))]
    if wrong := [(of, c) for of in contrasts for c, _ in of.weights if c.occasion in later]:
        of, cell = wrong[0]
        raise Fault(
            f"config key baseline_occasion: {occasion} comes later than {cell.occasion}, which the "
            f"contrast {of.name} uses, and a baseline is measured before; name the occasion before "
            f"each dose (occasions are listed in the order of time: {', '.join(known)})"
        )
    found = [with_baseline(of, config, arms) for of in contrasts]
    if found == contrasts:
        raise Fault(
            f"config key baseline: {how}: no contrast has a use for {occasion}: a change since "
            f"{occasion} within people contains it already; leave baseline_occasion out, or "
            "compare treatments at a later occasion (config key contrasts)"
        )
    return found


def _use_of_baseline(config: Configuration) -> str:
    return config["baseline"] or (PERIOD if config["baseline_occasion"] else NO_BASELINE)


def with_baseline(of: Contrast, config: Configuration, arms: bool) -> Contrast:
    """Add the baseline of each period to a contrast, as the configuration wants it.

    Parameters
    ----------
    of : Contrast
    config : Configuration
    arms : bool
        Treatments are compared between people.

    Returns
    -------
    Contrast
        The same contrast where it has no use for the baseline.
    """
    occasion, how = config["baseline_occasion"], _use_of_baseline(config)
    weights: dict[Cell, float] = {}
    for cell, weight in of.weights:
        if cell.occasion != occasion and cell.treatment != BEFORE:
            own = Cell(cell.treatment, occasion)
            weights[own] = weights.get(own, 0.0) + weight
    weights = {cell: weight for cell, weight in weights.items() if abs(weight) > _SMALL}
    within = bool(weights) and abs(sum(weights.values())) < _SMALL
    if how == PERIOD and (within or (weights and arms)):
        return replace(of, baseline=contrast(of.name, weights).weights)
    has_it = any(cell.occasion == occasion for cell, _ in of.weights)
    if how == DIFFERENCE and within and not has_it:
        whole = dict(of.weights)
        for cell, weight in weights.items():
            whole[cell] = whole.get(cell, 0.0) - weight
        return contrast(of.name, whole)
    return of


def contrast(name: str, weights: Mapping[Cell, float]) -> Contrast:
    """Make a contrast; cells with weight zero are left out."""
    cells = sorted(weights.items(), key=lambda of: of[1] < 0)
    return Contrast(name, tuple((cell, weight) for cell, weight in cells if weight))


def main_occasion(config: Configuration) -> str | None:
    """Return the occasion at which treatments are compared by default, None if there is one only.

    Raises
    ------
    Fault
        If the config key names an occasion that is not listed.
    """
    occasions, main = config["occasions"], config["main_occasion"]
    if main is not None and main not in occasions:
        raise Fault(
            f"config key main_occasion: {main!r} is none of the occasions"
            f"{' ' if occasions else ''}{', '.join(occasions)}"
            f"{did_you_mean(main, occasions)}; name one of the key occasions"
        )
    return main or (occasions[-1] if occasions else None)


def _default(config: Configuration, arms: bool) -> list[Contrast]:
    """Make the contrasts of a trial that names none."""
    main = main_occasion(config)
    reference, *others = treatment_labels(config)
    if others and not arms:
        named = [DRUG] if len(others) == 1 else [_as_name(other) for other in others]
        return [
            contrast(name, {Cell(other, main): 1.0, Cell(reference, main): -1.0})
            for name, other in zip(named, others, strict=True)
        ]
    first = config["occasions"][0] if config["occasions"] else None
    if first == main:
        what = "nobody had more than one treatment" if others else "there is one treatment"
        raise Fault(
            f"config key occasions: {what}, so a change over time is all that can be compared "
            "within people; list two occasions or more in the order of time (such as [before, "
            "after]), and add the column occasion to the sheet of sessions"
        )
    return [contrast(TIME, {Cell(ANY, main): 1.0, Cell(ANY, first): -1.0})]


def _as_name(label: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "", label)


def _unsound(place: str, name: str, weights: Mapping[Cell, float]) -> list[str]:
    faults = faults_of_name(place, name)
    total = sum(weights.values())
    if not any(weights.values()):
        faults.append(f"{place}: all weights are zero; give at least one positive and one negative")
    elif abs(total) > 1e-6 * max(1e-300, max(map(abs, weights.values()))):
        faults.append(
            f"{place}: the weights add up to {total:.4g}, and a contrast's to zero; write such as "
            "{drug: 1, placebo: -1}"
        )
    return faults


def faults_of_name(place: str, name: str) -> list[str]:
    """List the faults of the name of a contrast, or of a set of them."""
    faults = []
    if not re.fullmatch("[A-Za-z][A-Za-z0-9]{0,39}", name):
        faults.append(
            f"{place}: the name becomes part of file names; use up to 40 letters and digits, a "
            "letter first"
        )
    if name.lower() in _TAKEN:
        faults.append(f"{place}: {name} names something else among the analyses; rename it")
    return faults


def named_twice(contrasts: Iterable[Contrast]) -> list[str]:
    """List the names that several contrasts have."""
    names = [contrast.name for contrast in contrasts]
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
