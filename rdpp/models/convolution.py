"""torch's convolutions, faster on a CPU.

3x3 convolutions of many channels take fewer multiplications by Winograd's algorithm, in every direction. torch's other
weight gradients take twice as long as its forwards do; as one matrix product of gradients and inputs they do not.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from rdpp.models import winograd

_Pair = tuple[int, int]

_LEAST_PAIRS = 32 * 32
"""Of channels, for the weight gradient as one product."""
_FEW_POSITIONS = 4096
"""Of the input: with so few, oneDNN's order of the weights takes long to make, and is kept where they are frozen."""
_POSITIONS = 1024
"""Of the output, whose inputs are gathered at a time."""


class Conv2d(nn.Conv2d):
    """torch's own but for rounding; and just that on a GPU, and in other precisions than float32."""

    _ordered: tuple[Tensor, tuple[int, torch.Size], Tensor] | None = None
    """The weights, how often they had changed and for what input, and the same in oneDNN's order: no part of a copy."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_ordered"}

    def forward(self, input: Tensor) -> Tensor:
        return self._convolved(input, self.bias)

    def without_bias(self, input: Tensor) -> Tensor:
        """The convolution alone, as if the bias were 0."""
        return self._convolved(input, None)

    def _convolved(self, x: Tensor, bias: Tensor | None) -> Tensor:
        if not is_faster(x):
            return self._conv_forward(x, self.weight, bias)
        assert isinstance(self.padding, tuple)
        assert self.dilation == (1, 1)
        assert self.groups == 1
        if self._is_frozen() and x[:, 0].numel() < _FEW_POSITIONS:
            return self._by_ordered_weights(x, bias)
        return cast("Tensor", _Conv2d.apply(x, self.weight, bias, self.stride, self.padding))

    def _is_frozen(self) -> bool:
        trained = torch.is_grad_enabled() or self.weight.requires_grad or self.weight.is_inference()
        return not trained and torch.backends.mkldnn.is_available()

    def _by_ordered_weights(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """torch's own values to the last digit; the operators are those of torch's frozen graphs."""
        version, rest = (self.weight._version, x.shape), ([*self.padding], [*self.stride], [1, 1], 1)
        kept = self._ordered
        if kept is None or kept[0] is not self.weight or kept[1] != version:
            ordered = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *rest, [*x.shape])
            self._ordered = kept = self.weight, version, ordered
        return torch.ops.mkldnn._convolution_pointwise(x, kept[2], bias, *rest, "none", [], "")


class DoublingConv2d(nn.ConvTranspose2d):
    """The transposed convolution of side 2 and stride 2, which doubles height and width, in the same way."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 2, stride=2, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not is_faster(input) or self.bias is not None:  # a bias comes with a folded norm
            return super().forward(input, output_size)
        return cast("Tensor", _DoublingConv2d.apply(input, self.weight))


def is_faster(x: Tensor) -> bool:
    """Whether what stands here is faster for such an input than torch's own: in float32 on a CPU."""
    cpu = x.device.type == "cpu" and x.dtype == torch.float32
    return cpu and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()


class _Conv2d(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        keeps_size = weight.shape[2:] == (3, 3) and stride == padding == (1, 1)
        ctx.winograd = keeps_size and winograd.pays(x, len(weight))
        return winograd.convolve(x, weight, bias) if ctx.winograd else torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        towards_input = towards_weight = None
        if ctx.needs_input_grad[0]:
            if ctx.winograd:
                towards_input = winograd.input_gradient(gradient, weight)
            else:
                towards_input = _gradient_by_torch(0, gradient, x, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            many = weight[:, :, 0, 0].numel() >= _LEAST_PAIRS
            if ctx.winograd:
                towards_weight = winograd.weight_gradient(gradient, x)
            elif many and (ctx.stride != (1, 1) or weight[0, 0].numel() == 1):
                towards_weight = _product(gradient, x, weight, ctx.stride, ctx.padding)
            else:
                towards_weight = _gradient_by_torch(1, gradient, x, weight, ctx.stride, ctx.padding)
        towards_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return towards_input, towards_weight, towards_bias, None, None


class _DoublingConv2d(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.conv_transpose2d(x, weight, stride=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        towards_input = torch.conv2d(gradient, weight, stride=2) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return towards_input, None
        (inputs, outputs), (count, _, height, width) = weight.shape[:2], x.shape
        quads = gradient.permute(0, 2, 3, 1).reshape(count, height, 2, width, 2, outputs).transpose(2, 3)
        found = x.permute(1, 0, 2, 3).reshape(inputs, -1) @ quads.reshape(-1, 4 * outputs)
        return towards_input, found.view(inputs, 2, 2, outputs).permute(0, 3, 1, 2)


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
