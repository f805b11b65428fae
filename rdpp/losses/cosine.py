"""The cosine that distillation, reconstruction and contrast are made of, with a gradient that reads each input once."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

_EPS = 1e-8  # torch's own: shorter vectors count as this long


def cosine(first: Tensor, second: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Cosine similarity of like-shaped tensors over some of their dimensions, which are dropped.

    The same as torch's `cosine_similarity` of the flattened dimensions, but for rounding. It works in any memory
    layout without a copy, and its backward keeps nothing but the inputs and three numbers a pair.

    >>> cosine(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]), (1,))
    tensor([0.9600])
    """
    found = _Cosine.apply(first, second, dims)
    assert isinstance(found, Tensor)
    return found


class _Cosine(Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, dims: tuple[int, ...]) -> Tensor:
        lengths = [(x * x).sum(dims, keepdim=True).sqrt_().clamp_min_(_EPS) for x in (first, second)]
        value = (first * second).sum(dims, keepdim=True).div_(lengths[0]).div_(lengths[1])
        ctx.save_for_backward(first, second, *lengths, value)
        ctx.dims = dims
        return value.squeeze(dims)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        first, second, length, other_length, value = ctx.saved_tensors
        gradient = gradients[0]
        for dim in sorted(ctx.dims):
            gradient = gradient.unsqueeze(dim)
        across = gradient / (length * other_length)
        wanted = ctx.needs_input_grad
        return (
            _towards(second, across, first, length, gradient * value) if wanted[0] else None,
            _towards(first, across, second, other_length, gradient * value) if wanted[1] else None,
            None,
        )


def _towards(other: Tensor, across: Tensor, own: Tensor, length: Tensor, along: Tensor) -> Tensor:
    """other * across - own * along / length^2; the second part is 0 where the length is clamped."""
    shrink = torch.where(length > _EPS, along / (length * length), 0.0)
    return (other * across).addcmul_(own, shrink, value=-1)
