"""Distillation that learns mainly where the student is still wrong."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Generator, Tensor

from rdpp.config import require
from rdpp.kernels.cosine import cosine_similarity
from rdpp.losses.distillation import Distillation
from rdpp.types import Features


@dataclass(frozen=True)
class HardDistillation:
    """The value of `distillation`, with a smaller gradient at the positions that the student restores well already.

    In each stage the positions of the whole batch are ranked by 1 - cos along the channels. The gradient at the student
    is left as it is at the `hard` share with the largest distances, and multiplied by `easy` at all others: a student
    that goes on perfecting easy positions learns to restore defects too.
    Source: Guo et al., "Dinomaly: The Less Is More Philosophy in Multi-Class Unsupervised Anomaly Detection", CVPR
    2025, the loose loss (there the share shrinks from 1 to 0.1 over the first 1,000 steps).
    """

    needs: ClassVar[tuple[str, ...]] = ()
    weight: float = 1.0
    """Factor of this term in the total loss; 0 switches the term off. It takes the place of `distillation`."""
    hard: float = 0.1
    """Share of the positions of a stage and batch whose gradient is whole."""
    easy: float = 0.1
    """Factor of the gradient at the other positions."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")
        require(0 < self.hard <= 1, f"hard must be above 0 and at most 1, got {self.hard}")
        require(0 <= self.easy <= 1, f"easy must be between 0 and 1, got {self.easy}")

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        stages = zip(features.teacher, features.student, strict=True)
        student = tuple(self._with_shrunk_gradient(teacher, student) for teacher, student in stages)
        return Distillation()(replace(features, student=student), generator)

    def _with_shrunk_gradient(self, teacher: Tensor, student: Tensor) -> Tensor:
        viewed = student.view_as(student)  # whose gradient is this term's alone
        if viewed.requires_grad:
            viewed.register_hook(partial(_shrink, self._easy(teacher, student), self.easy))
        return viewed

    @torch.no_grad()
    def _easy(self, teacher: Tensor, student: Tensor) -> Tensor:
        """(B, 1, H, W): where the distance is below that of the hard positions."""
        distances = 1 - cosine_similarity(teacher, student, 1)
        hard = max(1, round(self.hard * distances.numel()))
        return (distances < distances.flatten().topk(hard).values[-1]).unsqueeze(1)


def _shrink(easy: Tensor, factor: float, gradient: Tensor) -> Tensor:
    return torch.where(easy, factor * gradient, gradient)
