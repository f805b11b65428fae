"""One way to run many: a list of specs under their parents, each trained, evaluated anew or taken over."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from rdpp.config import ConfigError
from rdpp.engine import Event, Result, RunSpec, evaluate_again, train
from rdpp.runs.tree import Finished, Node, Recorder, Tree


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run and its place in the tree."""

    spec: RunSpec
    parent: Node
    tags: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """An event beside the engine's: a run was found finished and is not trained."""

    spec: RunSpec
    finished: Finished
    evaluations: Callable[[], Sequence[tuple[int, Mapping[str, float]]]]
    """Reads epoch and metrics on the watched images of every epoch that was evaluated."""


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


RunObserver = Callable[[Event | TakenOver], None]
"""An observer that is told of runs taken over too."""


def run_all(
    planned: Iterable[Planned], tree: Tree, observers: Sequence[RunObserver] = (), *, again: bool = False
) -> Iterator[Outcome]:
    """Train what is not finished yet, one run after the other.

    A run that the tree holds finished is taken over. If only its test files have changed since, its checkpoint is
    evaluated on those of now, as a run of its own; without a checkpoint of the chosen epoch, or for an audit, it is
    trained.

    Args:
        planned: the runs, in order.
        tree: where they are kept and found.
        observers: are told what happens.
        again: train finished ones anew.

    Yields:
        What each run came to.
    """
    for plan in planned:
        finished = None if again else tree.find(plan.spec)
        if finished is None:
            yield Outcome.of_result(_train(plan, tree, observers))
        elif finished.same_test_files:
            _check_strict(plan.spec, finished)
            tree.take_over(finished, plan.parent, plan.tags)
            event = TakenOver(spec=plan.spec, finished=finished, evaluations=partial(tree.evaluations, finished))
            for observer in observers:
                observer(event)
            yield Outcome.of_finished(plan.spec, finished)
        else:
            yield Outcome.of_result(_evaluate_or_train(plan, finished, tree, observers))


def _check_strict(spec: RunSpec, finished: Finished) -> None:
    if spec.experiment.strict and finished.dead_terms:
        names = ", ".join(f"losses.{name}" for name in finished.dead_terms)
        raise ConfigError(
            f"no gradient beyond rounding in the finished run {finished.run_id}: {names} (strict); change the term, "
            "set it to null, or strict: false"
        )


def _train(plan: Planned, tree: Tree, observers: Sequence[RunObserver]) -> Result:
    with _recorded(tree, plan, plan.tags) as recorder:
        return train(plan.spec, observers=[recorder, *observers])


def _evaluate_or_train(plan: Planned, finished: Finished, tree: Tree, observers: Sequence[RunObserver]) -> Result:
    with tree.checkpoint(finished) as folder:
        if folder is None or plan.spec.experiment.evaluation.audit:  # an audit needs every epoch's network
            return _train(plan, tree, observers)
        with _recorded(tree, plan, {**plan.tags, "evaluation_of": finished.run_id}) as recorder:
            return evaluate_again(
                plan.spec,
                folder,
                dead_terms=finished.dead_terms,
                epochs=finished.epochs,
                steps=finished.steps,
                observers=[recorder, *observers],
            )


@contextmanager
def _recorded(tree: Tree, plan: Planned, tags: Mapping[str, object]) -> Iterator[Recorder]:
    """A recorder of the run that is closed however the block ends."""
    recorder = tree.record(plan.spec, plan.parent, tags)
    try:
        yield recorder
    except BaseException as error:
        recorder.close(error)
        raise
    recorder.close(None)


def means(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Every metric over all test images: `NAME/category/CATEGORY` is its mean over seeds, `NAME` the mean of these."""
    outcomes = list(outcomes)
    names = [name for name in outcomes[0].metrics if "/" not in name]
    values: dict[str, float] = {}
    for name in names:
        by_category: dict[str, list[float]] = {}
        for outcome in outcomes:
            by_category.setdefault(outcome.spec.category.name, []).append(outcome.metrics.get(name, float("nan")))
        averages = {category: float(np.mean(v)) for category, v in by_category.items()}
        values[name] = float(np.mean(list(averages.values())))
        values |= {f"{name}/category/{category}": value for category, value in averages.items()}
    return values
