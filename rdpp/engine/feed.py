"""The images of a split as the device gets them."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from rdpp.data import Split
from rdpp.engine.teacher_features import TeacherFeatures
from rdpp.types import Batch


class Feed:
    """Batches of a split on a device, with the teacher's features of them where these are known.

    On a GPU the images move there once, so that no step waits for a disk or a bus.
    """

    def __init__(self, split: Split, device: torch.device, features: TeacherFeatures | None = None) -> None:
        self.split, self.device, self.features = split, device, features
        self._resident = torch.from_numpy(split.images[:]).to(device) if device.type == "cuda" else None

    def __len__(self) -> int:
        return len(self.split)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Batch]:
        """A batch for each tensor of indices."""
        for indices in order:
            yield Batch(self._images(indices), indices, self.features and self.features.of(indices))

    def _images(self, indices: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[indices.to(self.device, non_blocking=True)]
        return torch.from_numpy(self.split.images[indices.numpy()])
