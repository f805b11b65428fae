"""Thresholds from networks that have not seen the images they judge."""

import json

import numpy as np
import pytest

from rdpp.config import ConfigError
from rdpp.data import load_train
from rdpp.engine import CheckpointWriter, cross_fitted, put_thresholds, read_checkpoint
from rdpp.engine.setup import Setup
from rdpp.engine.training import fit


@pytest.fixture
def checkpoint(baseline, tmp_path):
    writer = CheckpointWriter(tmp_path / "kept")
    for event in baseline.events:
        writer(event)
    return read_checkpoint(tmp_path / "kept")


@pytest.fixture
def begun():
    """What `begin` was called with, and the events of each fold."""
    setups, events = [], []

    def begin(number, setup):
        assert number == len(setups)
        setups.append(setup)
        events.append([])
        return events[-1].append

    begin.setups, begin.events = setups, events
    return begin


def test_fitting_is_training_without_evaluation(baseline):
    network = fit(Setup.of(baseline.started.spec), 2)
    for name, value in network.state_dict().items():
        assert value.equal(baseline.networks[-1][name]), name


def test_every_training_image_is_judged_once_by_a_network_that_has_not_seen_it(checkpoint, begun, baseline):
    found = cross_fitted(checkpoint, 2, {"device": "cpu"}, begun)
    assert (found.origin, found.images, len(found.pixel)) == ("cross-fitted, 2 folds", 5, 3)
    paths = {item.path for item in baseline.started.train.items}
    judged = []
    for setup, events in zip(begun.setups, begun.events, strict=True):
        seen = {item.path for item in setup.train.split.items}
        fold = [item.path for item in setup.watched.split.items]
        assert seen.isdisjoint(fold)
        assert seen | set(fold) == paths
        assert len(events) == 2 * setup.steps_per_epoch  # as many epochs as the run
        judged += fold
    assert sorted(judged) == sorted(paths)


def test_two_halves_are_told_apart(checkpoint, begun, monkeypatch):
    """Else one half would be judged by the other's features, which are kept in memory by the split's key."""
    four = lambda *arguments: load_train(*arguments).part(np.arange(4), "four")  # noqa: E731
    monkeypatch.setattr("rdpp.engine.cross_fitting.load_train", four)
    cross_fitted(checkpoint, 2, {"device": "cpu"}, begun)
    splits = [split for setup in begun.setups for split in (setup.train.split, setup.watched.split)]
    assert [len(split) for split in splits] == [2] * 4
    assert len({split.key for split in splits}) == 4


def test_stored_with_the_checkpoint(checkpoint, begun, tmp_path):
    found = cross_fitted(checkpoint, 2, {"device": "cpu"}, begun)
    put_thresholds(checkpoint, found)
    again = read_checkpoint(tmp_path / "kept")
    assert again.thresholds == found
    assert again.experiment == checkpoint.experiment
    assert np.isfinite(json.loads(again.description.read_text())["thresholds"]["pixel"][0]["value"])


def test_what_is_refused(checkpoint, begun, held_out):
    for folds in (1, 6):
        with pytest.raises(ConfigError, match=rf"--folds is {folds}; give at least 2 and at most 5"):
            cross_fitted(checkpoint, folds, {"device": "cpu"}, begun)
    with pytest.raises(ConfigError, match=r"training images of 'bolt' in .* are not those of .*; name the folder"):
        cross_fitted(checkpoint, 2, {"device": "cpu", "data.root": held_out.data.root}, begun)
    with pytest.raises(ConfigError, match=r"trained with another teacher .*; set teacher.weights"):
        cross_fitted(checkpoint, 2, {"device": "cpu", "teacher.weights": "random"}, begun)
    assert not begun.setups
