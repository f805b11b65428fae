"""The student decoder of reverse distillation: the teacher's mirror, from the embedding back to its stages."""

from torch import Tensor, nn

from rdpp.models.backbone import Architecture
from rdpp.models.blocks import Resize, residual_stage
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
            residual_stage(architecture.block, *sizes, Resize(2, up=True), architecture.width_per_group)
            for sizes in zip(inplanes, planes, blocks, strict=True)
        )

    def forward(self, embedding: Tensor) -> Stages:
        third = self.layer1(embedding)
        second = self.layer2(third)
        return self.layer3(second), second, third
