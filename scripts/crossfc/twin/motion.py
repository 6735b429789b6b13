"""Head motion of a twin: six rigid parameters per volume, and the measures made of them."""

import numpy as np

from crossfc.fault import Fault

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_HEAD_RADIUS = 50.0  # mm, the sphere of Power et al. 2012
# Pitch and the movement along z and y prevail in people lying in a scanner.
_SHARE = np.array([0.5, 0.8, 1.0, 1.0 / _HEAD_RADIUS, 0.5 / _HEAD_RADIUS, 0.6 / _HEAD_RADIUS])


def simulate_motion(
    random: np.random.Generator, volumes: int, repetition_time: float, mean_fd: float
) -> np.ndarray:
    """Draw the motion of one run: slow drift, a random walk, breathing, and a few jerks.

    Parameters
    ----------
    random : numpy.random.Generator
    volumes : int
    repetition_time : float
        Seconds.
    mean_fd : float
        Mean framewise displacement in mm; met exactly, since the displacement is homogeneous
        of degree one in the parameters.

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
    # A walk that is drawn back slowly, so that long runs do not leave the field of view.
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
    return motion * (mean_fd / framewise_displacement(motion)[1:].mean())


def framewise_displacement(motion: np.ndarray) -> np.ndarray:
    """Framewise displacement in mm, Power et al. 2012, NeuroImage 59:2142.

    Returns
    -------
    ndarray, shape (volumes,)
        NaN at the first volume.
    """
    change = np.abs(np.diff(motion, axis=0))
    fd = change[:, :3].sum(axis=1) + _HEAD_RADIUS * change[:, 3:].sum(axis=1)
    return np.concatenate([[np.nan], fd])


def rigid(parameters: np.ndarray, centre: np.ndarray | None = None) -> np.ndarray:
    """Return the 4 by 4 matrix of one volume's six parameters.

    A point p of the head at its reference position is found at
    ``centre + translation + Rz Ry Rx (p - centre)`` (world, mm, RAS+; right-handed rotations).
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
    """Root mean square displacement between neighbouring volumes, mm.

    Jenkinson 1999 (FMRIB technical report TR99MJ1): over a sphere of 80 mm about the origin,
    ``sqrt(radius² / 5 trace(A'A) + t't)`` with A, t of ``T1 T0⁻¹ - 1``.

    Returns
    -------
    ndarray, shape (volumes,)
        NaN at the first volume.
    """
    matrices = [rigid(row) for row in motion]
    values = [np.nan]
    for before, after in zip(matrices[:-1], matrices[1:], strict=True):
        change = after @ np.linalg.inv(before) - np.eye(4)
        turn, shift = change[:3, :3], change[:3, 3]
        values.append(np.sqrt(radius**2 / 5 * np.trace(turn.T @ turn) + shift @ shift))
    return np.array(values)
