"""Checkpoints of runs in MLflow."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.tags import is_run, taken_by
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
    queries = (f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'", f"tags.`{taken_by(run_id)}` != ''")
    children = [child for query in queries for child in store.search(query)]
    children.sort(key=lambda child: child.info.start_time)
    kept = [c for c in children if not is_run(c.data.tags) or c.info.status == "FINISHED"]
    return [leaf for child in kept for leaf in leaves(store, child.info.run_id)]
