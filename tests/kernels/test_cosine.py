"""The cosine: torch's own values and gradients, by torch's operators and by the compiled loop."""

import pytest
import torch
from torch.nn.functional import cosine_similarity as torch_cosine

import rdpp.kernels.cosine as module
from rdpp.kernels.cosine import cosine_similarity


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dims", [(1,), (1, 2, 3)])
def test_cosine_is_torchs_in_value_and_gradient(dims, layout):
    first, second = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first[0] = 0  # a vector without direction
    ours, theirs = (
        [x.contiguous(memory_format=layout).requires_grad_() for x in pair] for pair in [(first, second)] * 2
    )
    found = cosine_similarity(*ours, dims)
    expected = torch_cosine(*(x.flatten(1) if len(dims) == 3 else x for x in theirs))
    torch.testing.assert_close(found, expected)
    weights = torch.rand(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_cosine_gives_gradients_to_those_who_want_them():
    first, second = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: cosine_similarity(x, second, (1, 2, 3)), first.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: cosine_similarity(second, x, (1,)), first)


@pytest.mark.parametrize("dims", [(1,), (1, 2, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 70, 9, 11), (3, 64, 16, 16)])
def test_the_compiled_loop_gives_torchs_values_and_gradients(dims, shape, monkeypatch):
    summed, kernel = [], module._sum
    monkeypatch.setattr(module, "_sum", lambda *given: summed.append(1) or kernel(*given))
    drawn = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)) + 0.2
    ours = [x.contiguous(memory_format=torch.channels_last).requires_grad_() for x in drawn]
    theirs = [x.double().requires_grad_() for x in drawn]
    first, second = (x if dims == (1,) else x.flatten(1) for x in theirs)
    found, expected = cosine_similarity(*ours, dims), torch_cosine(first, second)
    assert summed
    assert found.shape == expected.shape
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    for value, given in ((found, ours), (expected, theirs)):
        (value * torch.arange(1, value.numel() + 1).view_as(value)).sum().backward()
        assert all(x.grad is not None for x in given)
    for one, other in zip(ours, theirs, strict=True):
        assert float((one.grad - other.grad).norm() / other.grad.norm()) < 1e-5


def test_a_layout_without_vectors_in_rows_is_not_taken_for_one(monkeypatch):
    monkeypatch.setattr(module, "_sum", lambda *_: pytest.fail("compiled"))
    first, second = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cosine_similarity(first, second, (1,)), torch_cosine(first, second))
    mixed = second.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(cosine_similarity(first, mixed, (1,)), torch_cosine(first, second))
