"""torch's convolutions, faster on a CPU.

3x3 convolutions of many channels take fewer multiplications by Winograd's algorithm, in every direction. torch's other
weight gradients take twice as long as its forwards do; as one matrix product of gradients and inputs they do not.
Frozen weights stay in the order that oneDNN computes in, which it otherwise makes anew at every call. This takes two
private operators of torch. Without them inference on two cores takes 1.33 times as long for one image with ResNet18,
1.16 with WideResNet50-2, and 1.03 to 1.12 for batches of 16 (256 x 256).

All of it serves float32 on a CPU alone. Nothing here can be differentiated twice.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from rdpp.kernels import winograd
from rdpp.kernels.derivative import first_only
from rdpp.kernels.switch import are_on

_Pair = tuple[int, ...]

_LEAST_PAIRS = 32 * 32
"""Of channels, for the weight gradient as one product."""
_FEW_POSITIONS = 4096
"""Of the input: with so few, oneDNN's order of the weights takes long to make, and is kept where they are frozen."""
_POSITIONS = 1024
"""Of the output, whose inputs are gathered at a time."""


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int | _Pair = 1, padding: int | _Pair = 0
) -> Tensor:
    """(N, C, H, W) by (K, C, h, w), plus (K,): (N, K, H', W'), the same as `conv2d_plain` but for rounding.

    By Winograd's algorithm the rounding error is about ten times torch's, see `rdpp.kernels.winograd`.
    """
    if not is_faster(input) or weight.dtype != torch.float32:
        return conv2d_plain(input, weight, bias, stride, padding)
    stride, padding = _pair(stride), _pair(padding)
    if _is_frozen(weight) and input[:, 0].numel() < _FEW_POSITIONS:
        return _by_ordered_weights(input, weight, bias, stride, padding)
    return cast("Tensor", _Conv2d.apply(input, weight, bias, stride, padding))


def conv2d_plain(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int | _Pair = 1, padding: int | _Pair = 0
) -> Tensor:
    """torch's own."""
    return torch.nn.functional.conv2d(input, weight, bias, stride, padding)


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int | _Pair = 2) -> Tensor:
    """(N, C, H, W) by (C, K, 2, 2), plus (K,): (N, K, 2 H, 2 W), the same as `conv_transpose2d_plain` but for rounding.

    For other sides and strides, and with a bias, it is torch's own.
    """
    doubles = weight.shape[2:] == (2, 2) and _pair(stride) == (2, 2)
    if not is_faster(input) or weight.dtype != torch.float32 or not doubles or bias is not None:
        return conv_transpose2d_plain(input, weight, bias, stride)
    return cast("Tensor", _DoublingConv2d.apply(input, weight))


def conv_transpose2d_plain(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int | _Pair = 2
) -> Tensor:
    """torch's own."""
    return torch.nn.functional.conv_transpose2d(input, weight, bias, stride)


def is_faster(x: Tensor) -> bool:
    """Whether what stands here is faster for such an input than torch's own: in float32 on a CPU."""
    cpu = x.device.type == "cpu" and x.dtype == torch.float32 and x.dim() == 4 and x.numel() > 0
    return cpu and are_on() and not torch.is_autocast_enabled("cpu")


def _pair(number: int | _Pair) -> _Pair:
    return (number, number) if isinstance(number, int) else number


def _is_frozen(weight: Tensor) -> bool:
    trained = torch.is_grad_enabled() or weight.requires_grad or weight.is_inference()
    return not trained and torch.backends.mkldnn.is_available()


class _Ordered(NamedTuple):
    """A weight in oneDNN's order, and what it was made from: other numbers or another input make another."""

    version: int
    address: int
    shape: torch.Size
    weight: Tensor


_ordered: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
"""The latest order of each weight, as long as the weight lives."""


