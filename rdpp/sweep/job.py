"""A study as a job: its trials' runs, and what follows from each run's end."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from rdpp.config import ConfigError, require
from rdpp.engine import EpochFinished, RunSpec
from rdpp.experiment import ExperimentConfig
from rdpp.runs import MOST_IN_A_ROW, Failure, Node, Outcome, Planned, RunObserver, Tree, means, run_lock
from rdpp.sweep.attributes import (
    FAILED,
    FAILURE,
    OPENED,
    PASSED,
    RUN,
    STEPS,
    failure_data,
    mean_of,
    outcome_data,
    run_key,
)
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.gates import is_reached
from rdpp.sweep.halving import GateObserver, Pruned
from rdpp.sweep.keeping import not_kept, outranked
from rdpp.sweep.points import Points
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.space import base_point
from rdpp.sweep.way import Way, may_try, mean, planned_evaluations

DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class Notices(Protocol):
    """Is told what happens to trials."""

    def begun(self, number: int) -> None:
        """A trial was drawn."""
        ...

    def ended(self, number: int, runs_left: int) -> None:
        """A trial has its result; so many of its runs will not take place."""
        ...

    def of_run(self, number: int) -> RunObserver:
        """An observer of a run of a trial."""
        ...


@dataclass
class StudyJob:
    """Implements `rdpp.runs.Job`. Any number of processes work at one study; see `Points` for who may tell what."""

    sweep: SweepConfig
    points: Points
    tree: Tree
    node: Node
    """Of the study."""
    pruner_name: str
    experiment: ExperimentConfig
    """The sweep's base, as this process runs it."""
    notices: Notices
    _ways: dict[int, Way] = field(default_factory=dict)

    def done(self) -> bool:
        """See `Job.done`."""
        trials = self.points.all()
        in_work = any(trial.state == TrialState.RUNNING for trial in trials)
        return not in_work and not self._wants_more(trials)

    def ready(self) -> Iterator[Planned]:
        """See `Job.ready`; the oldest trial first."""
        for trial in self.points.open():
            way = self._way(trial)
            places = way.open_runs(trial, self.sweep)
            if not places:
                with self.lock():
                    self._advance(way)
                places = way.open_runs(self.points.get(way.number), self.sweep)
            for place in places:
                yield self._plan(way, place)

    def wants(self, plan: Planned) -> bool:
        """See `Job.wants`."""
        way, place = plan.ticket
        trial = self.points.get(way.number)
        return trial.state == TrialState.RUNNING and place in way.open_runs(trial, self.sweep)

    def settle(self, plan: Planned, ended: Outcome | Failure) -> None:
        """See `Job.settle`. Of a trial that has ended meanwhile, nothing is kept."""
        way, _ = plan.ticket
        with self.lock():
            trial = self.points.get(way.number)
            if trial.state != TrialState.RUNNING:
                return
            self._keep(trial, plan.spec, ended)
            self._advance(way)

    def give_up(self, plan: Planned) -> None:
        """See `Job.give_up`: the trial was told already."""

    def open_more(self) -> bool:
        """See `Job.open_more`: draws the next trial."""
        with self.lock():
            half_drawn = len(self.points.open()) < sum(t.state == TrialState.RUNNING for t in self.points.all())
            if not half_drawn and not self._wants_more(self.points.all()):
                return False
            number = self.points.ask(base_point(self.sweep.space, self.sweep.experiment))
            self._way(self.points.get(number))
        self.notices.begun(number)
        return True

    def open_again(self) -> None:
        """Go on with the MLflow runs of trials that are in work."""
        with self.lock():
            for trial in self.points.open():
                self._open(trial)

    def close_open(self, error: BaseException) -> None:
        """Mark the MLflow runs of trials that are in work: nobody works at them now."""
        with self.lock():
            for trial in self.points.open():
                self.tree.close(self._node(trial.number), error)

    def abandon_left(self) -> None:
        """End the runs of trials that have ended, which a process left when it died."""
        for trial in self.points.all():
            if trial.state.is_finished():
                way = self._way(trial)
                for place in set(range(len(way.specs))) - way.ended(trial, self.sweep).keys():
                    training = way.specs[place].identity.training
                    with self.tree.work.lock_if_free(run_lock(training)) as free:
                        if free:
                            self.tree.abandon(training, Pruned())

    def forget_left(self) -> None:
        """Keep nothing of trials beyond the best, where `keep_runs` was changed since they ended."""
        if self.sweep.kept_trials is not None:
            self._forget(not_kept(self.points.all(), self.sweep.kept_trials))

    def lock(self) -> AbstractContextManager[None]:
        """The study's."""
        return self.tree.work.lock(f"study-{self.points.key}")

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
        return mean_of({"metrics": metrics}, self.sweep.objective)

    def _wants_more(self, trials: list[FrozenTrial]) -> bool:
        begun = sum(trial.state != TrialState.WAITING for trial in trials)
        if self.sweep.trials is not None and begun >= self.sweep.trials:
            return False
        return self.sweep.budget is None or spent_steps(trials) < self.sweep.budget

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.tree.forget(self._node(number))

    def _node(self, number: int) -> Node:
        return self.tree.node("trial", str(number), self.node)

    def _open(self, trial: FrozenTrial) -> None:
        tags = {
            "study": self.sweep.name,
            "trial": trial.number,
            "variant": self.sweep.experiment.name,
            "teacher": self.sweep.experiment.teacher.name,
        }
        name = f"trial-{trial.number:03d}"
        node = self.tree.open(name, level="trial", key=str(trial.number), parent=self.node, tags=tags)
        self.tree.log_params(node, trial.params)
        self.points.put(trial.number, OPENED, True)

    def _way(self, trial: FrozenTrial) -> Way:
        if trial.number not in self._ways:
            if OPENED not in trial.user_attrs and trial.state == TrialState.RUNNING:
                self._open(trial)
            pruner, node = PRUNERS[self.pruner_name], self._node(trial.number)
            specs = Way.specs_of(self.experiment, trial.params)
            gates = pruner.gates(self.sweep.halving, planned_evaluations(specs)) if pruner.gates else ()
            self._ways[trial.number] = Way(trial.number, node, specs, tuple(gates))
        return self._ways[trial.number]

    def _plan(self, way: Way, place: int) -> Planned:
        tags = {"study": self.sweep.name, "trial": way.number, "variant": self.sweep.experiment.name}
        tags["teacher"] = self.sweep.experiment.teacher.name
        observers: list[RunObserver] = [self.notices.of_run(way.number), self._watch(way)]
        if inner := way.inner_gates(place):
            observers.append(GateObserver(inner, self.value, self._pass_gate(way)))
        spec = way.specs[place]
        return Planned(spec=spec, parent=way.node, tags=tags, observers=tuple(observers), ticket=(way, place))

    def _watch(self, way: Way) -> RunObserver:
        """Ends a run whose trial has ended meanwhile."""

        def watch(event: Any) -> None:
            if isinstance(event, EpochFinished) and self.points.get(way.number).state != TrialState.RUNNING:
                raise Pruned(f"trial {way.number} has ended")

        return watch

    def _pass_gate(self, way: Way) -> Callable[[int, float, int], bool]:
        """For a gate within a run: the trial's value is the mean over the runs so far, this one's among them."""

        def pass_gate(place: int, value: float, batches: int) -> bool:
            with self.lock():
                trial = self.points.get(way.number)
                if trial.state != TrialState.RUNNING:
                    return False
                if trial.user_attrs.get(PASSED, 0) > place:  # before the run was interrupted
                    return True
                gate = way.gates[place]
                return self._asks(way, place, {**way.ended(trial, self.sweep), gate.run: value}, batches)

        return pass_gate

    def _asks(
        self, way: Way, place: int, values: Mapping[int, float | None], batches: int = 0, *, may_end: bool = True
    ) -> bool:
        """Whether the pruner lets a trial through a gate; if not, the trial ends with its runs so far and `batches` of
        the one in work. Without `may_end` the pruner is told and not heard."""
        gate, pruner = way.gates[place], self.points.study.pruner
        value = mean({run: of for run, of in values.items() if run <= gate.run})
        if self.points.gives_up(way.number, pruner, gate.step, value) and may_end:
            self._end(way, TrialState.PRUNED, batches=batches)
            return False
        self.points.put(way.number, PASSED, place + 1)
        return True

    def _keep(self, trial: FrozenTrial, spec: RunSpec, ended: Outcome | Failure) -> None:
        if isinstance(ended, Outcome):
            try:
                self.value(ended.deciding)
            except ConfigError as error:
                ended = Failure("input", str(error))
        key = run_key(spec)
        if isinstance(ended, Failure):
            tries = trial.user_attrs.get(FAILED + key, {"tries": 0})["tries"] + 1
            self.points.put(trial.number, FAILED + key, failure_data(ended, tries))
        else:
            self.points.put(trial.number, RUN + key, outcome_data(ended))

    def _advance(self, way: Way) -> None:
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
            self.tree.log_metrics(way.node, {"objective_running_mean": mean(ended)}, step=len(ended) - 1)

    def _is_pruned(self, way: Way, trial: FrozenTrial, ended: Mapping[int, float | None]) -> bool:
        """Whether the trial does not pass a gate that it has reached; then it is told. One whose runs have all ended,
        the last one early, passes: nothing would be saved."""
        whole = len(ended) == len(way.specs)
        for place in range(trial.user_attrs.get(PASSED, 0), len(way.gates)):
            if not is_reached(way.gates[place], ended):
                break
            if not self._asks(way, place, ended, may_end=not whole):
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
            metrics |= {**self._means(way, trial), "objective": value, "objective_running_mean": value}
        name = {TrialState.FAIL: "failed"}.get(state, state.name.lower())
        self.tree.log_metrics(way.node, metrics)
        tags = {"state": name, "runs": len(stored), **({"failure": failure["reason"]} if failure else {})}
        self.tree.set_tags(way.node, tags)
        self.tree.close(way.node)
        if (kept := self.sweep.kept_trials) is not None:
            self._forget(outranked(self.points.all(), kept, way.number, value))
        self.points.tell(way.number, state, value)
        spent = spent_steps(self.points.all())
        self.tree.log_metrics(self.node, {"steps": spent}, step=way.number)
        self.notices.ended(way.number, len(way.specs) - len(stored))
        if failure is not None:
            self._check_failures(failure["kind"])

    def _means(self, way: Way, trial: FrozenTrial) -> dict[str, float]:
        """Of the metrics on the test images."""
        outcomes = [
            Outcome(
                spec=spec, run_id=None, epoch=of["epoch"], metrics=of["test"], deciding=of["metrics"], steps=of["steps"]
            )
            for spec in way.specs
            if (of := trial.user_attrs.get(RUN + run_key(spec))) is not None
        ]
        return means(outcomes)

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
    """Training steps of the trials that are complete or pruned."""
    return sum(trial.user_attrs.get(STEPS, 0) for trial in trials if trial.state in DONE)


def done_trials(trials: list[FrozenTrial]) -> int:
    """Trials that have a result: complete, pruned or failed."""
    return sum(trial.state.is_finished() for trial in trials)


def _failed_kinds(trial: FrozenTrial) -> set[str]:
    if trial.state != TrialState.FAIL:
        return set()
    return {stored["kind"] for key, stored in trial.user_attrs.items() if key.startswith(FAILED)}
