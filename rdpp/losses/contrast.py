"""Contrast: the teacher's noisy features and the projected clean ones must part (RD++, section 3.2)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from rdpp.config import require
from rdpp.kernels.cosine import cosine_similarity
from rdpp.types import Features


@dataclass(frozen=True)
class Contrast:
    """Sum over stages of mean_b(max(0, cos(flatten(teacher_noisy_b), flatten(projected_b)) - margin)).

    With the released margin 0.5 the term is dead: the cosines of real features stay below it (0.39 was the
    highest seen with ResNet18), so value and gradient are exactly 0. A margin of 0 or less brings it to life.
    """

    needs: ClassVar[tuple[str, ...]] = ("projection", "noise")
    weight: float = 0.2 * 0.1 / 1.11  # effective weight of the released code
    """Factor of this term in the total loss; 0 switches the term off."""
    margin: float = 0.5  # released code
    """Cosines up to this value cost nothing."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")
        require(-1 <= self.margin <= 1, f"margin must lie between -1 and 1 (it is a cosine), got {self.margin}")

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        assert features.teacher_noisy is not None
        return torch.stack(
            [
                (cosine_similarity(noisy, projected, (1, 2, 3)) - self.margin).clamp_min(0).mean()
                for noisy, projected in zip(features.teacher_noisy, features.projected, strict=True)
            ]
        ).sum()
