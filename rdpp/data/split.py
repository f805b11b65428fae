"""The images of one category's training or test half, as the network gets them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpp.data.facts import Box, Facts
from rdpp.data.item import Item


@dataclass(frozen=True)
class Split:
    """The images of one category's training or test half, at the configured size."""

    items: tuple[Item, ...]
    images: np.ndarray
    """(N, 3, H, W) float32 in [0, 1], memory-mapped."""
    masks: np.ndarray
    """(N, H, W) bool, True where defective; empty masks for good images."""
    key: str
    """Tells splits of other files, contents, sizes or portions apart."""
    root: Path
    """Of the data set: the items' paths are relative to it."""
    facts: Facts | None = None
    """What its files were; None where they were made, not read."""
    boxes: tuple[Box, ...] | None = None
    """Where each picture lies in its image, the rest of which is padding; None where pictures fill their images."""

    def __len__(self) -> int:
        return len(self.items)

    def part(self, rows: np.ndarray, name: str) -> "Split":
        """The images at these indices; the name tells this part from others."""
        items = tuple(self.items[i] for i in rows)
        boxes = self.boxes and tuple(self.boxes[i] for i in rows)
        return Split(items, self.images[rows], self.masks[rows], f"{self.key}, {name}", self.root, boxes=boxes)

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool, True where defective: as the data set says, not by masks that may vanish when resized."""
        assert all(item.label is not None for item in self.items)
        return np.array([item.label for item in self.items], dtype=bool)

    @property
    def defect_types(self) -> list[str]:
        """Of each image; `good` where there is no defect."""
        return [item.defect_type for item in self.items]

    @property
    def padding(self) -> np.ndarray:
        """(N, H, W) bool, True outside of the pictures."""
        outside = np.full(self.masks.shape, self.boxes is not None)
        for i, (top, left, height, width) in enumerate(self.boxes or ()):
            outside[i, top : top + height, left : left + width] = False
        return outside

    @property
    def has_masks(self) -> bool:
        """Whether it is known where the defects are; else the masks are empty, and no pixel can be judged."""
        return self.facts is None or all(item.masks is not None for item in self.items if item.label)

    @property
    def empty(self) -> np.ndarray:
        """Indices of defective images whose masks are empty as files."""
        return self._without_pixels(lambda pixels: pixels == 0)

    @property
    def vanished(self) -> np.ndarray:
        """Indices of defective images whose masks are not empty as files, but at this size."""
        return self._without_pixels(lambda pixels: pixels > 0)

    def _without_pixels(self, in_files: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        if self.facts is None or not self.has_masks:
            return np.array([], int)
        gone = self.labels & ~self.masks.any((1, 2))
        return np.flatnonzero(gone & in_files(np.array(self.facts.mask_pixels)))
