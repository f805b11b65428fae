"""What a sweep may not leave behind: runs that did not end, metrics twice, files that nobody needs, lost batches."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy

_DOUBLED = """
select metrics.run_uuid, metrics.key, step, count(*)
from metrics join tags on tags.run_uuid = metrics.run_uuid and tags.key = 'level' and tags.value = 'run'
where metrics.key not like 'system/%' group by metrics.run_uuid, metrics.key, step having count(*) > 1
"""


def wrong_runs(uri: str, database: str, study: dict[str, Any], runs_a_trial: int) -> Iterator[str]:
    """Runs in MLflow that have not ended once each as they should, and metrics that have two values at one step.

    Args:
        uri: of the store.
        database: the store's own, for SQLAlchemy.
        study: the undisturbed one, as `rdpp sweep --json` prints it.
        runs_a_trial: how many each trial has.
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("rdpp")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=50_000)
    statuses = Counter(run.info.status for run in runs)
    leaves = [run for run in runs if run.data.tags["level"] == "run"]
    pruned = sum(trial["state"] == "pruned" for trial in study["trials"])
    if statuses["RUNNING"] or statuses["FAILED"] or statuses["KILLED"] > pruned:
        yield f"MLflow has {dict(statuses)}"
    parents = Counter(run.info.status for run in runs if run.data.tags["level"] != "run")
    if parents != {"FINISHED": 1 + len(study["trials"])}:
        yield f"MLflow has parents {dict(parents)}"
    by_place = Counter((run.data.tags["trial"], run.data.tags["category"]) for run in leaves)
    if not pruned and len(by_place) != runs_a_trial * len(study["trials"]):
        yield f"MLflow has {len(by_place)} runs"
    if any(count != 1 for count in by_place.values()):
        yield f"MLflow has runs more than once: {by_place}"
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        for run_id, key, step, count in connection.execute(sqlalchemy.text(_DOUBLED)):
            yield f"run {run_id} {key}: {count} values at step {step}"
    engine.dispose()


def left_files(scratch: Path, cache: Path, stores: Path, work: Path) -> Iterator[str]:
    """Files of scratch, and those of the work folder, which is empty but for one lock and its own name."""
    unfinished = [path for path in work.rglob("*") if path.is_file() and path.name not in ("all.lock", "id", "id.lock")]
    for path in [*scratch.iterdir(), *unfinished, *_hidden(cache), *_hidden(stores)]:
        yield f"left: {path}"


def _hidden(folder: Path) -> Iterator[Path]:
    """Files with a hidden name, or in a folder that has one: what was begun and not ended. A lock's file is none."""
    for path in folder.rglob("*"):
        hidden = any(name.startswith(".") for name in path.relative_to(folder).parts)
        if hidden and path.is_file() and path.suffix != ".lock":
            yield path


def lost_batches(log: Path, most: int) -> Iterator[str]:
    """Strikes that cost more batches than they may; prints what all of them cost.

    Args:
        log: a line a batch: the run, the batch and the process.
        most: batches that a strike may cost.
    """
    last: dict[str, int] = {}
    lost: list[int] = []
    for line in log.read_text().splitlines():
        training, batch, _ = line.split()
        if int(batch) <= last.get(training, 0):
            lost.append(last[training] - int(batch) + 1)
        last[training] = int(batch)
    print(f"batches trained twice: {sum(lost)}, at most {max(lost, default=0)} by one strike")
    for cost in lost:
        if cost > most:
            yield f"a strike cost {cost} batches"
