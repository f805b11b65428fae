"""The one-class bottleneck embedding (OCBE) of reverse distillation (RD4AD, CVPR 2022, section 3.3)."""

import torch
from torch import Tensor, nn

from rdpp.models.backbone import Architecture
from rdpp.models.blocks import Resize, residual_stage
from rdpp.models.convolution import Conv2d
from rdpp.types import Stages


class Bottleneck(nn.Module):
    """Three stages to one embedding (B, 512 * expansion, H / 32, W / 32).

    Stages 1 and 2 are brought to stage 3's size, joined with it along channels and condensed by a residual
    stage of the teacher's own block kind.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        first, second, third = architecture.channels
        self.first = nn.Sequential(*_halve(first, second), *_halve(second, third))
        self.second = nn.Sequential(*_halve(second, third))
        self.residual = residual_stage(
            architecture.block,
            3 * third,
            architecture.planes * 8,
            architecture.bottleneck_layers,
            Resize(2),
            architecture.width_per_group,
        )

    def forward(self, stages: Stages) -> Tensor:
        first, second, third = stages
        return self.residual(torch.cat([self.first(first), self.second(second), third], 1))


def _halve(channels_in: int, channels_out: int) -> tuple[nn.Module, ...]:
    conv = Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
    return conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)
