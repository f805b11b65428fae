"""Checkpoints of runs in MLflow."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.tags import ROOT, groups, is_run, taken_by
from rdpp.tracking.store.mlflow_store import Store


def is_run_id(text: str) -> bool:
    """Whether a text has the form of an MLflow run id."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


@contextmanager
def downloaded(store: Store, run_id: str) -> Iterator[Path]:
    """The folder of a run's checkpoint, as long as the block lasts.

    Raises:
        ConfigError: the run has none.
    """
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        try:
            folder = store.client.download_artifacts(run_id, CHECKPOINT, scratch)
        except (MlflowException, OSError):
            raise ConfigError(
                f"the run {run_id} has no checkpoint; it was trained with keep: none, or not to its end"
            ) from None
        yield Path(folder)


def leaves(store: Store, run_id: str) -> list[str]:
    """The run itself where it trained a network, else every finished run below it, and those that it took over.

    Raises:
        ConfigError: no such run.
    """
    try:
        run = store.client.get_run(run_id)
    except MlflowException:
        raise ConfigError(f"no run {run_id} in {shown(store.uri)}; give its store with --tracking-uri") from None
    if is_run(run.data.tags):
        return [run_id]
    children = [*store.search(f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"), *_taken(store, run)]
    children.sort(key=lambda child: child.info.start_time)
    kept = [c for c in children if not is_run(c.data.tags) or c.info.status == "FINISHED"]
    return list(dict.fromkeys(leaf for child in kept for leaf in leaves(store, child.info.run_id)))


def _taken(store: Store, parent: Run) -> list[Run]:
    """Runs that a parent took over. They name the root of its tree, and the trials or variants there."""
    root = parent.data.tags.get(ROOT, parent.info.run_id)
    found = store.search(f"tags.`{taken_by(root)}` != ''")
    if root == parent.info.run_id:
        return found
    group = parent.data.tags.get("trial", parent.data.tags.get("variant", ""))
    return [run for run in found if group in groups(run.data.tags, taken_by(root))]
