"""The cosine that distillation, reconstruction and contrast are made of, with a gradient that reads each input once."""

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor
from torch.autograd import Function

from rdpp.kernels.derivative import first_only
from rdpp.kernels.switch import are_on
from rdpp.kernels.threads import as_many_as_torch


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int | tuple[int, ...] = 1, eps: float = 1e-8) -> Tensor:
    """Cosine similarity of like-shaped tensors over one or several of their dimensions, which are dropped.

    The same as `cosine_similarity_plain`, but for rounding. It works in any memory layout without a copy, and its
    backward keeps nothing but the inputs and three numbers a pair. In float32 on a CPU a compiled loop reads each
    input once, where the vectors lie one after the other in memory. It cannot be differentiated twice. An infinite
    gradient makes infinity or NaN of the same numbers as torch's own, but not always the same of the two.

    Args:
        x1, x2: of one shape.
        dim: not negative.
        eps: shorter vectors count as this long.

    >>> cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """
    if not are_on():
        return cosine_similarity_plain(x1, x2, dim, eps)
    found = _Cosine.apply(x1, x2, (dim,) if isinstance(dim, int) else dim, eps)
    assert isinstance(found, Tensor)
    return found


def cosine_similarity_plain(x1: Tensor, x2: Tensor, dim: int | tuple[int, ...] = 1, eps: float = 1e-8) -> Tensor:
    """torch's own, of the dimensions as one."""
    if isinstance(dim, int):
        return torch.nn.functional.cosine_similarity(x1, x2, dim, eps)
    last = tuple(range(-len(dim), 0))
    first, second = (x.movedim(dim, last).flatten(-len(dim)) for x in (x1, x2))
    return torch.nn.functional.cosine_similarity(first, second, -1, eps)


class _Cosine(Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
        squares, other_squares, products = _sums(first, second, dims)
        lengths = [x.sqrt_().clamp_min_(eps) for x in (squares, other_squares)]
        value = products.div_(lengths[0]).div_(lengths[1])
        ctx.save_for_backward(first, second, *lengths, value)
        ctx.dims, ctx.eps = dims, eps
        return value.squeeze(dims)

    @staticmethod
    @first_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        first, second, length, other_length, value = ctx.saved_tensors
        gradient = gradients[0]
        for dim in sorted(ctx.dims):
            gradient = gradient.unsqueeze(dim)
        across = gradient / (length * other_length)
        wanted = ctx.needs_input_grad
        return (
            _towards(second, across, first, length, gradient * value, ctx.eps) if wanted[0] else None,
            _towards(first, across, second, other_length, gradient * value, ctx.eps) if wanted[1] else None,
            None,
            None,
        )


def _towards(other: Tensor, across: Tensor, own: Tensor, length: Tensor, along: Tensor, eps: float) -> Tensor:
    """other * across - own * along / length^2; the second part is 0 where the length is clamped."""
    shrink = torch.where(length > eps, along / (length * length), 0.0)
    return (other * across).addcmul_(own, shrink, value=-1)


def _sums(first: Tensor, second: Tensor, dims: tuple[int, ...]) -> list[Tensor]:
    """Of both inputs' squares, and of their products, over some dimensions, which are kept with length 1."""
    rows = _rows(first, second, dims)
    if rows is None:
        return [(x * y).sum(dims, keepdim=True) for x, y in ((first, first), (second, second), (first, second))]
    found = np.empty((3, len(rows[0])), np.float32)
    as_many_as_torch()
    _sum(*rows, found)
    shape = [1 if dim in dims else side for dim, side in enumerate(first.shape)]
    return list(torch.from_numpy(found).view(3, *shape))


def _rows(first: Tensor, second: Tensor, dims: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Both (B, C, H, W) as (R, L), a row for each vector over `dims`, in the same memory; None where that is not so,
    in other precisions than float32, and on a GPU."""
    if first.dim() != 4 or dims not in ((1,), (1, 2, 3)):
        return None
    for x in (first, second):
        dense = x.is_contiguous(memory_format=torch.channels_last)
        if x.device.type != "cpu" or x.dtype != torch.float32 or not dense:
            return None
    length = first.shape[1] if dims == (1,) else first[0].numel()
    one, other = (x.detach().permute(0, 2, 3, 1).reshape(-1, length).numpy() for x in (first, second))
    return one, other


_TOGETHER = 4096
"""Numbers summed in float32; sums of them are summed in float64."""
# `reassoc` lets the sums over a row go by several at a time: torch's own are in no fixed order either
_loop = njit(cache=True, nogil=True, parallel=True, fastmath={"contract", "reassoc"})


@_loop
def _sum(first, second, found):
    """(R, L) and (R, L) to (3, R). A row is one thread's, so the number of threads changes nothing."""
    for row in prange(len(first)):
        squares, other_squares, products = 0.0, 0.0, 0.0
        for start in range(0, first.shape[1], _TOGETHER):
            some, others = first[row, start : start + _TOGETHER], second[row, start : start + _TOGETHER]
            a, b, c = np.float32(0), np.float32(0), np.float32(0)
            for i in range(len(some)):
                a += some[i] * some[i]
                b += others[i] * others[i]
                c += some[i] * others[i]
            squares += a
            other_squares += b
            products += c
        found[0, row], found[1, row], found[2, row] = squares, other_squares, products
