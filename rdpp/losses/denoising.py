"""Denoising: bottleneck and student must map noisy features to the teacher's clean ones."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from rdpp.config import require
from rdpp.losses.cosine_distance import POSITIONS, cosine_distance
from rdpp.types import Features


@dataclass(frozen=True)
class Denoising:
    """Sum over stages of the mean over images and positions of 1 - cos(teacher, student_noisy) along channels.

    RD++ pulls the pseudo-anomaly's features to the clean ones in the projection alone, and its student never sees one.
    This term pulls them where the anomaly map reads, so that the student learns not to restore defects.
    It needs no projection. Source of the idea: Zhang et al., "DeSTSeg: Segmentation Guided Denoising Student-Teacher
    for Anomaly Detection", CVPR 2023, section 3.2 (there the student sees the noisy image).
    """

    needs: ClassVar[tuple[str, ...]] = ("noise", "noisy_student")
    weight: float = 1.0
    """Factor of this term in the total loss; 0 switches the term off."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        assert features.student_noisy is not None
        return cosine_distance(features.teacher, features.student_noisy, POSITIONS)
