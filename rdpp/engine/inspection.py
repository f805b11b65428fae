"""What each loss term does: its gradient, whether that gradient is more than rounding, and what it costs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from rdpp.losses import Loss
from rdpp.types import Features


@dataclass(frozen=True)
class TermInspection:
    """One weighted term on one batch."""

    norms: Mapping[str, float]
    """2-norms of the weighted term's own gradient at `projection` and at `restoration` (bottleneck and student)."""
    rounding: float
    """Error of its gradient at the features, relative to that gradient as float64 gives it; NaN where both are 0."""
    seconds: float
    """Of its value and its gradient at the features."""

    @property
    def dead(self) -> bool:
        """Whether the gradient is no larger than its own rounding error."""
        return not self.rounding < 1


def inspect_term(term: Loss, features: Features, generator: Generator) -> tuple[float, float]:
    """Compare a term's gradient at the features with the same in float64.

    A gradient that is real agrees in both but for rounding. One that consists of rounding (an optimal transport
    between a batch and its own permutation) shrinks with the precision; one that is exactly 0 (a hinge that
    nothing reaches) has nothing to agree on. No threshold is needed: it is compared with its own error.

    Args:
        term: any loss; its weight does not matter.
        features: of one batch, in the run's own precision. Left alone, and so is the generator.
        generator: in the state in which the term is evaluated.

    Returns:
        The relative error (`TermInspection.rounding`) and the seconds that value and gradient took.
    """
    _wait(features)
    started = time.perf_counter()
    found = _gradient(term, features, generator, features.teacher[0].dtype)
    _wait(features)
    seconds = time.perf_counter() - started
    exact = _gradient(term, features, generator, torch.float64)
    error, norm = (found.double() - exact).norm(), exact.norm()
    return float(error / norm), seconds


def _gradient(term: Loss, features: Features, generator: Generator, dtype: torch.dtype) -> Tensor:
    """The gradient at everything that is trained, in one row."""
    parts = {f.name: getattr(features, f.name) for f in fields(features)}
    leaves: list[Tensor] = []
    copies: dict[str, tuple[Tensor, ...] | None] = {}
    for name, stages in parts.items():
        trained = name in ("projected", "projected_noisy", "student", "student_noisy")
        copied = stages and tuple(stage.detach().to(dtype).requires_grad_(trained) for stage in stages)
        copies[name] = copied
        leaves += copied if copied and trained else ()
    twin = Generator()
    twin.set_state(generator.get_state())
    value = term(Features(**copies), twin)  # type: ignore[arg-type]
    gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


def _wait(features: Features) -> None:
    if features.teacher[0].is_cuda:
        torch.cuda.synchronize(features.teacher[0].device)
