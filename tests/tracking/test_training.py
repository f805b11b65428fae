import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from tracked import tracked_job, tracked_training

from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, RunSpec, RunStarted, evaluate_checkpoint, grid, train
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import auroc
from rdpp.runs import Outcome, summary
from rdpp.tracking.artifacts.gallery import read_gallery
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.reading.evaluation import evaluate_source
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def trained(store_uri, tiny_data, tmp_path_factory):
    """One tracked training of two categories: its store, results and parent run."""
    experiment = ExperimentConfig.from_mapping(
        {
            "name": "tracked",
            "data": {
                "root": str(tiny_data),
                "categories": ["weave", "bolt"],
                "image_size": 64,
                "cache": str(tmp_path_factory.mktemp("cache")),
            },
            "noise": {"name": "simplex"},
            "losses": {"distillation": {}, "reconstruction": {}, "contrast": {"margin": 0.0}},
            "training": {"epochs": 2, "batch_size": 3},
            "seeds": [1],
            "device": "cpu",
            "threads": 1,
            "heatmaps": 1,
        },
        "test",
    )
    store = Store(store_uri)
    results = tracked_training(store, experiment)
    parent = store.client.search_runs([store.experiment_id], "tags.level = 'training'", max_results=1)[0]
    return store, experiment, results, parent


def leaf_of(store: Store, parent, category: str):
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and tags.category = '{category}'"
    (leaf,) = store.client.search_runs([store.experiment_id], query)
    return leaf


