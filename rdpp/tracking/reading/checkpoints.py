"""Checkpoints of runs in MLflow."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.tags import ROOT, group_of, groups, is_run, taken_by
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
    found = _runs(store, [*_children(store, run_id), *_taken(store, run)])
    return list(dict.fromkeys(leaf.info.run_id for leaf in found if leaf.info.status == "FINISHED"))


def _runs(store: Store, nodes: Iterable[Run]) -> Iterator[Run]:
    """Those of one category and seed: the nodes themselves, or what lies below them; the oldest first."""
    for node in sorted(nodes, key=lambda node: node.info.start_time):
        if is_run(node.data.tags):
            yield node
        else:
            yield from _runs(store, _children(store, node.info.run_id))


def _children(store: Store, run_id: str) -> list[Run]:
    return store.search(f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'")


def _taken(store: Store, parent: Run) -> list[Run]:
    """Runs that a parent took over. They name the root of its tree, and the trials or variants there."""
    root = parent.data.tags.get(ROOT, parent.info.run_id)
    found = store.search(f"tags.`{taken_by(root)}` != ''")
    if root == parent.info.run_id:
        return found
    return [run for run in found if group_of(parent.data.tags) in groups(run.data.tags, taken_by(root))]
