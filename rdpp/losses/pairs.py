"""What the transport terms between pairs of images share: the choice of pairs, and their point clouds.

The paper (RD++, section 3.2) asks for transport between the features of pairs of images. Image i meets image
s(i), s a random permutation without fixed points. Each image is a cloud of `positions` of its H * W positions
(drawn anew each step, the same number from each; all, where there are fewer), a position is a point in C
dimensions, scaled to length 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from rdpp.config import require
from rdpp.types import Features


@dataclass(frozen=True)
class PairLoss:
    """Mean over pairs of a divergence between their clouds, summed over stages; 0 for a single image."""

    needs: ClassVar[tuple[str, ...]] = ("projection",)
    weight: float = 0.2 / 1.11  # effective weight of the released SSOT term
    """Factor of this term in the total loss; 0 switches the term off."""
    positions: int = 128
    """Points drawn from each image's H * W positions."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")
        require(self.positions >= 1, f"positions must be at least 1, got {self.positions}")

    def divergence(self, first: Tensor, second: Tensor, generator: Generator) -> Tensor:
        """(B, N, D) and (B, N, D) to (B,): the divergence of each cloud in the first from its partner in the second."""
        raise NotImplementedError

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        partner = derangement(len(features.projected[0]), generator)
        return torch.stack([self._stage(stage, partner, generator) for stage in features.projected]).sum()

    def _stage(self, stage: Tensor, partner: Tensor, generator: Generator) -> Tensor:
        points = subsample(stage.flatten(2), self.positions, generator)
        clouds = normalize(points, dim=1).transpose(1, 2).contiguous()
        return self.divergence(clouds, clouds[partner.to(clouds.device)], generator).mean()


def derangement(size: int, generator: Generator) -> Tensor:
    """(size,) each index's partner: a random cycle through all, so none is its own partner where size > 1."""
    order = torch.randperm(size, generator=generator)
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)
    return partner


def subsample(features: Tensor, positions: int, generator: Generator) -> Tensor:
    """(B, C, P) to (B, C, min(P, positions)), other positions for each image."""
    if features.shape[2] <= positions:
        return features
    keys = torch.rand(len(features), features.shape[2], generator=generator)
    chosen = keys.topk(positions, 1).indices.to(features.device)
    return features.gather(2, chosen[:, None].expand(-1, features.shape[1], -1))


@torch.no_grad()
def largest_distance(first: Tensor, second: Tensor) -> float:
    """The largest distance between a point of a cloud (B, N, D) and one of its like; above 0."""
    return float(torch.cdist(first, second).max().clamp_min(1e-6))
