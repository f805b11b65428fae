"""Many runs under one parent: every category with every seed."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpp.engine import CheckpointWriter, Observer, Result, prepare, train
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.observer import RunObserver, log_checkpoint
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
    store: Store,
    experiment: ExperimentConfig,
    cell: Cell,
    *,
    parent: str,
    tags: Mapping[str, object],
    observers: Sequence[Observer] = (),
) -> Result:
    """Train one cell as a child run of `parent`."""
    with store.run(cell.name, parent=parent, tags={**tags, "level": "run"}) as run_id:
        observer = RunObserver(store, run_id)
        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
            try:
                result = train(
                    experiment,
                    cell.category,
                    cell.seed,
                    observers=[CheckpointWriter(Path(scratch)), observer, *observers],
                )
            finally:
                observer.close()
                log_checkpoint(store, run_id, Path(scratch))
    return result


def train_all(store: Store, experiment: ExperimentConfig, observers: Sequence[Observer] = ()) -> list[Result]:
    """Plain training: a parent run with one child a cell; the parent gets the means."""
    experiment = prepare(experiment)
    tags = {"level": "training", "variant": experiment.name, "teacher": experiment.teacher.name}
    with store.run(experiment.name, tags=tags) as parent:
        child_tags = {"variant": experiment.name, "training": experiment.name}
        results = list(_each(store, experiment, parent, child_tags, observers))
        store.log_metrics(parent, means(results))
    return results


def _each(
    store: Store,
    experiment: ExperimentConfig,
    parent: str,
    tags: Mapping[str, object],
    observers: Sequence[Observer],
) -> Iterator[Result]:
    for cell in cells(experiment):
        yield train_cell(store, experiment, cell, parent=parent, tags=tags, observers=observers)


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
