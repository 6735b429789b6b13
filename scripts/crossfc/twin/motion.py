"""Head motion of a twin: six rigid parameters per volume, and measures computed from them."""

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_HEAD_RADIUS = 50.0  # mm, the sphere of Power et al. 2012
# Relative size of the parameters: people lying in a scanner mostly move along z and y and by pitch.
_SHARE = np.array([0.5, 0.8, 1.0, 1.0 / _HEAD_RADIUS, 0.5 / _HEAD_RADIUS, 0.6 / _HEAD_RADIUS])


def simulate_motion(
    random: np.random.Generator, volumes: int, repetition_time: float, mean_fd: float
) -> np.ndarray:
    """Draw random motion of one run: slow drift, a random walk, breathing, a few sudden movements.

    Parameters
    ----------
    random : numpy.random.Generator
    volumes : int
    repetition_time : float
        Seconds.
    mean_fd : float
        Mean framewise displacement in mm. It is reached exactly, because framewise displacement
        is proportional to the size of the parameters.

    Returns
    -------
    ndarray, shape (volumes, 6)
        trans_x, trans_y, trans_z in mm and rot_x, rot_y, rot_z in rad, relative to the first
        volume.

    Raises
    ------
    Fault
        If there are fewer than 6 volumes.
    """
    if volumes < 6:
        raise Fault(f"twin: a run of {volumes} volumes is too short; give at least 6")
    times = np.arange(volumes) * repetition_time
    walk = np.cumsum(random.normal(size=(volumes, 6)), axis=0)
    # The random walk slowly returns to 0, so that the head stays in the field of view in long runs.
    kernel = np.exp(-np.arange(min(volumes, 60)) / 20.0)
    steps = np.diff(walk, axis=0, prepend=0)
    walk = np.stack([np.convolve(steps[:, i], kernel)[:volumes] for i in range(6)], axis=1)
    drift = (times / times[-1])[:, None] * random.normal(scale=6, size=6)
    breathing = np.sin(2 * np.pi * 0.27 * times + random.uniform(0, 2 * np.pi))[:, None]
    jerks = np.zeros((volumes, 6))
    for volume in random.choice(np.arange(2, volumes), size=max(2, volumes // 40), replace=False):
        direction = random.normal(size=6)
        length = random.integers(1, 4)
        jerks[volume : volume + length] += 4 * direction  # there and back again
        jerks[volume:] += direction  # and not quite back
    motion = (0.6 * walk + drift + 0.3 * breathing * random.normal(size=6) + jerks) * _SHARE
    motion -= motion[0]
    scaled: FloatArray = motion * (mean_fd / framewise_displacement(motion)[1:].mean())
    return scaled


def framewise_displacement(motion: np.ndarray) -> np.ndarray:
    """Compute the framewise displacement (Power et al. 2012, NeuroImage 59:2142).

    Parameters
    ----------
    motion : ndarray, shape (volumes, 6)
        As returned by `simulate_motion`, mm and rad.

    Returns
    -------
    ndarray, shape (volumes,)
        mm; NaN at the first volume.
    """
    change = np.abs(np.diff(motion, axis=0))
    fd = change[:, :3].sum(axis=1) + _HEAD_RADIUS * change[:, 3:].sum(axis=1)
    return np.concatenate([[np.nan], fd])


def rigid(parameters: np.ndarray, centre: np.ndarray | None = None) -> np.ndarray:
    """Return the rigid matrix of the six parameters of one volume.

    It moves a point p of the head from its reference position to
    ``centre + translation + Rz Ry Rx (p - centre)`` (world, mm, RAS+; right-handed rotations).

    Parameters
    ----------
    parameters : ndarray, shape (6,)
        Three translations in mm and three rotations in rad.
    centre : ndarray, shape (3,), optional
        Point about which rotations turn, mm; default the origin.

    Returns
    -------
    ndarray, shape (4, 4)
    """
    x, y, z = parameters[3:]
    cx, cy, cz = np.cos([x, y, z])
    sx, sy, sz = np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    pivot = np.zeros(3) if centre is None else np.asarray(centre, float)
    matrix[:3, 3] = parameters[:3] + pivot - matrix[:3, :3] @ pivot
    return matrix


def relative_rms(motion: np.ndarray, radius: float = 80.0) -> np.ndarray:
    """Compute the root mean square displacement between neighbouring volumes.

    Jenkinson 1999 (FMRIB technical report TR99MJ1): over a sphere of 80 mm about the origin,
    ``sqrt(radius² / 5 trace(A'A) + t't)`` with A, t of ``T1 T0⁻¹ - 1``.

    Parameters
    ----------
    motion : ndarray, shape (volumes, 6)
        As returned by `simulate_motion`, mm and rad.
    radius : float
        Radius of the sphere, mm.

    Returns
    -------
    ndarray, shape (volumes,)
        mm; NaN at the first volume.
    """
    matrices = [rigid(row) for row in motion]
    values = [np.nan]
    for before, after in zip(matrices[:-1], matrices[1:], strict=True):
        change = after @ np.linalg.inv(before) - np.eye(4)
        turn, shift = change[:3, :3], change[:3, 3]
        values.append(np.sqrt(radius**2 / 5 * np.trace(turn.T @ turn) + shift @ shift))
    return np.array(values)
