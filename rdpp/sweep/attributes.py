"""What a trial's user attributes hold, and what is read from them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from rdpp.config import encode
from rdpp.engine import RunSpec
from rdpp.runs import Failure, Outcome

STEPS = "steps"
"""Of a trial that is complete, pruned or failed: the batches it trained."""
RUN = "run/"
"""One a run that ended well: `run/SEED/CATEGORY`."""
FAILED = "failed/"
"""One a run that failed: `failed/SEED/CATEGORY`."""
FAILURE = "failure"
"""Of a trial that failed: why. It is a result, and not tried again."""
PASSED = "passed"
"""How many gates the trial has passed; see `rdpp.sweep.gates`."""
OPENED = "opened"
"""Whether the trial's MLflow run was begun."""


def run_key(spec: RunSpec) -> str:
    """`SEED/CATEGORY`."""
    return f"{spec.seed}/{spec.category.name}"


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """A run's attribute. Undefined metrics are left out."""
    deciding, test = (
        {k: v for k, v in metrics.items() if "/" not in k and not math.isnan(v)}
        for metrics in (outcome.deciding, outcome.metrics)
    )
    return {"epoch": outcome.epoch, "steps": outcome.steps, "metrics": encode(deciding), "test": encode(test)}


def failure_data(failure: Failure, tries: int) -> dict[str, Any]:
    """A failed run's attribute."""
    return {"kind": failure.kind, "reason": failure.reason, "tries": tries}


def values_by_run(trial: FrozenTrial, objective: tuple[str, ...]) -> dict[tuple[str, int], float]:
    """The objective of each (category, seed) that the trial finished."""
    return _of_runs(trial, objective, "metrics")


def value_on_test(trial: FrozenTrial, objective: tuple[str, ...]) -> float:
    """The objective's metrics on the test images, mean over the trial's runs: shown, never chosen by. NaN where one is
    undefined there."""
    return float(np.mean(list(_of_runs(trial, objective, "test").values())))


def mean_of(stored: Mapping[str, Any], objective: tuple[str, ...], images: str = "metrics") -> float:
    """The mean of the objective's metrics of one run's attribute; NaN where one is undefined."""
    return float(np.mean([stored[images].get(name, np.nan) for name in objective]))


def _of_runs(trial: FrozenTrial, objective: tuple[str, ...], images: str) -> dict[tuple[str, int], float]:
    """In an order of its own: runs of several workers end in any, and sums differ in their last digit with it."""
    values = {}
    for key, stored in sorted(trial.user_attrs.items()):
        if key.startswith(RUN):
            seed, _, category = key.removeprefix(RUN).partition("/")
            values[category, int(seed)] = mean_of(stored, objective, images)
    return values
