"""Studies played again from what one recorded of every evaluation, without training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from rdpp.sweep.halving import HalvingConfig


@dataclass(frozen=True)
class Recorded:
    """A trial that was trained to its end."""

    curves: np.ndarray
    """(runs, evaluations): what each run had come to after each of its evaluations."""
    steps: int
    """Training steps of the whole trial."""

    @classmethod
    def of(cls, trial: FrozenTrial, runs: int) -> "Recorded":
        """From a trial's reports, which are means over its runs so far (see `rdpp.sweep.halving.PruningObserver`)."""
        means = np.array([trial.intermediate_values[step] for step in sorted(trial.intermediate_values)])
        curves = means.reshape(runs, -1)
        for run in range(1, runs):
            curves[run] = (run + 1) * curves[run] - curves[:run, -1].sum()
        return cls(curves, trial.user_attrs["steps"])


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
