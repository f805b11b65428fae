"""One run from end to end, on the tiny experiment."""

import dataclasses

import numpy as np
import pytest
import torch

from rdpp.config import ConfigError
from rdpp.engine import (
    BatchFinished,
    EpochFinished,
    Evaluation,
    RunFinished,
    RunSpec,
    RunStarted,
    resolve,
    setup,
    train,
)
from rdpp.engine.step import Stepper
from rdpp.metrics import METRICS


def maps(record):
    return record.result.evaluation.prediction.anomaly_maps


def test_what_observers_are_told(baseline, tiny):
    epoch = [BatchFinished, BatchFinished, EpochFinished]
    assert [type(event) for event in baseline.events] == [RunStarted, *epoch, *epoch, RunFinished]
    started = baseline.started
    assert started.spec.experiment == resolve(tiny)
    assert (started.spec.category.name, started.spec.seed, started.epochs, started.steps) == ("bolt", 1, 2, 4)
    assert (len(started.train), started.held_out, started.watched) == (5, None, "test")
    assert len(baseline.result.evaluation.split) == 2 + 5
    assert [event.batch for event in baseline.of(BatchFinished)] == [1, 2, 3, 4]
    assert [(event.epoch, event.batch) for event in baseline.of(EpochFinished)] == [(1, 2), (2, 4)]
    assert all(event.images_per_second > 0 and event.peak_memory_mb > 0 for event in baseline.of(EpochFinished))


def test_terms_are_inspected_with_each_epochs_first_batch(baseline):
    found = [event.inspections for event in baseline.of(BatchFinished)]
    assert [value is not None for value in found] == [True, False, True, False]
    assert set(found[0]) == {"distillation", "ssot", "reconstruction", "contrast"}
    assert found[0]["ssot"].norms["projection"] > 0
    assert baseline.result.dead_terms == ()


def test_the_result_is_the_last_epochs_evaluation(baseline):
    result, (first, last) = baseline.result, baseline.of(EpochFinished)
    assert (result.spec.name, result.epoch) == ("bolt-seed1", 2)
    assert result.evaluation is last.evaluation
    assert (first.chosen, last.chosen) == (False, True)
    assert set(METRICS) <= set(result.evaluation.metrics)
    assert maps(baseline).shape == (7, 64, 64)


def test_losses_are_alive_and_the_distillation_falls(baseline):
    assert all(min(values.values()) > 0 for values in baseline.losses)
    assert baseline.losses[-1]["distillation"] < baseline.losses[0]["distillation"]


def test_the_same_run_to_the_last_digit_whatever_ran_before(baseline, record, tiny):
    torch.manual_seed(12345)
    np.random.seed(5)  # noqa: NPY002
    torch.set_num_threads(2)
    train(
        RunSpec.of(tiny.with_overrides({"training.epochs": 1, "evaluation.sigma": 0.0, "projection": True}), "weave", 3)
    )
    again = record(tiny)
    assert torch.get_num_threads() == 1
    assert again.losses == baseline.losses
    assert np.array_equal(maps(again), maps(baseline))
    np.testing.assert_equal(again.result.evaluation.metrics, baseline.result.evaluation.metrics)
    for name, value in baseline.networks[-1].items():
        assert torch.equal(again.networks[-1][name], value), name


def test_another_seed_is_another_run(baseline, record, tiny):
    other = record(tiny.with_overrides({"training.epochs": 1}), seed=2)
    assert all(a != b for a, b in zip(other.losses[0].values(), baseline.losses[0].values(), strict=True))


def test_the_global_generator_is_not_drawn_from_in_training(tiny):
    states = []

    def remember(event):
        states.append(torch.get_rng_state())

    train(RunSpec.of(tiny.with_overrides({"training.epochs": 1}), "bolt", 1), observers=[remember])
    assert all(torch.equal(state, states[0]) for state in states)


