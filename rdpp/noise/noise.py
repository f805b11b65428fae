"""What every pseudo-anomaly offers."""

from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """A pseudo-anomaly: a frozen dataclass whose fields are its YAML keys, `name` among them."""

    @property
    def name(self) -> str:
        """Its name in NOISES, a Literal with that one value."""
        ...

    def __call__(self, images: Tensor, generator: torch.Generator, *, inplace: bool = False) -> tuple[Tensor, Tensor]:
        """Make noisy copies of images.

        Args:
            images: (B, C, H, W) floating point, in [0, 1], on any device.
            generator: on the CPU; the only source of randomness.
            inplace: write into the images instead of a copy of them.

        Returns:
            noisy: like images.
            mask: (B, 1, H, W) bool, True where an image was changed.
        """
        ...
