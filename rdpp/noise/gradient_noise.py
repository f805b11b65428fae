"""Perlin's gradient noise in three dimensions, and its sum over octaves.

Source: Ken Perlin, "Improving noise", SIGGRAPH 2002. Each point of the integer grid carries one of 12
gradients; a point in a cell takes the eight corners' gradients times its displacement from them, blended by
the fade curve 6 t^5 - 15 t^4 + 10 t^3 along each axis. It is 0 at every grid point.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def perlin3(table: np.ndarray, x: float, y: float, z: float) -> float:
    """The field at one point, in [-1, 1].

    Args:
        table: (256,) int64, a shuffle of 0..255.
        x, y, z: the field repeats after 256 along each.
    """
    xb, yb, zb = math.floor(x), math.floor(y), math.floor(z)
    x, y, z = x - xb, y - yb, z - zb
    u, v, w = _fade(x), _fade(y), _fade(z)
    value = 0.0
    for i in range(2):
        for j in range(2):
            for k in range(2):
                hashed = int(table[(table[(table[(xb + i) & 255] + yb + j) & 255] + zb + k) & 255])
                share = (u if i else 1 - u) * (v if j else 1 - v) * (w if k else 1 - w)
                value += share * _slope(hashed, x - i, y - j, z - k)
    return value


@njit(cache=True, nogil=True)
def _fade(t: float) -> float:
    return t * t * t * (t * (t * 6 - 15) + 10)


@njit(cache=True, nogil=True)
def _slope(hashed: int, x: float, y: float, z: float) -> float:
    """The displacement along one of the 12 gradients (four of them twice): the cube's edge centres."""
    code = hashed & 15
    first = x if code < 8 else y
    second = y if code < 4 else (x if code in (12, 14) else z)
    return (first if code & 1 == 0 else -first) + (second if code & 2 == 0 else -second)


@njit(cache=True, nogil=True)
def perlin_patch(
    table: np.ndarray,
    origin: np.ndarray,
    depth: int,
    height: int,
    width: int,
    octaves: int,
    persistence: float,
    frequency: float,
) -> np.ndarray:
    """A patch of fractal noise: octave o has the amplitude persistence**o and the wavelength frequency / 2**o.

    Args:
        table: as for `perlin3`.
        origin: (3,) the patch's corner (x, y, z) in the first octave's grid.
        depth, height, width: the number of points along z, y and x.
        octaves, persistence, frequency: as above; frequency is in pixels: a wavelength, in spite of its name.

    Returns:
        (depth, height, width) float32.
    """
    patch = np.empty((depth, height, width), dtype=np.float32)
    for k in range(depth):
        for j in range(height):
            for i in range(width):
                x, y, z = origin[0] + i / frequency, origin[1] + j / frequency, origin[2] + k / frequency
                value, amplitude = 0.0, 1.0
                for _ in range(octaves):
                    value += amplitude * perlin3(table, x, y, z)
                    amplitude *= persistence
                    x, y, z = 2 * x, 2 * y, 2 * z
                patch[k, j, i] = value
    return patch
