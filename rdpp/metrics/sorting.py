"""Sorting many scores: by their bits, in pieces, on several cores."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numba import njit

_PIECE = 2**20
"""Scores that are worth a core of their own."""
_SIGN, _ALL = np.uint32(0x80000000), np.uint32(0xFFFFFFFF)
_DIGIT, _BITS = np.uint32(2047), 11


def sorted_pieces(scores: np.ndarray) -> tuple[np.ndarray, ...]:
    """Scores in pieces that are ascending each, together the same scores.

    Args:
        scores: (P,) floating point, finite. float32 ones are sorted in place, by radix, a piece a core.
    """
    if scores.dtype != np.float32:
        return (np.sort(scores),)
    pieces = np.array_split(scores, max(1, min(numba.get_num_threads(), len(scores) // _PIECE)))
    with ThreadPoolExecutor(len(pieces)) as pool:
        return tuple(pool.map(_radix_sorted, pieces))


def _radix_sorted(scores: np.ndarray) -> np.ndarray:
    keys = scores.view(np.uint32)
    return _sort_keys(keys, np.empty_like(keys)).view(np.float32)


@njit(cache=True, nogil=True)
def _sort_keys(keys: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """The bits of float32 numbers in the numbers' order: three passes of a radix sort, from the lowest digit up.

    Both arrays are overwritten. As whole numbers the bits rise with positive numbers and fall with negative ones, so
    before the passes the latter are turned over and the former put above them.
    """
    counts = np.zeros((3, 2048), np.int64)
    for i in range(len(keys)):
        key = keys[i] ^ (_SIGN if keys[i] < _SIGN else _ALL)
        keys[i] = key
        for digit in range(3):
            counts[digit, (key >> np.uint32(_BITS * digit)) & _DIGIT] += 1
    for digit in range(3):
        starts = np.cumsum(counts[digit]) - counts[digit]
        for key in keys:
            place = (key >> np.uint32(_BITS * digit)) & _DIGIT
            scratch[starts[place]] = key
            starts[place] += 1
        keys, scratch = scratch, keys
    for i in range(len(keys)):
        keys[i] ^= _SIGN if keys[i] >= _SIGN else _ALL
    return keys
