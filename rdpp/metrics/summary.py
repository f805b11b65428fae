"""All metrics of a data split at once, over all its images and by defect type."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from rdpp.config import choose
from rdpp.metrics.aupro import aupro, mean_of_defined
from rdpp.metrics.part import Measured, Part
from rdpp.metrics.pixels import Pixels
from rdpp.metrics.regions import Regions

METRICS: Mapping[str, Callable[[Part], float]] = {
    "image_auroc": lambda part: part.image_curve.auroc,
    "pixel_auroc": lambda part: part.pixel_curve.auroc,
    "pixel_aupro": lambda part: aupro(part.pixel_curve, part.overlap),
    "image_ap": lambda part: part.image_curve.average_precision,
    "image_f1_max": lambda part: part.image_curve.f1_max,
    "pixel_ap": lambda part: part.pixel_curve.average_precision,
    "pixel_aupro_per_image": lambda part: mean_of_defined(part.split.pro[part.rows]),
    "pixel_aupimo": lambda part: mean_of_defined(part.split.aupimo[part.rows]),
}
"""By name. Each lies in [0, 1], and higher is better; NaN = undefined, for lack of defective or good images (pixels).
A new metric is a file with its function, a line here and a line in the conformance test's list."""


def evaluate(
    maps: np.ndarray,
    masks: np.ndarray | Regions,
    image_scores: np.ndarray,
    image_labels: np.ndarray,
    defect_types: Sequence[str],
    *,
    by_type: bool = True,
    metrics: Collection[str] = METRICS,
) -> dict[str, float]:
    """Every metric, from one count of the pixels.

    Args:
        maps: (N, H, W) float32, larger = more anomalous.
        masks: (N, H, W) bool, True = anomalous; all False where the image is good. Or their regions, where these are
            known already.
        image_scores: (N,) floating point, larger = more anomalous.
        image_labels: (N,) bool, True = defective.
        defect_types: N names; those of good images are not looked at.
        by_type: add each metric for the defective images of one type against all good images, under a key
            such as "image_auroc/defect_type/scratch_head".
        metrics: names of METRICS to compute.

    Returns:
        The metrics by name.

    Raises:
        ValueError: lengths or shapes differ, a value is not finite, a good image has anomalous pixels, or an unknown
            metric.
    """
    for name in metrics:
        choose(name, METRICS, "metric")
    split = Measured(Pixels.of(maps, masks), np.asarray(image_scores), np.asarray(image_labels, dtype=bool))
    labels, types = split.labels, np.asarray(defect_types, dtype=str)
    _check(split, types)
    of_types = {str(name): labels & (types == name) for name in np.unique(types[labels])} if by_type else {"": labels}
    normal, *tallies = split.pixels.tallies([~labels, *of_types.values()])
    whole = Part(split, np.full(len(labels), True), sum(tallies, normal))
    result = {name: METRICS[name](whole) for name in metrics}
    if not by_type:
        return result
    for (of_type, rows), tally in zip(of_types.items(), tallies, strict=True):
        part = Part(split, rows | ~labels, normal + tally)
        result |= {of_defect_type(name, of_type): METRICS[name](part) for name in metrics}
    return result


def of_defect_type(metric: str, defect_type: str) -> str:
    """The name of a metric over the images of one defect type and all good ones.

    >>> of_defect_type("image_auroc", "scratch")
    'image_auroc/defect_type/scratch'
    """
    return f"{metric}/defect_type/{defect_type}"


def _check(split: Measured, types: np.ndarray) -> None:
    lengths = [len(split.pixels.maps), len(split.scores), len(split.labels), len(types)]
    if len(set(lengths)) != 1:
        raise ValueError(f"masks, image_scores, image_labels and defect_types differ in length: {lengths}")
    strange = np.flatnonzero((split.pixels.regions > 0) & ~split.labels)
    if len(strange):
        raise ValueError(f"images {strange.tolist()} are labelled good, but their masks are not empty")
