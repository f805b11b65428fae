"""Distillation, reconstruction and contrast: official values, zeros, finite differences, ranges."""

import dataclasses

import numpy as np
import pytest
import torch
from features import PARTS, features, generator, one_stage, with_gradients

from rdpp.config import ConfigError
from rdpp.losses.contrast import Contrast
from rdpp.losses.denoising import Denoising
from rdpp.losses.distillation import Distillation
from rdpp.losses.hard_distillation import HardDistillation
from rdpp.losses.reconstruction import Reconstruction
from rdpp.types import Features


@pytest.fixture(scope="module")
def official(golden):
    """(the golden file, its features in float64)."""
    values = golden("official_losses.npz")
    known = [name for name in PARTS if f"{name}_0" in values]
    parts = {name: tuple(torch.from_numpy(values[f"{name}_{k}"]).double() for k in range(3)) for name in known}
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
        (Denoising(), ("student_noisy",)),
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


def test_hard_distillation_learns_less_where_the_student_is_right():
    values = with_gradients(features())
    plain, hard = (
        torch.autograd.grad(loss(values, generator()), values.student)
        for loss in (Distillation(), HardDistillation(hard=0.3, easy=0.25))
    )
    assert torch.equal(HardDistillation()(values, generator()), Distillation()(values, generator()))
    for teacher, student, whole, found in zip(values.teacher, values.student, plain, hard, strict=True):
        distances = 1 - torch.nn.functional.cosine_similarity(teacher, student).detach().flatten()
        worst = distances.argsort(descending=True)[: round(0.3 * len(distances))]
        factor = torch.full_like(distances, 0.25)
        factor[worst] = 1
        torch.testing.assert_close(found, whole * factor.view(len(found), 1, *found.shape[2:]))


def test_other_terms_learn_everywhere_beside_hard_distillation():
    values = with_gradients(features())
    student = [2 * stage for stage in values.student]  # of which both terms' gradients are summed
    both = dataclasses.replace(values, student=tuple(student))
    (HardDistillation(hard=0.3, easy=0)(both, generator()) + sum(stage.sum() for stage in student)).backward()
    alone = torch.autograd.grad(HardDistillation(hard=0.3, easy=0)(values, generator()), values.student)
    for stage, hard in zip(values.student, alone, strict=True):
        torch.testing.assert_close(stage.grad, 2 + hard)


def test_denoising_compares_positions_with_the_clean_teacher():
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 2, 1)  # channels x positions
    scaled = teacher * torch.tensor([1.0, 2.0]).view(1, 1, 2, 1)  # parallel at each position
    swapped = teacher.flip(1)  # orthogonal at each position
    for student, expected in ((scaled, 0), (swapped, 1), (torch.cat([scaled, swapped], 2), 0.5)):
        clean = teacher.repeat(1, 1, student.shape[2] // 2, 1)
        values = dataclasses.replace(features(), teacher=(clean,), student_noisy=(student,))
        assert float(Denoising()(values, generator())) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"hard": 0}, "hard must be above 0 and at most 1, got 0"),
        ({"hard": 1.1}, "hard must be above 0 and at most 1, got 1.1"),
        ({"easy": -0.1}, "easy must be between 0 and 1, got -0.1"),
    ],
)
def test_shares_of_hard_distillation(setting, said):
    with pytest.raises(ConfigError, match=said):
        HardDistillation(**setting)
