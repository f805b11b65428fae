"""Sliced Wasserstein distance between pairs of images."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from rdpp.config import require
from rdpp.losses.pairs import PairLoss


@dataclass(frozen=True)
class SlicedWasserstein(PairLoss):
    """Mean over random directions of the transport cost |x - y|^2 / 2 between the clouds' shadows on them.

    Source: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015, equation 9, squared
    and halved to have ssot's units. In one dimension sorting solves transport exactly. Exactly 0 between a cloud
    and its permutation; t apart, two like clouds in D dimensions cost |t|^2 / (2 D) in the mean over directions.
    """

    projections: int = 64
    """Directions, drawn anew each step and shared by the batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.projections >= 1, f"projections must be at least 1, got {self.projections}")

    def divergence(self, first: Tensor, second: Tensor, generator: Generator) -> Tensor:
        """(B,) halves of squared sliced 2-Wasserstein distances."""
        drawn = torch.randn(first.shape[2], self.projections, generator=generator, dtype=torch.float64)
        directions = normalize(drawn, dim=0).to(first)
        x, y = ((cloud @ directions).sort(1).values for cloud in (first, second))
        return (x - y).square().mean((1, 2)) / 2
