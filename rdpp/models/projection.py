"""The multi-scale projection of RD++ (paper, section 3.2): maps noisy features back to clean ones."""

import itertools
from collections.abc import Sequence

from torch import nn

from rdpp.types import Stages


class Projection(nn.Module):
    """Stages to projected stages of the same shapes, each through its own narrow convolution stack.

    Instance normalisation works on each image alone, so clean and noisy images may share a batch.
    Source: official code, MultiProjectionLayer (widths C -> C/2 -> C/4 -> C/2 -> C).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_narrow(c) for c in channels)

    def forward(self, stages: Stages) -> Stages:
        return tuple(layer(stage) for layer, stage in zip(self.stages, stages, strict=True))


def _narrow(channels: int) -> nn.Sequential:
    widths = (channels, channels // 2, channels // 4, channels // 2, channels)
    layers: list[nn.Module] = []
    for narrow_from, narrow_to in itertools.pairwise(widths):
        layers += [
            nn.Conv2d(narrow_from, narrow_to, 3, padding=1),
            nn.InstanceNorm2d(narrow_to),
            nn.LeakyReLU(0.01),
        ]
    return nn.Sequential(*layers)
