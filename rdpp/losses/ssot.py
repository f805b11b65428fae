"""Self-supervised optimal transport (RD++, section 3.2), as released and in a form that lives.

Both are debiased Sinkhorn divergences (Feydy, Geometric data analysis beyond convolutions, 2020, section 3.2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from geomloss import SamplesLoss
from torch import Generator, Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rdpp.config import require
from rdpp.losses.pairs import PairLoss, largest_distance
from rdpp.types import Features

_DIAMETER = 1e7  # released code: start of the annealing, far above the largest distance
_REHEARSALS = 40  # each iteration far above the largest distance halves what is left of the start: 2^-40 is 1e-12


def sinkhorn_between_batches(
    points: Sequence[Tensor], first: Tensor, second: Tensor, blur: float, scaling: float, diameter: float = _DIAMETER
) -> Tensor:
    """Debiased Sinkhorn divergences, one a stage, between two clouds of one size picked from the same points.

    geomloss's values and gradients, stage by stage, by far fewer operator calls. Only the points' distances
    matter, so each stage's points become one matrix of costs |x - y|^2 / 2, and the four transports of a
    divergence (first to second, back, and each cloud to itself) are solved for all K stages as one batch of
    small matrices. Like geomloss's own, the matrices carry gradients to their row's point only.

    Args:
        points: (P, D_k) a stage.
        first, second: (B,) int64, the points of each cloud.
        blur, scaling: geomloss's.
        diameter: where the annealing starts.
    """
    costs = torch.stack([_row_costs(stage) for stage in points])
    x, y = (indices.to(costs.device, non_blocking=True) for indices in (first, second))
    four = torch.stack([costs[:, rows][:, :, columns] for rows, columns in ((x, y), (y, x), (x, x), (y, y))])
    there, back, own_first, own_second = _row_potentials(four, _annealing(blur, scaling, diameter)).mean(2)
    return there - own_first + back - own_second


def _row_potentials(costs: Tensor, temperatures: Sequence[float]) -> Tensor:
    """(4, K, B, B) costs to the (4, K, B) potentials of the rows, by symmetric Sinkhorn iterations.

    Source: Feydy, Geometric data analysis beyond convolutions, 2020, algorithm 3.5. A transport's columns are
    the rows of its partner: of the first two each other, of a cloud to itself the same.
    """
    partner = torch.tensor([1, 0, 2, 3], device="cpu").to(costs.device, non_blocking=True)
    log_weight = -math.log(costs.shape[-1])

    def log_sums(costs: Tensor, potentials: Tensor, temperature: float) -> Tensor:
        columns = potentials.index_select(0, partner).unsqueeze(-2)
        return ((columns - costs) / temperature).logsumexp(-1) + log_weight

    with torch.no_grad():
        fixed = costs.detach()
        start = temperatures[0]
        potentials = -start * log_sums(fixed, torch.zeros_like(fixed[..., 0]), start)
        for temperature in temperatures:
            potentials = potentials / 2 - temperature / 2 * log_sums(fixed, potentials, temperature)
    return -temperatures[-1] * log_sums(costs, potentials, temperatures[-1])


def _annealing(blur: float, scaling: float, diameter: float) -> list[float]:
    """Temperatures from diameter^2 down to blur^2, by geomloss's schedule."""
    between = np.exp(np.arange(2 * math.log(diameter), 2 * math.log(blur), 2 * math.log(scaling)))
    return [diameter**2, *between.tolist(), blur**2]


def start_of_annealing(scaling: float, largest: float = math.sqrt(2)) -> float:
    """A later point of the released annealing from which it ends at the same values, but for rounding.

    Points that are softmaxes lie at most sqrt(2) apart. At temperatures far above that every iteration does
    the same, so all but the last _REHEARSALS of them are left out: 121 of 375 are run for the released scaling.
    """
    above = math.floor(math.log(_DIAMETER / largest) / -math.log(scaling))
    return _DIAMETER * scaling ** max(0, above - _REHEARSALS)


def _row_costs(points: Tensor) -> Tensor:
    """(P, D) points to (P, P) costs |x_i - x_j|^2 / 2, with gradients to x_i, the row's point, only."""
    found = _RowCosts.apply(points)
    assert isinstance(found, Tensor)
    return found


class _RowCosts(Function):
    """Both ways by one product with the points, which are long: gradient i is sum_j g_ij (x_i - x_j)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor) -> Tensor:
        ctx.save_for_backward(points)
        products = points @ points.T
        squares = products.diagonal() / 2
        return squares[:, None] - products + squares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # type: ignore[override]
        (points,) = ctx.saved_tensors
        (gradient,) = gradients
        return (torch.diag(gradient.sum(1)) - gradient) @ points


@dataclass(frozen=True)
class BatchSsot:
    """The released term: one point an image, softmax(flatten(projected_b)); the batch against its permutation.

    It is dead by construction: a batch and its permutation are the same measure, so value and gradient are
    rounding noise (1e-10; exactly 0 in exact arithmetic). Kept to reproduce the released code.
    """

    needs: ClassVar[tuple[str, ...]] = ("projection",)
    pairing: Literal["batch"] = "batch"
    """A batch meets its own permutation."""
    weight: float = 0.2 / 1.11  # effective weight of the released code
    """Factor of this term in the total loss; 0 switches the term off."""
    blur: float = 0.05  # released code
    """Distance below which transport is not resolved (geomloss's blur)."""
    scaling: float = 0.95  # released code
    """Ratio of successive blurs while the solver anneals, between 0 and 1: closer to 1 is more exact and slower."""

    def __post_init__(self) -> None:
        require(self.weight >= 0, f"weight must be at least 0, got {self.weight}")
        _check(self.blur, self.scaling)

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        points = [stage.permute(0, 2, 3, 1).flatten(1).softmax(1) for stage in features.projected]
        first = torch.arange(len(points[0]))
        second = torch.randperm(len(first), generator=generator)
        start = start_of_annealing(self.scaling)
        return sinkhorn_between_batches(points, first, second, self.blur, self.scaling, start).sum()


@dataclass(frozen=True)
class ImagesSsot(PairLoss):
    """A living form: clouds of positions of pairs of images (see `PairLoss`).

    The blur, down to which transport is resolved, is relative to the largest distance between two points of a pair.
    """

    pairing: Literal["images"] = "images"
    """Each image meets another image of the batch."""
    relative_blur: float = 0.05
    """Distance below which transport is not resolved, as a share of the largest distance between two points of a
    pair."""
    scaling: float = 0.7
    """Ratio of successive blurs while the solver anneals, between 0 and 1: closer to 1 is more exact and slower."""

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
