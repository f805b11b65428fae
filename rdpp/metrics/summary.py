"""All metrics of a data split at once, over all its images and by defect type."""

from collections.abc import Mapping, Sequence

import numpy as np

from rdpp.metrics.aupimo import aupimo
from rdpp.metrics.aupro import aupro, mean_of_defined, official_pro
from rdpp.metrics.pixels import Pixels, Tally
from rdpp.metrics.ranking import curve
from rdpp.metrics.regions import Regions

METRICS = (
    "image_auroc",
    "pixel_auroc",
    "pixel_aupro",
    "image_ap",
    "image_f1_max",
    "pixel_ap",
    "pixel_aupro_per_image",
    "pixel_aupimo",
)
"""The names of all metrics; each lies in [0, 1], and higher is better."""


def evaluate(
    maps: np.ndarray,
    masks: np.ndarray | Regions,
    image_scores: np.ndarray,
    image_labels: np.ndarray,
    defect_types: Sequence[str],
    *,
    by_type: bool = True,
    per_image_pro: bool = True,
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
            such as "image_auroc/scratch_head".
        per_image_pro: with pixel_aupro_per_image, the dearest to compute; False leaves it out.

    Returns:
        The METRICS by name. NaN = undefined, for lack of defective or of good images (pixels).

    Raises:
        ValueError: lengths or shapes differ, a value is not finite, or a good image has anomalous pixels.
    """
    pixels, scores = Pixels.of(maps, masks), np.asarray(image_scores)
    labels, types = np.asarray(image_labels, dtype=bool), np.asarray(defect_types, dtype=str)
    _check(pixels, scores, labels, types)
    of_images = {"pixel_aupro_per_image": official_pro(pixels)} if per_image_pro else {}
    of_images["pixel_aupimo"] = aupimo(pixels, labels)
    rows = {str(name): labels & (types == name) for name in np.unique(types[labels])} if by_type else {"": labels}
    normal, *parts = pixels.tallies([~labels, *rows.values()])
    result = _measure(sum(parts, normal), scores, labels, of_images)
    if not by_type:
        return result
    for (name, of_type), part in zip(rows.items(), parts, strict=True):
        seen = of_type | ~labels
        of_seen = {metric: values[seen] for metric, values in of_images.items()}
        values = _measure(normal + part, scores[seen], labels[seen], of_seen)
        result |= {f"{metric}/{name}": value for metric, value in values.items()}
    return result


def _measure(
    tally: Tally, scores: np.ndarray, labels: np.ndarray, of_images: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """The METRICS of one set of images; of_images: those that are means of each image's own value."""
    images, (pixels, overlap) = curve(scores, labels), tally.curve()
    values = {
        "image_auroc": images.auroc,
        "pixel_auroc": pixels.auroc,
        "pixel_aupro": aupro(pixels, overlap),
        "image_ap": images.average_precision,
        "image_f1_max": images.f1_max,
        "pixel_ap": pixels.average_precision,
    }
    return values | {metric: mean_of_defined(own) for metric, own in of_images.items()}


def _check(pixels: Pixels, scores: np.ndarray, labels: np.ndarray, types: np.ndarray) -> None:
    lengths = [len(pixels.maps), len(scores), len(labels), len(types)]
    if len(set(lengths)) != 1:
        raise ValueError(f"masks, image_scores, image_labels and defect_types differ in length: {lengths}")
    strange = np.flatnonzero((pixels.regions > 0) & ~labels)
    if len(strange):
        raise ValueError(f"images {strange.tolist()} are labelled good, but their masks are not empty")
