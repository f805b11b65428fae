"""How long a run takes: so many epochs, so many steps, or until no better epoch comes."""

import sys

import pytest

from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, CheckpointWriter, EpochFinished, RunSpec, planned_epochs, read_checkpoint, train
from rdpp.experiment import EvaluationConfig, TrainingConfig

PER_EPOCH = 2  # batches: 10 images are left to train on


@pytest.fixture(scope="module")
def held_out(held_out):
    """Plain reverse distillation, since it is only counted: it trains in two thirds of the time."""
    off = {"projection": False, "noise": None, "losses": {"ssot": None, "reconstruction": None, "contrast": None}}
    return held_out.with_overrides(off)


@pytest.fixture
def better(monkeypatch):
    """Name the evaluations (from 1) that are better than all before."""

    def name(*numbers):
        evaluations = iter(range(1, 100))
        monkeypatch.setattr(sys.modules[train.__module__], "is_chosen", lambda *_, final: next(evaluations) in numbers)

    return name


@pytest.mark.parametrize(
    ("numbers", "patience", "every", "ends", "chosen"),
    [
        ((1, 3), 2, 1, 5, 3),
        ((1, 3), 1, 1, 2, 1),
        ((1, 2), 1, 2, 6, 4),  # evaluations count, not epochs
    ],
)
def test_a_run_stops_after_so_many_evaluations_without_a_better_one(
    record, held_out, better, numbers, patience, every, ends, chosen
):
    better(*numbers)
    changes = {"training.epochs": 6, "evaluation.patience": patience, "evaluation.every": every}
    run = record(held_out.with_overrides(changes))
    assert [e.last for e in run.of(EpochFinished)] == [False] * (ends - 1) + [True]
    assert run.started.epochs == 6
    result = run.result
    assert (result.epoch, result.epochs, result.steps) == (chosen, ends, PER_EPOCH * ends)
    assert len(run.losses) == PER_EPOCH * ends


def test_a_stopped_run_is_the_beginning_of_one_that_is_not(record, held_out, better, tmp_path):
    whole, stopped = [], []
    for changes, run in (({}, whole), ({"evaluation.patience": 1, "keep": "last"}, stopped)):
        better(1)
        kept = CheckpointWriter(tmp_path)
        run.append(record(held_out.with_overrides({"training.epochs": 3, **changes}), observers=[kept]))
    (whole,), (stopped,) = whole, stopped
    assert (whole.result.epochs, stopped.result.epochs) == (3, 2)
    for ours, theirs in zip(stopped.losses, whole.losses, strict=False):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert stopped.result.epoch == whole.result.epoch == 1
    metrics = stopped.result.evaluation.metrics
    assert metrics == pytest.approx(dict(whole.result.evaluation.metrics), abs=1e-4, nan_ok=True)
    assert read_checkpoint(tmp_path / "last.json").epoch == 2


def test_steps_are_counted_exactly_and_cut_the_last_epoch(record, held_out):
    whole = record(held_out.with_overrides({"training.epochs": 2}))
    cut = record(held_out.with_overrides({"training.epochs": None, "training.steps": 3}))
    assert (cut.started.epochs, cut.started.steps) == (2, 3)
    assert [e.batch for e in cut.of(BatchFinished)] == [1, 2, 3]
    assert [(e.epoch, e.batch, e.last) for e in cut.of(EpochFinished)] == [(1, 2, False), (2, 3, True)]
    assert (cut.result.epochs, cut.result.steps) == (2, 3)
    assert (whole.result.epochs, whole.result.steps) == (2, 4)
    for ours, theirs in zip(cut.losses, whole.losses, strict=False):
        assert ours == pytest.approx(theirs, rel=1e-4)
    rates = [e.seconds_per_batch * e.images_per_second for e in cut.of(EpochFinished)]
    assert rates == pytest.approx([5, 5])  # images a batch


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (2, 1), (3, 2), ({"default": 9, "bolt": 4}, 2)])
def test_planned_epochs_are_those_that_the_steps_fill(held_out, steps, epochs):
    experiment = held_out.with_overrides({"training.epochs": None, "training.steps": steps})
    assert planned_epochs(RunSpec.of(experiment, "bolt", 1)) == epochs
    assert planned_epochs(RunSpec.of(held_out, "bolt", 1)) == 2


def test_without_held_out_images_all_are_trained_on(tiny):
    experiment = tiny.with_overrides({"training.epochs": None, "training.steps": 5})
    assert planned_epochs(RunSpec.of(experiment, "bolt", 1)) == 3


def test_200_epochs_unless_something_else_is_said():
    assert TrainingConfig().epochs == 200
    assert TrainingConfig(steps=7).epochs is None
    assert TrainingConfig(steps={"default": 7, "screw": 8}).steps_of("screw", 5) == 8
    assert TrainingConfig(epochs=7).steps_of("screw", 5) == 35


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (TrainingConfig, {"epochs": 3, "steps": 9}, "epochs 3 and steps 9 exclude each other; set one of them to null"),
        (TrainingConfig, {"steps": 0}, "steps must be at least 1, got 0 for default"),
        (TrainingConfig, {"steps": {"screw": 3}}, "steps by category need a `default`"),
        (EvaluationConfig, {"selection": "held_out", "patience": 0}, "patience must be at least 1, got 0"),
        (EvaluationConfig, {"patience": 3}, "not with selection last; set evaluation.selection to held_out"),
        (EvaluationConfig, {"selection": "official", "patience": 3}, "not with selection official"),
    ],
)
def test_what_a_length_may_be(kind, settings, message):
    with pytest.raises(ConfigError, match=message):
        kind(**settings)
