"""The measures of a session that a drug may change beside connectivity, and what they are called.

Each is a column of ``quality/sessions.tsv``, or one for each seed or target. Each is tested as an
outcome (`crossfc.quality.motion`); those that could by themselves make connectivity look changed
are rivals, whose change is given to the effects on edges (`crossfc.quality.rival`) and, those of
the whole scan, to maps on request (``drug_<group>_given_<measure>``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

SEED, TARGET = "<seed>", "<target>"


@dataclass(frozen=True)
class Measure:
    """A measure of a session.

    Attributes
    ----------
    name : str
        Its column in the table of sessions; ``<seed>`` or ``<target>`` in it stand for regions.
    label : str
        In words, without the unit.
    unit : str
        Empty where there is none.
    rival : bool
        Whether it is offered as a rival explanation of effects on connectivity.
    """

    name: str
    label: str
    unit: str = ""
    rival: bool = False

    @property
    def region(self) -> Literal["seed", "target", None]:
        """Of which region of an edge it is; None if of the whole scan."""
        return "seed" if SEED in self.name else "target" if TARGET in self.name else None

    @property
    def change(self) -> str:
        """The column of its change within a person in the table of people."""
        return f"delta_{self.name}"

    @property
    def title(self) -> str:
        """The label with its unit, for tables: ``mean FD (mm)``."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def of(self, seed: str, target: str) -> "Measure":
        """Return the measure for an edge, with its regions in place of what stands for them."""

        def named(words: str) -> str:
            return words.replace(SEED, seed).replace(TARGET, target)

        return replace(self, name=named(self.name), label=named(self.label))


MEASURES = (
    Measure("mean_fd", "mean FD", "mm", rival=True),
    Measure("median_fd", "median FD", "mm"),
    Measure("share_fd_above_0.5", "share of volumes with FD > 0.5 mm"),
    Measure("volumes_defective", "volumes that are no measurement"),
    Measure("volumes_censored", "volumes censored"),
    Measure("share_censored", "share of volumes censored"),
    Measure("residual_degrees_of_freedom", "residual degrees of freedom"),
    Measure("mean_dvars", "mean DVARS", rival=True),
    Measure("tsnr_median", "median tSNR", rival=True),
    Measure("global_signal_sd", "SD of the global signal", "%", rival=True),
    Measure("global_signal_bursts", "height of bursts of the global signal", "%", rival=True),
    Measure("respiratory_motion", "respiratory share of motion", rival=True),
    Measure("head_pitch", "head pitch", "degrees", rival=True),
    Measure(
        "boundary_cost_subgenual", "cost of the boundary near the subgenual cortex", rival=True
    ),
    Measure(
        "boundary_cost_ventromedial", "cost of the boundary near ventromedial cortex", rival=True
    ),
    # From physiological recordings, where there are any.
    Measure("heart_rate", "heart rate", "1/min", rival=True),
    Measure("heart_rate_variability", "heart rate variability (RMSSD)", "ms", rival=True),
    Measure("respiration_rate", "respiration rate", "1/min", rival=True),
    Measure("respiratory_volume", "respiratory volume per time", rival=True),
    Measure("deep_breaths", "deep breaths", "1/min", rival=True),
    Measure(f"coverage_{SEED}", f"coverage of the seed {SEED}", rival=True),
    Measure(f"tsnr_{SEED}", f"tSNR of the seed {SEED}", rival=True),
    Measure(f"grey_signal_{SEED}", f"grey matter with signal of the seed {SEED}", rival=True),
    Measure(f"target_coverage_{TARGET}", f"coverage of the target {TARGET}", rival=True),
    Measure(f"target_tsnr_{TARGET}", f"tSNR of the target {TARGET}", rival=True),
    Measure(
        f"target_grey_signal_{TARGET}",
        f"grey matter with signal of the target {TARGET}",
        rival=True,
    ),
)
RIVALS = tuple(measure for measure in MEASURES if measure.rival)
# Those of a whole scan, whose change can be given to maps: name to measure.
GIVEN = {measure.name: measure for measure in RIVALS if measure.region is None}


def measures_of(columns: Iterable[str]) -> list[Measure]:
    """List the measures that a table of sessions has, those of regions one by one.

    Parameters
    ----------
    columns : iterable of str
        Columns of the table.

    Returns
    -------
    list of Measure
        In the order of the registry; of regions in the order of the columns.
    """
    names = list(columns)
    found = []
    for measure in MEASURES:
        if measure.region is None:
            found += [measure] if measure.name in names else []
        else:
            found += [measure.of(region, region) for region in _regions(measure.name, names)]
    return found


def columns_of(name: str, columns: Iterable[str]) -> list[str]:
    """List the columns of a table of sessions that hold a measure.

    Parameters
    ----------
    name : str
        Such as ``mean_fd``, or ``coverage_<seed>`` for a column of each seed.
    columns : iterable of str
        Columns of the table.
    """
    names = list(columns)
    if SEED not in name and TARGET not in name:
        return [name] if name in names else []
    return [name.partition("<")[0] + region for region in _regions(name, names)]


def kinds_of(columns: Iterable[str]) -> list[Measure]:
    """List the measures that a table of sessions has as `measures_of`, but those of regions once.

    Returns
    -------
    list of Measure
        As in the registry, in its order, whatever the order of the columns.
    """
    names = list(columns)
    return [
        own for own in MEASURES if own.name in names or (own.region and _regions(own.name, names))
    ]


def _regions(measure: str, columns: Iterable[str]) -> list[str]:
    """Name the regions of which a table has a measure, such as ``coverage_<seed>``."""
    exact = {own.name for own in MEASURES}
    start = measure.partition("<")[0]
    return [
        name.removeprefix(start) for name in columns if name.startswith(start) and name not in exact
    ]
