"""Evaluation of anything that holds a trained network: an MLflow run, a checkpoint, official checkpoints."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.engine import Evaluated, evaluate_checkpoint, evaluate_official, official_checkpoints
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.sink import taken_by
from rdpp.tracking.store import Store


def evaluate_source(
    source: str, tracking_uri: str | None, experiment: ExperimentConfig | None, changes: Mapping[str, Any]
) -> list[Evaluated]:
    """Evaluate what `source` names.

    Args:
        source: an MLflow run id (of one run, or of a parent: then each run below it), the path of a checkpoint
            of ours, or a folder of official ones.
        tracking_uri: of the MLflow store.
        experiment: teacher and image size, for official checkpoints.
        changes: overrides by dotted path, for our own.

    Raises:
        ConfigError: nothing of that name, or it cannot be used.
    """
    path = Path(source)
    if path.exists():
        if official_checkpoints(path):
            if experiment is None:
                raise ConfigError(f"{path} holds official checkpoints; name their teacher with --experiment FILE")
            return list(evaluate_official(path, experiment))
        return [evaluate_checkpoint(path, changes)]
    if re.fullmatch(r"[0-9a-f]{32}", source):
        return _evaluate_run(Store(tracking_uri, create=False), source, changes)
    raise ConfigError(f"'{source}' is neither a path nor an MLflow run id (32 hexadecimal digits)")


def _evaluate_run(store: Store, run_id: str, changes: Mapping[str, Any]) -> list[Evaluated]:
    evaluated, leaves = [], _leaves(store, run_id)
    if not leaves:
        raise ConfigError(f"no finished run below {run_id}; let it run first, or name a run of its own")
    for leaf in leaves:
        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
            try:
                folder = store.client.download_artifacts(leaf, "checkpoint", scratch)
            except (MlflowException, OSError):
                raise ConfigError(
                    f"the run {leaf} has no checkpoint; it was trained with keep: none, or not to its end"
                ) from None
            evaluated.append(evaluate_checkpoint(Path(folder), changes))
    return evaluated


def _leaves(store: Store, run_id: str) -> list[str]:
    """The run itself where it trained a network, else every finished run below it, and those that it took over."""
    try:
        run = store.client.get_run(run_id)
    except MlflowException:
        raise ConfigError(f"no run {run_id} in {shown(store.uri)}; give its store with --tracking-uri") from None
    if run.data.tags.get("level") == "run":
        return [run_id]
    queries = (f"tags.`mlflow.parentRunId` = '{run_id}'", f"tags.`{taken_by(run_id)}` != ''")
    children = [child for query in queries for child in store.search(query)]
    children.sort(key=lambda child: child.info.start_time)
    kept = [c for c in children if c.data.tags.get("level") != "run" or c.info.status == "FINISHED"]
    return [leaf for child in kept for leaf in _leaves(store, child.info.run_id)]
