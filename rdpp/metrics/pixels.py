"""The pixels of some images, sorted once, then shared by all pixel metrics of any union of such images."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from rdpp.metrics.ranking import Curve
from rdpp.metrics.sorting import sorted_pieces

# all 8 neighbours within an image, none in the images before and after it
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


@dataclass(frozen=True)
class Pixels:
    """P anomalous pixels, in R regions, and the normal ones."""

    scores: np.ndarray
    """(P,) scores of the anomalous pixels, ascending."""
    weights: np.ndarray
    """(P,) float64, 1 / area of the region that each lies in."""
    regions: int
    """R: the 8-connected regions of the masks."""
    normal: tuple[np.ndarray, ...]
    """Scores of the normal pixels, in pieces, each ascending."""

    @classmethod
    def of(cls, maps: np.ndarray, masks: np.ndarray) -> "Pixels":
        """Sort the pixels of anomaly maps.

        Args:
            maps: (N, H, W) floating point, larger = more anomalous.
            masks: (N, H, W) bool (or 0 and 1), True = anomalous.

        Raises:
            ValueError: as `checked`.
        """
        masks = checked(maps, masks)
        scores, normal = maps[masks], maps[~masks]
        weights, regions = _region_weights(masks)
        order = np.argsort(scores)
        return cls(scores[order], weights[order], regions, sorted_pieces(normal))

    @classmethod
    def joined(cls, parts: Iterable["Pixels"]) -> "Pixels":
        """The pixels of all parts, without sorting the normal ones again."""
        parts = list(parts)
        scores = np.concatenate([part.scores for part in parts])
        order = np.argsort(scores, kind="stable")  # merges sorted runs
        weights = np.concatenate([part.weights for part in parts])[order]
        normal = tuple(piece for part in parts for piece in part.normal)
        return cls(scores[order], weights, sum(part.regions for part in parts), normal)

    @cached_property
    def curve(self) -> Curve:
        """Anomalous against normal pixels."""
        return Curve.of(self.scores, self.normal)

    @cached_property
    def coverage(self) -> np.ndarray:
        """(P + 1,) float64, the per-region overlap (PRO) of the n highest anomalous pixels, n = 0..P.

        That is the mean over the regions of the share of a region that they cover.
        """
        return np.concatenate([[0.0], np.cumsum(self.weights[::-1]) / max(self.regions, 1)])


def checked(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The masks as bool.

    Raises:
        ValueError: the shapes differ or are not (N, H, W); a value of the maps is not finite.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps and masks must both be (N, H, W), got {maps.shape} and {masks.shape}")
    if wrong := maps.size - np.count_nonzero(np.isfinite(maps)):
        raise ValueError(f"{wrong} of {maps.size} pixels of the maps are not finite; did training diverge?")
    return np.asarray(masks, dtype=bool)


def _region_weights(masks: np.ndarray) -> tuple[np.ndarray, int]:
    """1 / area of the region that each anomalous pixel lies in (C order), and how many regions there are."""
    labels = np.empty(masks.shape, dtype=np.int32)
    ndimage.label(masks, structure=_NEIGHBOURS, output=labels)  # regions count from 1
    region = labels[masks]
    areas = np.bincount(region, minlength=1)
    return 1.0 / areas[region], len(areas) - 1
