"""What a run came to, in its folder until MLflow has it: there it is found at once, by every process."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpp.engine import Result, RunSpec
from rdpp.folders import write_whole
from rdpp.metrics import METRICS
from rdpp.runs import Finished, Node
from rdpp.tracking.outbox.outboxes import RESULT, Outbox, Outboxes

Evaluations = Sequence[tuple[int, Mapping[str, float]]]
"""Epoch and metrics."""


def write_result(folder: Path, result: Result, evaluations: Evaluations) -> None:
    """Write what a run came to, with the metrics on the watched images of every epoch that was evaluated."""
    identity, experiment = result.spec.identity, result.spec.experiment
    deciding = result.deciding.metrics
    if result.held_out is not None:
        deciding = {name: value for name, value in deciding.items() if "/" not in name}  # as MLflow has them
    data = {
        "ended": time.time(),
        "key": identity.key,
        "keep": experiment.keep,
        "keep_maps": experiment.keep_maps,
        "epoch": result.epoch,
        "metrics": with_null(result.evaluation.metrics),
        "deciding": with_null(deciding),
        "dead_terms": list(result.dead_terms),
        "epochs": result.epochs,
        "steps": result.steps,
        "evaluations": [[epoch, with_null(metrics)] for epoch, metrics in evaluations],
    }
    write_whole(folder / RESULT, json.dumps(data))


def find_here(outboxes: Outboxes, spec: RunSpec, since: float) -> Finished | None:
    """The newest finished run with the spec's network that MLflow has not got wholly; see `Tree.find`."""
    experiment, identity = spec.experiment, spec.identity
    found = [
        (data, box)
        for box in outboxes.of_training(identity.training)
        if (data := _read(box)) is not None
        and data["ended"] > since
        and experiment.keep in ("none", data["keep"])
        and (data["keep_maps"] or not experiment.keep_maps)
    ]
    if not found:
        return None
    same = [(data, box) for data, box in found if identity.test_files is None or data["key"] == identity.key]
    data, box = max(same or found, key=lambda entry: entry[0]["ended"])
    return Finished(
        run_id=None,
        node=Node(box.node),
        same_test_files=bool(same),
        epoch=data["epoch"],
        metrics=with_nan(data["metrics"]),
        deciding=with_nan(data["deciding"]),
        dead_terms=tuple(data["dead_terms"]),
        epochs=data["epochs"],
        steps=data["steps"],
    )


def evaluations_here(outbox: Outbox) -> Evaluations | None:
    """See `Tree.evaluations`; None where the run is in MLflow by now."""
    data = _read(outbox)
    if data is None:
        return None
    return [(epoch, {name: with_nan(metrics)[name] for name in METRICS}) for epoch, metrics in data["evaluations"]]


def _read(outbox: Outbox) -> Any:
    """What `write_result` wrote; None where there is none, or MLflow did not take all of the run."""
    try:
        return None if outbox.refused() else json.loads((outbox.folder / RESULT).read_text())
    except FileNotFoundError:
        return None


def with_null(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: None if math.isnan(value) else float(value) for name, value in metrics.items()}


def with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """What `with_null` was given."""
    return {name: math.nan if value is None else value for name, value in metrics.items()}
