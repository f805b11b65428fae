"""A rectangular patch of white Gaussian noise: the pseudo-anomaly without any texture."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rdpp.noise.patches import PatchNoise


@dataclass(frozen=True)
class Gaussian(PatchNoise):
    """Every pixel and channel of the patch gets its own draw of mean 0 and standard deviation `scale`."""

    name: Literal["gaussian"] = "gaussian"
    """The kind of noise."""

    def patches(self, sizes: list[tuple[int, int]], channels: int, generator: torch.Generator) -> list[Tensor]:
        """One (C, h, w) patch a size."""
        return [self.scale * torch.randn((channels, h, w), generator=generator) for h, w in sizes]
