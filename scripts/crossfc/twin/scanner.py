"""A simulated scanner: raw BIDS scans whose geometry, motion and signal are known."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import nibabel
import numpy as np
from scipy import ndimage

from crossfc.array import FloatArray, SingleArray
from crossfc.atomic import save_image, write_json, write_text
from crossfc.bids import bids_name, parse_name
from crossfc.fault import Fault
from crossfc.session.displacement import PARAMETERS
from crossfc.trial.regions import RegionRow
from crossfc.trial.sheet import format_sheet
from crossfc.twin.anatomy import world
from crossfc.twin.design import SessionTruth, stream
from crossfc.twin.head import T1_CONTRAST, Head, around_at, brain_at, draw_head
from crossfc.twin.motion import rigid, simulate_motion
from crossfc.twin.picture import Picture, apply
from crossfc.twin.signal import CONTRAST, SignalModel
from crossfc.twin.susceptibility import Readout, finer, read_out

_BRAIN_CENTRE = np.array([[0.0, -18.0, 8.0]])  # of the template, mm
_FIELD_CENTRE = np.array([[0.0, -18.0, 17.0]])  # so that cerebellum is cut off, not the vertex
_BRIGHT = 1600.0  # intensity of fluid in the EPI
_NOISE = 1.1  # per cent of the intensity of grey matter
_NON_STEADY = (0.20, 0.05, 0.01)


def slice_times(slices: int, repetition_time: float) -> list[float]:
    """Return the acquisition time of each slice, s: ascending, interleaved, starting at slice 0."""
    order = [*range(0, slices, 2), *range(1, slices, 2)]
    times = [0.0] * slices
    for place, index in enumerate(order):
        times[index] = round(place * repetition_time / slices, 6)
    return times


def write_dataset(
    bids_dir: str | Path,
    participants: Iterable[Mapping[str, object]],
    *,
    repetition_time: float,
    task: str,
) -> None:
    """Write the files at the root of a raw BIDS data set.

    They are dataset_description.json, README, participants.tsv and the sidecar that all runs
    inherit.

    Parameters
    ----------
    bids_dir : path
    participants : list of dict
        Rows of the sheet.
    repetition_time : float
        Seconds.
    task : str
    """
    folder = Path(bids_dir)
    write_json(
        folder / "dataset_description.json",
        {
            "Name": "crossfc digital twin, raw scans",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["crossfc"],
            "Acknowledgements": "Simulated on the ICBM 2009a template; no person was scanned.",
        },
    )
    write_text(
        folder / "README",
        "Simulated scans of a drug-crossover trial. What was planted is in sourcedata/truth.\n",
    )
    columns = ["participant_id", "age", "sex", "group"]
    write_text(folder / "participants.tsv", format_sheet(columns, participants))
    write_json(
        folder / f"task-{task}_bold.json",
        {
            "TaskName": task,
            "RepetitionTime": repetition_time,
            "EchoTime": 0.03,
            "FlipAngle": 80,
            "MagneticFieldStrength": 3,
            "Manufacturer": "simulated",
        },
    )


def simulate_raw_anatomy(
    participant_id: str,
    path: str | Path,
    truth_path: str | Path | None = None,
    *,
    voxel_mm: float = 1.2,
    random_seed: int,
) -> None:
    """Simulate a T1-weighted scan of a whole head: oblique, with a bias field and noise.

    Parameters
    ----------
    participant_id : str
    path : path
        The ``_T1w.nii.gz`` to write; its sidecar is written beside it.
    truth_path : path, optional
        Where to write the transform from this head to the template (JSON).
    voxel_mm : float
        Isotropic voxel size, between 0.7 and 4.
    random_seed : int

    Raises
    ------
    Fault
        If the voxel size is out of range.
    """
    if not 0.7 <= voxel_mm <= 4:
        raise Fault(f"twin: T1w voxels of {voxel_mm} mm; choose between 0.7 and 4")
    head = draw_head(participant_id, random_seed)
    random = stream(random_seed, participant_id, "T1w")
    i, j, k = (int(np.ceil(field / voxel_mm)) for field in (192, 246, 240))
    shape = (i, j, k)
    turn = rigid(np.concatenate([np.zeros(3), random.normal(scale=0.03, size=3)]))[:3, :3]
    middle = head.from_template(_BRAIN_CENTRE)[0] + [0, 0, -18]  # more neck than air
    affine = _grid(turn * voxel_mm, shape, middle + random.normal(scale=2, size=3))
    xyz = world(shape, affine)
    image = np.empty(len(xyz), np.float32)
    # Computed in slabs, because a whole head at 1 mm would need gigabytes of memory.
    for start in range(0, len(xyz), 1_000_000):
        slab = head.to_template(xyz[start : start + 1_000_000])
        brain = brain_at("t1", slab)
        around = around_at(slab)
        other = sum(T1_CONTRAST[kind] * fraction for kind, fraction in around.items())
        image[start : start + len(slab)] = np.where(brain > 0.15, brain, other)
    offset = xyz - affine[:3, :3] @ (np.array(shape) / 2) - affine[:3, 3]
    image *= bias(_bias_terms(random, 0.18), offset)
    image = _rician(random, image, 0.018).reshape(shape)
    image = ndimage.gaussian_filter(image, 0.35)
    _write_image(path, np.rint(1000 * image).astype(np.int16), affine)
    entities, suffix, _ = parse_name(Path(path).name)
    write_json(
        Path(path).with_name(bids_name(entities, suffix, ".json")),
        {"MagneticFieldStrength": 3, "Manufacturer": "simulated", "RepetitionTime": 2.3},
    )
    if truth_path is not None:
        write_json(truth_path, {"t1w_to_template": head.describe()})


def simulate_raw_session(
    participant_id: str,
    session_id: str,
    truth: SessionTruth,
    seeds: Iterable[RegionRow],
    targets: Iterable[RegionRow],
    paths: dict[str, Path],
    *,
    scan: str | None = None,
    matrix: int = 64,
    slices: int = 36,
    voxel_mm: float | tuple[float, float, float] = 3.5,
    orientation: str = "axial",
    volumes: int,
    repetition_time: float,
    non_steady_volumes: int = 2,
    readout: Readout | None = None,
    random_seed: int,
) -> None:
    """Simulate one raw resting-state run in scanner space, with head motion and slice timing.

    The signal is that of `crossfc.twin.bold.simulate_session`. It is mapped from the template to
    the head, and sampled at the time of each slice.

    Parameters
    ----------
    participant_id, session_id, truth, seeds, targets, scan, random_seed
        As in `crossfc.twin.bold.simulate_session`.
    paths : dict
        Where to write ``bold``, ``sidecar``, ``motion`` (TSV) and ``truth`` (JSON).
    matrix, slices : int
        The shape of a volume is (matrix, matrix, slices).
    voxel_mm : float or tuple of float
        Voxel size, isotropic or along each axis.
    orientation : {"axial", "sagittal"}
        Orientation of the slices; axial ones are tilted.
    volumes : int
    repetition_time : float
        Seconds.
    non_steady_volumes : int
        Number of brighter volumes at the start, 0 to 3.
    readout : Readout, optional
        If given, the air in the head distorts the run and takes signal from it, as
        `crossfc.twin.susceptibility` says. `crossfc.twin.field_map` scans the field maps for it.

    Raises
    ------
    Fault
        If the orientation is unknown, or a region is not a sphere.
    """
    seeds, targets = list(seeds), list(targets)
    scan = scan or next(iter(truth["mean_fd"]))
    key = (random_seed, participant_id, session_id, scan)
    head = draw_head(participant_id, random_seed)
    random = stream(*key, "scanner")
    # The head does not lie exactly as for the T1w: scanner (mm) to T1w (mm).
    lie = np.concatenate([random.normal(scale=4, size=3), random.normal(scale=0.035, size=3)])
    middle = head.from_template(_BRAIN_CENTRE)
    to_t1w = rigid(lie, centre=middle[0])
    centre = apply(np.linalg.inv(to_t1w), head.from_template(_FIELD_CENTRE))[0]
    shape = (matrix, matrix, slices)
    axes = _axes(orientation, random) * np.asarray(voxel_mm, float)
    affine = _grid(axes, shape, centre + random.normal(scale=3, size=3))
    timing = slice_times(slices, repetition_time)
    middles = (np.arange(volumes) + 0.5) * repetition_time
    motion = simulate_motion(
        stream(*key, "motion"), volumes, repetition_time, truth["mean_fd"][scan]
    )
    model = SignalModel(truth, seeds, targets, key, middles)
    picture = Picture(head, to_t1w, model, affine, shape, readout)
    taken, grid = shape, affine
    if readout is not None:
        grid, taken = finer(affine, shape, readout.axis)
    places = world(taken, grid).astype(float)
    coil_terms = _bias_terms(random, 0.15)
    coil = bias(coil_terms, places - centre)
    noise = stream(*key, "thermal")
    slice_of = np.indices(taken)[2].ravel() * slices // taken[2]
    data = np.empty((*shape, volumes), np.int16, order="F")
    for volume in range(volumes):
        where = apply(np.linalg.inv(rigid(motion[volume], centre)), places)
        now = model.courses(volume * repetition_time + np.array(timing))
        frame = picture.take(where, now.astype(np.float32), slice_of) * coil
        if readout is not None:
            field = picture.off_resonance(where).reshape(taken)
            frame = read_out(frame.reshape(taken), field, readout, shape)
        if volume < non_steady_volumes:
            frame *= 1 + _NON_STEADY[volume]
        frame = _rician(noise, frame, 0.01 * _NOISE * CONTRAST["gm"])
        data[..., volume] = np.rint(_BRIGHT * frame).astype(np.int16).reshape(shape)
    _write_image(paths["bold"], data, affine, repetition_time)
    said = {
        "TaskName": parse_name(PurePosixPath(scan).name)[0].get("task", "rest"),
        "RepetitionTime": repetition_time,
        "SliceTiming": timing,
        "PhaseEncodingDirection": "j",
        "EchoTime": 0.03,
    }
    if readout is not None:
        said["PhaseEncodingDirection"] = readout.direction
        said["EchoTime"] = readout.echo_time_s
        said["TotalReadoutTime"] = readout.total_s
    write_json(paths["sidecar"], said)
    rows = [dict(zip(PARAMETERS, map(repr, row.tolist()), strict=True)) for row in motion]
    write_text(paths["motion"], format_sheet(list(PARAMETERS), rows))
    told = _describe(head, to_t1w, centre, model, truth)
    if readout is not None:
        told["coil"] = {"terms": coil_terms.tolist(), "middle": centre.tolist()}
    write_json(paths["truth"], told)


def _axes(orientation: str, random: np.random.Generator) -> np.ndarray:
    """Return the directions of the voxel axes as columns, shape (3, 3)."""
    if orientation == "axial":
        tilt = np.array([-0.25 + random.normal(scale=0.04), *random.normal(scale=0.03, size=2)])
        return rigid(np.concatenate([np.zeros(3), tilt]))[:3, :3]
    if orientation == "sagittal":
        # The order of axes is that of dcm2niix for ds005917: anterior to posterior, upwards,
        # sideways.
        columns = np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]], float)
        tilt = random.normal(scale=0.02, size=3)
        axes: FloatArray = rigid(np.concatenate([np.zeros(3), tilt]))[:3, :3] @ columns
        return axes
    raise Fault(f'twin: slices are "axial" or "sagittal", not "{orientation}"')


def _grid(axes: np.ndarray, shape: tuple[int, ...], centre: np.ndarray) -> np.ndarray:
    """Return the affine with the given axes (columns, mm) whose middle voxel is at ``centre``."""
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = centre - axes @ ((np.array(shape) - 1) / 2)
    return affine


def _bias_terms(random: np.random.Generator, strength: float) -> np.ndarray:
    """Draw the terms of a coil's sensitivity (see `bias`), shape (6,)."""
    terms: SingleArray = random.normal(scale=strength, size=6).astype(np.float32)
    return terms


