"""Head motion of a twin: six rigid parameters per volume, and the matrices that they stand for."""

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.session.displacement import HEAD_RADIUS_MM, framewise_displacement

# Relative size of the parameters: people lying in a scanner mostly move along z and y and by pitch.
_SHARE = np.array([0.5, 0.8, 1.0, 1.0, 0.5, 0.6]) / np.repeat([1.0, HEAD_RADIUS_MM], 3)


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
        raise Fault(f"config key twin: a run of {volumes} volumes is too short; give at least 6")
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
