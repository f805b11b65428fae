"""Metrics computed anew from stored anomaly maps, without training."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rdpp.config import ConfigError
from rdpp.tracking.artifacts.maps import load_maps
from rdpp.tracking.conventions.metric_names import CHOSEN_EPOCH, TEST, chosen_metrics
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store

_SAME = 1e-9


@dataclass(frozen=True)
class Rescored:
    """One run's metrics of today."""

    run_id: str
    name: str
    category: str
    seed: int
    epoch: int
    metrics: Mapping[str, float]
    added: tuple[str, ...]
    """Metrics that the run did not have."""
    changed: Mapping[str, float]
    """Metrics that differ from what was logged: the logged values."""


def rescore(store: Store, run_ids: list[str]) -> tuple[list[Rescored], int]:
    """Compute every metric from the runs' stored maps and log what they lack as `test/NAME`.

    A metric that was logged and now differs is logged as well (MLflow keeps both values) and told.

    Returns:
        What was computed, and how many runs have no maps.

    Raises:
        ConfigError: none of the runs has maps.
    """
    found = [rescored for run_id in run_ids if (rescored := _rescore(store, run_id)) is not None]
    if not found:
        raise ConfigError(f"none of {len(run_ids)} runs has its anomaly maps stored; train with keep_maps: true")
    return found, len(run_ids) - len(found)


def _rescore(store: Store, run_id: str) -> Rescored | None:
    stored = load_maps(store, run_id)
    if stored is None:
        return None
    run = store.client.get_run(run_id)
    values = StoredRun.of(run).metrics
    logged = chosen_metrics(values)
    metrics = stored.metrics()
    keys = {name: TEST + name for name, value in metrics.items() if math.isfinite(value)}
    added = tuple(name for name in keys if name not in logged)
    changed = {name: logged[name] for name in keys if name in logged and abs(logged[name] - metrics[name]) > _SAME}
    store.log_metrics(run_id, {keys[name]: metrics[name] for name in (*added, *changed)})
    epoch, tags = int(values[CHOSEN_EPOCH]), run.data.tags
    name = run.info.run_name or run_id
    return Rescored(run_id, name, tags["category"], int(tags["seed"]), epoch, metrics, added, changed)
