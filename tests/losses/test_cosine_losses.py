"""Distillation, reconstruction and contrast: official values, zeros, finite differences, ranges."""

import numpy as np
import pytest
import torch
from features import PARTS, features, generator, one_stage, with_gradients
from torch.nn.functional import cosine_similarity

import rdpp.losses.cosine as module
from rdpp.config import ConfigError
from rdpp.losses.contrast import Contrast
from rdpp.losses.cosine import cosine
from rdpp.losses.distillation import Distillation
from rdpp.losses.reconstruction import Reconstruction
from rdpp.types import Features


@pytest.fixture(scope="module")
def official(golden):
    """(the golden file, its features in float64)."""
    values = golden("official_losses.npz")
    parts = {name: tuple(torch.from_numpy(values[f"{name}_{k}"]).double() for k in range(3)) for name in PARTS}
    return values, Features(**parts)


@pytest.mark.parametrize(
    ("name", "loss"),
    [("distillation", Distillation()), ("reconstruction", Reconstruction()), ("contrast", Contrast())],
)
def test_official_values_of_each_stage(official, name, loss):
    expected, values = official
    found = [float(loss(one_stage(values, k), generator())) for k in range(3)]
    np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-9)


def test_parallel_features_have_no_distillation_loss():
    values = features()
    parallel = Features(values.teacher, values.projected, tuple(0.3 * stage for stage in values.teacher))
    assert float(Distillation()(parallel, generator())) == pytest.approx(0, abs=1e-12)
    opposite = Features(values.teacher, values.projected, tuple(-stage for stage in values.teacher))
    assert float(Distillation()(opposite, generator())) == pytest.approx(3 * 2)


def test_distillation_compares_whole_images_not_positions():
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 2, 1)  # channels x positions
    student = teacher * torch.tensor([1.0, 2.0]).view(1, 1, 2, 1)  # parallel at each position
    found = Distillation()(Features((teacher,), (teacher,), (student,)), generator())
    assert float(found) == pytest.approx(1 - 3 / np.sqrt(2 * 5))


def test_equal_projections_have_no_reconstruction_loss():
    values = features()
    same = Features(values.teacher, values.projected, values.student, values.teacher_noisy, values.projected)
    assert float(Reconstruction()(same, generator())) == pytest.approx(0, abs=1e-12)


def test_reconstruction_compares_positions_along_channels():
    clean = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 2, 1)
    noisy = clean * torch.tensor([1.0, 2.0]).view(1, 1, 2, 1)
    found = Reconstruction()(Features((clean,), (clean,), (clean,), (clean,), (noisy,)), generator())
    assert float(found) == pytest.approx(0, abs=1e-6)


def planar(cosine, count=1):
    """One-stage features with this cosine between teacher_noisy and projected."""
    first = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 2, 1, 1).expand(count, -1, -1, -1)
    second = torch.tensor([cosine, np.sqrt(1 - cosine**2)]).view(1, 2, 1, 1).expand(count, -1, -1, -1)
    return with_gradients(Features((first,), (second,), (first,), (first,), (first,)))


@pytest.mark.parametrize("margin", [0.5, 0.0, -1.0])
@pytest.mark.parametrize("cosine", [-0.7, 0.1, 0.45, 0.8])
def test_contrast_is_the_cosine_above_its_margin(cosine, margin):
    values = planar(cosine)
    value = Contrast(margin=margin)(values, generator())
    value.backward()
    assert float(value.detach()) == pytest.approx(max(0.0, cosine - margin), abs=1e-9)
    assert bool(values.projected[0].grad.any()) == (cosine > margin)


def test_the_released_contrast_is_dead_below_its_margin_and_a_lower_one_revives_it():
    dead, living = planar(0.39), planar(0.39)
    Contrast()(dead, generator()).backward()
    Contrast(margin=0.0)(living, generator()).backward()
    assert dead.projected[0].grad.abs().max() == 0
    assert living.projected[0].grad.abs().max() > 0.1


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        (Distillation(), ("student",)),
        (Reconstruction(), ("projected", "projected_noisy")),
        (Contrast(margin=0.0), ("projected",)),
    ],
)
def test_gradients_are_finite_differences(loss, names):
    values = features(count=2)
    inputs = [stage.requires_grad_() for name in names for stage in getattr(values, name)]
    assert torch.autograd.gradcheck(lambda *_: loss(values, generator()), inputs)


@pytest.mark.parametrize("margin", [-1.1, 1.1, float("nan")])
def test_margins_out_of_range(margin):
    with pytest.raises(ConfigError, match=rf"margin must lie between -1 and 1 \(it is a cosine\), got {margin}"):
        Contrast(margin=margin)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dims", [(1,), (1, 2, 3)])
def test_cosine_is_torchs_in_value_and_gradient(dims, layout):
    first, second = torch.randn(2, 3, 4, 5, 6, generator=generator(), dtype=torch.float64)
    first[0] = 0  # a vector without direction
    ours, theirs = (
        [x.contiguous(memory_format=layout).requires_grad_() for x in pair] for pair in [(first, second)] * 2
    )
    found = cosine(*ours, dims)
    expected = cosine_similarity(*(x.flatten(1) if len(dims) == 3 else x for x in theirs))
    torch.testing.assert_close(found, expected)
    weights = torch.rand(found.shape, generator=generator(), dtype=torch.float64)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_cosine_gives_gradients_to_those_who_want_them():
    first, second = torch.randn(2, 3, 4, 5, 6, generator=generator(), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: cosine(x, second, (1, 2, 3)), first.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: cosine(second, x, (1,)), first)


@pytest.mark.parametrize("dims", [(1,), (1, 2, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 70, 9, 11), (3, 64, 16, 16)])
def test_the_compiled_loop_gives_torchs_values_and_gradients(dims, shape, monkeypatch):
    summed, kernel = [], module._sum
    monkeypatch.setattr(module, "_sum", lambda *given: summed.append(1) or kernel(*given))
    drawn = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)) + 0.2
    ours = [x.contiguous(memory_format=torch.channels_last).requires_grad_() for x in drawn]
    theirs = [x.double().requires_grad_() for x in drawn]
    first, second = (x if dims == (1,) else x.flatten(1) for x in theirs)
    found, expected = cosine(*ours, dims), cosine_similarity(first, second)
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
    torch.testing.assert_close(cosine(first, second, (1,)), cosine_similarity(first, second))
    mixed = second.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(cosine(first, mixed, (1,)), cosine_similarity(first, second))
