"""Choices that do not look at the test set: it may be scrambled, or not there at all, until they are made."""

import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from rdpp.config import ConfigError
from rdpp.engine import CheckpointWriter, EpochFinished, RunSpec, grid, prepare, train
from rdpp.engine.selection import held_out_value, is_chosen
from rdpp.experiment import EvaluationConfig


@pytest.fixture(scope="module")
def honest(record, held_out):
    return record(held_out.with_overrides({"evaluation.audit": True, "training.epochs": 2}))


@pytest.fixture
def copied(held_out, tmp_path):
    """The experiment on a copy of its data that a test may spoil, and the copy's folder."""
    root = tmp_path / "data"
    shutil.copytree(held_out.data.root, root)
    return held_out.with_overrides({"data.root": str(root), "training.epochs": 2}), root / "bolt"


def choices(record):
    """All that a run decides and learns before the test images count."""
    epochs = [(e.epoch, e.chosen, dict(e.evaluation.metrics)) for e in record.of(EpochFinished)]
    return epochs, record.losses, record.result.epoch, dict(record.result.held_out.metrics)


def scramble(test):
    rng = np.random.default_rng(0)
    for path in sorted(test.rglob("*.png")):
        with Image.open(path) as image:
            noise = rng.integers(0, 256, np.asarray(image).shape, np.uint8)
        Image.fromarray(noise).save(path)


def test_the_split_that_is_trained_on(honest):
    assert honest.started.watched == "held_out"
    assert len(honest.started.train) == 10
    assert len(honest.started.held_out) == 8 + 24
    assert {b.path for b in honest.started.train.items}.isdisjoint(h.path for h in honest.started.held_out.items)


def test_epochs_are_watched_on_the_held_out_images(honest):
    for event in honest.of(EpochFinished):
        assert event.evaluation.split is honest.started.held_out
    result = honest.result
    assert result.deciding is result.held_out
    assert result.evaluation.split is not honest.started.held_out
    assert len(result.evaluation.split) == 7


def test_scrambling_the_test_set_changes_no_choice(honest, record, copied):
    """Nor do a look at every epoch, which the other run alone takes, and the global generator."""
    experiment, folder = copied
    scramble(folder / "test")
    torch.manual_seed(9)
    other = record(experiment)
    np.testing.assert_equal(choices(other), choices(honest))
    pixel_auroc = [run.result.evaluation.metrics["pixel_auroc"] for run in (other, honest)]
    assert pixel_auroc[0] != pixel_auroc[1]


def test_with_official_selection_the_test_set_decides(record, copied):
    experiment, folder = copied
    changes = {"evaluation": {"selection": "official", "hold_out": 0.2}, "training.epochs": 1}
    experiment = experiment.with_overrides(changes)
    before = record(experiment)
    scramble(folder / "test")
    after = record(experiment)
    assert before.losses == after.losses
    metrics = [[e.evaluation.metrics["pixel_auroc"] for e in run.of(EpochFinished)] for run in (before, after)]
    assert metrics[0] != metrics[1]


def test_the_test_set_may_be_missing_until_the_end(honest, copied, tmp_path):
    experiment, folder = copied
    for part in ("test", "ground_truth"):
        (folder / part).rename(folder / f"{part}-away")
    prepare(grid(experiment.with_overrides({"data.categories": ["bolt"]})))
    told = []

    def bring_back_after_the_last_epoch(event):
        told.append(event)
        if isinstance(event, EpochFinished) and event.epoch == 2:
            for part in ("test", "ground_truth"):
                (folder / f"{part}-away").rename(folder / part)

    observers = [CheckpointWriter(tmp_path / "kept"), bring_back_after_the_last_epoch]
    result = train(RunSpec.of(experiment, "bolt", 1), observers=observers)
    assert (tmp_path / "kept" / "chosen.safetensors").is_file()
    np.testing.assert_equal(result.evaluation.metrics, honest.result.evaluation.metrics)


def test_a_test_set_that_never_comes_is_told_after_training(copied):
    experiment, folder = copied
    shutil.rmtree(folder / "test")
    told = []
    with pytest.raises(ConfigError, match="no test images in"):
        train(RunSpec.of(experiment.with_overrides({"training.epochs": 1}), "bolt", 1), observers=[told.append])
    assert isinstance(told[-1], EpochFinished)


def test_the_chosen_epochs_network_is_what_is_tested(honest):
    np.testing.assert_equal(honest.result.evaluation.metrics, honest.result.audit[honest.result.epoch])
    values = {e.epoch: held_out_value(e.evaluation.metrics) for e in honest.of(EpochFinished)}
    assert honest.result.epoch == max(values, key=lambda epoch: values[epoch])
    assert len({metrics["pixel_auroc"] for metrics in honest.result.audit.values()}) == 2


def test_an_earlier_epochs_network_is_restored_for_the_test(monkeypatch, honest, record, held_out):
    monkeypatch.setattr(sys.modules[train.__module__], "is_chosen", lambda *arguments, final: arguments[2] is None)
    first = record(held_out.with_overrides({"training.epochs": 2}))
    assert first.result.epoch == 1
    np.testing.assert_equal(first.result.evaluation.metrics, honest.result.audit[1])


def test_the_audit_tells_what_looking_would_have_gained(honest):
    result = honest.result
    assert set(result.audit) == {1, 2}
    defined = {name: gap for name, gap in result.selection_gap.items() if name != "pixel_aupimo"}  # too few pixels
    assert {"image_auroc", "pixel_aupro"} <= set(defined)
    for name, gap in defined.items():
        assert gap == max(m[name] for m in result.audit.values()) - result.evaluation.metrics[name] >= 0


def test_without_an_audit_there_is_no_gap(baseline):
    assert baseline.result.audit == baseline.result.selection_gap == {}


def test_selection_last_can_train_on_the_same_split(honest, record, held_out):
    changes = {"evaluation.selection": "last", "evaluation.hold_out": 0.2, "training.epochs": 2}
    last = record(held_out.with_overrides(changes))
    assert last.losses == honest.losses
    assert last.result.epoch == 2
    np.testing.assert_equal(last.result.evaluation.metrics, honest.result.audit[2])


def test_the_first_of_the_best_epochs_counts():
    config = EvaluationConfig("held_out")
    good, better = (dict.fromkeys(("image_auroc", "pixel_auroc", "pixel_aupro"), v) for v in (0.7, 0.8))
    assert is_chosen(config, good, None, final=False)
    assert not is_chosen(config, good, dict(good), final=True)
    assert is_chosen(config, better, good, final=False)


@pytest.mark.parametrize(
    ("settings", "share", "watched"),
    [
        ({}, 0.0, "test"),
        ({"selection": "held_out"}, 0.2, "held_out"),
        ({"selection": "held_out", "hold_out": 0.3}, 0.3, "held_out"),
        ({"selection": "last", "hold_out": 0.2}, 0.2, "held_out"),
        ({"selection": "official", "hold_out": 0.2}, 0.2, "test"),
    ],
)
def test_what_is_held_out_and_watched(settings, share, watched):
    config = EvaluationConfig(**settings)
    assert (config.held_out_share, config.watched) == (share, watched)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hold_out": 0.7}, r"hold_out must lie between 0 and 0.5, got 0.7"),
        ({"hold_out": -0.1}, r"hold_out must lie between 0 and 0.5, got -0.1"),
        ({"selection": "held_out", "hold_out": 0.0}, "selection held_out needs held-out images"),
    ],
)
def test_ranges(settings, message):
    with pytest.raises(ConfigError, match=message):
        EvaluationConfig(**settings)
