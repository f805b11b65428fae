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
from rdpp.runs import Failure, Node, Outcome, Planned, RunObserver, Tree
from rdpp.sweep.attributes import (
    FAILED,
    OPENED,
    PASSED,
    RUN,
    failure_data,
    mean_of,
    outcome_data,
    run_key,
)
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.halving import GateObserver, Pruned
from rdpp.sweep.judge import Judge, spent_steps
from rdpp.sweep.keeping import not_kept
from rdpp.sweep.points import Points, count_begun
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.space import base_point
from rdpp.sweep.way import Way, planned_evaluations
from rdpp.tracking.ui.labels import COLOUR, colour, trial_name


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

    def __post_init__(self) -> None:
        self._judge = Judge(
            self.sweep, self.points, self.tree, self.node, self.pruner_name, self.notices.ended, self._forget
        )

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
                    self._judge.advance(way)
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
            self._judge.advance(way)

    def give_up(self, plan: Planned) -> None:
        """See `Job.give_up`: the trial was told already."""

    def open_more(self) -> bool:
        """See `Job.open_more`: draws the next trial."""
        with self.lock():
            if not self._wants_more(self.points.all()):
                return False
            number = self.points.ask(base_point(self.sweep.space, self.sweep.experiment))
            self._way(self.points.get(number))
        self.notices.begun(number)
        return True

    def open_again(self) -> None:
        """Go on with the MLflow runs of trials that are in work."""
        kept = self.sweep.kept_trials
        with self.lock():
            self.points.note_kept(max(self.points.most_kept(), math.inf if kept is None else kept))
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
                    with self.tree.hold(training) as hold:
                        if hold is not None:
                            self.tree.abandon(training, Pruned())

    def forget_left(self) -> None:
        """Keep nothing of trials beyond the best, where `keep_runs` was changed since they ended: else that is so."""
        kept = self.sweep.kept_trials
        if kept is not None and kept < self.points.most_kept():
            self._forget(not_kept(self.points.all(), kept))
            self.points.note_kept(kept)

    def lock(self) -> AbstractContextManager[None]:
        """The study's."""
        return self.tree.locks.lock(f"study-{self.points.key}")

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
        if self.sweep.trials is not None and count_begun(trials) >= self.sweep.trials:
            return False
        return self.sweep.budget is None or spent_steps(trials) < self.sweep.budget

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.tree.forget(self._node(number))

    def _node(self, number: int) -> Node:
        return self.tree.node("trial", str(number), self.node)

    def _tags(self, number: int) -> dict[str, object]:
        """Of a trial's MLflow run, and of the runs below it."""
        experiment = self.sweep.experiment
        return {
            "study": self.sweep.name,
            "trial": number,
            "variant": experiment.name,
            "teacher": experiment.teacher.name,
            COLOUR: colour(number),
        }

    def _open(self, trial: FrozenTrial) -> None:
        tags = self._tags(trial.number)
        name = trial_name(trial.number)
        node = self.tree.open(name, level="trial", key=str(trial.number), parent=self.node, tags=tags)
        self.tree.log_params(node, trial.params)
        self.tree.log_metrics(node, {"trial": trial.number})  # an axis of the UI's charts
        self.tree.share()  # who finds the trial opened finds its run in the store
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
        observers: list[RunObserver] = [self.notices.of_run(way.number), self._watch(way)]
        if inner := way.inner_gates(place):
            observers.append(GateObserver(inner, self.value, self._pass_gate(way)))
        spec = way.specs[place]
        return Planned(
            spec=spec,
            parent=way.node,
            tags=self._tags(way.number),
            observers=tuple(observers),
            ticket=(way, place),
        )

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
                return self._judge.asks(way, place, {**way.ended(trial, self.sweep), gate.run: value}, batches)

        return pass_gate

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
