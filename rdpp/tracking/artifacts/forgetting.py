"""Checkpoints and pictures that a study does not keep: removed from MLflow, and the run's tags say so."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rdpp.tracking.conventions.artifacts import CHECKPOINT, GALLERY, PICTURES
from rdpp.tracking.conventions.tags import HEATMAPS_KEPT, KEEP, RUNS, TAKEN_BY
from rdpp.tracking.store.mlflow_store import Store

RUNS_KEPT = "runs_kept"
"""Tag of a trial: False where checkpoints and pictures of its runs are not kept."""
Lock = Callable[[], AbstractContextManager[None]]
_ARTIFACTS = (CHECKPOINT, PICTURES, GALLERY)
_LOGGED_IMAGES = "mlflow.loggedImages"  # with this tag the UI looks for pictures


def forget_runs(store: Store, parent: str, lock: Lock) -> None:
    """Remove checkpoints and pictures of the runs below a trial, and note that those to come are not kept either.

    A run that has not ended is left alone, since another process may send its pictures at this moment. It looks for
    that note when it has ended: see `forget_if_unwanted`.

    Args:
        store: the store.
        parent: MLflow's id of the trial.
        lock: gives what is held while a run is taken over.
    """
    store.set_tags(parent, {RUNS_KEPT: False})
    for run in store.search(f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and {RUNS}"):  # none taken over
        if run.info.status != "RUNNING" and run.data.tags.get(HEATMAPS_KEPT) != "False":
            _forget(store, run.info.run_id, lock)


def forget_if_unwanted(store: Store, run_id: str, parent: str, lock: Lock) -> None:
    """The same for one run that has just ended in MLflow, if its trial's are not kept."""
    if store.client.get_run(parent).data.tags.get(RUNS_KEPT) == "False":
        _forget(store, run_id, lock)


def _forget(store: Store, run_id: str, lock: Lock) -> None:
    """The run is not offered to anybody who wants its checkpoint before that is removed."""
    with lock():
        run = store.client.get_run(run_id)
        if any(tag.startswith(TAKEN_BY) for tag in run.data.tags):
            return
        store.set_tags(run_id, {KEEP: "none"})
        artifacts = get_artifact_repository(run.info.artifact_uri or "", tracking_uri=store.uri)
        for path in {file.path for file in artifacts.list_artifacts()} & set(_ARTIFACTS):
            artifacts.delete_artifacts(path)
    if _LOGGED_IMAGES in run.data.tags:
        store.client.delete_tag(run_id, _LOGGED_IMAGES)
    store.set_tags(run_id, {HEATMAPS_KEPT: False})
