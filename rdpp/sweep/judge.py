"""What follows from the runs that have ended: a trial goes on, is pruned, is complete or has failed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from rdpp.config import ConfigError
from rdpp.runs import MOST_IN_A_ROW, Node, Outcome, Tree, seed_spread, summary
from rdpp.sweep.attributes import FAILED, FAILURE, PASSED, RUN, STEPS, run_key, values_by_run
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.gates import is_reached
from rdpp.sweep.keeping import outranked
from rdpp.sweep.points import Points
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.way import Way, may_try, mean
from rdpp.tracking.conventions.tags import STATE


@dataclass(frozen=True)
class Judge:
    """Tells the results of a study's trials. Whoever calls it holds the study's lock.

    Everything may be done again, by another process too, until the trial is told in Optuna's storage.
    """

    sweep: SweepConfig
    points: Points
    tree: Tree
    node: Node
    """Of the study."""
    pruner_name: str
    ended: Callable[[int, int], None]
    """Is called with the number of a trial that has ended, and how many of its runs will not take place."""
    forget: Callable[[list[int]], None]
    """Is called with the numbers of trials whose checkpoints and pictures are not kept any longer."""

    def asks(
        self, way: Way, place: int, values: Mapping[int, float | None], batches: int = 0, *, may_end: bool = True
    ) -> bool:
        """Whether the pruner lets a trial through a gate; if not, the trial ends with its runs so far and `batches` of
        the one in work. Without `may_end` the pruner is told and not heard."""
        gate, pruner = way.gates[place], self.points.study.pruner
        so_far = {run: of for run, of in values.items() if run <= gate.run}
        known = any(of is not None for of in so_far.values())  # else every run so far has failed: nothing to judge by
        if known and self.points.gives_up(way.number, pruner, gate.step, mean(so_far)) and may_end:
            self._end(way, TrialState.PRUNED, batches=batches)
            return False
        self.points.put(way.number, PASSED, place + 1)
        return True

    def advance(self, way: Way) -> None:
        """Tell what follows from the runs that have ended. The study's lock is held."""
        trial = self.points.get(way.number)
        if trial.state != TrialState.RUNNING:
            return
        ended = way.ended(trial, self.sweep)
        failures = [
            stored for key, stored in trial.user_attrs.items() if key.startswith(FAILED) and not may_try(stored)
        ]
        known = [value for value in ended.values() if value is not None]
        if failures and (not self.sweep.allow_failed_runs or len(failures) == len(way.specs)):
            self._end(way, TrialState.FAIL, failure=failures[0])
        elif self._is_pruned(way, trial, ended):
            return
        elif len(ended) == len(way.specs):
            self._end(way, TrialState.COMPLETE, value=mean(ended))
        elif known:
            self.tree.log_metrics(way.node, {"running_mean/objective": mean(ended)}, step=len(ended) - 1)

    def _is_pruned(self, way: Way, trial: FrozenTrial, ended: Mapping[int, float | None]) -> bool:
        """Whether the trial does not pass a gate that it has reached; then it is told. One whose runs have all ended,
        the last one early, passes: nothing would be saved."""
        whole = len(ended) == len(way.specs)
        for place in range(trial.user_attrs.get(PASSED, 0), len(way.gates)):
            if not is_reached(way.gates[place], ended):
                break
            if not self.asks(way, place, ended, may_end=not whole):
                return True
        if not PRUNERS[self.pruner_name].compares_instances:
            return False
        gives_up = False
        for run, value in ended.items():
            if value is not None:
                gives_up = self.points.gives_up(way.number, self.points.study.pruner, run, value)
        if gives_up and not whole:
            self._end(way, TrialState.PRUNED)
            return True
        return False

    def _end(
        self,
        way: Way,
        state: TrialState,
        *,
        value: float | None = None,
        failure: Mapping[str, Any] | None = None,
        batches: int = 0,
    ) -> None:
        """Tell a trial's result: first to MLflow, then to Optuna, so that whoever finds it told finds all of it."""
        trial = self.points.get(way.number)
        stored = [of for key, of in trial.user_attrs.items() if key.startswith(RUN)]
        steps = sum(of["steps"] for of in stored) + batches
        self.points.put(way.number, STEPS, steps)
        if failure is not None:
            self.points.put(way.number, FAILURE, failure["reason"])
        metrics: dict[str, float] = {"steps": steps}
        if value is not None:
            metrics |= {**self._summary(way, trial), "objective": value}
            self.tree.log_metrics(way.node, {"running_mean/objective": value}, step=len(way.specs) - 1)
        name = {TrialState.FAIL: "failed"}.get(state, state.name.lower())
        self.tree.log_metrics(way.node, metrics)
        tags = {STATE: name, "runs": len(stored), **({"failure": failure["reason"]} if failure else {})}
        self.tree.set_tags(way.node, tags)
        self.tree.close(way.node)
        if (kept := self.sweep.kept_trials) is not None:
            self.forget(outranked(self.points.all(), kept, way.number, value))
        self.tree.share()
        self.points.tell(way.number, state, value)
        spent = spent_steps(self.points.all())
        self.tree.log_metrics(self.node, {"steps": spent}, step=way.number)
        self.ended(way.number, len(way.specs) - len(stored))
        if failure is not None:
            self._check_failures(failure["kind"])

    def _summary(self, way: Way, trial: FrozenTrial) -> dict[str, float]:
        """Of a complete trial's metrics, and how far the objective lies apart between seeds."""
        outcomes = [
            Outcome(
                spec=spec, run_id=None, epoch=of["epoch"], metrics=of["test"], deciding=of["metrics"], steps=of["steps"]
            )
            for spec in way.specs
            if (of := trial.user_attrs.get(RUN + run_key(spec))) is not None
        ]
        spread = seed_spread(values_by_run(trial, self.sweep.objective))
        held_out = self.sweep.experiment.evaluation.watched == "held_out"
        return {"spread/objective": spread, **summary(outcomes, held_out=held_out)}

    def _check_failures(self, kind: str) -> None:
        """ConfigError: the last trials all failed alike."""
        last = [t for t in self.points.all() if t.state.is_finished()][-MOST_IN_A_ROW:]
        kinds = [_failed_kinds(trial) for trial in last]
        if len(last) == MOST_IN_A_ROW and all(kind in found for found in kinds):
            raise ConfigError(
                f"the last {MOST_IN_A_ROW} trials of '{self.sweep.name}' failed ({last[-1].user_attrs[FAILURE]}); "
                "narrow the space, such as to smaller learning rates, and give the sweep another name"
            )


def spent_steps(trials: list[FrozenTrial]) -> int:
    """Training steps of the trials that have ended: complete, pruned or failed."""
    return sum(trial.user_attrs.get(STEPS, 0) for trial in trials if trial.state.is_finished())


def done_trials(trials: list[FrozenTrial]) -> int:
    """Trials that have a result: complete, pruned or failed."""
    return sum(trial.state.is_finished() for trial in trials)


def _failed_kinds(trial: FrozenTrial) -> set[str]:
    if trial.state != TrialState.FAIL:
        return set()
    return {stored["kind"] for key, stored in trial.user_attrs.items() if key.startswith(FAILED)}
