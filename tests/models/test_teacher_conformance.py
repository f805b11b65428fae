"""What every teacher keeps. Those left out differ from these in depth alone."""

import functools

import pytest
import torch

from rdpp.models import ARCHITECTURES, TeacherConfig, load_teacher

NAMES = [name for name in ARCHITECTURES if name not in ("resnet34", "resnet101", "wide_resnet101_2")]

pytestmark = pytest.mark.parametrize("name", NAMES)


@functools.cache
def load(name, seed=3):
    return load_teacher(TeacherConfig(name=name, weights="random"), seed=seed)


def images(seed=0, height=64, width=32):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_three_stages_of_the_declared_channels_at_strides_4_8_and_16(name):
    shapes = [tuple(stage.shape) for stage in load(name)(images())]
    assert shapes == [(2, c, 64 // s, 32 // s) for c, s in zip(ARCHITECTURES[name].channels, (4, 8, 16), strict=True)]


def test_features_are_finite_float32_and_tell_images_apart(name):
    for one, other in zip(load(name)(images(0)), load(name)(images(1)), strict=True):
        assert one.dtype == torch.float32
        assert one.isfinite().all()
        assert not torch.allclose(one, other)


def test_an_image_has_the_same_features_alone_and_in_a_batch(name):
    given = images()
    for batch, alone in zip(load(name)(given), load(name)(given[:1]), strict=True):
        torch.testing.assert_close(batch[:1], alone, atol=1e-4, rtol=1e-4)


def test_nothing_of_it_is_trained_or_changed_by_use(name):
    teacher = load(name)
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    stages = teacher.train()(images().requires_grad_())
    assert not any(module.training for module in teacher.modules())
    assert not any(value.requires_grad for value in (*teacher.parameters(), *stages))
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_features_near_a_change_are_those_of_the_whole_image(name):
    clean, where = images(height=96, width=96), torch.zeros(2, 1, 96, 96, dtype=torch.bool)
    where[0, :, 40:52, 8:20] = True
    where[1, :, :10, 80:] = True
    noisy = torch.where(where, clean + 0.3, clean)
    for near, whole in zip(load(name).near(noisy, where, load(name)(clean)), load(name)(noisy), strict=True):
        torch.testing.assert_close(near, whole, atol=1e-4, rtol=1e-4)


def test_the_fingerprint_is_of_the_weights(name):
    again = load_teacher(TeacherConfig(name=name, weights="random"), seed=3)
    assert again.fingerprint == load(name).fingerprint != load(name, seed=4).fingerprint
