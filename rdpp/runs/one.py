"""One run: trained, gone on with, evaluated anew or taken over."""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rdpp.config import ConfigError
from rdpp.engine import Event, GivenUp, Result, RunSpec, evaluate_again, remove_state, saved_state, train
from rdpp.folders import write_whole
from rdpp.interval import Interval
from rdpp.runs.failures import DiedAgain, EndsWork, Failure, goes_on
from rdpp.runs.locks import Hold, HoldLost
from rdpp.runs.saving import StateSaver, resumption
from rdpp.runs.tree import Finished, Node, Recorder, Tree
from rdpp.stopping import Stop

STATE = "state"
"""Of a run's folder: where its state is."""
_TRIES = "tries.json"
_MOST_TRIES = 10
"""Times that a run may begin at one place without coming further."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run and its place in the tree."""

    spec: RunSpec
    parent: Node
    tags: Mapping[str, object]
    observers: tuple["RunObserver", ...] = ()
    """Of this run alone."""
    ticket: Any = None
    """By which its job knows it."""


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """An event beside the engine's: a run was found finished and is not trained."""

    spec: RunSpec
    finished: Finished
    evaluations: Callable[[], Sequence[tuple[int, Mapping[str, float]]]]
    """Reads epoch and metrics on the watched images of every epoch that was evaluated."""


@dataclass(frozen=True, kw_only=True)
class RunFailed:
    """An event beside the engine's: a run failed, and others go on."""

    spec: RunSpec
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to, trained now or earlier."""

    spec: RunSpec
    run_id: str | None
    """Of the finished run that was taken over; None where it was trained or evaluated now."""
    epoch: int
    metrics: Mapping[str, float]
    """On the test images."""
    deciding: Mapping[str, float]
    """On the images that choices may look at."""
    steps: int
    """Of training, now or earlier."""

    @classmethod
    def of_result(cls, result: Result) -> "Outcome":
        """Of a run that this process trained or evaluated."""
        return cls(
            spec=result.spec,
            run_id=None,
            epoch=result.epoch,
            metrics=result.evaluation.metrics,
            deciding=result.deciding.metrics,
            steps=result.steps,
        )

    @classmethod
    def of_finished(cls, spec: RunSpec, finished: Finished) -> "Outcome":
        """Of a run that was taken over."""
        return cls(
            spec=spec,
            run_id=finished.run_id,
            epoch=finished.epoch,
            metrics=finished.metrics,
            deciding=finished.deciding,
            steps=finished.steps,
        )


RunObserver = Callable[[Event | TakenOver | RunFailed], None]
"""An observer that is told of runs taken over, and of failed ones, too."""


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How runs are worked at."""

    stop: Stop = field(default_factory=Stop)
    since: float = 0.0
    """Runs that finished before this time (time.time()) are trained anew."""
    changed_code: bool = False
    """Whether a run that was stopped goes on though the deciding code has changed since."""
    tell: Callable[[str], None] = print
    """Is called with lines for a person."""


def run_one(
    plan: Planned, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct, hold: Hold
) -> Outcome | Failure:
    """Settle a run that the caller holds.

    A run that the tree holds finished is taken over. If only its test files have changed since, its checkpoint is
    evaluated on those of now, as a run of its own; without a checkpoint of the chosen epoch, or for an audit, it is
    trained. A run that was interrupted goes on from its last state.

    Returns:
        What it came to, or how it failed.

    Raises:
        GivenUp: an observer ended it.
        HoldLost: another machine has it now.
        Stopped: the process was asked to stop.
    """
    everyone = (*plan.observers, *observers)
    try:
        finished = tree.find(plan.spec, conduct.since)
        if finished is None:
            return Outcome.of_result(_train(plan, tree, everyone, conduct, hold))
        if finished.same_test_files:
            return _take_over(plan, finished, tree, everyone)
        return Outcome.of_result(_evaluate_or_train(plan, finished, tree, everyone, conduct, hold))
    except (GivenUp, HoldLost, EndsWork):
        raise
    except Exception as error:
        failure = Failure.of(error)
        if failure is None:
            raise
        if failure.kind == "error":
            conduct.tell("".join(traceback.format_exception(error)).rstrip())
        return _failed(plan, failure, everyone)


