"""Our Adam is torch's."""

import torch
from torch.nn import Parameter

from rdpp.engine.adam import Adam


def drawn(count):
    source = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(3, 4, generator=source, dtype=torch.float64)) for _ in range(count)]


def test_it_is_torchs_with_rates_by_group_and_parameters_without_gradient():
    ours, theirs = drawn(4), drawn(4)
    found = Adam((0.5, 0.999))
    found.add(ours[:2], 1e-3)
    found.add(ours[2:], 5e-3)
    groups = [{"params": theirs[:2], "lr": 1e-3}, {"params": theirs[2:], "lr": 5e-3}]
    expected = torch.optim.Adam(groups, betas=(0.5, 0.999))
    source = torch.Generator().manual_seed(1)
    for step in range(5):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(3, 4, generator=source, dtype=torch.float64)
            if index == 3 and step < 2:
                continue
            one.grad, other.grad = gradient.clone(), gradient.clone()
        found.step()
        expected.step()
        found.zero_grad()
        expected.zero_grad()
        assert all(p.grad is None for p in ours)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_gradient_in_another_layout_belongs_to_the_same_elements():
    generator = torch.Generator().manual_seed(0)
    first, second = (Parameter(torch.ones(4, 3, 3, 3)) for _ in range(2))
    gradient = torch.randn(4, 3, 3, 3, generator=generator)
    first.grad, second.grad = gradient, gradient.contiguous(memory_format=torch.channels_last)
    adam = Adam((0.5, 0.999))
    adam.add([first, second], 0.1)
    adam.step()
    assert torch.equal(first, second)
