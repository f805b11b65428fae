"""Instance normalisation and LeakyReLU in one, by few passes over memory in any layout."""

from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor
from torch.autograd import Function

from rdpp.kernels.derivative import first_only
from rdpp.kernels.switch import are_on
from rdpp.kernels.threads import as_many_as_torch


def instance_norm_leaky_relu(input: Tensor, eps: float = 1e-5, negative_slope: float = 0.01) -> Tensor:
    """LeakyReLU(InstanceNorm2d(input)) of (B, C, H, W), without affine parameters; statistics in float32 at least.

    The same as `instance_norm_leaky_relu_plain` but for rounding. torch's variance is ten times slower than its mean on
    a CPU, its instance norm copies channels_last tensors twice, and the two modules keep both inputs for the backward;
    here the output alone is kept: a LeakyReLU of positive slope can be undone. In float32 and channels_last on a CPU
    each image stays in a processor's cache while a compiled loop does all of it. It cannot be differentiated twice.
    """
    if not are_on() or not 0 < negative_slope < 1 or input.shape[2:].numel() < 2:
        return instance_norm_leaky_relu_plain(input, eps, negative_slope)
    found = _Function.apply(input, eps, negative_slope)
    assert isinstance(found, Tensor)
    return found


def instance_norm_leaky_relu_plain(input: Tensor, eps: float = 1e-5, negative_slope: float = 0.01) -> Tensor:
    """torch's two functions, one after the other."""
    normal = torch.nn.functional.instance_norm(_wide(input), eps=eps)
    return torch.nn.functional.leaky_relu(normal, negative_slope).to(input.dtype)


class _Function(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, slope: float) -> Tensor:
        if _is_compiled_for(x):
            y, inverse = torch.empty_like(x), x.new_empty(x.shape[:2])
            as_many_as_torch()
            _forward(_pixels(x), _pixels(y), inverse.numpy(), eps, np.float32(slope))
            inverse = inverse[:, :, None, None]
        else:
            wide = _wide(x)
            centred = wide - _mean(wide)
            inverse = _mean(centred * centred).add_(eps).rsqrt_()
            y = torch.nn.functional.leaky_relu_(centred.mul_(inverse), slope).to(x.dtype)
        ctx.save_for_backward(y, inverse)
        ctx.slope = slope
        return y

    @staticmethod
    @first_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        """The gradient less its mean and less its part along the normalised input, both of which the norm takes away,
        over the standard deviation."""
        y, inverse = ctx.saved_tensors
        gradient, slope = gradients[0], ctx.slope
        if _is_compiled_for(y, gradient):
            found = torch.empty_like(y)
            as_many_as_torch()
            factors = np.float32(slope), np.float32(1 / slope)
            _backward(_pixels(y), _pixels(gradient), inverse[:, :, 0, 0].numpy(), _pixels(found), *factors)
            return found, None, None
        wide = _wide(y)
        gradient = torch.ops.aten.leaky_relu_backward(_wide(gradient), wide, slope, True)
        normal = torch.nn.functional.leaky_relu(wide, 1 / slope)
        along = _mean(gradient * normal)
        gradient = gradient.sub_(_mean(gradient)).addcmul_(normal, along, value=-1).mul_(inverse)
        return gradient.to(y.dtype), None, None


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _is_compiled_for(*tensors: Tensor) -> bool:
    return all(
        x.device.type == "cpu" and x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
        for x in tensors
    )


def _pixels(x: Tensor) -> np.ndarray:
    """(B, C, H, W) channels_last as (B, H * W, C), in the same memory."""
    return x.detach().permute(0, 2, 3, 1).flatten(1, 2).numpy()


_TOGETHER = 64
"""Pixels summed in float32; sums of them are summed in float64."""
_loop = njit(cache=True, nogil=True, parallel=True, fastmath={"contract"})
"""Loops over channels stand in it written out: numba takes three times as long to compile `total += part`."""


@_loop
def _forward(x, y, inverse, eps, slope):
    images, count, channels = x.shape
    for image in prange(images):
        total, part = np.zeros(channels), np.zeros(channels, np.float32)
        mean, scale = np.empty(channels, np.float32), np.empty(channels, np.float32)
        for pixel in range(count):
            for c in range(channels):
                part[c] += x[image, pixel, c]
            if (pixel + 1) % _TOGETHER == 0 or pixel + 1 == count:
                _move(part, total)
        for c in range(channels):
            mean[c] = total[c] / count
            total[c] = 0
        for pixel in range(count):
            for c in range(channels):
                centred = x[image, pixel, c] - mean[c]
                part[c] += centred * centred
            if (pixel + 1) % _TOGETHER == 0 or pixel + 1 == count:
                _move(part, total)
        for c in range(channels):
            scale[c] = 1 / np.sqrt(total[c] / count + eps)
            inverse[image, c] = scale[c]
        for pixel in range(count):
            for c in range(channels):
                normal = (x[image, pixel, c] - mean[c]) * scale[c]
                y[image, pixel, c] = max(normal, normal * slope)


@_loop
def _backward(y, gradient, inverse, found, slope, reverse):
    images, count, channels = y.shape
    for image in prange(images):
        total, along = np.zeros(channels), np.zeros(channels)
        part, part_along = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        mean, mean_along = np.empty(channels, np.float32), np.empty(channels, np.float32)
        for pixel in range(count):
            for c in range(channels):
                value, towards = y[image, pixel, c], gradient[image, pixel, c]
                towards = towards if value > 0 else towards * slope
                part[c] += towards
                part_along[c] += towards * min(value, value * reverse)
            if (pixel + 1) % _TOGETHER == 0 or pixel + 1 == count:
                _move(part, total)
                _move(part_along, along)
        for c in range(channels):
            mean[c], mean_along[c] = total[c] / count, along[c] / count
        for pixel in range(count):
            for c in range(channels):
                value, towards = y[image, pixel, c], gradient[image, pixel, c]
                towards = towards if value > 0 else towards * slope
                normal = min(value, value * reverse)
                found[image, pixel, c] = (towards - mean[c] - normal * mean_along[c]) * inverse[image, c]


@njit(cache=True)
def _move(part, total):
    """Add the sums of some pixels to those of all, and begin anew."""
    for c in range(len(part)):
        total[c] += part[c]
        part[c] = 0
