"""Pictures for a person: an image, its mask, its anomaly map, and the map laid over the image."""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation

from rdpp.data import Split

_GAP, _HEADER = 6, 56
_SMALLEST = 256  # panels of small images are enlarged to about this height
_COLOURS = matplotlib.colormaps["inferno"]
_OUTLINE = (0, 255, 120)
_PADDING = (128, 128, 128)


@dataclass(frozen=True)
class Scale:
    """One colour scale for the images of an epoch, and the score that tells good from defective there."""

    low: float
    high: float
    threshold: float
    """The image score with the best F1 on these images."""

    @classmethod
    def of_maps(cls, maps: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> "Scale":
        """Of maps (N, H, W), scores (N,) and labels (N,): from the median of all map values (background) to the highest
        but for one pixel in ten thousand."""
        low, high = np.quantile(maps[np.isfinite(maps)], [0.5, 0.9999])  # padding is -inf
        return cls(float(low), max(float(high), float(low) + 1e-6), best_threshold(scores, labels))


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The score from which on an image is called defective for the best F1; infinite without defective images."""
    if not labels.any():
        return float("inf")
    from sklearn.metrics import precision_recall_curve  # takes a second, which no command that reads should wait for

    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def interesting(scores: np.ndarray, labels: np.ndarray, count: int) -> Mapping[str, list[int]]:
    """Indices of up to `count` images a kind: `miss` (defective, lowest scores), `false_alarm` (good, highest
    scores), `hit` (defective, about the median score). No image twice."""
    defective, good = np.flatnonzero(labels), np.flatnonzero(~labels)
    rising = defective[np.argsort(scores[defective], kind="stable")]
    misses = rising[:count]
    middle = max(len(misses), (len(rising) - count) // 2)
    alarms = good[np.argsort(-scores[good], kind="stable")][:count]
    kinds = {"miss": misses, "false_alarm": alarms, "hit": rising[middle : middle + count]}
    return {kind: [int(i) for i in indices] for kind, indices in kinds.items()}


@dataclass(frozen=True)
class Heatmap:
    """What is drawn of one image and its anomaly map. Panels are (H, W, 3) uint8."""

    image: np.ndarray
    mask: np.ndarray
    """White on black; grey where none is known."""
    colours: np.ndarray
    """Of the anomaly map."""
    overlay: np.ndarray
    """The map laid over the image, with the mask's outline."""
    title: str
    epoch: int
    found: str
    """Score, threshold and verdict."""
    scale: str
    """What the colours mean."""

    def grid(self) -> Image.Image:
        """Four panels under a caption: image and mask above, anomaly map and overlay below."""
        enlarge = max(1, _SMALLEST // self.image.shape[0])
        panels = [p.repeat(enlarge, 0).repeat(enlarge, 1) for p in (self.image, self.mask, self.colours, self.overlay)]
        return _grid(panels, (f"{self.title}   epoch {self.epoch}", self.found, self.scale))


def heatmap(
    *,
    pixels: np.ndarray,
    mask: np.ndarray | None,
    anomaly_map: np.ndarray,
    score: float,
    title: str,
    defective: bool,
    epoch: int,
    scale: Scale,
) -> Heatmap:
    """Draw an anomaly map.

    Args:
        pixels: (H, W, 3) uint8.
        mask: (H, W) bool; None where none is known.
        anomaly_map: (H, W).
        score: of the image.
        title: of the image.
        defective: whether it is.
        epoch: that the map is from.
        scale: of that epoch.
    """
    heat = colour(anomaly_map, scale)
    overlay = (0.55 * pixels + 0.45 * heat).astype(np.uint8)
    drawn = np.full_like(pixels, 128) if mask is None else np.repeat((mask * 255).astype(np.uint8)[..., None], 3, 2)
    spot = f"; {hottest_spot(anomaly_map, mask)}" if mask is not None and mask.any() else ""
    return Heatmap(
        image=pixels,
        mask=drawn,
        colours=heat,
        overlay=overlay if mask is None else outlined(overlay, mask),
        title=title,
        epoch=epoch,
        found=f"score {score:.3f}, threshold {scale.threshold:.3f}: {verdict(defective, score, scale)}{spot}",
        scale=f"colours of this epoch: {scale.low:.2f} (black) to {scale.high:.2f} (yellow); "
        + ("no mask is known" if mask is None else "green: mask"),
    )


def picture(split: Split, index: int) -> np.ndarray:
    """(H, W, 3) uint8."""
    return (split.images[index].transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8)


def outlined(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with a line around the mask's regions (H, W)."""
    drawn = pixels.copy()
    drawn[binary_dilation(mask) & ~mask] = _OUTLINE
    return drawn


def colour(anomaly_map: np.ndarray, scale: Scale) -> np.ndarray:
    """(H, W) to (H, W, 3) uint8; values beyond the scale take its end colours, padding (-inf) is grey."""
    relative = (anomaly_map - scale.low) / (scale.high - scale.low)
    colours = (_COLOURS(relative.clip(0, 1))[..., :3] * 255).astype(np.uint8)
    colours[np.isneginf(anomaly_map)] = _PADDING
    return colours


def verdict(defective: bool, score: float, scale: Scale) -> str:
    """Whether the image's score lies on its own side of the threshold: where the map is hot does not matter."""
    if score >= scale.threshold:
        return "found" if defective else "FALSE ALARM"
    return "MISSED" if defective else "passed"


def hottest_spot(anomaly_map: np.ndarray, mask: np.ndarray) -> str:
    """Whether the map (H, W) is highest within the mask (H, W)."""
    inside = mask.flat[int(anomaly_map.argmax())]
    return "hottest spot in the mask" if inside else "hottest spot OUTSIDE the mask"


def _grid(panels: list[np.ndarray], caption: tuple[str, ...]) -> Image.Image:
    """Two rows of two: nearly square, as the UI's previews are."""
    height, width = panels[0].shape[:2]
    font = ImageFont.load_default(size=14)
    grid = Image.new("RGB", (2 * width + _GAP, 2 * height + _GAP + _HEADER), "white")
    draw = ImageDraw.Draw(grid)
    for line, text in enumerate(caption):
        draw.text((2, 2 + 17 * line), text, fill="black", font=font)
    for i, panel in enumerate(panels):
        grid.paste(Image.fromarray(panel), (i % 2 * (width + _GAP), _HEADER + i // 2 * (height + _GAP)))
    return grid
