"""A run in its middle: stopped, written, read in another process, and continued to the same last digit."""

import json
import shutil

import numpy as np
import pytest
from processes import Other, go_on

from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, CheckpointWriter, RunFinished, RunSpec, read_checkpoint, train
from rdpp.engine.epoch_networks import EpochNetworks

BATCHES = 6  # of three epochs


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


class Stopped(Exception):
    pass


def stopping(batch, folder):
    """Save after this batch, and end the process's part of the run."""

    def after_batch(pause):
        if pause.state.batch == batch:
            pause.save(folder)
            raise Stopped

    return after_batch


@pytest.fixture(scope="module")
def spec(held_out):
    """Three epochs of two batches, an update after three: gradients are gathered over an epoch's end."""
    return RunSpec.of(held_out.with_overrides({"training.epochs": 3, "evaluation.audit": True}), "bolt", 1)


@pytest.fixture(scope="module")
def whole(spec):
    return train(spec)


@pytest.fixture(scope="module")
def states(spec, tmp_path_factory):
    """One run's states, each in a folder with its batch's number."""
    root = tmp_path_factory.mktemp("states")
    train(spec, after_batch=lambda pause: pause.save(root / str(pause.state.batch)))
    return root


@pytest.fixture
def state_after(states, tmp_path):
    """Put the state after a batch into a folder `state`."""
    return lambda batch: shutil.copytree(states / str(batch), tmp_path / "state")


def stopped(spec, batch, folder, observers=()):
    with pytest.raises(Stopped):
        train(spec, observers=observers, after_batch=stopping(batch, folder))


def assert_same(found, expected):
    np.testing.assert_equal(found.evaluation.metrics, expected.evaluation.metrics)
    np.testing.assert_equal(found.held_out.metrics, expected.held_out.metrics)
    np.testing.assert_equal(found.audit, expected.audit)
    assert (found.epoch, found.epochs, found.steps) == (expected.epoch, expected.epochs, expected.steps)
    assert found.dead_terms == expected.dead_terms
    maps = (result.evaluation.prediction.anomaly_maps for result in (found, expected))
    assert np.array_equal(*maps)


@pytest.mark.parametrize("batch", [slow(1), slow(2), slow(3), 4, slow(5), slow(6)])
def test_a_run_continued_after_any_batch_is_the_run_that_was_never_stopped(spec, whole, state_after, batch):
    seen = []
    result = train(spec, resume=state_after(batch), observers=[seen.append])
    assert [event.batch for event in seen if isinstance(event, BatchFinished)] == list(range(batch + 1, BATCHES + 1))
    assert_same(result, whole)


