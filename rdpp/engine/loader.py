"""The images of a split as the device gets them."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from rdpp.data import Split
from rdpp.engine.teacher_features import TeacherFeatures
from rdpp.metrics import Regions
from rdpp.types import Batch


class DataLoader:
    """Batches of a split on a device, with the teacher's features of them where these are known.

    On a GPU the images move there once, so that no step waits for a disk or a bus.
    """

    def __init__(self, split: Split, device: torch.device, features: TeacherFeatures | None = None) -> None:
        self.split, self.device, self.features = split, device, features
        self._images = torch.from_numpy(split.images[:]).to(device)

    @cached_property
    def regions(self) -> Regions:
        """The connected regions of the split's masks."""
        return Regions.of(self.split.masks)

    def __len__(self) -> int:
        return len(self.split)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Batch]:
        """A batch for each tensor of indices."""
        for indices in order:
            images = self._images.index_select(0, indices.to(self.device, non_blocking=True))
            yield Batch(images, indices, self.features and self.features.of(indices))
