"""The connected regions of masks. Masks do not change while a network trains, so they are labelled once a split."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_TOUCHING = np.stack([np.zeros((3, 3), bool), np.ones((3, 3), bool), np.zeros((3, 3), bool)])
"""Which of the 27 voxels around a pixel touch it: the 8 neighbours in its own image, none in the images beside it."""


@dataclass(frozen=True)
class Regions:
    """The P anomalous pixels of N masks, image by image, and the 8-connected region that each lies in."""

    shape: tuple[int, ...]
    """N, H, W."""
    positions: np.ndarray
    """(P,) int64, indices into the raveled masks, ascending."""
    labels: np.ndarray
    """(P,) int64, the regions numbered from 0."""
    of_each_image: np.ndarray
    """(N,) how many regions each mask has."""

    @classmethod
    def of(cls, masks: np.ndarray) -> "Regions":
        """Label the regions of (N, H, W) masks, bool or 0 and 1, True = anomalous.

        Raises:
            ValueError: the masks have another number of dimensions.
        """
        if masks.ndim != 3:
            raise ValueError(f"masks must be (N, H, W), got {masks.shape}")
        labelled = np.empty(masks.shape, np.int32)
        ndimage.label(masks, _TOUCHING, output=labelled)
        positions = np.flatnonzero(labelled)
        labels = labelled.ravel()[positions].astype(np.int64) - 1
        _, first = np.unique(labels, return_index=True)
        images = positions[first] // max(masks.shape[1] * masks.shape[2], 1)
        return cls(masks.shape, positions, labels, np.bincount(images, minlength=len(masks)))
