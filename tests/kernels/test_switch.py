"""The switch: kernels, or torch's own operators in their place."""

import pytest
import torch

from rdpp import kernels
from rdpp.kernels.convolution import conv2d


@pytest.fixture(autouse=True)
def _on_again():
    yield
    kernels.use("auto")


def test_off_and_on():
    x, weight = torch.ones(1, 2, 4, 4), torch.ones(2, 2, 3, 3, requires_grad=True)
    assert "_Conv2d" in conv2d(x, weight).grad_fn.name()
    kernels.use("off")
    assert not kernels.are_on()
    assert "Convolution" in conv2d(x, weight).grad_fn.name()
    kernels.use("auto")
    assert kernels.are_on()


def test_another_word():
    with pytest.raises(ValueError, match="unknown choice of kernels 'on'; choices: auto, off"):
        kernels.use("on")
    assert kernels.are_on()


def test_they_step_aside_while_torch_exports():
    class Asks(torch.nn.Module):
        def forward(self, x):
            return x + 1 if kernels.are_on() else x - 1

    exported = torch.export.export(Asks(), (torch.zeros(1),)).module()
    assert float(exported(torch.zeros(1))) == -1
    assert float(Asks()(torch.zeros(1))) == 1
