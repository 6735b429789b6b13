"""Recordings whose beats and breaths are known, as a BIDS data set has them."""

import gzip
import json
from pathlib import Path

import numpy as np

from crossfc.session.physiology.recording import RecordingFiles
from crossfc.session.physiology.trace import Trace


def beat_times(seconds: float, rate: float = 66.0, variability_ms: float = 40.0, seed: int = 0):
    """Draw times of beats with a known RMSSD: intervals swing with breathing and vary a little."""
    rng = np.random.default_rng(seed)
    times = [-5.0]
    while times[-1] < seconds + 5:
        swing = 0.03 * np.sin(2 * np.pi * 0.25 * times[-1])
        times.append(times[-1] + 60 / rate + swing + rng.normal(0, variability_ms / 3000))
    return np.array(times)


def pulse(times: np.ndarray, beats: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Draw a pulse: a wave with its top 0.2 s after each beat, and a smaller one after it."""
    values = np.zeros(len(times))
    for beat in beats:
        own = np.abs(times - beat) < 2
        since = times[own] - beat
        values[own] += np.exp(-((since - 0.2) ** 2) / 0.008)
        values[own] += 0.35 * np.exp(-((since - 0.5) ** 2) / 0.02)
    return values + noise * np.random.default_rng(seed).normal(size=len(times))


def ecg(times: np.ndarray, beats: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Draw an ECG: an R peak at each beat, with Q and S beside it and a T wave after it."""
    values = np.zeros(len(times))
    for beat in beats:
        own = np.abs(times - beat) < 1
        since = times[own] - beat
        for height, at, width in ((1, 0, 0.01), (-0.2, -0.03, 0.01), (-0.25, 0.03, 0.01)):
            values[own] += height * np.exp(-((since - at) ** 2) / (2 * width**2))
        values[own] += 0.25 * np.exp(-((since - 0.25) ** 2) / (2 * 0.04**2))
    return values + noise * np.random.default_rng(seed).normal(size=len(times))


def belt(times: np.ndarray, rate: float = 15.0, deep: tuple[float, ...] = ()) -> np.ndarray:
    """Draw a belt: cosines of one depth, of which the breaths that hold some times are deep."""
    cycle = times * rate / 60
    depth = np.ones(len(times))
    for moment in deep:
        depth[np.floor(cycle) == np.floor(moment * rate / 60)] = 3.0
    return depth * (1 - np.cos(2 * np.pi * cycle)) / 2


def trace(values: np.ndarray, hz: float, start: float = 0.0, words: str = "") -> Trace:
    return Trace(np.asarray(values, dtype=float), hz, start, words)


def write(
    folder: Path,
    columns: dict[str, np.ndarray],
    hz: float = 50.0,
    start: float = 0.0,
    stem: str = "sub-01_ses-1_task-rest",
    **fields: object,
) -> RecordingFiles:
    """Write a recording and its sidecar; ``fields`` change the sidecar (None takes a field out)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}_physio.tsv.gz"
    rows = np.column_stack(list(columns.values()))
    with gzip.open(path, "wt") as out:
        for row in rows:
            cells = ("n/a" if np.isnan(value) else f"{value:.6g}" for value in row)
            out.write("\t".join(cells) + "\n")
    sidecar = {"SamplingFrequency": hz, "StartTime": start, "Columns": list(columns)} | fields
    told = {key: value for key, value in sidecar.items() if value is not None}
    beside = folder / f"{stem}_physio.json"
    beside.write_text(json.dumps(told))
    return {"path": path, "sidecars": [beside]}
