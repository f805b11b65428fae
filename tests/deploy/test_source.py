"""Where models are found."""

import shutil

import pytest

from rdpp.config import ConfigError
from rdpp.deploy import load, located
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def run(judge, store_uri):
    """A run with the checkpoint, below a parent of its own."""
    store = Store(store_uri)
    parent = store.start_run("parent", tags={"level": "training"})
    run_id = store.start_run("bolt", parent=parent, tags={"level": "run"})
    store.client.log_artifacts(run_id, str(judge.folder), "checkpoint")
    store.client.set_terminated(run_id)
    return store, parent, run_id


@pytest.mark.parametrize("name", ["", "chosen.json", "chosen.safetensors"])
def test_a_checkpoint(judge, name):
    with located(judge.folder / name, None) as found:
        assert (found.path, found.run_id) == (judge.folder / name, None)


@pytest.mark.parametrize("which", [1, 2])
def test_a_run_or_the_parent_of_one(run, judge, which):
    model = load(run[which], "cpu", run[0].uri)
    assert model.thresholds == judge.result.thresholds
    with located(run[which], run[0].uri) as found:
        assert found.run_id == run[2]
        copy = found.path
    assert not copy.exists()


@pytest.mark.parametrize("name", ["bolts@champion", "bolts/1", "models:/bolts@champion", "models:/bolts/1"])
def test_a_registered_model(run, name):
    store, _, run_id = run
    if not store.client.search_registered_models("name = 'bolts'"):
        store.client.create_registered_model("bolts")
        store.client.create_model_version("bolts", f"runs:/{run_id}/checkpoint", run_id)
        store.client.set_registered_model_alias("bolts", "champion", "1")
    with located(name, store.uri) as found:
        assert found.run_id == run_id


def test_what_is_no_model(run, tmp_path):
    store, _, _ = run
    with pytest.raises(ConfigError, match=r"'nothing' is no model: neither a path, nor an MLflow run id"):
        load("nothing", "cpu", store.uri)
    with pytest.raises(ConfigError, match=r"no registered model 'nuts@champion' in sqlite"):
        load("nuts@champion", "cpu", store.uri)
    with pytest.raises(ConfigError, match=r"no run 0{32} in sqlite.*; give its store with --tracking-uri"):
        load("0" * 32, "cpu", store.uri)
    with pytest.raises(ConfigError, match=r"no checkpoint in "):
        load(tmp_path, "cpu")
    empty = store.start_run("empty", tags={"level": "training"})
    with pytest.raises(ConfigError, match=r"has 0 finished runs below it, and one is needed \(let it run first\)"):
        load(empty, "cpu", store.uri)


def test_settings_can_be_changed(judge, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(judge.folder, folder)
    model = load(folder, "cpu", changes={"data.max_megapixels": 0.001})
    with pytest.raises(ConfigError, match=r"more than data.max_megapixels \(0.001\)"):
        next(model.predict(judge.images))