def test_the_store_opens_in_the_model_training_view(trained):
    store = trained[0]
    tags = store.client.get_experiment(store.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_parent_holds_the_means_over_categories(trained):
    _, _, results, parent = trained
    values = [r.metrics["pixel_auroc"] for r in results]
    assert parent.data.metrics["test/pixel_auroc"] == pytest.approx(np.mean(values))
    assert parent.data.metrics["test/pixel_auroc/category/bolt"] == pytest.approx(values[1])
    assert parent.info.status == "FINISHED"


def test_a_leaf_can_be_found_by_its_tags(trained):
    store, _, _, parent = trained
    leaf = leaf_of(store, parent, "bolt")
    assert leaf.info.run_name == "bolt · seed 1"
    assert {"level": "run", "seed": "1", "variant": "tracked", "teacher": "builtin", "device": "cpu"}.items() <= (
        leaf.data.tags.items()
    )
    for tag in ("data_manifest", "teacher_fingerprint", "rdpp_version"):
        assert leaf.data.tags[tag]


def test_every_loss_term_is_logged_with_weight_and_gradient(trained):
    store, experiment, _, parent = trained
    metrics = leaf_of(store, parent, "bolt").data.metrics
    for name, term in experiment.terms.items():
        assert metrics[f"loss_weighted/{name}"] == pytest.approx(term.weight * metrics[f"loss/{name}"], rel=1e-5)
        assert metrics[f"loss_weight/{name}"] == term.weight
        assert metrics[f"loss_gradient_norm/projection/{name}"] > 0
    history = store.client.get_metric_history(leaf_of(store, parent, "bolt").info.run_id, "loss/total")
    assert sorted(m.step for m in history) == [1, 2, 3, 4]


def test_metrics_are_logged_by_epoch_and_for_the_chosen_one(trained):
    store, _, results, parent = trained
    leaf = leaf_of(store, parent, "bolt")
    history = store.client.get_metric_history(leaf.info.run_id, "image_auroc")
    assert sorted(m.step for m in history) == [1, 2]
    expected = results[1].metrics
    assert leaf.data.metrics["test/pixel_aupro"] == pytest.approx(expected["pixel_aupro"])
    for name in ("seconds_per_batch", "images_per_second", "peak_memory_mb"):
        assert leaf.data.metrics[f"training/{name}"] > 0


def test_the_logged_configuration_starts_the_same_run_again(trained, tmp_path):
    store, _, results, parent = trained
    leaf = leaf_of(store, parent, "weave")
    path = store.client.download_artifacts(leaf.info.run_id, "experiment.yaml", str(tmp_path))
    again = ExperimentConfig.from_yaml(tmp_path / "experiment.yaml")
    assert path
    assert [spec.name for spec in grid(again)] == ["weave-seed1"]
    np.testing.assert_equal(train(RunSpec.of(again, "weave", 1)).evaluation.metrics, results[0].metrics)


def test_the_data_set_is_logged_with_its_manifest(trained, tmp_path):
    store, _, _, parent = trained
    leaf = leaf_of(store, parent, "weave")
    (dataset,) = leaf.inputs.dataset_inputs
    assert dataset.dataset.digest == leaf.data.tags["data_manifest"]
    store.client.download_artifacts(leaf.info.run_id, "data_manifest.txt", str(tmp_path))
    assert "  weave/train/good/000.png\n" in (tmp_path / "data_manifest.txt").read_text()


def test_scores_of_every_test_image_are_a_table(trained, tmp_path):
    store, _, results, parent = trained
    leaf = leaf_of(store, parent, "weave")
    store.client.download_artifacts(leaf.info.run_id, "image_scores.json", str(tmp_path))
    table = json.loads((tmp_path / "image_scores.json").read_text())
    assert "score" in table["columns"]
    images = [row[table["columns"].index("image")] for row in table["data"]]
    assert images == [item.path.as_posix() for item in results[0].spec.category.test]
    scores = [row[table["columns"].index("score")] for row in table["data"]]
    labels = [row[table["columns"].index("defective")] for row in table["data"]]
    assert auroc(np.array(scores), np.array(labels)) == pytest.approx(results[0].metrics["image_auroc"])


def test_heatmaps_are_logged_for_misses_alarms_and_hits_at_each_frame(trained, tmp_path):
    store, _, _, parent = trained
    leaf = leaf_of(store, parent, "weave")
    folder = Path(store.client.download_artifacts(leaf.info.run_id, "images", str(tmp_path)))
    gallery = read_gallery(store.read_text(leaf.info.run_id, GALLERY))
    assert [picture["kind"] for picture in gallery["pictures"]] == ["miss", "false_alarm", "hit"]
    for picture in gallery["pictures"]:
        first, last = sorted((folder / picture["kind"]).iterdir())
        assert (first.name[-8:], last.name[-8:]) == ("0001.jpg", "0002.jpg")
        assert Image.open(last).size == (2 * 256 + 6, 2 * 256 + 6 + 56)
        assert [frame["epoch"] for frame in picture["frames"]] == [1, 2]
        assert picture["image"].startswith("data:image/webp")
    assert gallery["about"] == "weave, seed 1"


def test_no_heatmaps_means_no_gallery(trained):
    store, experiment, _, _ = trained
    changes = {"name": "plain", "heatmaps": 0, "data.categories": ["bolt"], "training.epochs": 1}
    tracked_training(store, experiment.with_overrides(changes))
    (leaf,) = store.search("tags.variant = 'plain' and tags.level = 'run'")
    assert not {"images", GALLERY} & {file.path for file in store.client.list_artifacts(leaf.info.run_id)}


def test_the_kept_checkpoint_of_a_run_evaluates_to_the_same_metrics(trained):
    store, _, results, parent = trained
    leaf = leaf_of(store, parent, "weave")
    (evaluated,) = evaluate_source(leaf.info.run_id, store.uri, None, {"device": "cpu"})
    np.testing.assert_equal(evaluated.evaluation.metrics, results[0].metrics)
    both = evaluate_source(parent.info.run_id, store.uri, None, {"device": "cpu"})
    assert {e.category for e in both} == {"weave", "bolt"}


def test_a_run_that_fails_is_marked_so_and_keeps_what_it_logged(trained, store_uri):
    store, experiment, _, _ = trained

    def break_at_the_third_batch(event) -> None:
        if isinstance(event, BatchFinished) and event.batch == 3:
            raise RuntimeError("the power failed")

    broken = experiment.with_overrides({"name": "broken", "data.categories": ["bolt"]})
    job = tracked_job(store, broken, [break_at_the_third_batch])
    ((_, failure),) = job.failures
    assert (failure.kind, failure.reason) == ("error", "RuntimeError: the power failed")
    leaves = store.search("tags.level = 'run' and tags.variant = 'broken'")
    assert [run.info.status for run in leaves] == ["FAILED"] * 2  # it might have gone well another time
    assert all("power failed" in run.data.tags["error"] for run in leaves)
    assert all(run.data.metrics["loss/total"] > 0 for run in leaves)
    (parent,) = store.search("tags.level = 'training' and tags.variant = 'broken'")
    assert (parent.info.status, parent.data.tags["failed_runs"]) == ("FINISHED", "1")


def test_an_interrupted_run_is_marked_killed(trained):
    store, experiment, _, _ = trained

    def stop(event) -> None:
        if isinstance(event, RunStarted):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_training(store, experiment.with_overrides({"name": "stopped"}), [stop])
    runs = store.search("tags.variant = 'stopped'")
    assert {run.info.status for run in runs} == {"KILLED"}
    assert not any("error" in run.data.tags for run in runs)


def test_means_weigh_categories_equally_whatever_their_number_of_seeds():
    def outcome(category: str, seed: int, value: float) -> Outcome:
        spec = SimpleNamespace(category=SimpleNamespace(name=category), seed=seed)
        metrics = {"image_auroc": value, "image_auroc/defect_type/hole": 0.0}
        deciding = {"image_auroc": value + 0.1}
        return Outcome(spec=spec, run_id=None, epoch=1, metrics=metrics, deciding=deciding, steps=3)

    outcomes = [outcome("a", 1, 0.8), outcome("a", 2, 0.6), outcome("b", 1, 0.9)]
    spread = 0.125 * 2**0.5  # of 0.85 and 0.6, the means of the seeds
    means = {"image_auroc": 0.8, "image_auroc/category/a": 0.7, "image_auroc/category/b": 0.9}
    test = {**{f"test/{name}": value for name, value in means.items()}, "spread/test/image_auroc": spread}
    assert summary(outcomes, held_out=False) == pytest.approx(test)
    held_out = {f"held_out/{name}": value + 0.1 for name, value in means.items()}
    both = {**test, **held_out, "spread/held_out/image_auroc": spread}
    assert summary(outcomes, held_out=True) == pytest.approx(both)
    assert np.isnan(summary(outcomes[:1], held_out=False)["spread/test/image_auroc"])


def test_a_run_without_checkpoint_says_so(trained):
    store, experiment, _, _ = trained
    tracked_training(store, experiment.with_overrides({"name": "bare", "keep": "none", "data.categories": ["bolt"]}))
    (leaf,) = store.client.search_runs([store.experiment_id], "tags.variant = 'bare' and tags.level = 'run'")
    with pytest.raises(ValueError, match="has no checkpoint"):
        evaluate_source(leaf.info.run_id, store.uri, None, {})


def test_a_source_that_is_nothing_says_what_would_be(store_uri, tmp_path):
    with pytest.raises(ValueError, match="neither a path nor an MLflow run id"):
        evaluate_source("nowhere", store_uri, None, {})
    with pytest.raises(ValueError, match=r"no run 0{32} in"):
        evaluate_source("0" * 32, store_uri, None, {})
    with pytest.raises(ValueError, match="no checkpoint in"):
        evaluate_checkpoint(tmp_path, {})


def test_official_checkpoints_need_an_experiment(tmp_path):
    (tmp_path / "carpet").mkdir()
    (tmp_path / "carpet" / "wres50_carpet.pth").touch()
    with pytest.raises(ValueError, match="name their teacher with --experiment"):
        evaluate_source(str(tmp_path), None, None, {})


def test_a_store_that_cannot_be_reached_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # which take seconds
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot be used .* give another with --tracking-uri"):
        Store(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    with pytest.raises(ValueError, match="cannot be used"):
        Store("http://127.0.0.1:9")


def test_an_mlflow_experiment_that_another_makes_at_the_same_moment_is_taken(store_uri, monkeypatch):
    made, look = Store(store_uri).experiment_id, MlflowClient.get_experiment_by_name
    looks = []

    def get(client, name):
        looks.append(name)
        return None if len(looks) == 1 else look(client, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", get)
    assert Store(store_uri).experiment_id == made
    assert len(looks) == 2


def test_a_deleted_mlflow_experiment_is_told(new_store, tmp_path):
    store = Store(new_store(tmp_path / "mlflow.db"))
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(
        ConfigError, match=r"MLflow experiment rdpp in \S+ was deleted; restore it \(mlflow experiments"
    ):
        Store(store.uri)
