"""The objective: one trial trains every category with every seed and returns the mean."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from rdpp.config import encode, require
from rdpp.engine import BatchFinished, Event, RunFinished, RunStarted, grid
from rdpp.metrics import NotFinite
from rdpp.runs import Node, Outcome, Planned, RunObserver, TakenOver, Tree, means, opened, run_all
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.halving import PruningObserver
from rdpp.sweep.pruners import Pruner
from rdpp.sweep.space import suggest

STEPS = "steps"
"""User attribute of a trial that is complete or pruned: the batches it trained."""
RUN = "run/"
"""User attributes of a trial, one a run: `run/SEED/CATEGORY`."""
RUN_ID = "mlflow_run_id"
"""User attribute of a trial: its MLflow run."""
FAILURE = "failure"
"""User attribute of a trial that cannot succeed: why. It is a result, and not tried again."""
RETRY_OF = "retry_of"
"""User attribute of a trial that repeats one that failed: that one's number."""


class Objective:
    """What Optuna maximises: metrics of the held-out images where there are some, else of the test images.

    Each trial is a child run of the study's run, with a child of its own a category and seed. A trial that repeats one
    that failed takes up its run, and takes over what finished there.
    """

    def __init__(
        self,
        sweep: SweepConfig,
        tree: Tree,
        study_run: Node,
        pruner: Pruner,
        observers: Sequence[RunObserver] = (),
        *,
        again: bool = False,
    ) -> None:
        self.sweep, self.tree, self.study_run = sweep, tree, study_run
        self.pruner, self.observers, self.again = pruner, observers, again

    def __call__(self, trial: optuna.Trial) -> float:
        """Raises optuna.TrialPruned after or, with halving, within the run at which the pruner gave the trial up."""
        point = suggest(self.sweep.space, trial)
        tags = {
            "study": self.sweep.name,
            "trial": trial.number,
            "variant": self.sweep.experiment.name,
            "teacher": self.sweep.experiment.teacher.name,
        }
        name, number = f"trial-{trial.number:03d}", trial.user_attrs.get(RETRY_OF, trial.number)
        node = self.tree.open(name, level="trial", key=str(number), parent=self.study_run, tags=tags)
        with opened(self.tree, node):
            trial.set_user_attr(RUN_ID, self.tree.run_id(node))
            self.tree.log_params(node, point)
            steps = _Steps()
            try:
                values, pruned = self._train(trial, point, node, tags, steps)
            except NotFinite as error:
                trial.set_user_attr(FAILURE, str(error))
                raise
            trial.set_user_attr(STEPS, steps.count)
            self.tree.log_metrics(node, {"steps": steps.count})
            self.tree.set_tags(node, {"state": "pruned" if pruned else "complete", "runs": len(values)})
        self.tree.finish()
        if pruned:
            raise optuna.TrialPruned(f"trial {trial.number} pruned after {len(values)} runs")
        return float(np.mean(values))

    def _train(
        self,
        trial: optuna.Trial,
        point: Mapping[str, Any],
        node: Node,
        tags: Mapping[str, object],
        steps: "_Steps",
    ) -> tuple[list[float], bool]:
        """The values of the runs, and whether the trial was given up."""
        specs = grid(self.sweep.experiment.with_overrides(point))
        observers: list[RunObserver] = [*self.observers, steps]
        if self.pruner.within_runs:
            observers.append(PruningObserver(trial, len(specs), self.value))
        planned = [Planned(spec=spec, parent=node, tags=tags) for spec in specs]
        outcomes: list[Outcome] = []
        values: list[float] = []
        try:
            for index, outcome in enumerate(run_all(planned, self.tree, observers, again=self.again)):
                outcomes.append(outcome)
                values.append(self.value(outcome.deciding))
                trial.set_user_attr(f"{RUN}{outcome.spec.seed}/{outcome.spec.category.name}", _plain(outcome))
                self.tree.log_metrics(node, {"objective_running_mean": float(np.mean(values))}, step=index)
                last = len(outcomes) == len(specs)
                if not self.pruner.within_runs and self._gives_up(trial, values, index, last=last):
                    return values, True
        except optuna.TrialPruned:
            return values, True
        self.tree.log_metrics(node, {**means(outcomes), "objective": float(np.mean(values))})
        return values, False

    def _gives_up(self, trial: optuna.Trial, values: list[float], index: int, *, last: bool) -> bool:
        """Report a run. The signed-rank test wants each instance's own value, others the mean so far."""
        trial.report(values[-1] if self.pruner.compares_instances else float(np.mean(values)), index)
        return not last and trial.should_prune()

    def value(self, metrics: Mapping[str, float]) -> float:
        """Mean of the objective's metrics.

        Raises:
            ConfigError: one of them is undefined, so that trials cannot be compared.
        """
        undefined = [name for name in self.sweep.objective if math.isnan(metrics[name])]
        require(
            not undefined,
            f"the objective {', '.join(undefined)} is undefined (NaN) on the images that choices look at; name another "
            "metric in objective, or add defective images",
        )
        return float(np.mean([metrics[name] for name in self.sweep.objective]))


class _Steps:
    """An observer that counts batches: those of a run that was taken over too, which the trial would have trained."""

    def __init__(self) -> None:
        self.count = self._before = 0

    def __call__(self, event: Event | TakenOver) -> None:
        if isinstance(event, RunStarted):
            self._before = self.count
        if isinstance(event, BatchFinished):
            self.count += 1
        if isinstance(event, RunFinished):
            self.count = self._before + event.result.steps
        if isinstance(event, TakenOver):
            self.count += event.finished.steps


def _plain(outcome: Outcome) -> dict[str, Any]:
    deciding, test = (
        {k: v for k, v in metrics.items() if "/" not in k and not math.isnan(v)}
        for metrics in (outcome.deciding, outcome.metrics)
    )
    return {"epoch": outcome.epoch, "metrics": encode(deciding), "test": encode(test)}
