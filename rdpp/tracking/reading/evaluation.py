"""Evaluation of anything that holds a trained network: an MLflow run, a checkpoint, official checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdpp.config import ConfigError
from rdpp.engine import Evaluated, evaluate_checkpoint, evaluate_official, official_checkpoints
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.reading.checkpoints import downloaded, is_run_id, leaves
from rdpp.tracking.store.mlflow_store import Store


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
    if is_run_id(source):
        return _evaluate_run(Store(tracking_uri, create=False), source, changes)
    raise ConfigError(f"'{source}' is neither a path nor an MLflow run id (32 hexadecimal digits)")


def _evaluate_run(store: Store, run_id: str, changes: Mapping[str, Any]) -> list[Evaluated]:
    found = leaves(store, run_id)
    if not found:
        raise ConfigError(f"no finished run below {run_id}; let it run first, or name a run of its own")
    evaluated = []
    for leaf in found:
        with downloaded(store, leaf) as folder:
            evaluated.append(evaluate_checkpoint(folder, changes))
    return evaluated
