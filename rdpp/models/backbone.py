"""The frozen feature extractor: a ResNet's stem and layers 1-3, under torchvision's tensor names."""

from dataclasses import dataclass

from torch import Tensor, nn

from rdpp.models.blocks import BasicBlock, Block, Bottleneck, Resize, residual_stage
from rdpp.types import Stages


@dataclass(frozen=True)
class Architecture:
    """What tells one ResNet from another."""

    block: Block
    layers: tuple[int, int, int]
    """Blocks in layer1, layer2, layer3."""
    bottleneck_layers: int
    """Blocks in the OCBE bottleneck's residual stage (that of the teacher's own layer4)."""
    planes: int = 64
    """Width of the stem; stage k has planes * 2**k * block.expansion channels."""
    width_per_group: int = 64
    """128 for the wide ones."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the three stages."""
        return tuple(self.planes * 2**k * self.block.expansion for k in range(3))


ARCHITECTURES: dict[str, Architecture] = {
    "builtin": Architecture(BasicBlock, (2, 2, 2), 2, planes=32),
    "resnet18": Architecture(BasicBlock, (2, 2, 2), 2),
    "resnet34": Architecture(BasicBlock, (3, 4, 6), 3),
    "resnet50": Architecture(Bottleneck, (3, 4, 6), 3),
    "resnet101": Architecture(Bottleneck, (3, 4, 23), 3),
    "wide_resnet50_2": Architecture(Bottleneck, (3, 4, 6), 3, width_per_group=128),
    "wide_resnet101_2": Architecture(Bottleneck, (3, 4, 23), 3, width_per_group=128),
}

STRIDES = (4, 8, 16)
"""Pixels of the image between positions of each stage."""


class Backbone(nn.Module):
    """Normalised images (B, 3, H, W) to the outputs of layer1, layer2 and layer3, of which each has its stride.

    Source: torchvision's ResNet (v1.5: the stride of a Bottleneck sits in its 3x3 convolution), without layer4 and fc.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        planes, self.expansion = architecture.planes, architecture.block.expansion
        self.conv1 = nn.Conv2d(3, planes, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = (planes, *architecture.channels)
        self.layer1 = _stage(architecture, widths[0], planes, architecture.layers[0], 1)
        self.layer2 = _stage(architecture, widths[1], planes * 2, architecture.layers[1], 2)
        self.layer3 = _stage(architecture, widths[2], planes * 4, architecture.layers[2], 2)

    def forward(self, images: Tensor) -> Stages:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        first = self.layer1(x)
        second = self.layer2(first)
        return first, second, self.layer3(second)

    def parts(self) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
        """The layers from images to the first stage, from there to the second, and to the third."""
        stem = (self.conv1, self.bn1, self.relu, self.maxpool)
        return nn.Sequential(*stem, self.layer1), nn.Sequential(self.layer2), nn.Sequential(self.layer3)


def _stage(architecture: Architecture, inplanes: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    return residual_stage(architecture.block, inplanes, planes, blocks, Resize(stride), architecture.width_per_group)
