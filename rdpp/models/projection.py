"""The multi-scale projection of RD++ (paper, section 3.2): maps noisy features back to clean ones."""

import itertools
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from rdpp.kernels.instance_norm import instance_norm_leaky_relu
from rdpp.models.convolution import Conv2d
from rdpp.types import Stages

_SLOPE = 0.01  # official code


class Projection(nn.Module):
    """Stages to projected stages of the same shapes, each through its own narrow convolution stack.

    Instance normalisation works on each image alone, so clean and noisy images may share a batch.
    Source: official code, MultiProjectionLayer (widths C -> C/2 -> C/4 -> C/2 -> C).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_Narrow(c) for c in channels)

    def forward(self, stages: Stages) -> Stages:
        return tuple(layer(stage) for layer, stage in zip(self.stages, stages, strict=True))


class _Narrow(nn.Sequential):
    """Convolutions, each followed by instance norm and LeakyReLU; named as in official files.

    An instance norm takes away whatever a bias adds: the biases of official files are kept, but neither added nor
    trained.
    """

    def __init__(self, channels: int) -> None:
        widths = (channels, channels // 2, channels // 4, channels // 2, channels)
        convolutions = [Conv2d(*pair, 3, padding=1) for pair in itertools.pairwise(widths)]
        super().__init__(OrderedDict((str(3 * i), convolution) for i, convolution in enumerate(convolutions)))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        for convolution in self:
            assert isinstance(convolution, Conv2d)
            x = instance_norm_leaky_relu(convolution.without_bias(x), negative_slope=_SLOPE)
        return x
