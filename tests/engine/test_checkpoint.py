"""Networks on disk: what is kept, what is read back, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch

from rdpp import __version__
from rdpp.config import ConfigError
from rdpp.engine import (
    CheckpointWriter,
    EpochFinished,
    evaluate_checkpoint,
    evaluate_official,
    load_network,
    official_checkpoints,
    read_checkpoint,
    resolve,
)
from rdpp.models import ARCHITECTURES, Network, TeacherConfig, load_teacher
from rdpp.models.official import save_official


def keeping(baseline, keep):
    """The baseline's first event, with another choice of what to keep."""
    spec = baseline.started.spec
    spec = dataclasses.replace(spec, experiment=dataclasses.replace(spec.experiment, keep=keep))
    return dataclasses.replace(baseline.started, spec=spec)


@pytest.fixture
def write(baseline, tmp_path):
    """Replay the baseline's events to a writer, with another choice of what to keep."""

    def go(keep, folder=tmp_path / "kept"):
        writer = CheckpointWriter(folder)
        started = keeping(baseline, keep)
        for event in baseline.events:
            writer(started if event is baseline.started else event)
        return folder

    return go


def maps(evaluated):
    return evaluated.evaluation.prediction.anomaly_maps


def test_nothing_is_kept_when_nothing_is_wanted(write):
    assert not write("none").exists()


@pytest.mark.parametrize("keep", ["last", "chosen"])
def test_the_kept_epoch_has_a_file_of_tensors_and_one_that_describes_it(write, keep, baseline):
    folder = write(keep)
    assert sorted(path.name for path in folder.iterdir()) == [f"{keep}.json", f"{keep}.safetensors"]
    tensors = safetensors.torch.load_file(folder / f"{keep}.safetensors")
    assert set(tensors) == set(baseline.networks[-1])
    described = json.loads((folder / f"{keep}.json").read_text())
    assert described["rdpp"] == __version__
    assert described["data"] == baseline.started.spec.category.train_fingerprint
    defined = {name: value for name, value in baseline.result.evaluation.metrics.items() if value == value}
    assert described["metrics"] == pytest.approx(defined)
    assert described["evaluated_on"] == "test"
    found = read_checkpoint(folder)
    assert found.experiment == dataclasses.replace(baseline.started.spec.experiment, keep=keep)
    assert (found.category, found.seed, found.epoch) == ("bolt", 1, 2)
    assert found.teacher_fingerprint == baseline.started.spec.identity.teacher
    assert found.tensors == folder / f"{keep}.safetensors"


def test_the_chosen_epoch_need_not_be_the_last(baseline, tmp_path):
    writer = CheckpointWriter(tmp_path)
    writer(keeping(baseline, "chosen"))
    first, second = baseline.of(EpochFinished)
    writer(dataclasses.replace(first, chosen=True))
    writer(dataclasses.replace(second, chosen=False))
    assert read_checkpoint(tmp_path).epoch == 1


def test_last_ignores_the_choice(baseline, tmp_path):
    writer = CheckpointWriter(tmp_path)
    writer(keeping(baseline, "last"))
    first, second = baseline.of(EpochFinished)
    writer(dataclasses.replace(first, chosen=True))
    assert not list(tmp_path.iterdir())
    writer(dataclasses.replace(second, chosen=False))
    assert read_checkpoint(tmp_path).epoch == 2


@pytest.mark.parametrize("name", ["", "chosen.json", "chosen.safetensors"])
def test_a_checkpoint_evaluates_to_the_runs_own_result(write, baseline, name):
    found = evaluate_checkpoint(write("chosen") / name, {"device": "cpu"})
    assert (found.category, found.seed, found.epoch) == ("bolt", 1, 2)
    assert np.array_equal(maps(found), baseline.result.evaluation.prediction.anomaly_maps)
    np.testing.assert_equal(found.evaluation.metrics, baseline.result.evaluation.metrics)


