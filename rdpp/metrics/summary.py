"""All metrics of a data split at once, over all its images and by defect type."""

from collections.abc import Mapping, Sequence

import numpy as np

from rdpp.metrics.aupimo import aupimo_of_each_image
from rdpp.metrics.aupro import aupro, aupro_of_each_image, mean_of_defined
from rdpp.metrics.pixels import Pixels, checked
from rdpp.metrics.ranking import curve

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
    masks: np.ndarray,
    image_scores: np.ndarray,
    image_labels: np.ndarray,
    defect_types: Sequence[str],
    *,
    by_type: bool = True,
    per_image_pro: bool = True,
) -> dict[str, float]:
    """Every metric, from one sort of the pixels.

    Args:
        maps: (N, H, W) float32, larger = more anomalous.
        masks: (N, H, W) bool, True = anomalous; all False where the image is good.
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
    masks, scores = checked(maps, masks), np.asarray(image_scores)
    labels, types = np.asarray(image_labels, dtype=bool), np.asarray(defect_types, dtype=str)
    _check(masks, scores, labels, types)
    of_images = {"pixel_aupro_per_image": aupro_of_each_image(maps, masks)} if per_image_pro else {}
    of_images["pixel_aupimo"] = aupimo_of_each_image(maps, masks, labels)
    if not by_type:
        return _measure(Pixels.of(maps, masks), scores, labels, of_images)
    normal = Pixels.of(maps[~labels], masks[~labels])
    rows = {str(name): labels & (types == name) for name in np.unique(types[labels])}
    parts = {name: Pixels.of(maps[of_type], masks[of_type]) for name, of_type in rows.items()}
    result = _measure(Pixels.joined([normal, *parts.values()]), scores, labels, of_images)
    for name, part in parts.items():
        seen = rows[name] | ~labels
        of_seen = {metric: values[seen] for metric, values in of_images.items()}
        values = _measure(Pixels.joined([normal, part]), scores[seen], labels[seen], of_seen)
        result |= {f"{metric}/{name}": value for metric, value in values.items()}
    return result


def _measure(
    pixels: Pixels, scores: np.ndarray, labels: np.ndarray, of_images: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """The METRICS of one set of images; of_images: those that are means of each image's own value."""
    images = curve(scores, labels)
    values = {
        "image_auroc": images.auroc,
        "pixel_auroc": pixels.curve.auroc,
        "pixel_aupro": aupro(pixels),
        "image_ap": images.average_precision,
        "image_f1_max": images.f1_max,
        "pixel_ap": pixels.curve.average_precision,
    }
    return values | {metric: mean_of_defined(own) for metric, own in of_images.items()}


def _check(masks: np.ndarray, scores: np.ndarray, labels: np.ndarray, types: np.ndarray) -> None:
    lengths = [len(masks), len(scores), len(labels), len(types)]
    if len(set(lengths)) != 1:
        raise ValueError(f"masks, image_scores, image_labels and defect_types differ in length: {lengths}")
    strange = np.flatnonzero(masks.any(axis=(1, 2)) & ~labels)
    if len(strange):
        raise ValueError(f"images {strange.tolist()} are labelled good, but their masks are not empty")
