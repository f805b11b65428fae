"""The student decoder of reverse distillation: the teacher's mirror, from the embedding back to its stages."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from rdpp.models.backbone import Architecture, residual_stage
from rdpp.types import Stages


class Student(nn.Module):
    """Embedding (B, 512 * expansion, H / 32, W / 32) to the three stages of the teacher, finest first.

    The first block of each stage up-samples. Source: RD4AD, section 3.1, and its code: the deepest stage has
    as many blocks as the teacher's finest, and so on (3, 4, 6 for WideResNet50-2), not the reverse.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        expansion = architecture.block.expansion
        planes = [architecture.planes * 2**k for k in (2, 1, 0)]
        blocks = architecture.layers
        inplanes = [architecture.planes * 8 * expansion, planes[0] * expansion, planes[1] * expansion]
        self.layer1, self.layer2, self.layer3 = (
            _up_stage(architecture, *sizes) for sizes in zip(inplanes, planes, blocks, strict=True)
        )

    def forward(self, embedding: Tensor) -> Stages:
        third = self.layer1(embedding)
        second = self.layer2(third)
        return self.layer3(second), second, third


def _up_stage(architecture: Architecture, inplanes: int, planes: int, blocks: int) -> nn.Sequential:
    """A residual stage whose strided 3x3 convolution and shortcut become 2x2 transposed ones of stride 2."""
    stage = residual_stage(architecture.block, inplanes, planes, blocks, 2, architecture.width_per_group)
    first = stage[0]
    assert isinstance(first, BasicBlock | Bottleneck)
    assert isinstance(first.downsample, nn.Sequential)
    strided = "conv1" if isinstance(first, BasicBlock) else "conv2"
    conv = getattr(first, strided)
    setattr(first, strided, nn.ConvTranspose2d(conv.in_channels, conv.out_channels, 2, stride=2, bias=False))
    first.downsample[0] = nn.ConvTranspose2d(inplanes, planes * architecture.block.expansion, 2, stride=2, bias=False)
    return stage
