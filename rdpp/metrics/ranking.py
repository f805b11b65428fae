"""How well scores rank the positives above the negatives: exactly, every distinct score is a threshold.

A threshold t calls positive what scores t or more. Between two neighbouring scores of positives only the
false positives grow, so the counts at the distinct scores of the positives, and just above each, say all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdpp.metrics.finite import NotFinite


@dataclass(frozen=True)
class Curve:
    """Cumulative counts at the K distinct scores of the positives, highest first.

    What is read from it is NaN, for undefined, where there are no positives or no negatives.
    """

    tps: np.ndarray
    """(K,) int64, positives at or above the score."""
    fps_above: np.ndarray
    """(K,) int64, negatives strictly above it."""
    fps: np.ndarray
    """(K,) int64, negatives at or above it."""
    negatives: int
    """All negatives."""

    @classmethod
    def of(cls, positives: np.ndarray, negatives: np.ndarray) -> "Curve":
        """The curve of scores already sorted, ascending."""
        first = np.flatnonzero(np.append(True, positives[1:] != positives[:-1])[: len(positives)])[::-1]
        scores, count = positives[first], len(negatives)
        return cls(
            tps=len(positives) - first,
            fps_above=count - np.searchsorted(negatives, scores, side="right"),
            fps=count - np.searchsorted(negatives, scores, side="left"),
            negatives=count,
        )

    @property
    def auroc(self) -> float:
        """The chance that a positive scores above a negative, a tie counting half."""
        if not self._defined:
            return float("nan")
        below = self.negatives - (self.fps_above + self.fps) / 2
        return float(np.dot(self._new, below) / (self.tps[-1] * self.negatives))

    @property
    def average_precision(self) -> float:
        """Precision at each score, weighted by the growth of recall there."""
        if not self._defined:
            return float("nan")
        return float(np.dot(self._new, self.tps / (self.tps + self.fps)) / self.tps[-1])

    @property
    def f1_max(self) -> float:
        """The best F1 over all thresholds."""
        if not self._defined:
            return float("nan")
        return float(np.max(2 * self.tps / (self.tps + self.fps + self.tps[-1])))

    @property
    def _defined(self) -> bool:
        return len(self.tps) > 0 and self.negatives > 0

    @property
    def _new(self) -> np.ndarray:
        """Positives of just this score."""
        return np.diff(self.tps, prepend=0)


def curve(scores: ArrayLike, labels: ArrayLike) -> Curve:
    """The curve that auroc, average_precision and f1_max are read from.

    Args:
        scores: (N,) numbers, larger = more anomalous; infinite ones are ranked like the others.
        labels: (N,) bool, True = anomalous.

    Raises:
        ValueError: a score is NaN, or the shapes differ.
    """
    values, positive = np.asarray(scores), np.asarray(labels, dtype=bool)
    if values.shape != positive.shape or values.ndim != 1:
        raise ValueError(f"scores and labels must both be (N,), got {values.shape} and {positive.shape}")
    if missing := np.count_nonzero(np.isnan(values)):
        raise NotFinite(f"{missing} of {values.size} scores are NaN and have no rank; did training diverge?")
    return Curve.of(np.sort(values[positive]), np.sort(values[~positive]))


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve; NaN (undefined, not 0.5) where all labels are alike. Arguments: see `curve`.

    >>> auroc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    0.875
    """
    return curve(scores, labels).auroc


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Average precision, as scikit-learn's; NaN where all labels are alike. Arguments: see `curve`.

    >>> round(average_precision([0.1, 0.4, 0.4, 0.8], [False, False, True, True]), 4)
    0.8333
    """
    return curve(scores, labels).average_precision


def f1_max(scores: ArrayLike, labels: ArrayLike) -> float:
    """The best F1 over all thresholds; NaN where all labels are alike. Arguments: see `curve`.

    >>> f1_max([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    0.8
    """
    return curve(scores, labels).f1_max
