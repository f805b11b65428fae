"""What is trained: projection, bottleneck and student, joined."""

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import Parameter, init

from rdpp.models.backbone import Architecture
from rdpp.models.bottleneck import Bottleneck
from rdpp.models.projection import Projection
from rdpp.models.student import Student
from rdpp.types import Features, Stages


class Network(nn.Module):
    """Teacher stages to `Features`.

    The student restores the teacher's clean features; noisy ones only meet the projection, unless `restore_noisy`
    asks for more. Without a projection (plain RD) the bottleneck sees the teacher's features.
    """

    def __init__(self, architecture: Architecture, *, projection: bool = True) -> None:
        super().__init__()
        self.projection = Projection(architecture.channels) if projection else None
        self.bottleneck = Bottleneck(architecture)
        self.student = Student(architecture)

    def forward(self, teacher: Stages, teacher_noisy: Stages | None = None, *, restore_noisy: bool = False) -> Features:
        """Args:
        teacher: of clean images, (B, C_k, H_k, W_k) each.
        teacher_noisy: of the same images with noise.
        restore_noisy: the student makes something of the noisy features too. They are one batch of 2 B with the clean
            ones, so in training BatchNorm takes its statistics over both.
        """
        projected = self.projection(teacher) if self.projection else teacher
        noisy = self.projection(teacher_noisy) if self.projection and teacher_noisy else None
        if not restore_noisy:
            return Features(teacher, projected, self.student(self.bottleneck(projected)), teacher_noisy, noisy)
        seen = noisy or teacher_noisy
        assert seen is not None, "restore_noisy needs noisy features"
        both = tuple(torch.cat(stages) for stages in zip(projected, seen, strict=True))
        restored = [stage.chunk(2) for stage in self.student(self.bottleneck(both))]
        student, student_noisy = zip(*restored, strict=True)
        return Features(teacher, projected, student, teacher_noisy, noisy, student_noisy)

    def projection_parameters(self) -> list[Parameter]:
        """Parameters of the projection, none in plain RD."""
        return list(self.projection.parameters()) if self.projection else []

    def restoration_parameters(self) -> list[Parameter]:
        """Parameters of bottleneck and student."""
        return [*self.bottleneck.parameters(), *self.student.parameters()]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights anew: convolutions of bottleneck and student as RD4AD does (Kaiming normal, fan
        out), projection and transposed convolutions as torch does by default (Kaiming uniform)."""
        for part in (self.bottleneck, self.student):
            for conv in _convolutions(part):
                if isinstance(conv, nn.Conv2d):
                    init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                else:
                    init.kaiming_uniform_(conv.weight, math.sqrt(5), generator=generator)
        for conv in _convolutions(self.projection or nn.Identity()):
            init.kaiming_uniform_(conv.weight, math.sqrt(5), generator=generator)
            assert conv.bias is not None
            bound = 1 / math.sqrt(conv.weight[0].numel())
            init.uniform_(conv.bias, -bound, bound, generator=generator)


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d]:
    return (m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
