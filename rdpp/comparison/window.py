"""Metrics of runs as means over their last epochs: a single epoch's figure strays, by up to 12 points of image AUROC on
small test sets (docs/fidelity.md)."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rdpp.comparison.search import RunSet, TrainedRun
from rdpp.config import ConfigError, require
from rdpp.tracking.conventions.metric_names import HELD_OUT
from rdpp.tracking.reading.finished import prefix_of_test_epochs
from rdpp.tracking.store.mlflow_store import Store


def over_last_epochs(store: Store, run_set: RunSet, names: Sequence[str], count: int) -> RunSet:
    """The same runs with other values: each the mean over the run's last evaluated epochs, whichever epoch was chosen.

    Args:
        store: where they are.
        run_set: the runs.
        names: of the metrics; with `held_out/` before it, of the held-out images.
        count: of epochs.

    Raises:
        ConfigError: a run was not evaluated so often on the images in question.
    """
    require(count >= 1, f"--last must be at least 1 epoch, got {count}")
    runs = tuple(
        dataclasses.replace(run, metrics={name: _mean(store, run, name, count) for name in names})
        for run in run_set.runs
    )
    note = f"means over the last {count} evaluated epochs of each run"
    return dataclasses.replace(run_set, runs=runs, notes=(*run_set.notes, note))


def _mean(store: Store, run: TrainedRun, name: str, count: int) -> float:
    key = _series(run, name)
    points = store.client.get_metric_history(run.run_id, key) if key in run.logged else []
    by_epoch = {point.step: point.value for point in points}
    if len(by_epoch) < count:
        raise ConfigError(
            f"the run {run.run_id} ({run.variant}, {run.category}, seed {run.seed}) has {name} of {len(by_epoch)} "
            f"epochs, and --last {count} needs {count}; set evaluation.every to 1, and evaluation.audit where images "
            "are held out"
        )
    return float(np.mean([by_epoch[epoch] for epoch in sorted(by_epoch)[-count:]]))


def _series(run: TrainedRun, name: str) -> str:
    """What a run logged a metric as in every epoch."""
    return name if name.startswith(HELD_OUT) else f"{prefix_of_test_epochs(run.logged)}{name}"
