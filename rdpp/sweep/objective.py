"""The objective: one trial trains every category with every seed and returns the mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from rdpp.config import encode
from rdpp.engine import Observer, Result
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.space import suggest
from rdpp.tracking.campaign import cells, means, train_cell
from rdpp.tracking.store import Store
from rdpp.tracking.writer import Writer


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
        self.running_mean = pruner != "wilcoxon"  # the signed-rank test wants each instance's own value
        self.observers = observers

    def __call__(self, trial: optuna.Trial) -> float:
        """Raises optuna.TrialPruned after the cell at which the pruner gave the trial up."""
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
            with Writer(lambda: self.store) as writer:
                values, pruned = self._train(writer, trial, point, run_id, tags)
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
    ) -> tuple[list[float], bool]:
        experiment = self.sweep.experiment.with_overrides(point)
        results: list[Result] = []
        values: list[float] = []
        todo = cells(experiment)
        for index, cell in enumerate(todo):
            result = train_cell(writer, experiment, cell, parent=run_id, tags=tags, observers=self.observers)
            results.append(result)
            values.append(self.value(result.deciding.metrics))
            trial.set_user_attr(f"cell/{cell.category}/{cell.seed}", _plain(result))
            trial.report(float(np.mean(values)) if self.running_mean else values[-1], index)
            self.store.log_metrics(run_id, {"objective_running_mean": float(np.mean(values))}, step=index)
            if index < len(todo) - 1 and trial.should_prune():
                return values, True
        self.store.log_metrics(run_id, {**means(results), "objective": float(np.mean(values))})
        return values, False

    def value(self, metrics: Mapping[str, float]) -> float:
        """Mean of the objective's metrics."""
        return float(np.mean([metrics[name] for name in self.sweep.objective]))


def _plain(result: Result) -> dict[str, Any]:
    deciding, test = (
        {k: v for k, v in evaluation.metrics.items() if "/" not in k and v == v}
        for evaluation in (result.deciding, result.evaluation)
    )
    return {"epoch": result.epoch, "metrics": encode(deciding), "test": encode(test)}
