"""One batch: against the official code's losses, and how gradients are summed."""

import pytest
import torch
from reference import images, official_network, official_teacher

from rdpp.engine.seeding import streams
from rdpp.engine.step import Stepper
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, load_teacher
from rdpp.types import Batch

RELEASED = ExperimentConfig.from_mapping(
    {
        "name": "released",
        "data": {"root": "."},
        "teacher": {"name": "resnet18"},
        "noise": {},
        "losses": {"distillation": {}, "ssot": {"pairing": "batch"}, "reconstruction": {}, "contrast": {}},
    },
    "released",
)


def official_noise(position, dtype):
    """Adds the golden recipe's noise of this training batch."""
    noise = images(f"trainnoise{position}", (4, 3, 64, 64))
    clean = images(f"train{position}", (4, 3, 64, 64))
    noisy = (clean + 0.2 * noise).to(dtype)
    return lambda batch, generator, inplace: (noisy, torch.ones_like(noisy[:, :1], dtype=torch.bool))


@pytest.mark.parametrize(
    ("steps", "dtype", "reference", "tolerance"),
    [
        (3, torch.float64, "train_losses_float64", 1e-6),  # the third one follows an update
        (3, torch.float32, "train_losses", 5e-3),
        pytest.param(6, torch.float64, "train_losses_float64", 1e-6, marks=pytest.mark.slow),
        pytest.param(6, torch.float32, "train_losses", 5e-3, marks=pytest.mark.slow),
    ],
)
def test_official_training_steps(golden, steps, dtype, reference, tolerance):
    experiment = RELEASED
    if dtype == torch.float64:  # its optimal transport is 0 there, and slow
        experiment = experiment.with_overrides({"losses.ssot": None})
    teacher, network = official_teacher("resnet18", dtype), official_network("resnet18", dtype).train()
    stepper = Stepper(experiment, teacher, network, streams(0))
    expected = golden("official_resnet18_256.npz")[reference]
    for position in range(steps):
        stepper.noise = official_noise(position, dtype)
        batch = Batch(images(f"train{position}", (4, 3, 64, 64)).to(dtype), torch.arange(4))
        values, _ = stepper.step(batch, inspect=position == 0)
        projection = sum(float(value) for name, value in values.weighted.items() if name != "distillation")
        found = [float(values.weighted["distillation"]), projection / 0.2, float(values.total)]
        assert found == pytest.approx(expected[position], rel=tolerance), f"batch {position}"


@pytest.fixture
def make_stepper(tiny):
    """A stepper over the tiny experiment, its network drawn from seed 0."""

    def make(changes=None, dtype=torch.float64):
        experiment = tiny.with_overrides(changes or {})
        network = Network(ARCHITECTURES["builtin"], projection=experiment.projection)
        network.initialise(torch.Generator().manual_seed(0))
        teacher = load_teacher(experiment.teacher).to(dtype)
        return Stepper(experiment, teacher, network.to(dtype).train(), streams(0))

    return make


def batch(seed=0, count=3):
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, 3, 32, 32, dtype=torch.float64, generator=generator)
    return Batch(uniform, torch.arange(count))


def gradients(stepper):
    named = stepper.network.named_parameters()
    return {name: None if p.grad is None else p.grad.clone() for name, p in named}


def parameters(stepper):
    return {name: p.detach().clone() for name, p in stepper.network.named_parameters()}


def equal(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_backward_by_term_sums_to_the_backward_of_the_total(make_stepper):
    whole, by_term = make_stepper(), make_stepper()
    values, nothing = whole.step(batch())
    same, _ = by_term.step(batch(), inspect=True)
    assert nothing is None
    assert values.total == same.total
    expected, found = gradients(whole), gradients(by_term)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-12)


def test_gradient_norms_are_those_of_each_weighted_term_alone(make_stepper):
    _, inspections = make_stepper().step(batch(), inspect=True)
    assert set(inspections) == {"distillation", "ssot", "reconstruction", "contrast"}
    for term, inspection in inspections.items():
        alone = make_stepper()
        values = alone.losses(alone.features(batch()), alone.streams.losses)
        values.weighted[term].backward()
        for group, members in alone.groups.items():
            squares = [p.grad.square().sum() for p in members if p.grad is not None]
            expected = float(sum(squares)) ** 0.5 if squares else 0.0
            assert inspection.norms[group] == pytest.approx(expected, rel=1e-9)
    assert inspections["ssot"].norms["projection"] > 0
    assert inspections["ssot"].norms["restoration"] == 0  # it never sees bottleneck and student


def test_gradients_of_several_batches_are_summed_before_an_update(make_stepper):
    stepper, first, second = make_stepper(), make_stepper(), make_stepper()
    before = parameters(stepper)
    stepper.step(batch(1))
    assert equal(parameters(stepper), before)
    first.step(batch(1))
    second.streams.noise.set_state(first.streams.noise.get_state())
    second.streams.losses.set_state(first.streams.losses.get_state())
    second.step(batch(2))
    for p, other, (name, statistics) in zip(
        first.network.parameters(), second.network.parameters(), before.items(), strict=True
    ):
        if p.grad is not None:  # none at biases before an instance norm
            p.grad = p.grad + other.grad
        assert torch.equal(p.detach(), statistics), name
    first.learning.optimizer.step()
    stepper.step(batch(2))
    found = parameters(stepper)
    assert not equal(found, before)
    assert equal(found, parameters(first))