def test_a_rest_of_batches_is_used_at_the_epochs_end_and_no_gradient_is_left(tiny):
    seen, gradients = [], []

    def watch(event):
        if isinstance(event, EpochFinished):
            seen.append([p.detach().clone() for p in event.network.parameters()])
            gradients.extend(p.grad for p in event.network.parameters())

    train(RunSpec.of(tiny.with_overrides({"training.accumulate": 10}), "bolt", 1), observers=[watch])
    assert all(gradient is None for gradient in gradients)
    assert not any(torch.equal(first, second) for first, second in zip(*seen, strict=True) if first.ndim > 1)


def test_plain_reverse_distillation_runs(record, tiny):
    off = {"projection": False, "noise": None, "losses": {"ssot": None, "reconstruction": None, "contrast": None}}
    plain = record(tiny.with_overrides({**off, "training.accumulate": 1}))
    assert all(set(values) == {"distillation"} for values in plain.losses)
    assert set(plain.of(BatchFinished)[0].inspections["distillation"].norms) == {"restoration"}
    assert not any(name.startswith("projection") for name in plain.networks[0])
    assert plain.losses[-1]["distillation"] < plain.losses[0]["distillation"]
    assert 0 <= plain.result.evaluation.metrics["image_auroc"] <= 1


def test_an_observers_error_ends_the_run(tiny):
    told = []

    def refuse(event):
        told.append(event)
        if isinstance(event, BatchFinished):
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        train(RunSpec.of(tiny, "bolt", 1), observers=[refuse])
    assert [type(event) for event in told] == [RunStarted, BatchFinished]


def test_an_unknown_category(tiny):
    with pytest.raises(ConfigError, match=r"unknown category .*'bold', did you mean 'bolt'"):
        train(RunSpec.of(tiny, "bold", 1))


@pytest.fixture
def scripted(monkeypatch, baseline, tiny):
    """Train without looking at images: each evaluation returns the next of the given values."""

    def go(values, every=1, epochs=4, selection="official"):
        queue = iter(values)

        def evaluate(*arguments, **settings):
            names = ("image_auroc", "pixel_auroc", "pixel_aupro_per_image")
            given = baseline.result.evaluation
            metrics = dict.fromkeys(names, next(queue))
            return Evaluation(metrics=metrics, prediction=given.prediction, split=given.split)

        monkeypatch.setattr(setup, "evaluate_with", evaluate)
        monkeypatch.setattr(Stepper, "step", lambda *arguments, **settings: (None, None))
        events = []
        changes = {"evaluation.selection": selection, "evaluation.every": every, "training.epochs": epochs}
        result = train(RunSpec.of(tiny.with_overrides(changes), "bolt", 1), observers=[events.append])
        return result, [event for event in events if isinstance(event, EpochFinished)]

    return go


def test_official_selection_keeps_the_first_of_the_best_epochs(scripted):
    result, epochs = scripted([0.5, 0.7, 0.7, 0.6])
    assert [event.chosen for event in epochs] == [True, True, False, False]
    assert result.epoch == 2
    assert result.evaluation is epochs[1].evaluation


def test_selecting_the_last_epoch_ignores_the_values(scripted):
    result, epochs = scripted([0.5, 0.9, 0.7, 0.6], selection="last")
    assert [event.chosen for event in epochs] == [False, False, False, True]
    assert result.epoch == 4


def test_evaluation_now_and_then_and_always_after_the_last_epoch(scripted):
    result, epochs = scripted([0.9, 0.1], every=2, epochs=3)
    assert [event.evaluation is not None for event in epochs] == [False, True, True]
    assert result.epoch == 2


def test_epochs_by_category(scripted):
    _, epochs = scripted([0.5] * 3, epochs={"default": 1, "bolt": 3})
    assert [event.epoch for event in epochs] == [1, 2, 3]


@pytest.mark.cuda
def test_a_gpu_comes_close_to_the_cpu(baseline, record, tiny):
    on_gpu = record(dataclasses.replace(tiny, device="cuda:0"))
    assert on_gpu.networks[0]["student.layer1.0.conv1.weight"].device.type == "cuda"
    assert on_gpu.losses[0] == pytest.approx(baseline.losses[0], rel=1e-2)
    assert on_gpu.losses[-1]["distillation"] == pytest.approx(baseline.losses[-1]["distillation"], rel=0.2)
    assert maps(on_gpu).shape == maps(baseline).shape