def _by_ordered_weights(x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair) -> Tensor:
    """torch's own values to the last digit; the operators are those of torch's frozen graphs."""
    made_from, rest = (weight._version, weight.data_ptr(), x.shape), ([*padding], [*stride], [1, 1], 1)
    kept: _Ordered | None = _ordered.get(weight)
    if kept is None or kept[:3] != made_from:
        ordered = torch.ops.mkldnn._reorder_convolution_weight(weight, *rest, [*x.shape])
        _ordered[weight] = kept = _Ordered(*made_from, ordered)
    return torch.ops.mkldnn._convolution_pointwise(x, kept.weight, bias, *rest, "none", [], "")


class _Conv2d(Function):
    """Winograd's algorithm gives None where a result is not finite: it would spread NaN over a tile."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        keeps_size = weight.shape[2:] == (3, 3) and stride == padding == (1, 1)
        ctx.winograd = keeps_size and winograd.pays(x, len(weight))
        found = winograd.convolve(x, weight, bias) if ctx.winograd else None
        return torch.conv2d(x, weight, bias, stride, padding) if found is None else found

    @staticmethod
    @first_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        rest = ctx.stride, ctx.padding
        to_input = to_weight = None
        if ctx.needs_input_grad[0]:
            to_input = winograd.input_gradient(gradient, weight) if ctx.winograd else None
            to_input = _gradient_by_torch(0, gradient, x, weight, *rest) if to_input is None else to_input
        if ctx.needs_input_grad[1]:
            to_weight = _weight_gradient(gradient, x, weight, *rest, by_winograd=ctx.winograd)
        to_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return to_input, to_weight, to_bias, None, None


class _DoublingConv2d(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.conv_transpose2d(x, weight, stride=2)

    @staticmethod
    @first_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        to_input = torch.conv2d(gradient, weight, stride=2) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_input, None
        (inputs, outputs), (count, _, height, width) = weight.shape[:2], x.shape
        # each input pixel makes a square of 2 x 2 of its own, so the gradients' squares are the rows of one product
        quads = gradient.permute(0, 2, 3, 1).reshape(count, height, 2, width, 2, outputs).transpose(2, 3)
        found = x.permute(1, 0, 2, 3).reshape(inputs, -1) @ quads.reshape(-1, 4 * outputs)
        return to_input, found.view(inputs, 2, 2, outputs).permute(0, 3, 1, 2)


def _weight_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, *, by_winograd: bool
) -> Tensor:
    many = weight[:, :, 0, 0].numel() >= _LEAST_PAIRS
    if by_winograd:
        found = winograd.weight_gradient(gradient, x)
    elif many and (stride != (1, 1) or weight[0, 0].numel() == 1):
        found = _product(gradient, x, weight, stride, padding)
        # a gradient of infinity or NaN meets the zeros around the image here, but not in torch's own
        found = found if padding == (0, 0) or bool(found.isfinite().all()) else None
    else:
        found = None
    return _gradient_by_torch(1, gradient, x, weight, stride, padding) if found is None else found


def _product(gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair) -> Tensor:
    """The weight gradient: the output's gradient times the inputs below each position, some images at a time."""
    outputs, inputs, *sides = weight.shape
    places = gradient.shape[2:]
    chunk = max(1, _POSITIONS // places.numel())
    found = x.new_zeros(outputs, weight[0].numel())
    for images, gradients in zip(x.permute(0, 2, 3, 1).split(chunk), gradient.split(chunk), strict=True):
        padded = pad(images, (0, 0, padding[1], padding[1], padding[0], padding[0])) if any(padding) else images
        image, row, column, channel = padded.stride()
        strides = (image, stride[0] * row, stride[1] * column, row, column, channel)
        # windows as overlapping views, copied by the reshape: a row for each position, with all that it sees
        below = padded.as_strided((len(images), *places, *sides, inputs), strides).reshape(-1, weight[0].numel())
        found.addmm_(gradients.permute(1, 0, 2, 3).reshape(outputs, -1), below)
    return found.view(outputs, *sides, inputs).permute(0, 3, 1, 2)


def _gradient_by_torch(
    which: int, gradient: Tensor, x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair
) -> Tensor:
    """torch's gradient of a convolution's input (0) or weight (1)."""
    wanted = [which == 0, which == 1, False]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), 1, wanted
    )[which]