def test_changes_reach_the_evaluation(write, tiny_data, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(tiny_data)
    folder = write("last")
    plain = evaluate_checkpoint(folder, {"device": "cpu", "data.root": str(moved)})
    rough = evaluate_checkpoint(folder, {"device": "cpu", "evaluation.sigma": 0.0})
    assert not np.allclose(maps(plain), maps(rough))
    with pytest.raises(ConfigError, match=r"no data folder at .*gone"):
        evaluate_checkpoint(folder, {"data.root": str(tmp_path / "gone")})


def test_a_folder_with_both_gives_the_chosen_one(write):
    write("last")
    assert read_checkpoint(write("chosen")).tensors.name == "chosen.safetensors"


def test_another_teacher_is_refused(write):
    checkpoint = read_checkpoint(write("last"))
    other = load_teacher(TeacherConfig(weights="random"))
    with pytest.raises(ConfigError, match=r"trained with another teacher .* set teacher.weights to the weights"):
        load_network(checkpoint, other)
    with pytest.raises(ConfigError, match=f"fingerprint {checkpoint.teacher_fingerprint}, given {other.fingerprint}"):
        load_network(checkpoint, other)


def test_tensors_that_do_not_fit_are_refused(write, baseline):
    folder = write("last")
    tensors = safetensors.torch.load_file(folder / "last.safetensors")
    del tensors["student.layer1.0.conv1.weight"]
    safetensors.torch.save_file(tensors, folder / "last.safetensors")
    with pytest.raises(ConfigError, match=r"lacks 1 tensors, the first is student.layer1.0.conv1.weight"):
        load_network(read_checkpoint(folder), load_teacher(baseline.started.spec.experiment.teacher))


def test_missing_files(write, tmp_path, baseline):
    folder = write("last")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no checkpoint in .*empty; expected chosen.json or last.json"):
        read_checkpoint(tmp_path / "empty")
    (folder / "last.safetensors").rename(folder / "other.safetensors")
    with pytest.raises(ConfigError, match=r"no .*other.json beside the checkpoint"):
        read_checkpoint(folder / "other.safetensors")
    with pytest.raises(ConfigError, match=r"no weights file at .*last.safetensors"):
        load_network(read_checkpoint(folder), load_teacher(baseline.started.spec.experiment.teacher))


@pytest.mark.parametrize("text", ['{"format": 2}', "[]", "{", ""])
def test_a_description_of_something_else(tmp_path, text):
    (tmp_path / "last.json").write_text(text)
    with pytest.raises(ConfigError, match=r"last.json does not describe a checkpoint of format 1"):
        read_checkpoint(tmp_path)


@pytest.fixture
def official(baseline, tmp_path):
    """A folder of official checkpoints, with the baseline's network for `bolt`."""
    network = Network(ARCHITECTURES["builtin"])
    network.load_state_dict(baseline.networks[-1])
    folder = tmp_path / "official"
    (folder / "bolt").mkdir(parents=True)
    (folder / "bolt" / "notes_other.pth").touch()
    save_official(network, folder / "bolt" / "wres50_bolt.pth")
    return folder


def test_official_checkpoints_evaluate_to_the_same(official, baseline, tiny):
    assert official_checkpoints(official) == {"bolt": official / "bolt" / "wres50_bolt.pth"}
    (found,) = evaluate_official(official, tiny.with_overrides({"data.categories": []}))
    assert (found.category, found.seed, found.epoch) == ("bolt", None, None)
    assert np.array_equal(maps(found), baseline.result.evaluation.prediction.anomaly_maps)


def test_a_category_without_official_checkpoint(official, tiny):
    wanted = tiny.with_overrides({"data.categories": ["bolt", "weave"]})
    with pytest.raises(
        ConfigError, match=r"no official checkpoint of 'weave' .*; found: bolt; expected .*wres50_weave"
    ):
        next(evaluate_official(official, wanted))


def test_a_folder_without_official_checkpoints(tmp_path, tiny):
    with pytest.raises(ConfigError, match=r"no official checkpoint in .*; expected .*CATEGORY/wres50_CATEGORY.pth"):
        next(evaluate_official(tmp_path, tiny.with_overrides({"data.categories": []})))


def test_an_official_checkpoint_of_another_architecture(official, tiny):
    other = tiny.with_overrides({"teacher.name": "resnet18", "teacher.weights": "random"})
    with pytest.raises(ConfigError, match=r"wres50_bolt.pth has another shape of .*; is it another model"):
        next(evaluate_official(official, other))


def test_a_resolved_experiment_is_what_is_kept(write, tiny):
    experiment = read_checkpoint(write("chosen")).experiment
    assert experiment == resolve(experiment)
    assert torch.device(experiment.device).type == "cpu"
