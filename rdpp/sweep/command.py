"""`rdpp sweep`: open the study, work at it alone or with several workers, print what it comes to."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from rdpp.config import require
from rdpp.display.console import ConsoleObserver, output_console, with_unit
from rdpp.display.screen import Screen, Terminal
from rdpp.engine import Event, RunStarted
from rdpp.runs import Node, RunFailed, RunObserver, TakenOver, work
from rdpp.stopping import Stop
from rdpp.sweep.after import Best, best_of
from rdpp.sweep.attributes import FAILURE
from rdpp.sweep.config import SweepConfig, describe, runs_a_trial
from rdpp.sweep.findings import Findings, findings
from rdpp.sweep.job import StudyJob
from rdpp.sweep.judge import done_trials, spent_steps
from rdpp.sweep.points import Points
from rdpp.sweep.report import as_json, table
from rdpp.sweep.study import (
    chosen_pruner,
    open_study,
    open_study_node,
    prepare_study,
    remaining_trials,
    run_study,
)
from rdpp.tracking.tree import MlflowTree
from rdpp.workers import Member, Team, WorkOptions


@dataclass(frozen=True)
class Ended:
    """A study that has come to its number of trials."""

    sweep: SweepConfig
    study: optuna.Study
    run_id: str | None
    """Of its MLflow run; None where MLflow is away."""
    best: Best | None
    findings: Findings

    def show_trials(self) -> None:
        """Print its trials and what they say on standard output."""
        output_console().print(table(self.sweep, self.study))
        _print_lines(self.findings.sentences)

    def show_best(self, tracking_uri: str | None) -> None:
        """Print its best trial and commands on standard output; `tracking_uri`: see `Best.lines`."""
        _print_lines(self.best.lines(tracking_uri) if self.best else [])

    def data(self) -> dict[str, Any]:
        """The same for a program."""
        return as_json(self.sweep, self.study, self.findings, self.run_id, self.best)


def _print_lines(lines: Sequence[str]) -> None:
    console = output_console()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def run_sweep(sweep: SweepConfig, options: WorkOptions, stop: Stop) -> Ended:
    """Run a study to its number of trials.

    Args:
        sweep: its definition.
        options: stores, workers and the like.
        stop: whether the process was asked to stop.

    Raises:
        ConfigError: what a user can mend.
        Stopped: the process was asked to stop; the same command goes on.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with options.team(sweep.experiment) as team, options.tree() as tree:
        points = open_study(sweep, options.storage, tree.locks)
        left = None if sweep.trials is None else remaining_trials(sweep, points)
        with Terminal(left and left * runs_a_trial(sweep.experiment)) as screen:
            console = ConsoleObserver(screen)
            pruner, reason = chosen_pruner(sweep, points.study)
            runs = runs_a_trial(sweep.experiment)
            per_trial = f"{runs} {'run' if runs == 1 else 'runs'} a trial"
            screen.line(f"study {sweep.name}: {_progress(sweep, points)}; {per_trial}; pruner {pruner}: {reason}")
            screen.line(f"objective: {_objective(sweep)}")
            prepare_study(sweep, [console], screen.line)
            job = _job(sweep, points, tree, open_study_node(sweep, points, tree), team.members[0], console)
            run_study(job, lambda: _work(job, team, console, screen, options, stop))
            TrialDisplay(points, sweep, console).show_best()  # several workers may each have known another
        run_id, best = tree.known_run_id(job.node), best_of(points.study, job.node, tree)
    return Ended(sweep, points.study, run_id, best, findings(sweep, points.study))


def _work(
    job: StudyJob, team: Team, console: ConsoleObserver, screen: Terminal, options: WorkOptions, stop: Stop
) -> None:
    """Alone, or with several workers."""
    if team.alone:
        work(job, job.tree, [console], options.conduct(stop, screen))
    else:
        team.run(work_at_study, (job.sweep, job.node, options), job.tree, screen, stop)


