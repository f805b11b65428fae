"""Means over the last epochs instead of one epoch's value."""

import pytest

from rdpp.comparison.search import find_runs
from rdpp.comparison.window import over_last_epochs
from rdpp.config import ConfigError
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def store(new_store, tmp_path_factory):
    return Store(new_store(tmp_path_factory.mktemp("window") / "mlflow.db"))


def run_of(store, name, series):
    """A finished run with values over epochs 2, 4, 6, by name."""
    tags = {"level": "run", "category": "bolt", "seed": 1, "variant": name}
    run_id = store.start_run(name, tags=tags)
    points = [(key, value, 2 * epoch) for key, values in series.items() for epoch, value in enumerate(values, 1)]
    store.log_series(run_id, points)
    store.end_run(run_id, "FINISHED", {})
    return run_id


def values_of(store, run_id, names, count):
    found = over_last_epochs(store, find_runs(store, [run_id]), names, count)
    (run,) = found.runs
    return run.metrics, found.notes


def test_the_mean_goes_over_the_last_epochs_on_the_test_images(store):
    run_id = run_of(store, "watching-test", {"image_auroc": [0.1, 0.6, 0.8]})
    metrics, notes = values_of(store, run_id, ["image_auroc"], 2)
    assert metrics == {"image_auroc": pytest.approx(0.7)}
    assert notes == ("means over the last 2 evaluated epochs of each run",)


def test_where_images_are_held_out_the_audit_tells_of_the_test_images(store):
    series = {"held_out/image_auroc": [0.9, 0.8, 0.6], "audit/image_auroc": [0.1, 0.2, 0.4]}
    run_id = run_of(store, "watching-held-out", series)
    metrics, _ = values_of(store, run_id, ["image_auroc", "held_out/image_auroc"], 2)
    assert metrics == {"image_auroc": pytest.approx(0.3), "held_out/image_auroc": pytest.approx(0.7)}


@pytest.mark.parametrize(("name", "count"), [("image_auroc", 1), ("held_out/image_auroc", 4)])
def test_a_run_that_was_evaluated_less_often_is_refused(store, name, count):
    run_id = run_of(store, "short", {"held_out/image_auroc": [0.9, 0.8, 0.6]})
    with pytest.raises(ConfigError, match=rf"short, bolt, seed 1.* has {name} of . epochs, and --last {count} needs"):
        values_of(store, run_id, [name], count)


def test_at_least_one_epoch(store):
    run_id = run_of(store, "none", {"image_auroc": [0.9]})
    with pytest.raises(ConfigError, match="--last must be at least 1"):
        values_of(store, run_id, ["image_auroc"], 0)
