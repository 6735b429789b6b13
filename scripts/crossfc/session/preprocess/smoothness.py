"""Smooth fields on a grid of voxels: their bending as a matrix, and equations with it solved.

Sums are not computed by BLAS, because its order of adding depends on the number of threads.
"""

import numpy as np
from scipy import sparse

from crossfc.array import FloatArray

_MOST_STEPS = 200
_TOLERANCE = 1e-4


def derivative(shape: tuple[int, int, int], axis: int) -> sparse.csr_matrix:
    """Return central differences along an axis (one-sided at the faces), per voxel.

    Returns
    -------
    csr_matrix, shape (voxels, voxels)
        Voxels in C order.
    """
    n = shape[axis]
    line = sparse.diags([-0.5, 0.5], [-1, 1], shape=(n, n)).tolil()
    line[0, :2] = [-1, 1]
    line[n - 1, n - 2 :] = [-1, 1]
    return _along(line, shape, axis)


def bending(shape: tuple[int, int, int], sizes: np.ndarray) -> sparse.csr_matrix:
    """Return the matrix of the bending energy, f -> mean over voxels of the squared curvature.

    Curvatures are second differences along and across the axes, per mm²; a field that is linear
    has none.

    Parameters
    ----------
    shape : (int, int, int)
    sizes : ndarray, shape (3,)
        Voxel sizes, mm.

    Returns
    -------
    csr_matrix, shape (voxels, voxels)
        Symmetric, not negative definite.
    """
    total = sparse.csr_matrix((int(np.prod(shape)),) * 2)
    for axis, (n, size) in enumerate(zip(shape, sizes, strict=True)):
        second = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(max(n - 2, 0), n))
        curvature = _along(second / size**2, shape, axis)
        total = total + curvature.T @ curvature
    for one, other in ((0, 1), (0, 2), (1, 2)):
        slopes = [_step(shape[a]) / sizes[a] if a in (one, other) else sparse.eye(shape[a])
                  for a in range(3)]  # fmt: skip
        twist = sparse.kron(sparse.kron(slopes[0], slopes[1]), slopes[2]).tocsr()
        total = total + 2 * (twist.T @ twist)
    return total.tocsr()


def solve(matrix: sparse.csr_matrix, right: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Solve a symmetric positive definite system by conjugate gradients.

    The diagonal is the preconditioner.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
    right, start : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    scale = 1 / np.maximum(matrix.diagonal(), np.finfo(float).tiny)
    found: FloatArray = np.array(start, float)
    left = right - matrix @ found
    scaled = scale * left
    along = scaled.copy()
    power = np.einsum("i,i->", left, scaled)
    enough = _TOLERANCE**2 * np.einsum("i,i,i->", right, right, scale)
    for _ in range(_MOST_STEPS):
        if power <= enough:
            break
        image = matrix @ along
        length = power / np.einsum("i,i->", along, image)
        found += length * along
        left -= length * image
        scaled = scale * left
        before, power = power, np.einsum("i,i->", left, scaled)
        along = scaled + (power / before) * along
    return found


def _step(n: int) -> sparse.csr_matrix:
    return sparse.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n))


def _along(line: sparse.spmatrix, shape: tuple[int, int, int], axis: int) -> sparse.csr_matrix:
    parts = [line if a == axis else sparse.eye(shape[a]) for a in range(3)]
    return sparse.kron(sparse.kron(parts[0], parts[1]), parts[2]).tocsr()