def work_at_study(
    member: Member, screen: Screen, stop: Stop, sweep: SweepConfig, node: Node, options: WorkOptions
) -> None:
    """What a worker does in its own process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with options.tree(must_be_there=False, tell=screen.line) as tree:
        points = open_study(sweep, options.storage, tree.locks, must_be_there=False)
        console = ConsoleObserver(screen)
        work(_job(sweep, points, tree, node, member, console), tree, [console], options.conduct(stop, screen))


def _job(
    sweep: SweepConfig, points: Points, tree: MlflowTree, node: Node, member: Member, console: ConsoleObserver
) -> StudyJob:
    return StudyJob(
        sweep=sweep,
        points=points,
        tree=tree,
        node=node,
        pruner_name=points.study.user_attrs["pruner"],
        experiment=member.fit(sweep.experiment),
        notices=TrialDisplay(points, sweep, console),
    )


def load_sweep(
    file: Path, changes: Mapping[str, Any], trials: int | None = None, confirm: int | None = None
) -> SweepConfig:
    """The sweep of a file with overrides; `trials`, of the whole study, and `confirm` instead of the file's."""
    sweep = SweepConfig.from_yaml(file, changes)
    require(trials is None or trials >= 1, f"--trials must be at least 1, got {trials}")
    wanted = {"trials": trials, "confirm": confirm}
    return dataclasses.replace(sweep, **{name: value for name, value in wanted.items() if value is not None})


class TrialDisplay:
    """Tells the console which trial runs and what the best one is."""

    def __init__(self, points: Points, sweep: SweepConfig, console: ConsoleObserver) -> None:
        self.points, self.sweep, self.console = points, sweep, console

    def begun(self, number: int) -> None:
        """See `Notices.begun`."""
        self.show_best()
        self.console.line(f"trial {number}: {describe(self.points.get(number).params)}")

    def ended(self, number: int, runs_left: int) -> None:
        """See `Notices.ended`."""
        if runs_left:
            of = runs_a_trial(self.sweep.experiment)
            ended = "failed" if FAILURE in self.points.get(number).user_attrs else "pruned"
            self.console.line(f"trial {number} {ended} after {of - runs_left} of {of} runs")
            self.console.skip(runs_left)
        self.show_best()
        value = self.points.get(number).value
        if not runs_left and value is not None:
            self.console.line(f"trial {number}: objective {with_unit(value)}, {self.console.best}")

    def of_run(self, number: int) -> RunObserver:
        """See `Notices.of_run`."""

        def name(event: Event | TakenOver | RunFailed) -> None:
            if isinstance(event, RunStarted | TakenOver | RunFailed):
                self.console.prefix = f"trial {number} "

        return name

    def show_best(self) -> None:
        """What the storage has as the best trial now."""
        self.console.show_best(self._best())

    def _best(self) -> str:
        spent = _spent(self.sweep, self.points) if self.sweep.budget is not None else ""
        if (trial := self.points.best()) is None or trial.value is None:
            return spent
        best = f"best so far: trial {trial.number} with {with_unit(trial.value)}"
        return f"{spent}, {best}" if spent else best


def _objective(sweep: SweepConfig) -> str:
    """In words. A run's line shows the test images: without a word, it seems to contradict the objective."""
    of = f"mean of {' and '.join(sweep.objective)}"
    held_out = sweep.experiment.evaluation.watched == "held_out"
    return (
        f"{of} on the held-out images; lines of runs show the test images" if held_out else f"{of} on the test images"
    )


def _progress(sweep: SweepConfig, points: Points) -> str:
    done = done_trials(points.all())
    trials = f"{done} trials done" if sweep.trials is None else f"{done} of {sweep.trials} trials done"
    return trials if sweep.budget is None else f"{trials}, {_spent(sweep, points)}"


def _spent(sweep: SweepConfig, points: Points) -> str:
    return f"{spent_steps(points.all()):,} of {sweep.budget:,} steps spent"
