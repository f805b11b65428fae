"""A perceptual hash: pictures that look alike have nearly the same bits (pHash; Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions", 2010).

255 bits instead of the usual 64: photographs of one kind of part look so much alike that 64 bits take different
screws for one. On eight categories of photographs the nearest training image of a test image is at least 12 bits away;
a copy as JPEG of quality 50, of half the size, or 10 % brighter mostly at most 10.
"""

import numpy as np
from PIL import Image
from scipy.fft import dctn

NEAR = 10
"""Bits in which near duplicates differ at most."""
_SIDE, _FREQUENCIES = 64, 16


def perceptual_hash(pixels: np.ndarray) -> np.ndarray:
    """(255,) bool: which low frequencies of a picture are stronger than their median.

    Args:
        pixels: (H, W, 3) float32 in [0, 1].
    """
    grey = Image.fromarray(pixels.mean(2, dtype=np.float32))
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64)
    strengths = np.asarray(dctn(small, norm="ortho"))
    low = strengths[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    return low > np.median(low)


def near_pairs(first: np.ndarray, second: np.ndarray, most: int = NEAR) -> list[tuple[int, int, int]]:
    """Pairs (i, j, bits that differ) of hashes (N, 255) and (M, 255) that differ in at most so many bits."""
    if not len(first) or not len(second):
        return []
    ones, others = first.astype(np.float32), second.astype(np.float32)
    distances = np.rint(ones @ (1 - others.T) + (1 - ones) @ others.T).astype(int)
    return [(int(i), int(j), int(distances[i, j])) for i, j in np.argwhere(distances <= most)]
