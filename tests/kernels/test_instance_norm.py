"""Instance norm and LeakyReLU in one: torch's own values and gradients, in every layout and precision."""

import pytest
import torch
from torch.nn.functional import instance_norm, leaky_relu

import rdpp.kernels.instance_norm as module
from rdpp.kernels.instance_norm import instance_norm_leaky_relu


def draw(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x, gradient = torch.randn(2, 3, 4, 5, 6, generator=generator, dtype=torch.float64)
    return (3 + 2 * x).to(dtype), gradient.to(dtype)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_torchs_values_and_gradients(layout):
    x, gradient = (t.contiguous(memory_format=layout) for t in draw())
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    found, expected = instance_norm_leaky_relu(ours), leaky_relu(instance_norm(theirs), 0.01)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=layout)
    found.backward(gradient)
    expected.backward(gradient)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradients_are_finite_differences():
    x, _ = draw()
    assert torch.autograd.gradcheck(instance_norm_leaky_relu, x.requires_grad_())


def test_statistics_of_half_precision_are_taken_in_float32():
    x, gradient = draw(torch.bfloat16)
    narrow, wide = x.clone().requires_grad_(), x.float().requires_grad_()
    found, expected = instance_norm_leaky_relu(narrow), instance_norm_leaky_relu(wide)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.01, atol=0.01)
    found.backward(gradient)
    expected.backward(gradient.float())
    assert narrow.grad.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.grad.float(), wide.grad, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 16, 1, 70), (1, 5, 13, 11), (5, 64, 16, 16)])
def test_the_compiled_loop_gives_torchs_values_and_gradients(shape, monkeypatch):
    called = []
    for name in ("_forward", "_backward"):
        kernel = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, k=kernel, n=name: called.append(n) or k(*given))
    generator = torch.Generator().manual_seed(0)
    x, gradient = torch.randn(2, *shape, generator=generator)
    x = 100 + 2 * x  # far from 0, where squares would cancel
    ours = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    theirs = x.double().requires_grad_()
    found, expected = instance_norm_leaky_relu(ours), leaky_relu(instance_norm(theirs), 0.01)
    assert float((found - expected).detach().norm() / expected.detach().norm()) < 1e-5
    assert found.is_contiguous(memory_format=torch.channels_last)
    found.backward(gradient.contiguous(memory_format=torch.channels_last))
    expected.backward(gradient.double())
    same = (found > 0) == (expected > 0)
    assert float(((ours.grad - theirs.grad) * same).norm() / theirs.grad.norm()) < 1e-4
    assert called == ["_forward", "_backward"]
