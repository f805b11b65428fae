"""States of runs among their artifacts in MLflow, from which any machine can go on: `state/BATCH`."""

import tempfile
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from rdpp.config import ConfigError
from rdpp.engine import put_state, saved_state
from rdpp.tracking.conventions.tags import KEY_TRAINING, NODE, RUNS
from rdpp.tracking.store.mlflow_store import Store

FOLDER = "state"


def store_state(store: Store, run_id: str, folder: Path, batch: int) -> None:
    """Add a state to a run, and remove its earlier ones after that, so that one is whole at every moment."""
    store.client.log_artifacts(run_id, str(folder), _name(batch))
    artifacts = _artifacts(store, run_id)
    for stored in _batches(artifacts):
        if stored != batch:
            artifacts.delete_artifacts(_name(stored))


def remove_states(store: Store, run_id: str) -> None:
    """Remove all of a run."""
    artifacts = _artifacts(store, run_id)
    if _batches(artifacts):
        artifacts.delete_artifacts(FOLDER)


def fetch_newest(store: Store, training: str, folder: Path) -> str | None:
    """Download the state that came furthest of all unfinished runs with this `Identity.training`.

    Args:
        store: has the runs.
        training: see above.
        folder: that the state is put into, if what lies there is older.

    Returns:
        `Node.id` of the run whose state it is; None where nothing came. A state whose machine died while it was sent
        is passed over.
    """
    query = f"tags.{KEY_TRAINING} = '{training}' and {RUNS} and attributes.status != 'FINISHED'"
    found = [(batch, run) for run in store.search(query) for batch in _batches(_artifacts(store, run.info.run_id))]
    for batch, run in sorted(found, key=lambda each: each[0], reverse=True):
        if batch <= _batch_here(folder):
            return None
        if _fetch(store, run.info.run_id, batch, folder):
            return run.data.tags[NODE]
    return None


def _batch_here(folder: Path) -> int:
    """Batches of the state in a folder; 0 where none can be read."""
    try:
        saved = saved_state(folder)
    except ConfigError:
        return 0
    return saved.batch if saved else 0


def _fetch(store: Store, run_id: str, batch: int, folder: Path) -> bool:
    """Whether it came whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        try:
            came = Path(_artifacts(store, run_id).download_artifacts(_name(batch), scratch))
        except (MlflowException, OSError):
            store.client.get_run(run_id)  # raises if the store is away; else half a file is all that there is
            return False
        whole = _batch_here(came) == batch
        if whole:
            put_state(came, folder)
    return whole


def _name(batch: int) -> str:
    return f"{FOLDER}/{batch:09d}"


def _batches(artifacts: ArtifactRepository) -> list[int]:
    return [int(Path(file.path).name) for file in artifacts.list_artifacts(FOLDER) if file.is_dir]


def _artifacts(store: Store, run_id: str) -> ArtifactRepository:
    uri = store.client.get_run(run_id).info.artifact_uri or ""
    return get_artifact_repository(uri, tracking_uri=store.uri)
