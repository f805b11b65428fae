"""What metrics are computed from: images of a split, their pixels found and counted once for all metrics."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rdpp.metrics.aupimo import aupimo
from rdpp.metrics.aupro import official_pro
from rdpp.metrics.pixels import Pixels, Tally
from rdpp.metrics.ranking import Curve, curve


@dataclass(frozen=True)
class Measured:
    """All N images of a split. What is computed image by image is computed once, when a metric first asks for it."""

    pixels: Pixels
    scores: np.ndarray
    """(N,) image scores."""
    labels: np.ndarray
    """(N,) bool, True = defective."""

    @cached_property
    def pro(self) -> np.ndarray:
        """(N,) the released code's PRO of each image; see `aupro_of_each_image`."""
        return official_pro(self.pixels)

    @cached_property
    def aupimo(self) -> np.ndarray:
        """(N,) AUPIMO of each image; see `aupimo_of_each_image`."""
        return aupimo(self.pixels, self.labels)


@dataclass(frozen=True)
class Part:
    """The images that one value is computed over: the whole split, or its good images and those of one defect type."""

    split: Measured
    rows: np.ndarray
    """(N,) bool, which images of the split."""
    tally: Tally
    """Their pixels, counted."""

    @cached_property
    def image_curve(self) -> Curve:
        """Defective images against good ones."""
        return curve(self.split.scores[self.rows], self.split.labels[self.rows])

    @property
    def pixel_curve(self) -> Curve:
        """Anomalous pixels against normal ones."""
        return self._of_pixels[0]

    @property
    def overlap(self) -> np.ndarray:
        """(K,) the per-region overlap (PRO) at the scores of `pixel_curve`."""
        return self._of_pixels[1]

    @cached_property
    def _of_pixels(self) -> tuple[Curve, np.ndarray]:
        return self.tally.curve()