VARIANTS = {
    "gathered over several batches": {"training.accumulate": 10},
    "plain reverse distillation": {
        "projection": False,
        "noise": None,
        "losses": {"ssot": None, "reconstruction": None, "contrast": None},
    },
    "one field of noise a run": {"noise": {"field": "run"}},
    "patience": {"evaluation.patience": 1},
    "several updates an epoch": {"training.batch_size": 3},
    "steps": {"training.epochs": None, "training.steps": 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_twice_stopped(held_out, tmp_path, name):
    spec = RunSpec.of(held_out.with_overrides({"training.epochs": 3, **VARIANTS[name]}), "bolt", 1)
    expected = train(spec, after_batch=lambda pause: pause.state.batch == 1 and pause.save(tmp_path / "state"))
    with pytest.raises(Stopped):
        train(spec, resume=tmp_path / "state", after_batch=stopping(3, tmp_path / "state"))
    assert_same(train(spec, resume=tmp_path / "state"), expected)


def test_another_process_goes_on_with_a_run_that_was_stopped_twice(spec, whole, state_after, tmp_path):
    with pytest.raises(Stopped):
        train(spec, resume=state_after(1), after_batch=stopping(3, tmp_path / "state"))
    with Other(go_on, spec.experiment.to_mapping(), tmp_path / "state") as other:
        np.testing.assert_equal(other.tells(), dict(whole.evaluation.metrics))


def test_what_observers_collected_is_part_of_the_state(spec, whole, tmp_path):
    def observed(folder, **how):
        keeper = CheckpointWriter(folder)
        return train(spec, observers=[keeper], **how)

    with pytest.raises(Stopped):
        observed(tmp_path / "first", after_batch=stopping(5, tmp_path / "state"))
    shutil.rmtree(tmp_path / "first")
    observed(tmp_path / "second", resume=tmp_path / "state")
    assert read_checkpoint(tmp_path / "second").epoch == whole.epoch


def test_seconds_are_added_up(spec, state_after, tmp_path):
    state_after(5)
    path = tmp_path / "state" / "state.json"
    assert json.loads(path.read_text())["state"]["seconds"] > 0
    events = []
    train(spec, resume=tmp_path / "state", observers=[events.append])
    finished = next(event for event in events if isinstance(event, RunFinished))
    assert finished.result.seconds > json.loads(path.read_text())["state"]["seconds"]


def test_a_state_is_replaced_as_a_whole(spec, state_after, tmp_path, monkeypatch):
    """A process that dies while it writes leaves the state of before, and nothing else."""
    state_after(2)
    before = (tmp_path / "state" / "state.json").read_text()

    def die(self, folder):
        raise OSError("no space left on device")

    monkeypatch.setattr(EpochNetworks, "save", die)
    with pytest.raises(OSError, match="no space left"):
        train(spec, after_batch=stopping(1, tmp_path / "state"))
    assert (tmp_path / "state" / "state.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_state_of_before_is_read_where_the_new_one_was_not_put_in_place(spec, whole, state_after, tmp_path):
    state_after(5).rename(tmp_path / ".state.before")
    assert_same(train(spec, resume=tmp_path / "state"), whole)


def test_the_state_of_before_stays_until_another_is_in_place(spec, state_after, tmp_path, monkeypatch):
    """A process died between its two renames; the next one dies at its own."""
    state_after(1).rename(tmp_path / ".state.before")

    def die(*paths):
        raise OSError("killed")

    monkeypatch.setattr("rdpp.engine.state.os.rename", die)
    with pytest.raises(OSError, match="killed"):
        train(spec, after_batch=stopping(1, tmp_path / "state"))
    assert (tmp_path / ".state.before" / "state.json").is_file()


def damaged(folder, what):
    if what == "cut":
        path = folder / "tensors.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
    if what == "zeroed":
        path = folder / "tensors.safetensors"
        path.write_bytes(path.read_bytes()[:-4096] + bytes(4096))
    if what == "lost":
        (folder / "tensors.safetensors").unlink()
    if what == "no JSON":
        (folder / "state.json").write_text("{")
    if what == "changed":
        path = folder / "state.json"
        path.write_text(path.read_text().replace('"batch": 2', '"batch": 3'))


@pytest.mark.parametrize("what", ["cut", "zeroed", "lost", "no JSON", "changed"])
def test_a_damaged_state_is_refused(spec, state_after, tmp_path, what):
    damaged(state_after(2), what)
    with pytest.raises(ConfigError, match=r"the state of a run in .* is damaged; delete the folder"):
        train(spec, resume=tmp_path / "state")


def test_the_state_of_another_run_is_refused(state_after, held_out, tmp_path):
    state_after(2)
    other = RunSpec.of(held_out.with_overrides({"training.epochs": 3}), "bolt", 2)
    with pytest.raises(ConfigError, match=r"the state in .* is of another run \(key .*, not .*\)"):
        train(other, resume=tmp_path / "state")


def test_another_format_is_refused(spec, tmp_path, monkeypatch):
    monkeypatch.setattr("rdpp.engine.state._FORMAT", 0)
    stopped(spec, 1, tmp_path / "state")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="has format 0, not 2"):
        train(spec, resume=tmp_path / "state")


def test_no_state(spec, tmp_path):
    with pytest.raises(ConfigError, match=r"no state of a run in .*nowhere; start the run anew"):
        train(spec, resume=tmp_path / "nowhere")
