"""Convolutions trained on a CPU: torch's values and gradients by other means, and torch's own means elsewhere."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from rdpp.engine.device import place
from rdpp.models import ARCHITECTURES, Network, convolution, winograd
from rdpp.models.convolution import Conv2d, DoublingConv2d

PLAIN = [
    # images, channels in and out, height and width, side, stride; by Winograd: forward and both gradients
    (16, 128, 128, (16, 16), 3, 1, "fiw"),
    (3, 128, 192, (24, 40), 3, 1, "fiw"),  # many tiles an image, not a square
    (9, 256, 128, (36, 36), 3, 1, "fiw"),  # images in parts of three
    (4, 64, 32, (12, 8), 3, 1, "w"),
    (2, 32, 64, (4, 4), 3, 1, "w"),  # one tile
    (16, 128, 128, (8, 8), 3, 1, "w"),  # few tiles
    (3, 64, 32, (10, 7), 3, 1, ""),  # no tiles
    (5, 64, 48, (70, 33), 3, 2, ""),
    (2, 64, 48, (9, 12), 1, 1, ""),
    (2, 64, 48, (9, 12), 1, 2, ""),
    (2, 8, 16, (8, 8), 3, 1, ""),  # few channels
]
WINOGRAD = {"convolve": "f", "input_gradient": "i", "weight_gradient": "w"}


@pytest.fixture
def means(monkeypatch):
    """By what each direction was computed, but for torch's own forward."""
    found = []

    def watch(module, name):
        function = getattr(module, name)

        def noted(*arguments):
            found.append(WINOGRAD.get(name, name))
            return function(*arguments)

        monkeypatch.setattr(module, name, noted)

    for name in WINOGRAD:
        watch(winograd, name)
    for name in ("_product", "_gradient_by_torch"):
        watch(convolution, name)
    return found


def fill(conv):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    return conv


def draw(*shape, layout=torch.channels_last):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator).contiguous(memory_format=layout).requires_grad_()


def check(conv, x):
    """Values and gradients against torch's own in float64."""
    theirs = nn.Conv2d if isinstance(conv, Conv2d) else nn.ConvTranspose2d
    exact = [t.detach().double().requires_grad_() for t in (x, *conv.parameters())]
    names = dict(zip(dict(conv.named_parameters()), exact[1:], strict=True))
    expected = torch.func.functional_call(_plain(conv, theirs), names, exact[0])
    found = conv(x)
    gradient = draw(*found.shape).detach()
    expected.backward(gradient.double())
    found.backward(gradient)
    for one, other in zip(
        (found, x.grad, *(p.grad for p in conv.parameters())), (expected, *(t.grad for t in exact)), strict=True
    ):
        assert float((one - other).detach().norm() / other.detach().norm()) < 6e-6


def _plain(conv, kind):
    """The same convolution of torch's own class."""
    rest = {} if conv.bias is not None else {"bias": False}
    return kind(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, **rest)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("count", "inputs", "outputs", "sides", "side", "stride", "by_winograd"), PLAIN)
def test_convolutions(count, inputs, outputs, sides, side, stride, by_winograd, bias, layout, means):
    conv = fill(Conv2d(inputs, outputs, side, stride, side // 2, bias=bias)).to(memory_format=layout)
    check(conv, draw(count, inputs, *sides, layout=layout))
    assert "".join(m for m in means if len(m) == 1) == by_winograd
    assert ("_product" in means) == (side == 1 or stride == 2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_doubling_convolutions(layout):
    check(fill(DoublingConv2d(24, 16)).to(memory_format=layout), draw(3, 24, 5, 7, layout=layout))


def test_gradients_that_nobody_wants_are_not_computed(means):
    x = draw(16, 128, 16, 16).detach()
    fill(Conv2d(128, 128, 3, padding=1))(x).sum().backward()
    assert means == ["f", "w"]


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("float64", lambda conv, x: (conv.double(), x.double())),
        ("frozen weights", lambda conv, x: (conv.requires_grad_(False), x)),
    ],
)
@pytest.mark.parametrize("kind", [lambda: Conv2d(128, 128, 3, padding=1), lambda: DoublingConv2d(128, 128)])
def test_elsewhere_it_is_torchs_own(why, change, kind, means):
    conv, x = change(fill(kind()), draw(16, 128, 16, 16))
    found = conv(x)
    assert "Convolution" in found.grad_fn.name(), why
    assert torch.equal(found, _called(conv, x))


@pytest.mark.parametrize("kind", [lambda: Conv2d(128, 128, 3, padding=1), lambda: DoublingConv2d(128, 128)])
def test_without_gradients_and_in_half_precision_it_is_torchs_own(kind, means):
    conv, x = fill(kind()), draw(16, 128, 16, 16)
    with torch.no_grad():
        assert torch.equal(conv(x), _called(conv, x))
    with torch.autocast("cpu", torch.bfloat16):
        found = conv(x)
    assert found.dtype == torch.bfloat16
    assert means == []


def _called(conv, x):
    own = nn.Conv2d if isinstance(conv, nn.Conv2d) else nn.ConvTranspose2d
    return own.forward(conv, x)


@pytest.mark.parametrize("name", ["resnet18", "wide_resnet50_2"])
def test_a_network_trains_by_them(name, means):
    network = place(Network(ARCHITECTURES[name]).train(), "cpu")
    network.initialise(torch.Generator().manual_seed(0))
    theirs = copy.deepcopy(network)
    for module in theirs.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            assert isinstance(module, (Conv2d, DoublingConv2d))
            module.forward = partial(_called, module)
    sides = zip(ARCHITECTURES[name].channels, (16, 8, 4), strict=True)
    stages = tuple(draw(2, channels, side, side).detach() for channels, side in sides)
    for one in (network, theirs):
        sum((stage**2).mean() for stage in one(stages).student).backward()
        if one is network:
            assert means.count("w") > 15
            assert means.count("_product") >= 5
    for (parameter, ours), other in zip(network.named_parameters(), theirs.parameters(), strict=True):
        if not (parameter.startswith("projection") and parameter.endswith("bias")):  # 0 before an instance norm
            assert ours.grad.stride() == ours.stride(), parameter
            assert float((ours.grad - other.grad).norm() / other.grad.norm()) < 2e-3, parameter


def test_images_in_work_are_equal_parts():
    for count in range(1, 20):
        chunk = winograd._chunk(torch.empty(count, 1, 32, 32))
        assert count % chunk == 0
        assert chunk <= 4
