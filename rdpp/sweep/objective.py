"""The objective: one trial trains every category with every seed and returns the mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from rdpp.config import encode
from rdpp.engine import BatchFinished, Event, Observer, Result
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.halving import Climb
from rdpp.sweep.space import suggest
from rdpp.tracking.campaign import cells, means, train_cell
from rdpp.tracking.store import Store
from rdpp.tracking.writer import Writer

STEPS = "steps"
"""User attribute of a trial that is complete or pruned: the batches it trained."""


class Objective:
    """What Optuna maximises: metrics of the held-out images where there are some, else of the test images.

    Each trial is a child run of the study's run, with a child of its own a cell.
    """

    def __init__(
        self,
        sweep: SweepConfig,
        store: Store,
        study_run: str,
        pruner: str,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.sweep, self.store, self.study_run = sweep, store, study_run
        self.pruner = pruner
        self.observers = observers

    def __call__(self, trial: optuna.Trial) -> float:
        """Raises optuna.TrialPruned after or, with halving, within the cell at which the pruner gave the trial up."""
        point = suggest(self.sweep.space, trial)
        tags = {
            "study": self.sweep.name,
            "trial": trial.number,
            "variant": self.sweep.experiment.name,
            "teacher": self.sweep.experiment.teacher.name,
        }
        name = f"trial-{trial.number:03d}"
        with self.store.run(name, parent=self.study_run, tags={**tags, "level": "trial"}) as run_id:
            trial.set_user_attr("mlflow_run_id", run_id)
            self.store.log_params(run_id, point)
            steps = _Steps()
            with Writer(lambda: self.store) as writer:
                values, pruned = self._train(writer, trial, point, run_id, tags, steps)
            trial.set_user_attr(STEPS, steps.count)
            self.store.log_metrics(run_id, {"steps": steps.count})
            self.store.set_tags(run_id, {"state": "pruned" if pruned else "complete", "cells": len(values)})
        if pruned:
            raise optuna.TrialPruned(f"trial {trial.number} pruned after {len(values)} cells")
        return float(np.mean(values))

    def _train(
        self,
        writer: Writer,
        trial: optuna.Trial,
        point: Mapping[str, Any],
        run_id: str,
        tags: Mapping[str, object],
        steps: "_Steps",
    ) -> tuple[list[float], bool]:
        experiment = self.sweep.experiment.with_overrides(point)
        results: list[Result] = []
        values: list[float] = []
        todo = cells(experiment)
        observers = [*self.observers, steps]
        if self.pruner == "halving":
            observers.append(Climb(trial, len(todo), self.value))
        for index, cell in enumerate(todo):
            try:
                result = train_cell(writer, experiment, cell, parent=run_id, tags=tags, observers=observers)
            except optuna.TrialPruned:
                return values, True
            results.append(result)
            values.append(self.value(result.deciding.metrics))
            trial.set_user_attr(f"cell/{cell.category}/{cell.seed}", _plain(result))
            self.store.log_metrics(run_id, {"objective_running_mean": float(np.mean(values))}, step=index)
            if self.pruner != "halving" and self._gives_up(trial, values, index, last=cell == todo[-1]):
                return values, True
        self.store.log_metrics(run_id, {**means(results), "objective": float(np.mean(values))})
        return values, False

    def _gives_up(self, trial: optuna.Trial, values: list[float], index: int, *, last: bool) -> bool:
        """Report a cell. The signed-rank test wants each instance's own value, others the mean so far."""
        trial.report(values[-1] if self.pruner == "wilcoxon" else float(np.mean(values)), index)
        return not last and trial.should_prune()

    def value(self, metrics: Mapping[str, float]) -> float:
        """Mean of the objective's metrics."""
        return float(np.mean([metrics[name] for name in self.sweep.objective]))


class _Steps:
    """An observer that counts batches."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: Event) -> None:
        self.count += isinstance(event, BatchFinished)


def _plain(result: Result) -> dict[str, Any]:
    deciding, test = (
        {k: v for k, v in evaluation.metrics.items() if "/" not in k and v == v}
        for evaluation in (result.deciding, result.evaluation)
    )
    return {"epoch": result.epoch, "metrics": encode(deciding), "test": encode(test)}
