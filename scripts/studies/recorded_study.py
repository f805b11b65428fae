"""Studies played again from what was recorded of every evaluation, without training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from rdpp.engine.selection import is_chosen
from rdpp.experiment import EvaluationConfig
from rdpp.sweep.attributes import mean_of
from rdpp.sweep.halving import HalvingConfig


@dataclass(frozen=True)
class Recorded:
    """A trial that was trained to its end."""

    curves: np.ndarray
    """(runs, evaluations): what each run had come to after each of its evaluations."""
    steps: int
    """Training steps of the whole trial."""

    @classmethod
    def of(cls, trial: FrozenTrial, curves: Sequence[Sequence[float]]) -> "Recorded":
        """From the curve of each of its runs; see `curve_of`."""
        return cls(np.array(curves), trial.user_attrs["steps"])


def curve_of(
    evaluations: Sequence[Mapping[str, float]], config: EvaluationConfig, objective: tuple[str, ...]
) -> list[float]:
    """What a run had come to after each of its evaluations: the objective at its best epoch so far."""
    values: list[float] = []
    best: Mapping[str, float] | None = None
    for number, metrics in enumerate(evaluations, 1):
        if is_chosen(config, metrics, best, final=number == len(evaluations)):
            best = metrics
        assert best is not None, "the first one is chosen where held-out images decide"
        values.append(mean_of({"metrics": best}, objective))
    return values


def evaluations_until(patience: int, curve: np.ndarray) -> int:
    """How many evaluations a run takes that ends after `patience` in a row without a better epoch."""
    waited = 0
    for evaluation, rise in enumerate(np.diff(curve), 2):
        waited = 0 if abs(rise) > 1e-9 else waited + 1
        if waited == patience:
            return evaluation
    return len(curve)


def replay(trials: Sequence[Recorded], patience: int, halving: HalvingConfig) -> tuple[int, float]:
    """Steps spent, and the best objective, of an economical study of these trials in this order."""
    study = optuna.create_study(direction="maximize", pruner=halving.pruner(trials[0].curves.size))
    steps = sum(_climb(study, recorded, patience) for recorded in trials)
    return round(steps), study.best_value


def _climb(study: optuna.Study, recorded: Recorded, patience: int) -> float:
    """Play one trial; its training steps."""
    trial, (runs, evaluations) = study.ask(), recorded.curves.shape
    step_share, taken, ends = recorded.steps / recorded.curves.size, 0, []
    for run, curve in enumerate(recorded.curves):
        stop = evaluations_until(patience, curve)
        for evaluation in range(1, stop + 1):
            taken += 1
            ended = evaluation == stop
            position = run * evaluations + (evaluations if ended else evaluation)
            trial.report(float(np.mean([*ends, curve[evaluation - 1]])), position)
            if not (ended and run == runs - 1) and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return taken * step_share
        ends.append(curve[stop - 1])
    study.tell(trial, float(np.mean(ends)))
    return taken * step_share
