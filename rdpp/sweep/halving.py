"""Successive halving: trials climb by their runs' evaluations, and at each rung only the best go on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from rdpp.config import require
from rdpp.engine import EpochFinished, Event, GivenUp, RunSpec, RunStarted, planned_epochs
from rdpp.engine.selection import is_chosen
from rdpp.runs import TakenOver


@dataclass(frozen=True)
class HalvingConfig:
    """At each rung one of `reduction_factor` trials passes, of those that came so far."""

    min_resource: int | None = None
    """Evaluations before the first rung, counted through a trial's runs one after the other; null: as many as give two
    rungs, which for factor 3 lie at a ninth and at a third of a trial."""
    reduction_factor: int = 3
    """One of so many trials passes a rung, and the next rung comes after so many times as many evaluations. Optuna's
    own default, 4, gives up more of the best trials. Source: Li et al., "A System for Massively Parallel
    Hyperparameter Tuning", MLSys 2020."""

    def __post_init__(self) -> None:
        least = self.min_resource
        require(least is None or least >= 1, f"min_resource must be at least 1, got {least}")
        require(self.reduction_factor >= 2, f"reduction_factor must be at least 2, got {self.reduction_factor}")

    def pruner(self, evaluations: int) -> optuna.pruners.BasePruner:
        """Optuna's pruner, for trials of so many evaluations."""
        # Optuna's rungs lie at least * factor**k evaluations: from 1 / factor**2 of a trial on, two fit into it
        least = self.min_resource or max(1, evaluations // self.reduction_factor**2)
        return _Halving(least, self.reduction_factor)


class Pruned(optuna.TrialPruned, GivenUp):
    """A trial that ends within a run."""


class PruningObserver:
    """An observer of a trial's runs: reports every evaluation, and gives the trial up where the pruner says so.

    A report's step counts evaluations: those of this run so far, and those that the runs before it had planned (not
    those that they made: a run may stop early). Its value is the mean of the runs' objectives, each at its best epoch
    so far, or at its last one with `selection: last`.
    """

    def __init__(self, trial: optuna.trial.BaseTrial, runs: int, value: Callable[[Mapping[str, float]], float]) -> None:
        self.trial, self.runs, self.value = trial, runs, value
        self.values: list[float] = []
        self._planned: list[int] = []
        self._evaluation, self._last_counts = 0, False

    name = "climb"

    def __call__(self, event: Event | TakenOver) -> None:
        if isinstance(event, RunStarted):
            self._begin(event.spec, event.epochs)
        if isinstance(event, EpochFinished) and event.evaluation is not None:
            self._evaluated(event.evaluation.metrics, chosen=event.chosen, ended=event.last)
        if isinstance(event, TakenOver):
            self._replay(event)

    def save(self, folder: Path) -> None:
        """Write what was reported so far."""
        state = {"values": self.values, "planned": self._planned, "evaluation": self._evaluation}
        (folder / "climb.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        """Take what `save` wrote; the trial has the reports already."""
        state = json.loads((folder / "climb.json").read_text())
        self.values, self._planned, self._evaluation = state["values"], state["planned"], state["evaluation"]

    def _begin(self, spec: RunSpec, epochs: int) -> None:
        config = spec.experiment.evaluation
        self._planned.append(-(-epochs // config.every))
        self._evaluation, self._last_counts = 0, config.selection == "last"

    def _evaluated(self, metrics: Mapping[str, float], *, chosen: bool, ended: bool) -> None:
        self._evaluation += 1
        if chosen or self._last_counts:
            self.values[len(self._planned) - 1 :] = [self.value(metrics)]
        self._report(ended=ended)

    def _replay(self, event: TakenOver) -> None:
        """Report a run that was finished before as it was reported then."""
        self._begin(event.spec, planned_epochs(event.spec))
        config, best = event.spec.experiment.evaluation, None
        evaluations = event.evaluations()
        for number, (_, metrics) in enumerate(evaluations, 1):
            ended = number == len(evaluations)
            chosen = is_chosen(config, metrics, best, final=ended)
            best = metrics if chosen else best
            self._evaluated(metrics, chosen=chosen, ended=ended)

    def _report(self, *, ended: bool) -> None:
        *before, own = self._planned
        self.trial.report(float(np.mean(self.values)), sum(before) + (own if ended else self._evaluation))
        complete = ended and len(self._planned) == self.runs
        if not complete and self.trial.should_prune():
            raise Pruned(f"given up after {self._evaluation} evaluations of run {len(self._planned)} of {self.runs}")


class _Halving(optuna.pruners.SuccessiveHalvingPruner):
    """Leaves failed trials out of the comparison: an interrupted trial is repeated, and the repetition must not
    compete with its own earlier reports."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return super().prune(cast(optuna.Study, _WithoutFailed(study)), trial)


class _WithoutFailed:
    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, **options: Any) -> list[FrozenTrial]:
        return [trial for trial in self._study.get_trials(**options) if trial.state != TrialState.FAIL]
