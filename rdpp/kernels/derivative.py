"""Derivatives of kernels: the first alone."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Let a Function's backward refuse to be part of a graph itself.

    What it saved takes no part in a graph, so a second derivative would be silently wrong. torch's own
    `once_differentiable` notices that only where the gradient that comes in depends on something.

    Raises:
        RuntimeError: (by the backward) it was asked for with `create_graph=True`.
    """

    @wraps(backward)
    def refusing(ctx: Any, *gradients: Any) -> Any:
        if torch.is_grad_enabled():  # in a backward only with create_graph=True
            raise RuntimeError(
                "create_graph=True asks for a second derivative, which rdpp's kernels do not have; torch's own "
                "operators do: set kernels: off"
            )
        return backward(ctx, *gradients)

    return refusing
