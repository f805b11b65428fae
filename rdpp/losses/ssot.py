"""Self-supervised optimal transport (RD++, section 3.2), as released and in a form that lives.

Both are debiased Sinkhorn divergences by geomloss (Feydy, Geometric data analysis beyond convolutions, 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from geomloss import SamplesLoss
from torch import Generator, Tensor

from rdpp.config import require
from rdpp.losses.pairs import PairLoss, largest_distance
from rdpp.types import Features

_DIAMETER = 1e7  # released code: start of the annealing, far above the largest distance


def sinkhorn_between_batches(first: Sequence[Tensor], second: Sequence[Tensor], blur: float, scaling: float) -> Tensor:
    """Debiased Sinkhorn divergences (one a stage) between clouds of B points: first[k], second[k] are (B, D_k).

    Only the points' distances matter, so each stage's 2B points become one matrix of costs |x - y|^2 / 2 and
    geomloss solves all stages as one batch: a third of its operator calls, the same values and gradients.
    Like its own cost functions, the matrix carries gradients to its row's point only.
    """
    costs = torch.stack([_row_costs(torch.cat(pair)) for pair in zip(first, second, strict=True)])
    indices = torch.arange(costs.shape[1], device=costs.device).to(costs.dtype).expand(len(costs), -1)[..., None]
    x, y = indices.chunk(2, 1)

    def cost(rows: Tensor, columns: Tensor) -> Tensor:
        return costs[:, rows[0, :, 0].long()][:, :, columns[0, :, 0].long()]

    solver = SamplesLoss(
        "sinkhorn", p=2, blur=blur, scaling=scaling, diameter=_DIAMETER, cost=cost, backend="tensorized"
    )
    return solver(x, y)


def _row_costs(points: Tensor) -> Tensor:
    fixed = points.detach()
    squares = (points * points).sum(1)
    return squares[:, None] / 2 - points @ fixed.T + squares.detach() / 2


@dataclass(frozen=True)
class BatchSsot:
    """The released term: one point an image, softmax(flatten(projected_b)); the batch against its permutation.

    It is dead by construction: a batch and its permutation are the same measure, so value and gradient are
    rounding noise (1e-10; exactly 0 in exact arithmetic). Kept to reproduce the released code.
    """

    needs: ClassVar[tuple[str, ...]] = ("projection",)
    pairing: Literal["batch"] = "batch"
    weight: float = 0.2 / 1.11  # effective weight of the released code
    blur: float = 0.05  # released code
    scaling: float = 0.95  # released code

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")
        _check(self.blur, self.scaling)

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        clouds = [stage.flatten(1).softmax(1) for stage in features.projected]
        order = torch.randperm(len(clouds[0]), generator=generator).to(clouds[0].device)
        return sinkhorn_between_batches(clouds, [cloud[order] for cloud in clouds], self.blur, self.scaling).sum()


@dataclass(frozen=True)
class ImagesSsot(PairLoss):
    """A living form: clouds of positions of pairs of images (see `PairLoss`).

    The blur, down to which transport is resolved, is relative to the largest distance between two points of a pair.
    """

    pairing: Literal["images"] = "images"
    relative_blur: float = 0.05
    scaling: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.relative_blur, self.scaling)

    def divergence(self, first: Tensor, second: Tensor, generator: Generator) -> Tensor:
        """(B,) debiased Sinkhorn divergences for the cost |x - y|^2 / 2."""
        diameter = largest_distance(first, second)
        blur = self.relative_blur * diameter
        solver = SamplesLoss("sinkhorn", p=2, blur=blur, scaling=self.scaling, diameter=diameter, backend="tensorized")
        return solver(first, second)


def _check(blur: float, scaling: float) -> None:
    require(blur > 0, f"blur must be above 0, got {blur}")
    require(0 < scaling < 1, f"scaling must lie between 0 and 1, got {scaling}")


Ssot = BatchSsot | ImagesSsot
