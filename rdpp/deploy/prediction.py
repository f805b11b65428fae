"""What a model says of one image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

_EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True, kw_only=True)
class Region:
    """Connected pixels above the threshold. All in pixels of the original image, as fine as the network's own."""

    left: int
    top: int
    width: int
    height: int
    area: int
    """Its pixels."""
    score: float
    """The highest value in it."""
    peak: tuple[int, int]
    """(x, y) of that value."""


@dataclass(frozen=True, kw_only=True)
class ImagePrediction:
    """One image, judged."""

    name: str
    """Its path, or its position where an array was given."""
    path: Path | None
    """Its file."""
    score: float
    """Larger = more anomalous: the map's maximum."""
    verdict: bool | None
    """True: defective, the score lies above the threshold; None where there is no threshold."""
    threshold: float | None
    """Of the score."""
    regions: tuple[Region, ...]
    """Where the map lies above the pixels' threshold, highest first; none where there is no such threshold."""
    pixel_threshold: float | None
    """Of the map."""
    network_map: np.ndarray
    """(h, w) float32, the anomaly map as the network gives it, without padding."""
    size: tuple[int, int]
    """(height, width) of the image."""

    @cached_property
    def map(self) -> np.ndarray:
        """(height, width) float32: the anomaly map at the image's own size, enlarged when it is asked for."""
        small = torch.from_numpy(self.network_map)[None, None]
        return interpolate(small, size=self.size, mode="bilinear", align_corners=False)[0, 0].numpy()

    def told(self) -> dict[str, Any]:
        """What is told of it as plain data, but for its name and its map."""
        return {
            "height": self.size[0],
            "width": self.size[1],
            "score": self.score,
            "defective": self.verdict,
            "threshold": self.threshold,
            "pixel_threshold": self.pixel_threshold,
            "regions": [{**asdict(region), "peak": list(region.peak)} for region in self.regions],
        }


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read."""

    name: str
    reason: str


def regions_above(network_map: np.ndarray, threshold: float, size: Sequence[int]) -> tuple[Region, ...]:
    """The 8-connected regions above a threshold, highest first.

    They are found in the network's map, so that there is one whenever the image's score lies above the threshold, and
    told in pixels of the original image.

    Args:
        network_map: (h, w).
        threshold: what equals it does not lie above.
        size: (height, width) of the original image.
    """
    labels: np.ndarray = ndimage.label(network_map > threshold, _EIGHT_CONNECTED)[0]  # type: ignore[index]
    boxes = ndimage.find_objects(labels)
    found = [_region(network_map, labels, number, box, size) for number, box in enumerate(boxes, 1)]
    return tuple(sorted(found, key=lambda region: -region.score))


def _region(
    network_map: np.ndarray, labels: np.ndarray, number: int, box: tuple[slice, slice], size: Sequence[int]
) -> Region:
    inside = labels[box] == number
    values = np.where(inside, network_map[box], -np.inf)
    row, column = divmod(int(values.argmax()), values.shape[1])
    down, across = size[0] / network_map.shape[0], size[1] / network_map.shape[1]
    top, bottom = int(box[0].start * down), int(np.ceil(box[0].stop * down))
    left, right = int(box[1].start * across), int(np.ceil(box[1].stop * across))
    return Region(
        left=left,
        top=top,
        width=min(right, size[1]) - left,
        height=min(bottom, size[0]) - top,
        area=max(1, round(int(inside.sum()) * down * across)),
        score=float(values.max()),
        peak=(int((box[1].start + column + 0.5) * across), int((box[0].start + row + 0.5) * down)),
    )
