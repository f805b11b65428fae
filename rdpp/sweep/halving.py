"""Successive halving: trials climb by their runs' evaluations, and at each rung only the best go on."""

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from rdpp.config import require
from rdpp.engine import EpochFinished, Event, GivenUp, RunSpec, RunStarted
from rdpp.engine.selection import is_chosen
from rdpp.runs import RunFailed, TakenOver
from rdpp.sweep.gates import Gate, gates_of_rungs

_RUNG = "completed_rung_"
"""Optuna's system attributes of a trial: its value at each rung that it has reached."""


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
        return _Halving(self._least(evaluations), self.reduction_factor)

    def gates(self, planned: Sequence[int]) -> Sequence[Gate]:
        """At the pruner's rungs, of a trial whose runs plan so many evaluations each."""
        return gates_of_rungs(planned, self._least(sum(planned)), self.reduction_factor)

    def _least(self, evaluations: int) -> int:
        # Optuna's rungs lie at least * factor**k evaluations: from 1 / factor**2 of a trial on, two fit into it
        return self.min_resource or max(1, evaluations // self.reduction_factor**2)


class Pruned(GivenUp):
    """A trial that ends within a run."""


class GateObserver:
    """An observer of one run that has gates within it: at each it asks whether the trial goes on. At the run's end it
    does not ask: the gates that were not reached until then are asked by whoever settles the run.

    The value at a gate is the run's objective at its best epoch so far, or at its last one with `selection: last`.
    """

    name = "gates"

    def __init__(
        self,
        gates: Sequence[tuple[int, Gate]],
        value: Callable[[Mapping[str, float]], float],
        pass_gate: Callable[[int, float, int], bool],
    ) -> None:
        """Args:
        gates: within the run, with their places among the trial's.
        value: the objective of an epoch's metrics.
        pass_gate: is called with a gate's place, the run's value and its batches so far; whether the trial goes on.
        """
        self.gates, self.value, self.pass_gate = gates, value, pass_gate
        self._evaluations = 0
        self._value = math.nan
        self._last_counts = False

    def __call__(self, event: Event | TakenOver | RunFailed) -> None:
        """Raises Pruned where the trial is given up."""
        if isinstance(event, RunStarted):
            self._begin(event.spec)
        if isinstance(event, EpochFinished) and event.evaluation is not None:
            self._evaluated(event.evaluation.metrics, chosen=event.chosen, ended=event.last, batches=event.batch)
        if isinstance(event, TakenOver):
            self._replay(event)

    def save(self, folder: Path) -> None:
        """Write how far the run has come."""
        (folder / "gates.json").write_text(json.dumps({"evaluations": self._evaluations, "value": self._value}))

    def load(self, folder: Path) -> None:
        """Take what `save` wrote."""
        state = json.loads((folder / "gates.json").read_text())
        self._evaluations, self._value = state["evaluations"], state["value"]

    def _begin(self, spec: RunSpec) -> None:
        self._evaluations, self._value = 0, math.nan
        self._last_counts = spec.experiment.evaluation.selection == "last"

    def _evaluated(self, metrics: Mapping[str, float], *, chosen: bool, ended: bool, batches: int) -> None:
        self._evaluations += 1
        if chosen or self._last_counts:
            self._value = self.value(metrics)
        for place, gate in self.gates:
            reached = self._evaluations == gate.evaluation and not ended
            if reached and not self.pass_gate(place, self._value, batches):
                raise Pruned(f"given up after {self._evaluations} evaluations")

    def _replay(self, event: TakenOver) -> None:
        """A run that was finished before passes its gates as it would have."""
        self._begin(event.spec)
        config, best = event.spec.experiment.evaluation, None
        evaluations = event.evaluations()
        for number, (epoch, metrics) in enumerate(evaluations, 1):
            ended = number == len(evaluations)
            chosen = is_chosen(config, metrics, best, final=ended)
            best = metrics if chosen else best
            batches = round(event.finished.steps * epoch / event.finished.epochs)
            self._evaluated(metrics, chosen=chosen, ended=ended, batches=batches)


class _Halving(optuna.pruners.SuccessiveHalvingPruner):
    """Asked again about a rung, it answers as it did: the trial does not compete with its own earlier answer."""

    def __init__(self, least: int, factor: int) -> None:
        super().__init__(least, factor)
        self._least, self._factor = least, factor

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        asked_before = copy.deepcopy(trial)
        for key in [key for key in trial.system_attrs if key.startswith(_RUNG)]:
            rung = int(key.removeprefix(_RUNG))
            if step is not None and self._least * self._factor**rung >= step:
                del asked_before.system_attrs[key]
        return super().prune(cast(optuna.Study, _Others(study, trial.number)), asked_before)


class _Others:
    """A study without one of its trials."""

    def __init__(self, study: optuna.Study, number: int) -> None:
        self._study, self._number = study, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, **options: Any) -> list[FrozenTrial]:
        failed = TrialState.FAIL
        return [t for t in self._study.get_trials(**options) if t.number != self._number and t.state != failed]
