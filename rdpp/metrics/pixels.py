"""The pixels of some images: the anomalous ones found once, all of them counted once, for all pixel metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdpp.kernels.counting import above, count_between
from rdpp.kernels.threads import usable_cores
from rdpp.metrics.finite import NotFinite
from rdpp.metrics.ranking import Curve
from rdpp.metrics.regions import Regions


@dataclass(frozen=True)
class Tally:
    """The pixels of some images, counted at K ascending scores; among these is each score of an anomalous one.

    Tallies at the same scores are added where their images are joined.
    """

    anomalous: np.ndarray
    """(K,) int64, anomalous pixels of the score."""
    weights: np.ndarray
    """(K,) float64, the sum of their 1 / area of the region that each lies in."""
    normal: np.ndarray
    """(2, K + 1) int64, normal pixels: above score k - 1 and not above score k; equal to score k."""
    regions: int
    """The 8-connected regions of the masks."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.anomalous + other.anomalous,
            self.weights + other.weights,
            self.normal + other.normal,
            self.regions + other.regions,
        )

    def curve(self) -> tuple[Curve, np.ndarray]:
        """Anomalous against normal pixels, and PRO at the curve's scores.

        That, the per-region overlap, is the mean over the regions of the share of a region that is found.
        """
        kept = np.flatnonzero(self.anomalous)[::-1]
        over = above(self.normal[0])[kept]
        curve = Curve(
            tps=np.cumsum(self.anomalous[kept]),
            fps_above=over,
            fps=over + self.normal[1, kept],
            negatives=int(self.normal[0].sum()),
        )
        return curve, np.cumsum(self.weights[kept]) / max(self.regions, 1)


@dataclass(frozen=True)
class Pixels:
    """M pixels of each of N images, and apart the P anomalous ones, image by image."""

    maps: np.ndarray
    """(N, M) scores."""
    scores: np.ndarray
    """(P,) scores of the anomalous pixels."""
    weights: np.ndarray
    """(P,) float64, 1 / area of the region that each lies in."""
    starts: np.ndarray
    """(N + 1,) how many anomalous pixels lie in the images before each; then P."""
    regions: np.ndarray
    """(N,) how many 8-connected regions each mask has."""
    padding: np.ndarray
    """(N,) how many of the M are none: they lie below all others in `maps`, and are not counted."""

    @classmethod
    def of(cls, maps: np.ndarray, masks: "np.ndarray | Regions") -> "Pixels":
        """Find the anomalous pixels.

        Args:
            maps: (N, H, W) floating point, larger = more anomalous; -inf: padding, which counts for nothing.
            masks: (N, H, W) bool (or 0 and 1), True = anomalous; or their regions, where these are known already.

        Raises:
            ValueError: the shapes differ or are not (N, H, W); a value of the maps is NaN or infinite; there is an
                anomalous pixel in the padding.
        """
        if maps.shape != masks.shape or maps.ndim != 3:
            raise ValueError(f"maps and masks must both be (N, H, W), got {maps.shape} and {masks.shape}")
        regions = masks if isinstance(masks, Regions) else Regions.of(masks)
        flat, positions = np.ascontiguousarray(maps.reshape(len(maps), -1)), regions.positions
        flat, padding = _without_padding(flat, positions)
        weights = 1.0 / np.bincount(regions.labels)[regions.labels]
        starts = np.searchsorted(positions // max(flat.shape[1], 1), np.arange(len(maps) + 1))
        return cls(flat, flat.ravel()[positions], weights, starts, regions.of_each_image, padding)

    @property
    def defects(self) -> np.ndarray:
        """The images with an anomalous pixel."""
        return np.flatnonzero(self.regions)

    def anomalous(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and weights of one image's anomalous pixels."""
        own = slice(self.starts[index], self.starts[index + 1])
        return self.scores[own], self.weights[own]

    def tallies(self, groups: Sequence[np.ndarray]) -> list[Tally]:
        """A tally of each group of images, (N,) bool, at the scores of all anomalous pixels."""
        scores, index_of = np.unique(self.scores, return_inverse=True)
        rows = [np.flatnonzero(group) for group in groups]
        counts = count_between(self.maps, scores, rows, usable_cores())
        image = np.repeat(np.arange(len(self.maps)), np.diff(self.starts))
        tallies = []
        for group, normal in zip(groups, counts, strict=True):
            own = group[image]
            anomalous = np.bincount(index_of[own], minlength=len(scores))
            normal[:, :-1] -= anomalous  # which were counted with the normal ones, and equal their scores
            normal[0, 0] -= self.padding[group].sum()  # which lies below all scores
            weights = np.bincount(index_of[own], self.weights[own], minlength=len(scores))
            tallies.append(Tally(anomalous, weights, normal, int(self.regions[group].sum())))
        return tallies


def _without_padding(maps: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, M) maps with finite values in the padding, below all others, and (N,) how many these are."""
    infinite = maps.size - np.count_nonzero(np.isfinite(maps))
    if not infinite:
        return maps, np.zeros(len(maps), int)
    outside = np.isneginf(maps)
    if wrong := infinite - np.count_nonzero(outside):
        raise NotFinite(f"{wrong} of {maps.size} pixels of the maps are not finite; did training diverge?")
    if outside.all(1).any():
        raise NotFinite("a map is padding alone (-inf); did training diverge?")
    if outside.ravel()[anomalous].any():
        raise ValueError("there are anomalous pixels in the padding (-inf) of the maps; masks must be empty there")
    return np.where(outside, maps[~outside].min() - 1, maps), outside.sum(1)
