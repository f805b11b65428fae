"""`rdpp sweep`: open the study, show it while it runs, print what it comes to."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from rdpp.config import require
from rdpp.display.console import ConsoleObserver, output_console, percent
from rdpp.engine import Event, RunFinished, RunStarted
from rdpp.runs import TakenOver
from rdpp.sweep import report
from rdpp.sweep.config import SweepConfig, describe, runs_a_trial
from rdpp.sweep.objective import FAILURE
from rdpp.sweep.report import spread, spread_sentence, table
from rdpp.sweep.study import chosen_pruner, done_trials, open_study, remaining_trials, run_study, spent_steps
from rdpp.tracking.tree import MlflowTree


def run_sweep(
    file: Path,
    changes: Mapping[str, Any],
    *,
    trials: int | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
    as_json: bool = False,
    again: bool = False,
) -> None:
    """Run the study of a sweep file to its number of trials and print its result on standard output.

    Args:
        file: the sweep.
        changes: overrides of the base experiment by dotted path.
        trials: of the whole study, instead of the file's.
        storage: Optuna storage URL.
        tracking_uri: MLflow store.
        as_json: print JSON instead of tables.
        again: train finished runs anew instead of taking them over.

    Raises:
        ConfigError: what a user can mend.
    """
    sweep = load_sweep(file, changes, trials)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    per_trial = runs_a_trial(sweep.experiment)
    with MlflowTree(tracking_uri) as tree:
        study = open_study(sweep, storage)
        left = None if sweep.trials is None else remaining_trials(study, sweep.trials)
        with ConsoleObserver(None if left is None else left * per_trial) as console:
            pruner, reason = chosen_pruner(sweep, study)
            console.line(
                f"study {sweep.name}: {_progress(sweep, study)}; {per_trial} runs a trial; pruner {pruner}: {reason}"
            )
            observers = [TrialDisplay(study, sweep, console), console]
            run_id = run_study(sweep, study, tree, observers, again=again)
    _print(sweep, study, run_id, json_wanted=as_json)


def load_sweep(file: Path, changes: Mapping[str, Any], trials: int | None) -> SweepConfig:
    """The sweep of a file with overrides."""
    sweep = SweepConfig.from_yaml(file, changes)
    require(trials is None or trials >= 1, f"--trials must be at least 1, got {trials}")
    return sweep if trials is None else dataclasses.replace(sweep, trials=trials)


class TrialDisplay:
    """Tells the console which trial runs and what the best one is."""

    def __init__(self, study: optuna.Study, sweep: SweepConfig, console: ConsoleObserver) -> None:
        self.study, self.sweep, self.console = study, sweep, console
        self._trial: int | None = None
        self._runs = 0

    def __call__(self, event: Event | TakenOver) -> None:
        if isinstance(event, RunStarted | TakenOver):
            running = (optuna.trial.TrialState.RUNNING,)
            trial = self.study.get_trials(deepcopy=False, states=running)[-1]
            if trial.number != self._trial:
                self._begin(trial)
            self.console.best = self._best()
        if isinstance(event, RunFinished | TakenOver):
            self._runs += 1

    def _begin(self, trial: optuna.trial.FrozenTrial) -> None:
        per_trial = runs_a_trial(self.sweep.experiment)
        if self._trial is not None and self._runs < per_trial:
            self.console.skip(per_trial - self._runs)
            before = self.study.get_trials(deepcopy=False)[self._trial]
            ended = "failed" if FAILURE in before.user_attrs else "pruned"
            self.console.line(f"trial {self._trial} {ended} after {self._runs} of {per_trial} runs")
        self._trial, self._runs = trial.number, 0
        self.console.prefix = f"trial {trial.number} "
        self.console.line(f"trial {trial.number}: {describe(trial.params)}   {self._best()}")

    def _best(self) -> str:
        states = (optuna.trial.TrialState.COMPLETE,)
        spent = f"{_spent(self.sweep, self.study)}  " if self.sweep.budget is not None else ""
        if not self.study.get_trials(deepcopy=False, states=states):
            return spent
        return f"{spent}best so far: trial {self.study.best_trial.number}, {percent(self.study.best_value)}"


def _progress(sweep: SweepConfig, study: optuna.Study) -> str:
    done = done_trials(study)
    trials = f"{done} trials done" if sweep.trials is None else f"{done} of {sweep.trials} trials done"
    return trials if sweep.budget is None else f"{trials}, {_spent(sweep, study)}"


def _spent(sweep: SweepConfig, study: optuna.Study) -> str:
    return f"{spent_steps(study):,} of {sweep.budget:,} steps spent"


def _print(sweep: SweepConfig, study: optuna.Study, run_id: str, *, json_wanted: bool) -> None:
    if json_wanted:
        print(json.dumps(report.as_json(sweep, study, run_id), indent=1))
        return
    console = output_console()
    console.print(table(sweep, study))
    console.print(spread_sentence(spread(sweep, study)), highlight=False)
