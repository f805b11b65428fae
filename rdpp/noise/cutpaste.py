"""CutPaste: a piece of the image itself, pasted elsewhere in it."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rdpp.config import require
from rdpp.noise.device import to_device_of


@dataclass(frozen=True)
class CutPaste:
    """One rectangle of each image, its colours changed a little, pasted at another place.

    Source: Li et al., "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization", CVPR 2021,
    section 2.2 (the plain form); areas, aspect ratios and jitter as in its section 4.1. Jitter here scales
    each channel.
    """

    name: Literal["cutpaste"] = "cutpaste"
    """The kind of noise."""
    min_area: float = 0.02
    """Least area of the rectangle, as a share of the image's area."""
    max_area: float = 0.15
    """Largest area of the rectangle, as a share of the image's area."""
    max_aspect: float = 3.3
    """Largest ratio of the rectangle's longer side to its shorter one."""
    jitter: float = 0.1
    """Each channel of the piece is multiplied by a factor from 1 - jitter to 1 + jitter."""

    def __post_init__(self) -> None:
        areas = f"got min_area {self.min_area}, max_area {self.max_area}"
        require(0 < self.min_area <= self.max_area < 0.5, f"noise needs 0 < min_area <= max_area < 0.5, {areas}")
        require(self.max_aspect >= 1, f"noise max_aspect must be at least 1, got {self.max_aspect}")
        require(0 <= self.jitter < 1, f"noise jitter must be at least 0 and below 1, got {self.jitter}")

    def __call__(self, images: Tensor, generator: torch.Generator, *, inplace: bool = False) -> tuple[Tensor, Tensor]:
        """Cut one piece of each image and paste it.

        Args:
            images: (B, C, H, W) floating point, in [0, 1], on any device.
            generator: on the CPU; a batch draws torch.rand(B, 6 + C).
            inplace: write into the images instead of a copy of them.

        Returns:
            noisy: like images; not clipped, so it may leave [0, 1].
            mask: (B, 1, H, W) bool, True where something was pasted.
        """
        count, channels, height, width = images.shape
        uniform = torch.rand((count, 6 + channels), generator=generator, dtype=torch.float64)
        factors = to_device_of(1 + self.jitter * (2 * uniform[:, 6:] - 1), images)
        noisy, mask = images if inplace else images.clone(), torch.zeros_like(images[:, :1], dtype=torch.bool)
        for index, (area, aspect, *corners) in enumerate(uniform[:, :6].tolist()):
            h, w = self._size(area, aspect, height, width)
            top, left, new_top, new_left = (
                int(share * (side - length + 1))
                for share, side, length in zip(corners, (height, width) * 2, (h, w) * 2, strict=True)
            )
            piece = images[index, :, top : top + h, left : left + w] * factors[index, :, None, None]
            noisy[index, :, new_top : new_top + h, new_left : new_left + w] = piece
            mask[index, :, new_top : new_top + h, new_left : new_left + w] = True
        return noisy, mask

    def _size(self, area: float, aspect: float, height: int, width: int) -> tuple[int, int]:
        """Height and width: area uniform, height over width uniform in its logarithm."""
        pixels = height * width * (self.min_area + area * (self.max_area - self.min_area))
        ratio = math.exp((2 * aspect - 1) * math.log(self.max_aspect))
        h, w = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
        return min(max(1, round(h)), height - 1), min(max(1, round(w)), width - 1)
