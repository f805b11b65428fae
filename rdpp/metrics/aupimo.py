"""AUPIMO: how much of each defect is found at hardly any false positives."""

import math

import numpy as np

from rdpp.metrics.pixels import Pixels

FPR_BOUNDS = (1e-5, 1e-4)
"""Bertoldo et al., 2024."""


def aupimo_of_each_image(
    maps: np.ndarray, masks: np.ndarray, labels: np.ndarray, bounds: tuple[float, float] = FPR_BOUNDS
) -> np.ndarray:
    """Area under the per-image overlap, a value for each defective image.

    Source: Bertoldo, Ramos, Vigne et al., "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High
    Speed and Low Tolerance", BMVC 2024, equations 3 to 5: the mean over log z, z from L to U, of the share of the
    image's anomalous pixels that is found at the threshold where the false positive rate is z. That rate is the mean
    over the good images of the share of their pixels found; all images have one size, so it is the share of their
    pixels together. Every score is a threshold: at z, what lies strictly above the score of the (floor(z n) + 1)-th
    highest of the n normal pixels is found, which is the most that can be found at a rate of z or less.

    Args:
        maps: (N, H, W) floating point, larger = more anomalous.
        masks: (N, H, W) bool, True = anomalous.
        labels: (N,) bool, True = defective; the others are the good images.
        bounds: (L, U), 0 < L < U <= 1.

    Returns:
        (N,) float64 in [0, 1]; NaN (undefined) for images without an anomalous pixel, and for all where the good
        images have fewer than 1 / L pixels together: a rate of L cannot be observed there.

    Raises:
        ValueError: a value is not finite, the shapes differ, or the bounds are out of range.
    """
    return aupimo(Pixels.of(maps, masks), np.asarray(labels, dtype=bool), bounds)


def aupimo(pixels: Pixels, labels: np.ndarray, bounds: tuple[float, float] = FPR_BOUNDS) -> np.ndarray:
    """`aupimo_of_each_image` of pixels that are found already."""
    lower, upper = bounds
    if not 0 < lower < upper <= 1:
        raise ValueError(f"bounds must be 0 < L < U <= 1, got {bounds}")
    values, good = np.full(len(labels), np.nan), np.flatnonzero(~labels)
    normal = len(good) * pixels.maps.shape[1] - int(pixels.padding[good].sum())
    if normal < round(1 / lower):
        return values
    first, last = math.floor(lower * normal), math.ceil(upper * normal)
    counts = np.arange(first, min(last, normal))  # false positives allowed
    edges = np.clip(np.append(counts, counts[-1] + 1) / normal, lower, upper)
    shares = np.diff(np.log(edges)) / math.log(upper / lower)
    thresholds = _highest(pixels.maps, good, int(counts[-1]) + 1)[first:]
    for index in np.intersect1d(pixels.defects, np.flatnonzero(labels)):
        scores, _ = pixels.anomalous(index)
        overlap = 1 - np.searchsorted(np.sort(scores), thresholds, side="right") / scores.size
        values[index] = min(1.0, float(overlap @ shares))  # shares sum to 1 but for rounding
    return values


def _highest(maps: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """(count,) the highest numbers of some rows together, highest first."""
    found = np.empty(0, dtype=maps.dtype)
    for row in rows:
        more = maps[row] if len(found) < count else maps[row][maps[row] > found.min()]
        found = np.concatenate([found, more])
        if len(found) > count:
            found = np.partition(found, len(found) - count)[len(found) - count :]
    return np.sort(found)[::-1]
