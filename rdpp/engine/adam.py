"""Adam by torch's own kernel."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adam import adam


@dataclass(frozen=True)
class _Group:
    parameters: Sequence[Parameter]
    rate: float
    averages: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


class Adam:
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1: torch's fused update.

    torch.optim.Adam computes the same; but to make one imports torch's compiler, which takes longer than torch.
    """

    def __init__(self, betas: tuple[float, float], eps: float = 1e-8) -> None:
        self.betas, self.eps = betas, eps
        self._groups: list[_Group] = []

    def add(self, parameters: Sequence[Parameter], rate: float) -> None:
        """Parameters with a learning rate of their own."""
        averages, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        steps = [torch.zeros((), device=p.device) for p in parameters]
        self._groups.append(_Group(parameters, rate, averages, squares, steps))

    def tensors(self) -> dict[str, Tensor]:
        """The moments and step counts themselves, not copies, by names that depend on the order of `add`."""
        return {
            f"{number}/{kind}/{place}": tensor
            for number, group in enumerate(self._groups)
            for kind in ("averages", "squares", "steps")
            for place, tensor in enumerate(getattr(group, kind))
        }

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self._groups:
            reached = [i for i, parameter in enumerate(group.parameters) if parameter.grad is not None]
            adam(
                [group.parameters[i] for i in reached],
                [_aligned(gradient, p) for p in group.parameters if (gradient := p.grad) is not None],
                [group.averages[i] for i in reached],
                [group.squares[i] for i in reached],
                [],
                [group.steps[i] for i in reached],
                fused=True,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=group.rate,
                weight_decay=0.0,
                eps=self.eps,
                maximize=False,
            )

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self._groups:
            for parameter in group.parameters:
                parameter.grad = None


def _aligned(gradient: Tensor, parameter: Parameter) -> Tensor:
    """The gradient in its parameter's memory layout: torch's kernel pairs their elements as they lie in memory."""
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
