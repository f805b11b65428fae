"""Finished runs of a store: found by their key, and read."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Run

from rdpp.engine import RunSpec, read_checkpoint
from rdpp.metrics import METRICS
from rdpp.runs import Finished, Node
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.metric_names import AUDIT, CHOSEN_EPOCH, EPOCHS, HELD_OUT, STEPS, chosen_metrics
from rdpp.tracking.conventions.tags import DEAD_TERMS, KEEP, KEEP_MAPS, KEY, KEY_TRAINING, NODE, RUNS
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store


def find_finished(store: Store, spec: RunSpec, since: float = 0.0) -> Finished | None:
    """The newest finished run with the spec's network: one with the same test files, if there is one.

    A run that did not keep the checkpoint or the maps that the spec wants does not count. A spec whose test images are
    not there yet takes any test files: nothing could be evaluated anew.

    Args:
        store: where to look.
        spec: which run.
        since: it ended after this time (time.time()).
    """
    identity = spec.identity
    query = f"tags.{KEY_TRAINING} = '{identity.training}' and {RUNS} and attributes.status = 'FINISHED'"
    if since:
        query += f" and attributes.end_time > {int(1000 * since)}"
    experiment = spec.experiment
    runs = [run for run in store.search(query) if experiment.keep in ("none", run.data.tags.get(KEEP))]
    if experiment.keep_maps:
        runs = [run for run in runs if run.data.tags.get(KEEP_MAPS) == "True"]
    if not runs:
        return None
    same = [run for run in runs if identity.test_files is None or run.data.tags.get(KEY) == identity.key]
    return _finished((same or runs)[0], same_test_files=bool(same))


def _finished(run: Run, *, same_test_files: bool) -> Finished:
    logged = StoredRun.of(run).metrics
    metrics = chosen_metrics(logged)
    on_test = {name: value for name, value in metrics.items() if not name.startswith(HELD_OUT)}
    held_out = {name.removeprefix(HELD_OUT): v for name, v in metrics.items() if name.startswith(HELD_OUT)}
    return Finished(
        run_id=run.info.run_id,
        node=Node(run.data.tags[NODE]) if NODE in run.data.tags else None,
        same_test_files=same_test_files,
        epoch=int(logged[CHOSEN_EPOCH]),
        metrics=_with_undefined(on_test),
        deciding=_with_undefined(held_out or on_test),
        dead_terms=tuple(name for name in run.data.tags[DEAD_TERMS].split() if name != "none"),
        epochs=int(logged[EPOCHS]),
        steps=int(logged[STEPS]),
    )


def _with_undefined(metrics: Mapping[str, float]) -> dict[str, float]:
    """With NaN for what is undefined, of all defects and of each defect type: MLflow is not given those."""
    parts = {name.partition("/")[1:] for name in metrics}  # nothing, or a defect type
    names = [name + "".join(part) for part in sorted(parts) for name in METRICS]
    return {**dict.fromkeys(names, math.nan), **metrics}


def read_evaluations(store: Store, run_id: str) -> Sequence[tuple[int, Mapping[str, float]]]:
    """Epoch and metrics on the watched images, of every epoch that was evaluated, in order."""
    return evaluations_of(store, store.client.get_run(run_id))


def evaluations_of(store: Store, run: Run) -> Sequence[tuple[int, Mapping[str, float]]]:
    """The same of a run that has been read already."""
    return evaluations_under(store, run, HELD_OUT if _watched_held_out(run.data.metrics) else "")


def evaluations_on_test(store: Store, run_id: str) -> Sequence[tuple[int, Mapping[str, float]]]:
    """Epoch and metrics on the test images, of every epoch that was evaluated there, in order."""
    run = store.client.get_run(run_id)
    return evaluations_under(store, run, prefix_of_test_epochs(run.data.metrics))


def prefix_of_test_epochs(logged: Iterable[str]) -> str:
    """What begins the names of the metrics that a run logged on the test images in every evaluated epoch: empty, or
    `audit/` where it watched held-out images."""
    return AUDIT if _watched_held_out(logged) else ""


def _watched_held_out(logged: Iterable[str]) -> bool:
    return any(name.startswith(HELD_OUT) for name in logged)


def evaluations_under(store: Store, run: Run, prefix: str) -> Sequence[tuple[int, Mapping[str, float]]]:
    """Each evaluated epoch of a run and its metrics, of those that begin with a prefix (`audit/`: the test images
    beside the held-out ones); NaN where one was undefined."""
    by_epoch: dict[int, dict[str, float]] = {}
    for name in METRICS:
        if f"{prefix}{name}" in run.data.metrics:
            for point in store.client.get_metric_history(run.info.run_id, f"{prefix}{name}"):
                by_epoch.setdefault(point.step, dict.fromkeys(METRICS, math.nan))[name] = point.value
    return sorted(by_epoch.items())


def download_checkpoint(store: Store, run_id: str, epoch: int, scratch: Path) -> Path | None:
    """The folder of a run's checkpoint; None where it kept none, or another epoch than the chosen one."""
    if CHECKPOINT not in {artifact.path for artifact in store.client.list_artifacts(run_id)}:
        return None
    return checkpoint_of_epoch(Path(store.client.download_artifacts(run_id, CHECKPOINT, str(scratch))), epoch)


def checkpoint_of_epoch(folder: Path, epoch: int) -> Path | None:
    """A folder with a checkpoint; None where there is none, or one of another epoch."""
    return folder if folder.is_dir() and read_checkpoint(folder).epoch == epoch else None