@pytest.mark.parametrize(("batches", "share"), [(2, 2), (1, 1)])
def test_gradients_are_averaged_over_the_batches_that_were_gathered(make_stepper, batches, share):
    summed, averaged = make_stepper(), make_stepper({"training.reduction": "mean"})
    found = []
    for stepper in (summed, averaged):
        stepper.learning.optimizer.step = lambda stepper=stepper: found.append(gradients(stepper))
        for number in range(batches):
            stepper.step(batch(number))
        stepper.update()
    assert len(found) == 2
    for name, gradient in found[0].items():
        if gradient is None:
            assert found[1][name] is None
        else:
            torch.testing.assert_close(gradient, share * found[1][name])


def test_no_gradient_is_left_after_an_update(make_stepper):
    stepper = make_stepper()
    stepper.step(batch(1))
    stepper.step(batch(2))
    assert all(gradient is None for gradient in gradients(stepper).values())


def test_a_rest_is_used_once_by_update_and_not_again(make_stepper):
    stepper = make_stepper()
    before = parameters(stepper)
    stepper.update()
    assert equal(parameters(stepper), before)
    stepper.step(batch())
    stepper.update()
    after = parameters(stepper)
    assert not equal(after, before)
    assert all(gradient is None for gradient in gradients(stepper).values())
    stepper.update()
    assert equal(parameters(stepper), after)


def test_after_a_rest_counting_starts_anew(make_stepper):
    stepper = make_stepper()
    stepper.step(batch(1))
    stepper.update()
    after = parameters(stepper)
    stepper.step(batch(2))
    assert equal(parameters(stepper), after)


def test_noisy_images_only_meet_the_projection(make_stepper):
    stepper = make_stepper()
    features = stepper.features(batch())
    clean = stepper.teacher(batch().images)
    alone = make_stepper().network(clean)
    for found, expected in zip(features.teacher, clean, strict=True):
        torch.testing.assert_close(found, expected)
    for found, expected in zip(features.student, alone.student, strict=True):
        torch.testing.assert_close(found, expected)
    noisy, mask = stepper.noise(batch().images, streams(0).noise)
    assert mask.any()
    for found, expected in zip(features.teacher_noisy, stepper.teacher(noisy), strict=True):
        torch.testing.assert_close(found, expected)
    projected = stepper.network.projection(features.teacher_noisy)
    for found, expected in zip(features.projected_noisy, projected, strict=True):
        torch.testing.assert_close(found, expected)


def test_no_noise_is_made_where_no_term_looks_at_it(make_stepper):
    stepper = make_stepper({"losses.reconstruction": None, "losses.contrast": None})
    state = stepper.streams.noise.get_state()
    features = stepper.features(batch())
    assert features.teacher_noisy is None
    assert features.projected_noisy is None
    assert torch.equal(stepper.streams.noise.get_state(), state)


def test_each_group_has_its_learning_rate(make_stepper):
    stepper = make_stepper(
        {"optimizer.projection_lr": 0.25, "optimizer.restoration_lr": 0.5, "optimizer.betas": [0, 0]}
    )
    before = parameters(stepper)
    stepper.step(batch(1))
    stepper.update()
    for name, after in parameters(stepper).items():  # without momentum Adam's first step is the rate itself
        if after.ndim > 1:  # biases before an instance normalisation have no gradient
            rate = 0.25 if name.startswith("projection.") else 0.5
            assert float((after - before[name]).abs().max()) == pytest.approx(rate, rel=1e-3), name


def test_plain_reverse_distillation_trains_bottleneck_and_student(make_stepper):
    losses = {f"losses.{name}": None for name in ("ssot", "reconstruction", "contrast")}
    stepper = make_stepper({"projection": False, "noise": None, **losses})
    before = parameters(stepper)
    values, inspections = stepper.step(batch(1), inspect=True)
    stepper.update()
    assert set(values.weighted) == {"distillation"}
    assert set(inspections["distillation"].norms) == {"restoration"}
    assert not equal(parameters(stepper), before)
    assert not any(name.startswith("projection") for name in before)


def test_losses_come_detached(make_stepper):
    values, _ = make_stepper().step(batch())
    everything = [values.total, *values.raw.values(), *values.weighted.values()]
    assert not any(value.requires_grad for value in everything)
    assert float(values.total) == pytest.approx(float(sum(values.weighted.values())))


def test_denoising_trains_bottleneck_and_student_with_what_they_make_of_noise(make_stepper):
    changes = {"losses": {"denoising": {"weight": 0.5}, "ssot": None, "reconstruction": None, "contrast": None}}
    _, inspections = make_stepper(changes).step(batch(), inspect=True)
    assert inspections["denoising"].norms["restoration"] > 0
    plain = make_stepper({**changes, "projection": False})
    features = plain.features(batch())
    with torch.no_grad():
        assert not torch.equal(features.student_noisy[0], features.student[0])
    assert make_stepper({"losses.denoising": None}).features(batch()).student_noisy is None
