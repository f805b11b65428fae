"""Distillation: the student's features against the teacher's (RD4AD, equation 3, in its released form)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from rdpp.config import require
from rdpp.losses.cosine_distance import IMAGES, cosine_distance
from rdpp.types import Features


@dataclass(frozen=True)
class Distillation:
    """Sum over stages of mean_b(1 - cos(flatten(teacher_b), flatten(student_b))); 0 where they are parallel.

    The released code compares each stage as one vector of C * H * W entries, not position by position as the
    paper's equation does.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    weight: float = 1.0  # RD4AD and RD++
    """Factor of this term in the total loss; 0 switches the term off."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        return cosine_distance(features.teacher, features.student, IMAGES)
