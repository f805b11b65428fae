"""Area under the curve of per-region overlap (PRO) over the false positive rate (FPR), in two definitions."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rdpp.kernels.counting import above, count_between
from rdpp.kernels.threads import usable_cores
from rdpp.metrics.pixels import Pixels
from rdpp.metrics.ranking import Curve

FPR_LIMIT = 0.3
"""Bergmann et al., "Uninformed Students", CVPR 2020, and all that compare with it."""

_OFFICIAL_STEPS = 200


def pixel_aupro(maps: np.ndarray, masks: np.ndarray, fpr_limit: float = FPR_LIMIT) -> float:
    """AU-PRO over all images together, the field's definition: the figure to compare with other work.

    At each threshold, PRO is the mean over all 8-connected regions of all images of the share found, FPR the
    share of all normal pixels found. Every distinct score is a threshold. The area is the trapezoid rule's,
    up to the limit, where the last segment is cut by interpolation, divided by the limit.

    Args:
        maps: (N, H, W) floating point, larger = more anomalous.
        masks: (N, H, W) bool, True = anomalous.
        fpr_limit: in (0, 1].

    Returns:
        A number in [0, 1]; NaN (undefined) without a region, or without a normal pixel.

    Raises:
        ValueError: a value is not finite, the shapes differ, or the limit is out of range.
    """
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit must be in (0, 1], got {fpr_limit}; usual are 0.3 and 0.05")
    (tally,) = Pixels.of(maps, masks).tallies([np.full(len(maps), True)])
    return aupro(*tally.curve(), fpr_limit)


def aupro(curve: Curve, overlap: np.ndarray, fpr_limit: float = FPR_LIMIT) -> float:
    """`pixel_aupro` of a curve of pixels and (K,) the per-region overlap at its scores."""
    if len(overlap) == 0 or curve.negatives == 0:
        return float("nan")
    counts = np.column_stack([curve.fps_above, curve.fps]).ravel()
    fpr = np.concatenate([[0.0], counts / curve.negatives, [1.0]])
    pro = np.repeat(np.concatenate([[0.0], overlap]), 2)
    inside = int(np.searchsorted(fpr, fpr_limit, side="right"))
    x, y = fpr[:inside], pro[:inside]
    if inside < len(fpr):
        share = (fpr_limit - fpr[inside - 1]) / (fpr[inside] - fpr[inside - 1])
        x = np.append(x, fpr_limit)
        y = np.append(y, pro[inside - 1] + share * (pro[inside] - pro[inside - 1]))
    return float(np.trapezoid(y, x) / fpr_limit)


def pixel_aupro_per_image(maps: np.ndarray, masks: np.ndarray) -> float:
    """The mean over the images of `aupro_of_each_image`: what the official RD and RD++ code calls PRO.

    This is another quantity than `pixel_aupro`: do not compare it with that, or with AU-PRO in other work.
    Arguments and errors are the same; NaN (undefined) where no image has a value.
    """
    return mean_of_defined(aupro_of_each_image(maps, masks))


def aupro_of_each_image(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """PRO of each image alone, by the official RD and RD++ code.

    An image has its own thresholds: from its lowest score in 200 equal steps, in the maps' own dtype; what
    lies strictly above is found. Points with FPR < 0.3 are kept and their FPR divided by the largest kept.
    The area under them is the trapezoid rule's.

    Where the official code fails, this is the value: 0 for a constant map, and where no point or only one is
    kept; the highest PRO kept where all of them have FPR 0 (a map that is its mask has 1).

    Returns:
        (N,) float64; NaN (undefined) for an image without a region or without a normal pixel.
    """
    return official_pro(Pixels.of(maps, masks))


def official_pro(pixels: Pixels) -> np.ndarray:
    """`aupro_of_each_image` of pixels that are found already."""
    values = np.full(len(pixels.maps), np.nan)
    with ThreadPoolExecutor(usable_cores()) as pool:
        values[pixels.defects] = list(pool.map(lambda index: _official_area(pixels, index), pixels.defects))
    return values


def mean_of_defined(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN if there is nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _official_area(pixels: Pixels, index: int) -> float:
    """For an image that has regions."""
    image, (scores, weights) = pixels.maps[index], pixels.anomalous(index)
    padding = pixels.padding[index]
    low, high = (image[image > image.min()] if padding else image).min(), image.max()
    step = (high - low) / _OFFICIAL_STEPS
    normal = len(image) - padding - len(scores)
    if normal == 0:
        return float("nan")
    if step == 0:
        return 0.0
    thresholds = np.arange(low, high, step)
    ((counts, _),) = count_between(pixels.maps, thresholds, [np.array([index])])
    places = np.searchsorted(thresholds, scores)
    fpr = above(counts - np.bincount(places, minlength=len(counts))) / normal
    pro = above(np.bincount(places, weights, len(counts))) / pixels.regions[index]
    kept = fpr < FPR_LIMIT
    fpr, pro = fpr[kept], pro[kept]
    if len(fpr) == 0:
        return 0.0
    if fpr.max() == 0:
        return float(pro.max())
    return float(abs(np.trapezoid(pro, fpr / fpr.max())))