def _failed(plan: Planned, failure: Failure, observers: Sequence[RunObserver]) -> Failure:
    for observer in observers:
        observer(RunFailed(spec=plan.spec, failure=failure))
    return failure


def _take_over(plan: Planned, finished: Finished, tree: Tree, observers: Sequence[RunObserver]) -> Outcome:
    _check_strict(plan.spec, finished)
    tree.take_over(finished, plan.parent, plan.tags)
    event = TakenOver(spec=plan.spec, finished=finished, evaluations=partial(tree.evaluations, finished))
    for observer in observers:
        observer(event)
    return Outcome.of_finished(plan.spec, finished)


def _check_strict(spec: RunSpec, finished: Finished) -> None:
    if spec.experiment.strict and finished.dead_terms:
        names = ", ".join(f"losses.{name}" for name in finished.dead_terms)
        raise ConfigError(
            f"no gradient beyond rounding in the finished run {finished.run_id}: {names} (strict); change the term, "
            "set it to null, or strict: false"
        )


def _train(plan: Planned, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct, hold: Hold) -> Result:
    folder = tree.work.of(plan.spec.identity.training)
    if plan.spec.experiment.state == "tracking":
        tree.fetch_state(plan.spec, folder / STATE)
    resume, tags = resumption(folder / STATE, plan.spec, changed_code=conduct.changed_code, tell=conduct.tell)
    every = Interval.parse(plan.spec.experiment.checkpoint_every, "checkpoint_every")
    with _recorded(tree, plan, {**plan.tags, **tags}, hold) as recorder:
        saver = StateSaver(folder / STATE, every, conduct.stop, hold, recorder.state_saved)
        _count_try(folder, resume)
        with conduct.stop.after_batch():
            return train(plan.spec, observers=[recorder, *observers], resume=resume, after_batch=saver)


def _count_try(folder: Path, resume: Path | None) -> None:
    """Note where the run begins, so that one that kills its process every time ends."""
    saved = saved_state(resume, whole=False) if resume else None  # `resumption` has read all of it
    batch = saved.batch if saved else 0
    path = folder / _TRIES
    known = json.loads(path.read_text()) if path.is_file() else {}
    times = known["times"] + 1 if known.get("batch") == batch else 1
    if times > _MOST_TRIES:
        path.unlink()
        raise DiedAgain(
            f"its process died {_MOST_TRIES} times after batch {batch}; the system may have too little memory for it, "
            "or a library may be broken"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"batch": batch, "times": times}))


def _evaluate_or_train(
    plan: Planned, finished: Finished, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct, hold: Hold
) -> Result:
    with tree.checkpoint(finished) as folder:
        if folder is None or plan.spec.experiment.evaluation.audit:  # an audit needs every epoch's network
            return _train(plan, tree, observers, conduct, hold)
        tags = {**plan.tags, "evaluation_of": finished.run_id}
        with _recorded(tree, plan, tags, hold) as recorder:
            return evaluate_again(
                plan.spec,
                folder,
                dead_terms=finished.dead_terms,
                epochs=finished.epochs,
                steps=finished.steps,
                observers=[recorder, *observers],
            )


@contextmanager
def _recorded(tree: Tree, plan: Planned, tags: Mapping[str, object], hold: Hold) -> Iterator[Recorder]:
    """A recorder of the run that is closed however the block ends. The state stays where the run can go on."""
    folder = tree.work.of(plan.spec.identity.training)
    recorder = tree.record(plan.spec, plan.parent, tags)
    try:
        yield recorder
        hold.check()
    except BaseException as error:
        if not goes_on(error):
            remove_state(folder / STATE)
        (folder / _TRIES).unlink(missing_ok=True)
        recorder.close(error)
        raise
    remove_state(folder / STATE)
    recorder.close(None)
