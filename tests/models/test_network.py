"""The trained network: how its weights are drawn and how its parts are joined."""

import math

import pytest
import torch
from torch import nn

from rdpp.models import ARCHITECTURES, Network

BUILTIN = ARCHITECTURES["builtin"]


def drawn(seed=0, projection=True):
    network = Network(BUILTIN, projection=projection)
    network.initialise(torch.Generator().manual_seed(seed))
    return network


def stages(seed=0, count=2):
    generator = torch.Generator().manual_seed(seed)
    sides = zip(BUILTIN.channels, (16, 8, 4), strict=True)
    return tuple(torch.rand(count, channels, side, side, generator=generator) for channels, side in sides)


def test_weights_depend_on_the_generator_alone():
    torch.manual_seed(1)
    first = drawn().state_dict()
    torch.manual_seed(2)
    second, other = drawn().state_dict(), drawn(seed=1).state_dict()
    for name, value in first.items():
        assert torch.equal(second[name], value), name
        if value.ndim > 1:
            assert not torch.equal(other[name], value), name


def test_drawing_weights_leaves_the_global_generator_alone():
    network = Network(BUILTIN)
    before = torch.get_rng_state()
    network.initialise(torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_have_the_scales_of_the_official_code():
    network = drawn().requires_grad_(False)
    for part in (network.bottleneck, network.student):
        for name, module in part.named_modules():
            if isinstance(module, nn.Conv2d):  # Kaiming normal, fan out
                fan = module.out_channels * math.prod(module.kernel_size)
                assert float(module.weight.std()) == pytest.approx(math.sqrt(2 / fan), rel=0.05), name
            if isinstance(module, nn.ConvTranspose2d):  # torch's default
                fan = module.out_channels * math.prod(module.kernel_size)
                assert float(module.weight.abs().max()) == pytest.approx(1 / math.sqrt(fan), rel=0.01), name
    for module in (m for m in network.projection.modules() if isinstance(m, nn.Conv2d)):
        bound = 1 / math.sqrt(module.in_channels * 9)
        assert float(module.weight.abs().max()) == pytest.approx(bound, rel=0.02)
        assert 0.3 * bound < float(module.bias.abs().max()) <= bound


def test_parameters_are_split_in_two_groups_without_rest():
    network = drawn()
    groups = [*network.projection_parameters(), *network.restoration_parameters()]
    assert {id(p) for p in groups} == {id(p) for p in network.parameters()}
    assert len(groups) == len(list(network.parameters()))
    plain = drawn(projection=False)
    assert plain.projection_parameters() == []
    assert len(plain.restoration_parameters()) == len(list(plain.parameters()))


def test_the_student_sees_the_clean_projection_only():
    network = drawn().eval()
    with torch.no_grad():
        alone, together = network(stages()), network(stages(), stages(1))
        embedding = network.bottleneck(network.projection(stages()))
        expected = network.student(embedding)
    for one, other, third in zip(alone.student, together.student, expected, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)
    assert alone.teacher_noisy is None
    assert alone.projected_noisy is None
    for found, wanted in zip(together.projected_noisy, network.projection(stages(1)), strict=True):
        assert torch.equal(found, wanted)


def test_without_projection_the_bottleneck_sees_the_teacher():
    network = drawn(projection=False).eval()
    teacher = stages()
    with torch.no_grad():
        features = network(teacher, stages(1))
        expected = network.student(network.bottleneck(teacher))
    assert features.projected is teacher
    assert features.projected_noisy is None
    for found, wanted in zip(features.student, expected, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("projection", [True, False])
def test_the_student_restores_noisy_features_where_they_are_asked_for(projection):
    network, clean, noisy = drawn(projection=projection).eval(), stages(), stages(1)
    with torch.no_grad():
        features = network(clean, noisy, restore_noisy=True)
        expected = [network(of).student for of in (clean, noisy)]
    for found, wanted in zip((features.student, features.student_noisy), expected, strict=True):
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)
    assert network(clean, noisy).student_noisy is None


def test_in_training_clean_and_noisy_features_are_one_batch_for_batch_norm():
    network, clean, noisy = drawn().train(), stages(), stages(1)
    with torch.no_grad():
        alone = network(clean, noisy)
        beside = network(clean, noisy, restore_noisy=True)
        same = network(clean, clean, restore_noisy=True)
    assert not torch.allclose(beside.student[0], alone.student[0], atol=1e-2)
    torch.testing.assert_close(same.student[0], alone.student[0])  # twice the same batch has its statistics


def test_the_projection_treats_each_image_alone():
    projection = drawn().projection
    with torch.no_grad():
        both = projection(stages(count=2))
        first = projection(tuple(stage[:1] for stage in stages(count=2)))
    for one, other in zip(both, first, strict=True):
        torch.testing.assert_close(one[:1], other)
