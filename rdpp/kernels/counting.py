"""How many numbers lie above each of some scores: counted in one pass, without sorting the numbers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from rdpp.kernels.switch import are_on

_SLOTS_A_SCORE, _MOST_SLOTS = 4, 2**20
"""Many, so that a slot mostly holds one score or none; few enough to be made quickly."""
_CACHED = 2**14
"""Scores whose slots and counts stay in the processor's cache: among more of them numbers are looked up in ranges."""
_RANGES, _TOGETHER = 256, 4096


def count_between(
    numbers: np.ndarray, scores: np.ndarray, groups: Sequence[np.ndarray], threads: int = 1
) -> list[np.ndarray]:
    """Count the numbers that lie between scores, in each group of rows.

    The same as `count_between_plain`, exact for every floating point type up to float64.

    Args:
        numbers: (N, M), finite.
        scores: (K,), finite, ascending; some may be equal.
        groups: indices of rows.
        threads: to share the rows of a group between.

    Returns:
        For each group (2, K + 1) int64: how many lie above score k - 1 and not above score k; how many of these equal
        score k.
    """
    if not are_on():
        return count_between_plain(numbers, scores, groups, threads)
    slots = _Slots.of(scores)
    if threads == 1:
        return [slots.count(numbers, rows) for rows in groups]
    with ThreadPoolExecutor(threads) as pool:
        return [
            np.sum(list(pool.map(lambda rows: slots.count(numbers, rows), np.array_split(group, threads))), axis=0)
            for group in groups
        ]


def count_between_plain(
    numbers: np.ndarray, scores: np.ndarray, groups: Sequence[np.ndarray], threads: int = 1
) -> list[np.ndarray]:
    """By numpy's search among the sorted scores, on one thread."""
    scores, found = np.asarray(scores, np.float64), []
    for rows in groups:
        values = numbers[rows].astype(np.float64).ravel()
        places = np.searchsorted(scores, values)
        ties = np.append(scores, np.inf)[places] == values
        found.append(np.stack([np.bincount(some, minlength=len(scores) + 1) for some in (places, places[ties])]))
    return found


def above(counts: np.ndarray) -> np.ndarray:
    """(K,) what lies above each score, of (K + 1,) counts, or weights, by place: see `count_between`."""
    return np.cumsum(counts[:0:-1])[::-1]


@dataclass(frozen=True)
class _Slots:
    """K ascending scores, cut into S slots of equal width: a number's slot says nearly where it lies among them."""

    scores: np.ndarray
    """(K + 1,) float64, the scores, and infinity."""
    starts: np.ndarray
    """(S + 1,) int32, how many scores lie in the slots before each; then K."""
    low: float
    scale: float
    """Slots a unit of score; 0 where one slot holds all."""

    @classmethod
    def of(cls, scores: np.ndarray) -> "_Slots":
        """Of (K,) finite numbers, ascending; some may be equal."""
        scores = np.asarray(scores, dtype=np.float64)
        low, span = (float(scores[0]), float(scores[-1]) - float(scores[0])) if len(scores) else (0.0, 0.0)
        slots = max(1, min(_SLOTS_A_SCORE * len(scores), _MOST_SLOTS))
        scale = slots / span if span > 0 else 0.0
        if not 0 < scale < np.inf:  # all alike, or so close or so far apart that the quotient has no number
            low, scale = 0.0, 0.0
        # as the kernel computes it, so that of a score and a number the lower one is never in the later slot
        of_score = np.minimum((scores - low) * scale, slots - 1).astype(np.int64)
        starts = np.append(0, np.cumsum(np.bincount(of_score, minlength=slots))).astype(np.int32)
        return cls(np.append(scores, np.inf), starts, low, scale)

    def count(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`count_between` of one group, on this thread."""
        if numbers.dtype not in (np.float32, np.float64):
            numbers, rows = numbers[rows].astype(np.float64), np.arange(len(rows))
        counts = np.zeros((2, len(self.scores)), dtype=np.int64)
        kernel = _count if len(self.scores) <= _CACHED else _count_by_range
        kernel(numbers, rows, self.scores, self.starts, self.low, self.scale, counts[0], counts[1])
        return counts


@njit(cache=True, nogil=True)
def _count(numbers, rows, scores, starts, low, scale, places, ties):
    for row in rows:
        _count_line(numbers[row], scores, starts, low, scale, places, ties)


@njit(cache=True, nogil=True)
def _count_by_range(numbers, rows, scores, starts, low, scale, places, ties):
    """The same: numbers of a range wait until there are many, so that what they look up is fetched once for all."""
    width, top = scale * _RANGES / (len(starts) - 1), _RANGES - 1.0
    waiting, filled = np.empty((_RANGES, _TOGETHER), numbers.dtype), np.zeros(_RANGES, np.int64)
    for row in rows:
        line = numbers[row]
        for i in range(len(line)):
            where = (np.float64(line[i]) - low) * width
            where = where if where > 0.0 else 0.0
            part = np.uint32(where if where < top else top)
            waiting[part, filled[part]] = line[i]
            filled[part] += 1
            if filled[part] == _TOGETHER:
                _count_line(waiting[part], scores, starts, low, scale, places, ties)
                filled[part] = 0
    for part in range(_RANGES):
        _count_line(waiting[part, : filled[part]], scores, starts, low, scale, places, ties)


@njit(cache=True, nogil=True)
def _count_line(line, scores, starts, low, scale, places, ties):
    last = float(len(starts) - 2)
    for i in range(len(line)):
        number = np.float64(line[i])
        where = (number - low) * scale
        where = where if where > 0.0 else 0.0
        slot = np.uint32(where if where < last else last)
        first, end = np.int64(starts[slot]), np.int64(starts[slot + np.uint32(1)])
        while end - first > 1:
            middle = (first + end) >> 1
            if scores[middle] < number:
                first = middle + 1
            else:
                end = middle
        first += scores[first] < number  # no branch: at most one score is left in the slot, and none is usual
        places[first] += 1
        if scores[first] == number:
            ties[first] += 1
