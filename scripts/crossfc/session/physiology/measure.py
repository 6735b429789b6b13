"""What the recordings of a scan say: measures of the session, and regressors for its cleaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.session.physiology.beat import Beats, Kind, find_beats
from crossfc.session.physiology.breath import Breaths, find_breaths
from crossfc.session.physiology.recording import RecordingFiles, name_of, read_recording
from crossfc.session.physiology.response import respiratory_volume_regressor
from crossfc.session.physiology.retroicor import (
    cardiac_phase,
    harmonics,
    interaction,
    respiratory_phase,
)
from crossfc.session.physiology.trace import Trace
from crossfc.trial.strategy import Strategy, recorded_kinds

Found = TypeVar("Found")


class PhysiologyQuality(TypedDict):
    """Measures of the recordings of a session; None if nothing usable was recorded.

    ``heart_rate`` and ``respiration_rate`` are per minute, ``heart_rate_variability`` is RMSSD in
    ms, ``respiratory_volume`` the mean and ``respiratory_volume_sd`` the standard deviation of the
    respiratory volume per time (standard deviations of the belt's trace per second),
    ``deep_breaths`` per minute. ``physiology_note`` says what could not be used and why; None
    where there is nothing to say, as without recordings.
    """

    heart_rate: float | None
    heart_rate_variability: float | None
    respiration_rate: float | None
    respiratory_volume: float | None
    respiratory_volume_sd: float | None
    deep_breaths: float | None
    physiology_note: str | None


@dataclass(frozen=True)
class Physiology:
    """The recordings of a scan, as far as they can be used.

    Attributes
    ----------
    beats : Beats or None
    breaths : Breaths or None
    reasons : dict
        ``cardiac`` and ``respiratory`` to why what was recorded cannot be used.
    notes : list of str
        Sentences on what could not be used, and on what is odd.
    """

    beats: Beats | None = None
    breaths: Breaths | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def quality(self) -> PhysiologyQuality:
        """Return the measures of the session."""
        volume, deviation = (None, None) if self.breaths is None else self.breaths.volume
        return {
            "heart_rate": None if self.beats is None else self.beats.rate,
            "heart_rate_variability": None if self.beats is None else self.beats.variability,
            "respiration_rate": None if self.breaths is None else self.breaths.rate,
            "respiratory_volume": volume,
            "respiratory_volume_sd": deviation,
            "deep_breaths": None if self.breaths is None else self.breaths.deep,
            "physiology_note": "; ".join(self.notes) or None,
        }

    def lacking(self, strategy: Strategy) -> list[str]:
        """Say which recordings a strategy needs and the session does not have, and why."""
        there = {"cardiac": self.beats is not None, "respiratory": self.breaths is not None}
        needed = "recording, which the confound strategy needs"
        return [
            f"no usable {kind} {needed}: {why}" if why else f"no {kind} {needed}"
            for kind in recorded_kinds(strategy)
            if not there[kind]
            for why in [self.reasons.get(kind)]
        ]

    def regressors(self, strategy: Strategy, times: FloatArray) -> dict[str, FloatArray]:
        """Return the columns that a strategy takes from recordings.

        Parameters
        ----------
        strategy : Strategy
            Of which `lacking` says nothing.
        times : (n_volumes,) float
            The moment of each volume, in seconds from the start of the first.

        Returns
        -------
        dict
            Name to (n_volumes,) float64; NaN in volumes without a recording.
        """
        columns: dict[str, FloatArray] = {}
        if wanted := strategy.get("retroicor"):
            phases: dict[str, FloatArray] = {}
            if self.beats is not None:
                phases["cardiac"] = cardiac_phase(self.beats, times)
                columns |= harmonics(phases["cardiac"], "cardiac", wanted["cardiac"])
            if self.breaths is not None:
                phases["respiratory"] = respiratory_phase(self.breaths, times)
                columns |= harmonics(phases["respiratory"], "respiratory", wanted["respiratory"])
            if wanted["interaction"]:
                columns |= interaction(phases["cardiac"], phases["respiratory"])
        if self.breaths is not None and strategy.get("respiratory_volume"):
            columns["respiratory_volume"] = respiratory_volume_regressor(self.breaths, times)
        return columns


def read_physiology(
    recordings: Sequence[RecordingFiles],
    seconds: float,
    repetition_time: float,
    cardiac: Kind | None = None,
    absent: Sequence[str] = (),
) -> Physiology:
    """Read the recordings of a scan.

    Parameters
    ----------
    recordings : sequence of RecordingFiles
        Those of the scan; beats and breaths may be in two.
    seconds : float
        Length of the scan.
    repetition_time : float
        Seconds per volume.
    cardiac : {"pulse", "ecg"}, optional
        What the cardiac trace is; told from the data if None.
    absent : sequence of str
        Sentences on recordings whose content is not here.

    Returns
    -------
    Physiology
        What cannot be used is said there; nothing is raised.
    """
    traces: dict[str, tuple[str, Trace]] = {}
    notes = list(absent)
    kinds = ("cardiac", "respiratory")
    reasons = dict.fromkeys(kinds, notes[0]) if notes else {}
    for files in recordings:
        name = name_of(files["path"])
        try:
            found = read_recording(files)
        except Fault as fault:
            notes.append(str(fault))
            reasons = dict.fromkeys(kinds, str(fault))
            continue
        if not found:
            notes.append(f"{name} has neither a cardiac nor a respiratory trace in its Columns")
        for kind, trace in found.items():
            if kind in traces and kind != "trigger":
                notes.append(f"{name}: its {kind} trace is not used, that of {traces[kind][0]} is")
            traces.setdefault(kind, (name, trace))

    def of_kind(kind: str, find: Callable[[Trace], Found]) -> Found | None:
        if kind not in traces:
            return None
        name, trace = traces[kind]
        try:
            return find(trace)
        except Fault as fault:
            reasons[kind] = f"{name}, {kind}: {fault}"
            notes.append(reasons[kind])
            return None

    beats = of_kind("cardiac", lambda trace: find_beats(trace, seconds, cardiac))
    breaths = of_kind("respiratory", lambda trace: find_breaths(trace, seconds))
    if "trigger" in traces and (odd := _odd_start(*traces["trigger"], repetition_time)):
        notes.append(odd)
    return Physiology(beats, breaths, reasons, notes)


def _odd_start(name: str, trigger: Trace, repetition_time: float) -> str | None:
    """Say where the triggers of the scanner contradict StartTime; None where they do not."""
    known = np.nan_to_num(trigger.values)
    high = known > (known.min() + known.max()) / 2
    onsets = trigger.times[1:][high[1:] & ~high[:-1]]
    # Volumes that were taken before the first of the scan have triggers too.
    if not len(onsets) or np.abs(onsets).min() <= repetition_time:
        return None
    return (
        f"{name}: no trigger of the scanner is at the start of the scan as StartTime has it (the "
        f"first is at {onsets[0]:.1f} s); StartTime is used, so look whether it is right"
    )
