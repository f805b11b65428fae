"""The residual blocks of ResNets (He et al., CVPR 2016), and stages of them, under torchvision's tensor names.

They are torchvision's own blocks, with one more choice: a first block that enlarges, for the student. They
stand here because `import torchvision` takes longer than `import torch` itself.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from rdpp.models.convolution import Conv2d, DoublingConv2d


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first one has the stride."""

    expansion: ClassVar[int] = 1

    def __init__(self, inplanes: int, planes: int, width: int, resize: "Resize | None") -> None:
        super().__init__()
        assert width == planes, "basic blocks have one width"
        self.conv1 = resize.three(inplanes, planes) if resize else _three(inplanes, planes)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _three(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = resize.shortcut(inplanes, planes) if resize else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out.add_(self.downsample(x) if self.downsample else x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 one has the stride (torchvision's v1.5)."""

    expansion: ClassVar[int] = 4

    def __init__(self, inplanes: int, planes: int, width: int, resize: "Resize | None") -> None:
        super().__init__()
        outplanes = planes * self.expansion
        self.conv1 = Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = resize.three(width, width) if resize else _three(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = Conv2d(width, outplanes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outplanes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = resize.shortcut(inplanes, outplanes) if resize else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out.add_(self.downsample(x) if self.downsample else x))


@dataclass(frozen=True)
class Resize:
    """How the first block of a stage changes the size: it keeps (stride 1), halves (2) or, upwards, doubles it."""

    stride: int
    up: bool = False

    def three(self, inplanes: int, planes: int) -> nn.Module:
        """The strided 3x3 convolution, or the transposed 2x2 one in its place."""
        if self.up:
            return DoublingConv2d(inplanes, planes)
        return _three(inplanes, planes, self.stride)

    def shortcut(self, inplanes: int, planes: int) -> nn.Sequential:
        """The convolution of the shortcut, with its norm."""
        if self.up:
            return nn.Sequential(DoublingConv2d(inplanes, planes), nn.BatchNorm2d(planes))
        return nn.Sequential(Conv2d(inplanes, planes, 1, self.stride, bias=False), nn.BatchNorm2d(planes))


Block = type[BasicBlock] | type[Bottleneck]


def residual_stage(block: Block, inplanes: int, planes: int, blocks: int, resize: Resize, wide: int) -> nn.Sequential:
    """`blocks` blocks from `inplanes` to `planes * block.expansion` channels; `wide`: width per group, 64 or 128."""
    outplanes, width = planes * block.expansion, planes * wide // 64
    first = resize if resize.stride != 1 or inplanes != outplanes else None
    layers = [block(inplanes, planes, width, first)]
    return nn.Sequential(*layers, *(block(outplanes, planes, width, None) for _ in range(blocks - 1)))


def _three(inplanes: int, planes: int, stride: int = 1) -> Conv2d:
    return Conv2d(inplanes, planes, 3, stride, 1, bias=False)
