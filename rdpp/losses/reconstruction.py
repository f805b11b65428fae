"""Reconstruction: the projection must map noisy features to clean ones (RD++, section 3.2)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from rdpp.config import require
from rdpp.losses.cosine_distance import POSITIONS, cosine_distance
from rdpp.types import Features


@dataclass(frozen=True)
class Reconstruction:
    """Sum over stages of the mean over images and positions of 1 - cos(projected_noisy, projected) along channels."""

    needs: ClassVar[tuple[str, ...]] = ("projection", "noise")
    weight: float = 0.2 * 0.01 / 1.11  # effective weight of the released code
    """Factor of this term in the total loss; 0 switches the term off."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        assert features.projected_noisy is not None
        return cosine_distance(features.projected_noisy, features.projected, POSITIONS)
