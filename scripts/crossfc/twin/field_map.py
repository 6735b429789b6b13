"""Field maps of a simulated run: scans that show the field by which its readout was distorted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel
import numpy as np

from crossfc.array import RealArray, SingleArray
from crossfc.atomic import save_image, write_json
from crossfc.bids import bids_name, parse_name
from crossfc.fault import Fault
from crossfc.session.layout import raw_twin
from crossfc.twin.anatomy import world
from crossfc.twin.design import stream
from crossfc.twin.head import draw_head
from crossfc.twin.motion import rigid
from crossfc.twin.picture import Picture, apply
from crossfc.twin.scanner import bias
from crossfc.twin.susceptibility import Readout, finer, read_out

_BRIGHT = 1600.0
_NOISE = 0.01  # of the brightness of fluid
_ECHO_TIMES = (0.00492, 0.00738)  # s; fat and water are in phase in both at 3 T
_VOXEL_MM = 3.0  # of the gradient-echo scans
_MOVED = np.array([0.8, 0.8, 0.8, 0.01, 0.01, 0.01])  # standard deviations, mm and rad


def simulate_field_maps(
    kind: str,
    scan: str,
    bids_dir: str | Path,
    participant_id: str,
    readout: Readout,
    *,
    random_seed: int,
    identifier: str | None = None,
) -> None:
    """Scan field maps of a run that `simulate_raw_session` made with a readout.

    The head lies a little otherwise in each. Files are named by BIDS, with IntendedFor or, if
    there is an identifier, with B0FieldIdentifier (which the run's sidecar then gets as source).

    Parameters
    ----------
    kind : {"pair", "opposite", "phasediff", "phases", "fieldmap"}
        Spin-echo images of both polarities; a gradient-echo image of the polarity that the run
        has not; phase difference; two phases (each with magnitudes); the field in Hz.
    scan : str
        The run, relative to ``bids_dir``.
    bids_dir : path
    participant_id : str
    readout : Readout
        That of the run.
    random_seed : int
    identifier : str, optional

    Raises
    ------
    Fault
        If the kind is unknown.
    """
    paths = raw_twin(scan, bids_dir)
    image = nibabel.Nifti1Image.from_filename(paths["bold"])
    x, y, z = image.shape[:3]
    truth = json.loads(paths["truth"].read_text())
    to_t1w = np.array(truth["scanner_to_t1w"])
    random = stream(random_seed, participant_id, scan, "field map")
    head = draw_head(participant_id, random_seed)
    writer = _Writer(Path(bids_dir), scan, identifier)

    def coil(places: np.ndarray) -> np.ndarray:
        terms = np.array(truth["coil"]["terms"], np.float32)
        return bias(terms, places - np.array(truth["coil"]["middle"]))

    def picture(affine: np.ndarray, shape: tuple[int, int, int], own: Readout) -> Picture:
        return Picture(head, to_t1w, None, affine, shape, own)

    if kind in ("pair", "opposite"):
        other = _reversed(readout)
        for own in (readout, other) if kind == "pair" else (other,):
            if kind == "pair":
                own = replace(own, echo_time_s=0.0)
            _write_epi(writer, picture, coil, image.affine, (x, y, z), own, random)
        return
    if kind not in ("phasediff", "phases", "fieldmap"):
        raise Fault(f'twin: there are no field maps of the kind "{kind}"')
    affine, shape = _own_grid(image.affine, (x, y, z))
    _write_gradient_echo(writer, kind, picture, coil, affine, shape, random)


class _Writer:
    """Writes images of one ``fmap`` folder with their sidecars."""

    def __init__(self, root: Path, scan: str, identifier: str | None) -> None:
        run = PurePosixPath(scan)
        entities, _, _ = parse_name(run.name)
        self._entities = {k: v for k, v in entities.items() if k in ("sub", "ses")}
        self._folder = root / run.parent.parent / "fmap"
        inside = run.relative_to(run.parts[0])
        self._said: dict[str, Any] = {"IntendedFor": [str(inside)]}
        if identifier is not None:
            self._said = {"B0FieldIdentifier": identifier}
            sidecar = raw_twin(scan, root)["sidecar"]
            write_json(sidecar, json.loads(sidecar.read_text()) | {"B0FieldSource": identifier})

    def write(
        self, suffix: str, data: np.ndarray, affine: np.ndarray, said: dict[str, Any],
        direction: str | None = None,
    ) -> None:  # fmt: skip
        entities = self._entities | ({"dir": direction} if direction else {})
        image = nibabel.Nifti1Image(data, affine)
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
        image.header.set_xyzt_units("mm", "sec")
        save_image(self._folder / bids_name(entities, suffix, ".nii.gz"), image)
        sidecar = {"MagneticFieldStrength": 3, "Manufacturer": "simulated"} | self._said | said
        write_json(self._folder / bids_name(entities, suffix, ".json"), sidecar)


def _reversed(readout: Readout) -> Readout:
    axis = readout.direction.rstrip("-")
    return replace(readout, direction=axis if readout.direction.endswith("-") else f"{axis}-")


def _write_epi(
    writer: _Writer,
    picture: Callable[..., Picture],
    coil: Callable[[np.ndarray], np.ndarray],
    affine: np.ndarray,
    shape: tuple[int, int, int],
    readout: Readout,
    random: np.random.Generator,
) -> None:
    grid, taken = finer(affine, shape, readout.axis)
    places = world(taken, grid).astype(float)
    where = _moved(places, random)
    shown = picture(affine, shape, readout)
    values = shown.take(where, np.empty((0, 0), np.float32), np.empty(0, int)) * coil(places)
    values = values.reshape(taken)
    field = shown.off_resonance(where).reshape(taken)
    image = np.abs(_noisy(random, read_out(values, field, readout, shape)))
    said = {
        "PhaseEncodingDirection": readout.direction,
        "TotalReadoutTime": readout.total_s,
        "EchoTime": readout.echo_time_s or 0.06,
    }
    # ASSUME: the label that scanners with the usual order of rows give; it has no meaning to BIDS.
    direction = "AP" if readout.direction.endswith("-") else "PA"
    data = np.rint(_BRIGHT * image).astype(np.int16).reshape(shape)
    writer.write("epi", data, affine, said, direction)


def _write_gradient_echo(
    writer: _Writer,
    kind: str,
    picture: Callable[..., Picture],
    coil: Callable[[np.ndarray], np.ndarray],
    affine: np.ndarray,
    shape: tuple[int, int, int],
    random: np.random.Generator,
) -> None:
    places = world(shape, affine).astype(float)
    where = _moved(places, random)
    offset = random.uniform(-np.pi, np.pi) + where @ random.normal(scale=0.01, size=3)
    signals = []
    for echo_time in _ECHO_TIMES:
        shown = picture(affine, shape, Readout(echo_time_s=echo_time))
        field = shown.off_resonance(where)
        value = shown.take(where, np.empty((0, 0), np.float32), np.empty(0, int)) * coil(places)
        phase = offset + 2 * np.pi * field * echo_time
        signals.append(_noisy(random, value * np.exp(1j * phase)))
    first, second = _ECHO_TIMES
    for name, signal in zip(("magnitude1", "magnitude2"), signals, strict=True):
        name = "magnitude" if kind == "fieldmap" else name
        data = np.rint(_BRIGHT * np.abs(signal)).astype(np.int16).reshape(shape)
        writer.write(name, data, affine, {} if kind == "fieldmap" else {
            "EchoTime": first if name == "magnitude1" else second
        })  # fmt: skip
        if kind == "fieldmap":
            break
    if kind == "fieldmap":
        writer.write("fieldmap", field.reshape(shape), affine, {"Units": "Hz"})
    elif kind == "phasediff":
        phase = np.angle(signals[1] * np.conj(signals[0]))
        said = {"EchoTime1": first, "EchoTime2": second}
        writer.write("phasediff", _stored(phase, shape), affine, said)
    else:
        for name, signal, time in zip(("phase1", "phase2"), signals, _ECHO_TIMES, strict=True):
            writer.write(name, _stored(np.angle(signal), shape), affine, {"EchoTime": time})


def _stored(phase: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return phases as a Siemens scanner stores them: -4096 to 4094 for -pi to pi."""
    steps = np.clip(2 * np.floor(phase / np.pi * 2048), -4096, 4094)
    return steps.astype(np.int16).reshape(shape)


def _noisy(random: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    real, imaginary = _NOISE * random.standard_normal((2, *signal.shape))
    noisy: SingleArray = signal + real + 1j * imaginary
    return noisy


def _moved(places: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the places of the head that lie at places of the scanner, after it moved a little."""
    moved = rigid(_MOVED * random.normal(size=6), places.mean(axis=0))
    where: RealArray = apply(np.linalg.inv(moved), places)
    return where


def _own_grid(
    affine: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return a grid of other voxels over the field of view of a scan."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    x, y, z = (int(n) for n in np.ceil(sizes * shape / _VOXEL_MM) + 2)
    grid = affine.copy()
    grid[:3, :3] = affine[:3, :3] / sizes * _VOXEL_MM
    middle = affine @ np.array([*((np.array(shape) - 1) / 2), 1])
    grid[:3, 3] = middle[:3] - grid[:3, :3] @ ((np.array([x, y, z]) - 1) / 2)
    return grid, (x, y, z)
