"""The pixels of some images: the anomalous ones found once, all of them counted once, for all pixel metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdpp.kernels.counting import above, count_between
from rdpp.kernels.threads import cores
from rdpp.metrics.ranking import Curve
from rdpp.metrics.regions import region_of_each_pixel


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
    """(N,) the 8-connected regions of each mask."""

    @classmethod
    def of(cls, maps: np.ndarray, masks: np.ndarray) -> "Pixels":
        """Find the anomalous pixels.

        Args:
            maps: (N, H, W) floating point, larger = more anomalous.
            masks: (N, H, W) bool (or 0 and 1), True = anomalous.

        Raises:
            ValueError: the shapes differ or are not (N, H, W); a value of the maps is not finite.
        """
        if maps.shape != masks.shape or maps.ndim != 3:
            raise ValueError(f"maps and masks must both be (N, H, W), got {maps.shape} and {masks.shape}")
        if wrong := maps.size - np.count_nonzero(np.isfinite(maps)):
            raise ValueError(f"{wrong} of {maps.size} pixels of the maps are not finite; did training diverge?")
        flat, count = np.ascontiguousarray(maps.reshape(len(maps), -1)), len(maps)
        positions = np.flatnonzero(masks)
        images = positions // max(flat.shape[1], 1)
        region = region_of_each_pixel(positions, maps.shape)
        weights = 1.0 / np.bincount(region)[region]
        first = images[region == np.arange(len(region))]  # the pixels that stand for their regions
        starts = np.searchsorted(images, np.arange(count + 1))
        return cls(flat, flat.ravel()[positions], weights, starts, np.bincount(first, minlength=count))

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
        scores, place = np.unique(self.scores, return_inverse=True)
        rows = [np.flatnonzero(group) for group in groups]
        counts = count_between(self.maps, scores, rows, cores())
        image = np.repeat(np.arange(len(self.maps)), np.diff(self.starts))
        found = []
        for group, normal in zip(groups, counts, strict=True):
            own = group[image]
            anomalous = np.bincount(place[own], minlength=len(scores))
            normal[:, :-1] -= anomalous  # which were counted with the normal ones, and equal their scores
            weights = np.bincount(place[own], self.weights[own], minlength=len(scores))
            found.append(Tally(anomalous, weights, normal, int(self.regions[group].sum())))
        return found
