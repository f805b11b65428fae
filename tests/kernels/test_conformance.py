"""What every kernel keeps: its plain form's values and gradients, NaN and infinity in their places, its refusals.

A new kernel is one line in CASES.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from rdpp import kernels
from rdpp.kernels import convolution, cosine, counting, incremental, instance_norm

LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous(),
    "every other column": lambda x: torch.stack([x, x], -1)[..., 0],
}


class Case(NamedTuple):
    """A kernel with its plain form, the shapes of its tensors (images first), and whatever else it is given."""

    kernel: Callable
    plain: Callable
    shapes: list[tuple[int, ...]]
    rest: Mapping[str, Any] = MappingProxyType({})
    error: float = 6e-6
    """Allowed, as a share of the norm: of values and of gradients."""
    tells_infinity: bool = True
    """Whether an infinite gradient becomes infinity or NaN just where the plain form makes it so."""


def conv(kind, *shapes, bias=False, **rest):
    inputs, weight = shapes
    shapes = [inputs, weight, (weight[0],)] if bias else [inputs, weight]
    kernel, plain = getattr(convolution, kind), getattr(convolution, f"{kind}_plain")
    return Case(kernel, plain, shapes, rest)


def cosines(*shape, **rest):
    return Case(cosine.cosine_similarity, cosine.cosine_similarity_plain, [shape, shape], rest, tells_infinity=False)


def norm(*shape):
    return Case(instance_norm.instance_norm_leaky_relu, instance_norm.instance_norm_leaky_relu_plain, [shape], {}, 1e-4)


CASES = {
    "3x3 by Winograd": conv("conv2d", (16, 128, 16, 16), (128, 128, 3, 3), bias=True, padding=1),
    "3x3 by Winograd, one image": conv("conv2d", (1, 128, 32, 40), (192, 128, 3, 3), padding=(1, 1)),
    "3x3, odd sides": conv("conv2d", (3, 64, 31, 33), (48, 64, 3, 3), bias=True, padding=1),
    "3x3, few": conv("conv2d", (1, 3, 5, 7), (2, 3, 3, 3), padding=1),
    "3x3, stride 2": conv("conv2d", (3, 64, 17, 9), (48, 64, 3, 3), stride=2, padding=1),
    "3x3, stride 2, one image": conv("conv2d", (1, 64, 16, 16), (64, 64, 3, 3), stride=(2, 2), padding=1),
    "1x1": conv("conv2d", (2, 64, 9, 12), (48, 64, 1, 1), bias=True),
    "1x1, stride 2": conv("conv2d", (1, 64, 9, 11), (48, 64, 1, 1), stride=2),
    "doubling": conv("conv_transpose2d", (3, 24, 5, 7), (24, 16, 2, 2)),
    "doubling, one image": conv("conv_transpose2d", (1, 8, 4, 4), (8, 16, 2, 2), stride=2),
    "instance norm and LeakyReLU": norm(3, 16, 7, 9),
    "instance norm and LeakyReLU, one image": norm(1, 5, 1, 70),
    "cosine of channels": cosines(3, 16, 7, 9),
    "cosine of images": cosines(3, 16, 7, 9, dim=(1, 2, 3)),
    "cosine of one image": cosines(1, 70, 9, 11, dim=(1, 2, 3)),
}


def draw(case, layout="channels_last", dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator).to(dtype) for shape in case.shapes]
    return [LAYOUTS[layout](x).requires_grad_() for x in drawn]


def values_and_gradients(function, case, inputs, spoilt=None):
    """(value, gradients of the inputs); `spoilt` changes the gradient at the value."""
    value = function(*inputs, **case.rest)
    gradient = torch.randn(value.shape, generator=torch.Generator().manual_seed(1)).to(value)
    gradients = torch.autograd.grad(value, inputs, spoilt(gradient) if spoilt else gradient)
    return value.detach(), *gradients


cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@cases
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_and_gradients_are_the_plain_forms(case, layout):
    found = values_and_gradients(case.kernel, case, draw(case, layout))
    exact = values_and_gradients(case.plain, case, draw(case, layout, torch.float64))
    for one, other in zip(found, exact, strict=True):
        assert one.shape == other.shape
        assert one.dtype == torch.float32
        assert float((one - other).norm() / other.norm()) < case.error


@cases
def test_other_precisions(case):
    found = values_and_gradients(case.kernel, case, draw(case, dtype=torch.float64))
    exact = values_and_gradients(case.plain, case, draw(case, dtype=torch.float64))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@cases
@torch.no_grad()
def test_judging_gives_what_training_does(case):
    inputs = draw(case)
    with torch.enable_grad():
        expected = case.kernel(*inputs, **case.rest).detach()
    torch.testing.assert_close(case.kernel(*inputs, **case.rest), expected, rtol=0, atol=0)
    frozen = case.kernel(*(x.detach() for x in inputs), **case.rest)
    assert float((frozen - expected).norm() / expected.norm()) < case.error


@cases
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0.0, 0.49, 1.0])
@pytest.mark.parametrize("where", ["input", "gradient"])
def test_nan_and_infinity_stay_where_the_plain_form_has_them(case, number, place, where):
    def spoil(x):
        x = x.detach().clone(memory_format=torch.contiguous_format)
        x.view(-1)[int(place * (x.numel() - 1))] = number
        return LAYOUTS["channels_last"](x)

    results = []
    for function in (case.kernel, case.plain):
        inputs = draw(case)
        if where == "input":
            inputs[0] = spoil(inputs[0]).requires_grad_()
        results.append(values_and_gradients(function, case, inputs, spoil if where == "gradient" else None))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one.isfinite(), other.isfinite())
        if where == "input" or case.tells_infinity:
            assert torch.equal(one.isnan(), other.isnan())
            assert torch.equal(one.sign()[one.isinf()], other.sign()[one.isinf()])
    assert place == 0.49 or not all(bool(x.isfinite().all()) for x in results[0])  # a stride may step over the place


@cases
@pytest.mark.parametrize("layout", LAYOUTS)
def test_second_derivatives_are_refused(case, layout):
    inputs = draw(case, layout)
    for value in (case.kernel(*inputs, **case.rest).sum(), case.kernel(*inputs, **case.rest).square().sum()):
        with pytest.raises(RuntimeError, match=r"second derivative, which rdpp's kernels do not have.*kernels: off"):
            torch.autograd.grad(value, inputs[0], create_graph=True)


@cases
def test_one_thread_and_two_give_the_same_bits(case):
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            found.append(values_and_gradients(case.kernel, case, draw(case)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


@cases
def test_off_is_the_plain_form(case):
    kernels.use("off")
    try:
        found = values_and_gradients(case.kernel, case, draw(case))
    finally:
        kernels.use("auto")
    expected = values_and_gradients(case.plain, case, draw(case))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@cases
def test_exported_is_the_plain_form(case):
    class Kernel(nn.Module):
        def forward(self, *inputs):
            return case.kernel(*inputs, **case.rest)

    inputs = tuple(x.detach() for x in draw(case))
    exported = torch.export.export(Kernel(), inputs)
    assert not [node for node in exported.graph.nodes if "mkldnn" in str(node.target)]
    torch.testing.assert_close(exported.module()(*inputs), case.plain(*inputs, **case.rest), rtol=0, atol=0)


def test_an_empty_batch():
    for case in CASES.values():
        inputs = [torch.empty(0, *case.shapes[0][1:]), *(x.detach() for x in draw(case)[1:])]
        if len(case.shapes) == 2 and case.shapes[0] == case.shapes[1]:
            inputs[1] = inputs[0]
        assert len(case.kernel(*inputs, **case.rest)) == 0


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 50, 20_000])
def test_counting(count, dtype, threads):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(5, 3001)).round(3).astype(dtype)[:, ::2]
    scores = np.sort(np.append(rng.normal(size=count), numbers.ravel()[:count]))[:count]
    groups = [np.array([3, 0, 1]), np.array([], int), np.arange(5)]
    found = counting.count_between(numbers, scores, groups, threads)
    for one, other in zip(found, counting.count_between_plain(numbers, scores, groups), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
@pytest.mark.parametrize("count", [1, 3])
def test_features_near_the_noise(size, count):
    parts = [
        nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Identity()).eval(),
    ]
    generator = torch.Generator().manual_seed(0)
    for parameter in nn.Sequential(*parts).double().parameters():
        nn.init.normal_(parameter, generator=generator)
    clean, noise = torch.rand(2, count, 3, *size, generator=generator, dtype=torch.float64)
    mask = torch.zeros(count, 1, *size, dtype=torch.bool)
    mask[0, :, 5:11, 20:31] = mask[-1, :, :4, -2:] = True
    noisy = torch.where(mask, noise, clean)
    with torch.no_grad():
        known = incremental.stages_near_plain(parts, clean, mask, ())
        found = incremental.stages_near(parts, noisy, mask, known)
        for one, other in zip(found, incremental.stages_near_plain(parts, noisy, mask, known), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