def bias(terms: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the smooth sensitivity of a coil, about 1, shape (n,).

    Parameters
    ----------
    terms : ndarray of float32, shape (6,)
        Of the exponent: along x, y, z, xy, yy - zz, xz; per 100 mm and its square.
    offset : ndarray, shape (n, 3)
        From the middle of the coil, mm.
    """
    x, y, z = (np.asarray(offset, np.float32) / np.float32(100)).T
    a, b, c, d, e, f = terms
    squares = e * (y * y - z * z)
    sensitivity: SingleArray = np.exp(a * x + b * y + c * z + d * x * y + squares + f * x * z)
    return sensitivity


def _rician(random: np.random.Generator, image: np.ndarray, spread: float) -> np.ndarray:
    """Add Rician noise to a magnitude image (Gudbjartsson and Patz 1995, Magn Reson Med 34:910)."""
    real, imaginary = spread * random.standard_normal((2, *image.shape), np.float32)
    noisy: SingleArray = np.hypot(image + real, imaginary)
    return noisy


def _write_image(
    path: str | Path, data: np.ndarray, affine: np.ndarray, repetition_time: float | None = None
) -> None:
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)  # 1: scanner
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    if repetition_time is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    save_image(path, image)


def _describe(
    head: Head, to_t1w: np.ndarray, centre: np.ndarray, model: SignalModel, truth: SessionTruth
) -> dict[str, object]:
    landmarks = {}
    for name, (places, _) in model.regions.items():
        native = head.from_template(places)
        landmarks[name] = {
            "template_mm": places.tolist(),
            "t1w_mm": native.tolist(),
            "scanner_mm": apply(np.linalg.inv(to_t1w), native).tolist(),
        }
    return {
        "t1w_to_template": head.describe(),
        "scanner_to_t1w": to_t1w.tolist(),
        "motion": {
            "convention": (
                "a point of the head at reference position p (scanner world, mm, RAS+) is, during "
                "a volume, at centre + trans + Rz Ry Rx (p - centre); trans in mm, rot in rad, "
                "right-handed; the first volume is the reference"
            ),
            "centre": centre.tolist(),
        },
        "landmarks": landmarks,
        "planted": truth,
    }
