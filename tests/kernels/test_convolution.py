"""Convolutions trained on a CPU: torch's values and gradients by other means, and torch's own means elsewhere."""

import copy

import pytest
import torch
from torch import nn

from rdpp.engine.device import to_device
from rdpp.kernels import convolution, winograd
from rdpp.models import ARCHITECTURES, Network
from rdpp.models.convolution import Conv2d, DoublingConv2d

PLAIN = [
    # images, channels in and out, height and width, side, stride; whether by Winograd
    (16, 128, 128, (16, 16), 3, 1, True),
    (3, 128, 192, (24, 40), 3, 1, True),  # many tiles an image, not a square
    (9, 256, 128, (36, 36), 3, 1, True),  # images in parts of three
    (16, 256, 384, (8, 8), 3, 1, True),  # all images together, filters in parts
    (16, 64, 64, (32, 32), 3, 1, True),
    (16, 64, 16, (32, 32), 3, 1, False),  # few channels out
    (4, 128, 128, (8, 8), 3, 1, False),  # few tiles
    (1, 64, 64, (16, 16), 3, 1, False),  # little of everything
    (3, 128, 128, (30, 33), 3, 1, False),  # no tiles
    (5, 64, 48, (70, 33), 3, 2, False),
    (2, 64, 48, (9, 12), 1, 1, False),
    (2, 64, 48, (9, 12), 1, 2, False),
    (2, 8, 16, (8, 8), 3, 1, False),
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
    assert "".join(m for m in means if len(m) == 1) == ("fiw" if by_winograd else "")
    assert ("_product" in means) == (side == 1 or stride == 2)


@pytest.mark.parametrize(
    ("count", "inputs", "outputs", "sides"),
    [(1, 1, 1, (4, 4)), (2, 3, 5, (4, 8)), (3, 5, 2, (12, 4)), (2, 300, 130, (4, 8)), (5, 4, 7, (68, 64))],
)
def test_winograds_algorithm_for_any_number_of_tiles_and_channels(count, inputs, outputs, sides):
    x, gradient = draw(count, inputs, *sides).detach(), draw(count, outputs, *sides).detach()
    weight = draw(outputs, inputs, 3, 3).detach()
    bias = draw(outputs, 1, 1, 1).detach().flatten()
    wide = [t.double() for t in (gradient, x, weight)]
    rest = (outputs,), (1, 1), (1, 1), (1, 1), False, (0, 0), 1
    to_input, to_weight, _ = torch.ops.aten.convolution_backward(*wide, *rest, [True, True, False])
    for found, expected in (
        (winograd.convolve(x, weight), torch.conv2d(*wide[1:], padding=1)),
        (winograd.convolve(x, weight, bias), torch.conv2d(*wide[1:], bias.double(), padding=1)),
        (winograd.input_gradient(gradient, weight), to_input),
        (winograd.weight_gradient(gradient, x), to_weight),
    ):
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert float((found - expected).norm() / expected.norm()) < 6e-6


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(threads):
    x, gradient, weight = draw(16, 128, 16, 16), draw(16, 128, 16, 16), draw(128, 128, 3, 3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = winograd.convolve(x, weight), winograd.weight_gradient(gradient, x)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, (winograd.convolve(x, weight), winograd.weight_gradient(gradient, x)))


def test_without_a_bias_it_is_as_if_the_bias_were_zero():
    for conv, x in ((fill(Conv2d(8, 8, 3, padding=1)), draw(2, 8, 8, 8)), (fill(Conv2d(128, 128, 3, padding=1)), None)):
        x = draw(16, 128, 16, 16) if x is None else x
        torch.testing.assert_close(conv.without_bias(x) + conv.bias[:, None, None], conv(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_doubling_convolutions(layout):
    check(fill(DoublingConv2d(24, 16)).to(memory_format=layout), draw(3, 24, 5, 7, layout=layout))


def test_gradients_that_nobody_wants_are_not_computed(means):
    x = draw(16, 128, 16, 16).detach()
    fill(Conv2d(128, 128, 3, padding=1))(x).sum().backward()
    assert means == ["f", "w"]


@pytest.mark.parametrize("kind", [lambda: Conv2d(128, 128, 3, padding=1), lambda: DoublingConv2d(128, 128)])
def test_in_other_precisions_it_is_torchs_own(kind, means):
    conv, x = fill(kind()), draw(16, 128, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = conv(x)
    assert found.dtype == torch.bfloat16
    conv, x = conv.double(), x.double()
    found = conv(x)
    assert "Convolution" in found.grad_fn.name()
    own = nn.Conv2d if isinstance(conv, nn.Conv2d) else nn.ConvTranspose2d
    assert torch.equal(found, own.forward(conv, x))
    assert means == []


@pytest.mark.parametrize("kind", [lambda: Conv2d(128, 128, 3, padding=1), lambda: DoublingConv2d(128, 128)])
def test_judging_computes_what_training_does(kind):
    conv, x = fill(kind()), draw(16, 128, 16, 16)
    trained = conv(x)
    with torch.no_grad():
        assert torch.equal(conv(x), trained)
    assert torch.equal(conv.requires_grad_(False)(x), trained)


@pytest.mark.parametrize("name", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_a_network_trains_by_them_as_exactly_as_by_torchs_own(name, means, monkeypatch):
    network = to_device(Network(ARCHITECTURES[name]).train(), "cpu")
    network.initialise(torch.Generator().manual_seed(0))
    assert all(
        isinstance(module, (Conv2d, DoublingConv2d))
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    )
    theirs, exact = copy.deepcopy(network), copy.deepcopy(network).double()
    sides = zip(ARCHITECTURES[name].channels, (32, 16, 8), strict=True)
    stages = tuple(draw(4, channels, side, side).detach() for channels, side in sides)
    for one in (network, theirs, exact):
        given = tuple(stage.to(next(one.parameters()).dtype) for stage in stages)
        sum((stage**2).mean() for stage in one(given).student).backward()
        if one is network:
            assert means.count("w") == means.count("f") >= 6
            assert means.count("_product") >= 5
            means.clear()
            monkeypatch.setattr(convolution, "is_faster", lambda x: False)
    assert not means
    for (parameter, ours), other, true in zip(
        network.named_parameters(), theirs.parameters(), exact.parameters(), strict=True
    ):
        if parameter.startswith("projection") and parameter.endswith("bias"):
            assert ours.grad is None  # an instance norm takes it away
        else:
            assert ours.grad.stride() == ours.stride(), parameter
            errors = [float((grad - true.grad).norm() / true.grad.norm()) for grad in (ours.grad, other.grad)]
            assert errors[0] < 1e-5 + 4 * errors[1], parameter


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@torch.no_grad()
def test_frozen_weights_are_ordered_once_for_few_positions(stride, layout):
    conv = fill(Conv2d(64, 96, 3, stride, 1)).to(memory_format=layout).requires_grad_(False)
    for change in range(1, 3):
        for sides, kept in (((12, 8), False), ((12, 8), True), ((20, 20), False), ((64, 64), True)):  # many positions
            x, before = draw(1, 64, *sides, layout=layout).detach(), convolution._ordered.get(conv.weight)
            expected = torch.conv2d(x.double(), conv.weight.double(), conv.bias.double(), stride, 1)
            assert float((conv(x) - expected).norm() / expected.norm()) < 6e-6
            assert (convolution._ordered.get(conv.weight) is before) == kept
        conv.load_state_dict({name: tensor + change for name, tensor in conv.state_dict().items()})
    assert set(conv.state_dict()) == {"weight", "bias"}
    x = draw(1, 64, 12, 8, layout=layout).detach()
    expected, twin = conv(x), copy.deepcopy(conv)
    assert torch.equal(twin(x), expected)
    twin.weight = nn.Parameter(2 * twin.weight, requires_grad=False)
    assert not torch.equal(twin(x), expected)


def test_trained_weights_are_not_ordered(monkeypatch):
    monkeypatch.setattr(convolution, "_by_ordered_weights", lambda *_: pytest.fail("ordered"))
    conv, x = fill(Conv2d(64, 64, 3, padding=1)), draw(1, 64, 16, 16)
    conv(x).sum().backward()
    assert conv.weight.grad is not None
    conv.requires_grad_(False)(x).sum().backward()
    assert x.grad is not None


@torch.no_grad()
def test_other_numbers_in_the_place_of_ordered_weights_are_seen():
    conv, x = fill(Conv2d(64, 96, 3, 1, 1)).requires_grad_(False), draw(1, 64, 12, 8).detach()
    before = conv(x)
    conv.load_state_dict({name: 2 * tensor for name, tensor in conv.state_dict().items()})
    torch.testing.assert_close(conv(x), 2 * before)
    conv.weight.data = conv.weight.data / 2  # of which torch takes no count
    conv.bias.data = conv.bias.data / 2
    torch.testing.assert_close(conv(x), before)


@torch.no_grad()
def test_ordered_weights_go_with_their_weight():
    conv, x = fill(Conv2d(64, 96, 3, 1, 1)).requires_grad_(False), draw(1, 64, 12, 8).detach()
    before = len(convolution._ordered)
    conv(x)
    assert len(convolution._ordered) == before + 1
    del conv
    assert len(convolution._ordered) == before
