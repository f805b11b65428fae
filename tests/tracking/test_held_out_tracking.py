"""What MLflow holds of a run that chose by held-out images, of its dead terms and of its audit."""

import io
import shutil
import sys

import pytest
from rich.console import Console
from tracked import PLAIN, tracked_training

from rdpp.config import ConfigError
from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Terminal
from rdpp.engine import EpochFinished, train
from rdpp.metrics import METRICS
from rdpp.tracking.reading.evaluation import evaluate_source
from rdpp.tracking.store.mlflow_store import Store

RELEASED = {"losses": {"ssot": {"pairing": "batch"}, "contrast": {"margin": 0.5}}}


@pytest.fixture(scope="module")
def run(held_out, store_uri):
    """The store, the result and the MLflow run of a training with dead terms, audited, and what the console said."""
    text, told = io.StringIO(), []
    changes = {"name": "honest", "evaluation.audit": True, "heatmaps": 1, "seeds": [1]}
    experiment = held_out.with_overrides({**RELEASED, **changes})
    store = Store(store_uri)
    with Terminal(1, Console(file=text, width=200)) as screen:
        tracked_training(store, experiment, [ConsoleObserver(screen), told.append])
    result = told[-1].result
    (leaf,) = store.search("tags.variant = 'honest' and tags.level = 'run'")
    return store, result, leaf, text.getvalue()


def steps(store, leaf, name):
    return sorted(metric.step for metric in store.client.get_metric_history(leaf.info.run_id, name))


def epochs_of_pictures(store, leaf, kind):
    """Of the only image of a kind."""
    files = store.client.list_artifacts(leaf.info.run_id, f"images/{kind}")
    return [int(file.path.removesuffix(".jpg").rpartition("_epoch_")[2]) for file in files]


def test_held_out_metrics_over_epochs_test_metrics_once(run):
    store, result, leaf, _ = run
    assert steps(store, leaf, "held_out/pixel_auroc") == [1, 2]
    metrics = leaf.data.metrics
    over_epochs = [name for name in metrics if name.startswith("held_out/")]
    assert over_epochs
    assert {name.removeprefix("held_out/") for name in over_epochs} <= set(METRICS)  # none by defect type
    assert "pixel_auroc" not in metrics
    assert metrics["test/pixel_auroc"] == result.evaluation.metrics["pixel_auroc"]
    assert metrics["selection/held_out/pixel_auroc"] == result.held_out.metrics["pixel_auroc"]
    assert metrics["test/image_auroc/defect_type/rust"] == result.evaluation.metrics["image_auroc/defect_type/rust"]
    assert leaf.data.tags["selection"] == "held_out"


def test_the_audit_is_logged(run):
    store, result, leaf, _ = run
    assert steps(store, leaf, "audit/image_auroc") == [1, 2]
    assert leaf.data.metrics["selection_gap/image_auroc"] == result.selection_gap["image_auroc"]


def test_terms_are_logged_with_gradient_rounding_and_time(run):
    metrics = run[2].data.metrics
    for name in ("distillation", "reconstruction"):
        assert metrics[f"loss_gradient_norm/restoration/{name}"] >= 0
        assert 0 < metrics[f"loss_gradient_rounding/{name}"] < 1
        assert metrics[f"time_share/{name}"] > 0
    assert metrics["loss_gradient_rounding/ssot"] >= 1
    assert "loss_gradient_rounding/contrast" not in metrics  # 0 / 0


def test_dead_terms_are_a_tag_and_a_warning(run):
    _, _, leaf, text = run
    assert leaf.data.tags["dead_terms"] == "contrast ssot"
    warnings = [line for line in text.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "no gradient beyond rounding: losses.ssot, losses.contrast" in warnings[0]


def test_heatmaps_over_epochs_are_held_out_ones(run):
    store, result, leaf, _ = run
    for kind in ("miss", "hit", "false_alarm"):
        assert epochs_of_pictures(store, leaf, f"held_out_{kind}") == [1, 2], kind
        assert epochs_of_pictures(store, leaf, kind) == [result.epoch], kind


def test_the_kept_checkpoint_is_the_one_that_was_tested(run):
    store, result, leaf, _ = run
    (found,) = evaluate_source(leaf.info.run_id, store.uri, None, {"device": "cpu"})
    assert found.epoch == result.epoch
    assert found.evaluation.metrics["pixel_auroc"] == result.evaluation.metrics["pixel_auroc"]


def test_a_test_set_that_breaks_at_the_end_does_not_cost_the_network(held_out, store_uri, tmp_path):
    store, root = Store(store_uri), tmp_path / "data"
    shutil.copytree(held_out.data.root, root)
    experiment = held_out.with_overrides({**PLAIN, "name": "lost", "data.root": str(root)})

    def take_the_test_set_away(event):
        if isinstance(event, EpochFinished):
            shutil.rmtree(root / "bolt" / "test")

    with pytest.raises(ConfigError, match="no test images"):
        tracked_training(store, experiment, [take_the_test_set_away])
    (leaf,) = store.search("tags.variant = 'lost' and tags.level = 'run'")
    assert leaf.info.status == "FAILED"
    assert "checkpoint/chosen.safetensors" in {
        a.path for a in store.client.list_artifacts(leaf.info.run_id, "checkpoint")
    }


def test_a_run_that_stopped_early_is_logged_and_told_as_it_was(monkeypatch, held_out, store_uri):
    monkeypatch.setattr(sys.modules[train.__module__], "is_chosen", lambda *arguments, final: arguments[2] is None)
    changes = {**PLAIN, "name": "early", "training.epochs": 40, "evaluation.patience": 2, "heatmaps": 1}
    store, text = Store(store_uri), io.StringIO()
    with Terminal(1, Console(file=text, width=200)) as screen:
        tracked_training(store, held_out.with_overrides(changes), [ConsoleObserver(screen)])
    (leaf,) = store.search("tags.variant = 'early' and tags.level = 'run'")
    metrics = leaf.data.metrics
    assert tuple(metrics[f"training/{name}"] for name in ("chosen_epoch", "epochs", "steps")) == (1, 3, 6)
    assert steps(store, leaf, "held_out/pixel_auroc") == [1, 2, 3]
    assert "epoch 1, stopped after 3  image_auroc" in text.getvalue()
    assert epochs_of_pictures(store, leaf, "held_out_hit") == [1, 2, 3]  # the last one too, though 40 were planned
