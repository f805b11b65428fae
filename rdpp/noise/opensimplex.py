"""The three-dimensional field of OpenSimplex noise, version 1 (Kurt Spencer, 2014), and its sum over octaves.

The field is a sum of bumps. Each point v of a face-centred cubic lattice carries a gradient g, picked by
hashing v through a permutation, and adds max(0, 2 - |d|²)⁴ (g·d) at the displacement d from v. The lattice is
the integer grid, stretched along its diagonal so that a cube becomes an octahedron between two tetrahedra:
v = c + sum(c) / 3 for integer c.

In an octahedron all bumps in reach are summed. In a tetrahedron the original algorithm takes only two points
besides the four corners and leaves out bumps of up to 1e-4. That choice is part of the definition, and so is
the way ties are broken: pixels are regular fractions of the lattice and meet ties often.
"""

import math

import numpy as np
from numba import njit

_MULTIPLIER, _INCREMENT = 6364136223846793005, 1442695040888963407  # Knuth's MMIX generator, modulo 2**64
_STRETCH, _SQUISH = -1.0 / 6.0, 1.0 / 3.0  # to the integer grid and back, per unit of the coordinates' sum
_NORM = 103.0  # brings the field into about [-1, 1]


def _gradients() -> np.ndarray:
    """(24, 3): in each octant, in binary order of its signs, one vector along each axis."""
    along = np.where(np.eye(3), 11.0, 4.0)
    signs = np.array([[x, y, z] for z in (1, -1) for y in (1, -1) for x in (-1, 1)])
    return (signs[:, None, :] * along).reshape(24, 3)


def _neighbours() -> np.ndarray:
    """(5, 10, 3): the grid points that count, by region of the cell, for coordinates in falling order."""
    tetrahedron = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    at_corner = [*tetrahedron, (1, -1, 0), (1, 0, -1)]
    off_corner = [*tetrahedron, (1, 1, 0), (1, 1, -1)]
    octahedron = [*tetrahedron, (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (1, 1, -1), (2, 0, 0)]
    regions = np.zeros((5, 10, 3), dtype=np.int64)
    regions[0, :6], regions[1, :6], regions[2] = at_corner, off_corner, octahedron
    regions[3:] = 1 - regions[:2]  # the cell's other tetrahedron is the point reflection of the first
    return regions


_GRADIENTS = _gradients()
_NEIGHBOURS = _neighbours()


def permutation(seed: int) -> np.ndarray:
    """The table that makes one field of the many.

    Args:
        seed: any integer; only its lowest 64 bits count.

    Returns:
        (256,) int64, the numbers 0..255 shuffled as Spencer's Java code shuffles them.
    """
    state = seed
    for _ in range(3):
        state = _next_state(state)
    source, table = list(range(256)), np.empty(256, dtype=np.int64)
    for last in reversed(range(256)):
        state = _next_state(state)
        pick = (state + 31) % (last + 1)
        table[last], source[pick] = source[pick], source[last]
    return table


def _next_state(state: int) -> int:
    """One step of the linear congruential generator, as Java's signed 64-bit arithmetic takes it."""
    return (state * _MULTIPLIER + _INCREMENT + 2**63) % 2**64 - 2**63


@njit(cache=True, nogil=True)
def noise3(table: np.ndarray, x: float, y: float, z: float) -> float:
    """The field at one point, about in [-1, 1]; `table` is a `permutation`.

    In float64: float32 would push points across the jumps that the left-out bumps make.
    """
    stretch = (x + y + z) * _STRETCH
    xs, ys, zs = x + stretch, y + stretch, z + stretch
    xb, yb, zb = math.floor(xs), math.floor(ys), math.floor(zs)
    region, rank_x, rank_y, rank_z = _locate(xs - xb, ys - yb, zs - zb)
    squish = (xb + yb + zb) * _SQUISH
    x0, y0, z0 = x - (xb + squish), y - (yb + squish), z - (zb + squish)
    value = 0.0
    for n in range(10 if region == 2 else 6):
        point = _NEIGHBOURS[region, n]
        i, j, k = point[rank_x], point[rank_y], point[rank_z]
        squish = (i + j + k) * _SQUISH
        dx, dy, dz = x0 - i - squish, y0 - j - squish, z0 - k - squish
        reach = 2.0 - dx * dx - dy * dy - dz * dz
        if reach > 0.0:
            hashed = table[(table[(table[(xb + i) & 255] + yb + j) & 255] + zb + k) & 255]
            gradient = _GRADIENTS[hashed % 24]
            value += reach**4 * (gradient[0] * dx + gradient[1] * dy + gradient[2] * dz)
    return value / _NORM


@njit(cache=True, nogil=True)
def _locate(x: float, y: float, z: float) -> tuple[int, int, int, int]:
    """Region of the unit cell (a row of _NEIGHBOURS), and the place of each coordinate in falling order."""
    total = x + y + z
    if total >= 2.0:
        x, y, z = 1.0 - x, 1.0 - y, 1.0 - z
    z_before_y = z > y or (z == y and y > x)  # a tie goes to the earlier axis, but for this one
    rank_x = int(y > x) + int(z > x)
    rank_y = int(x >= y) + int(z_before_y)
    rank_z = int(x >= z) + int(not z_before_y)
    if 1.0 < total < 2.0:
        return 2, rank_x, rank_y, rank_z
    middle = max(min(x, y), min(max(x, y), z))
    off_corner = int(1.0 - (x + y + z) <= middle)  # is the corner none of the two nearest points?
    return (3 if total >= 2.0 else 0) + off_corner, rank_x, rank_y, rank_z


@njit(cache=True, nogil=True)
def octave_patch(
    table: np.ndarray, depth: int, height: int, width: int, octaves: int, persistence: float, frequency: float
) -> np.ndarray:
    """A patch of fractal noise, the field summed over octaves.

    Octave o has the amplitude persistence**o; its coordinates are the indices divided by frequency / 2**o.
    All patches start at the origin, so a smaller patch is a crop of a larger one.

    Args:
        table: a `permutation`.
        depth, height, width: the number of points along z, y and x.
        octaves, persistence, frequency: as above; frequency is in pixels: a wavelength, in spite of its name.

    Returns:
        (depth, height, width) float32.
    """
    patch = np.empty((depth, height, width), dtype=np.float32)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                value, amplitude, period = 0.0, 1.0, frequency
                for _ in range(octaves):
                    value += amplitude * noise3(table, x / period, y / period, z / period)
                    amplitude *= persistence
                    period /= 2.0
                patch[z, y, x] = value
    return patch
