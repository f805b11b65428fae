"""Many runs under one parent: every category with every seed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rdpp.engine import Observer, Result, prepare, train
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.recorder import RunRecorder
from rdpp.tracking.writer import Writer

if TYPE_CHECKING:
    from rdpp.tracking.store import Store


@dataclass(frozen=True)
class Cell:
    """One run: a category with a seed."""

    category: str
    seed: int

    @property
    def name(self) -> str:
        """`bolt-seed111`."""
        return f"{self.category}-seed{self.seed}"


def cells(experiment: ExperimentConfig) -> list[Cell]:
    """Every category with every seed: all categories with the first seed, then with the next."""
    return [Cell(category, seed) for seed in experiment.seeds for category in experiment.data.categories]


def train_cell(
    writer: Writer,
    experiment: ExperimentConfig,
    cell: Cell,
    *,
    parent: Future[str] | str,
    tags: Mapping[str, object],
    observers: Sequence[Observer] = (),
) -> Result:
    """Train one cell as a child run of `parent`. When it returns the writer may still be writing."""
    recorder = RunRecorder(writer, cell.name, parent, {**tags, "level": "run"})
    try:
        result = train(experiment, cell.category, cell.seed, observers=[recorder, *observers])
    except BaseException as error:
        recorder.close(error)
        raise
    recorder.close(None)
    return result


def train_all(
    open_store: "Callable[[], Store]", experiment: ExperimentConfig, observers: Sequence[Observer] = ()
) -> list[Result]:
    """Plain training: a parent run with one child a cell; the parent gets the means.

    The store is opened when the first batch is done, so that no step waits for MLflow.
    """
    experiment = prepare(experiment)
    tags = {"level": "training", "variant": experiment.name, "teacher": experiment.teacher.name}
    child_tags = {"variant": experiment.name, "training": experiment.name}
    with Writer(open_store) as writer:
        parent = writer.submit(lambda store: store.start_run(experiment.name, tags=tags))
        try:
            results = [
                train_cell(writer, experiment, cell, parent=parent, tags=child_tags, observers=observers)
                for cell in cells(experiment)
            ]
        except BaseException as failure:
            error = failure
            writer.submit(lambda store: store.end_run(parent.result(), error), closing=True)
            raise
        writer.submit(lambda store: store.log_metrics(parent.result(), means(results)))
        writer.submit(lambda store: store.end_run(parent.result(), writer.error), closing=True)
    return results


def means(results: Iterable[Result]) -> dict[str, float]:
    """Every metric over all test images: `NAME/CATEGORY`, its mean over seeds, and `NAME`, the mean of these."""
    results = list(results)
    names = [name for name in results[0].evaluation.metrics if "/" not in name]
    values: dict[str, float] = {}
    for name in names:
        by_category: dict[str, list[float]] = {}
        for result in results:
            by_category.setdefault(result.category, []).append(result.evaluation.metrics[name])
        averages = {category: float(np.mean(v)) for category, v in by_category.items()}
        values[name] = float(np.mean(list(averages.values())))
        values |= {f"{name}/{category}": value for category, value in averages.items()}
    return values
