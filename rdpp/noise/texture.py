"""A foreign texture, cut out in the shape of blots and blended into the image."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from rdpp.config import require
from rdpp.noise.device import to_device_of

_WAVES = 4


@dataclass(frozen=True)
class Texture:
    """In blots that cover a share of each image, image and texture are mixed: (1 - opacity) image + opacity texture.

    Source: Zavrtanik et al., "DRAEM", ICCV 2021, section 3.3, which takes its textures from a data set of
    photographs and its blots from Perlin noise. Here neither needs a file: a texture is a sum of four random plane
    waves in a random colour on a random ground, blots are smooth noise above the threshold that gives them their area.
    """

    name: Literal["texture"] = "texture"
    """The kind of noise."""
    min_area: float = 0.01
    """Least area of the blots, as a share of the image's area."""
    max_area: float = 0.1
    """Largest area of the blots, as a share of the image's area."""
    min_opacity: float = 0.2  # DRAEM
    """Least weight of the texture where it is mixed with the image."""
    max_opacity: float = 1.0  # DRAEM
    """Largest weight of the texture where it is mixed with the image."""
    cells: int = 6
    """Cells of the smooth noise along the image's side: more cells make smaller blots."""

    def __post_init__(self) -> None:
        areas = f"got min_area {self.min_area}, max_area {self.max_area}"
        require(0 < self.min_area <= self.max_area < 0.5, f"noise needs 0 < min_area <= max_area < 0.5, {areas}")
        opacities = f"got min_opacity {self.min_opacity}, max_opacity {self.max_opacity}"
        require(
            0 < self.min_opacity <= self.max_opacity <= 1,
            f"noise needs 0 < min_opacity <= max_opacity <= 1, {opacities}",
        )
        require(self.cells >= 2, f"noise cells must be at least 2, got {self.cells}")

    def __call__(self, images: Tensor, generator: Generator, *, inplace: bool = False) -> tuple[Tensor, Tensor]:
        """Blend one texture into each image.

        Args:
            images: (B, C, H, W) floating point, in [0, 1], on any device.
            generator: on the CPU.
            inplace: write into the images instead of a copy of them.

        Returns:
            noisy: like images, in [0, 1] where they are.
            mask: (B, 1, H, W) bool, True in the blots.
        """
        count, channels, height, width = images.shape
        mask = self._blots(count, height, width, generator)
        textures = _textures(count, channels, height, width, generator)
        spread = self.max_opacity - self.min_opacity
        opacity = self.min_opacity + spread * torch.rand((count, 1, 1, 1), generator=generator, dtype=torch.float64)
        blended = torch.lerp(images, to_device_of(textures, images), to_device_of(opacity, images))
        mask = to_device_of(mask, images).bool()
        return torch.where(mask, blended, images, out=images if inplace else None), mask

    def _blots(self, count: int, height: int, width: int, generator: Generator) -> Tensor:
        """(B, 1, H, W) bool."""
        coarse = torch.randn((count, 1, self.cells, self.cells), generator=generator)
        smooth = interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
        area = self.min_area + (self.max_area - self.min_area) * torch.rand(count, generator=generator)
        ranked = smooth.flatten(1).sort(1).values
        rank = ((1 - area) * (height * width - 1)).long()
        return smooth > ranked.gather(1, rank[:, None])[:, :, None, None]


def _textures(count: int, channels: int, height: int, width: int, generator: Generator) -> Tensor:
    """(B, C, H, W) float32 in [0, 1]: wavelengths from 4 to 32 pixels."""
    uniform = torch.rand((count, _WAVES, 3), generator=generator)
    colours = torch.rand((count, 2, channels, 1, 1), generator=generator)
    angle, wavelength = 2 * math.pi * uniform[..., 0], 4 * 8 ** uniform[..., 1]
    phase = 2 * math.pi * uniform[..., 2]
    down = torch.sin(angle)[..., None, None] * torch.arange(height)[:, None]
    across = torch.cos(angle)[..., None, None] * torch.arange(width)
    waves = torch.sin(2 * math.pi * (down + across) / wavelength[..., None, None] + phase[..., None, None])
    share = (waves.mean(1, keepdim=True) + 1) / 2
    return torch.lerp(colours[:, 0], colours[:, 1], share)
