"""The training of one run: one category, one seed."""

import resource
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from rdpp.data import load_test, load_train, scan, shuffled_batches
from rdpp.engine.device import resolve
from rdpp.engine.evaluate import evaluate
from rdpp.engine.events import (
    BatchFinished,
    EpochFinished,
    Evaluation,
    Event,
    Observer,
    Result,
    RunFinished,
    RunStarted,
)
from rdpp.engine.seeding import streams
from rdpp.engine.selection import is_chosen
from rdpp.engine.step import Stepper
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, load_teacher


def train(experiment: ExperimentConfig, category: str, seed: int, *, observers: Sequence[Observer] = ()) -> Result:
    """Train and evaluate one category with one seed.

    The result depends on the configuration, the images and the seed alone: on the CPU two runs agree to the
    last digit. Sets torch's number of threads to the configured one.

    Raises:
        ConfigError: data, weights or a device that cannot be used. Observers' own errors pass through.
    """
    return _Run(experiment, category, seed, observers).go()


def prepare(experiment: ExperimentConfig) -> ExperimentConfig:
    """Read everything a run will need, for every category, so that bad input is told before the first of many runs.

    Returns:
        The experiment, resolved.

    Raises:
        ConfigError: images or weights that cannot be used.
    """
    experiment = resolve(experiment)
    data = experiment.data
    load_teacher(experiment.teacher)
    for name in data.categories:
        category = scan(Path(data.root), name)
        load_train(category, data.size, Path(data.cache))
        load_test(category, data.size, Path(data.cache))
    return experiment


class _Run:
    def __init__(self, experiment: ExperimentConfig, category: str, seed: int, observers: Sequence[Observer]) -> None:
        self.experiment = resolve(experiment)
        self.seed, self.observers = seed, observers
        assert self.experiment.threads is not None
        torch.set_num_threads(self.experiment.threads)
        data = self.experiment.data
        self.category = scan(Path(data.root), category)
        self.train = load_train(self.category, data.size, Path(data.cache))
        self.test = load_test(self.category, data.size, Path(data.cache))
        self.device = torch.device(self.experiment.device)
        self.streams = streams(seed)
        self.teacher = load_teacher(self.experiment.teacher, seed).to(self.device)
        architecture = ARCHITECTURES[self.experiment.teacher.name]
        self.network = Network(architecture, projection=self.experiment.projection)
        self.network.initialise(self.streams.weights)
        self.network.to(self.device).train()
        self.epochs = self.experiment.training.epochs_of(category)
        self.batch = 0
        self.best: tuple[int, Evaluation] | None = None

    def go(self) -> Result:
        started = time.perf_counter()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        stepper = Stepper(self.experiment, self.teacher, self.network, self.streams)
        per_epoch = -(-len(self.train) // self.experiment.training.batch_size)
        self._tell(
            RunStarted(
                self.experiment,
                self.category,
                self.seed,
                self.epochs,
                per_epoch,
                self.teacher,
                self.train,
                self.test,
            )
        )
        for epoch in range(1, self.epochs + 1):
            seconds = self._train_epoch(stepper)
            self._tell(self._finish_epoch(epoch, seconds, per_epoch))
        assert self.best is not None
        chosen, evaluation = self.best
        result = Result(self.category.name, self.seed, chosen, evaluation, time.perf_counter() - started)
        self._tell(RunFinished(result))
        return result

    def _train_epoch(self, stepper: Stepper) -> float:
        started = time.perf_counter()
        batches = shuffled_batches(self.train, self.experiment.training.batch_size, self.streams.order)
        for position, batch in enumerate(batches):
            losses, norms = stepper.step(batch, inspect=position == 0)
            self.batch += 1
            self._tell(BatchFinished(self.batch, losses, norms))
        stepper.update()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - started

    def _finish_epoch(self, epoch: int, seconds: float, per_epoch: int) -> EpochFinished:
        config, final = self.experiment.evaluation, epoch == self.epochs
        evaluation, chosen = None, False
        if final or epoch % config.every == 0:
            evaluation = evaluate(
                self.teacher,
                self.network,
                self.test,
                batch_size=self.experiment.training.batch_size,
                sigma=config.sigma,
            )
            best = self.best[1].metrics if self.best else None
            chosen = is_chosen(config, evaluation.metrics, best, final=final)
            if chosen:
                self.best = epoch, evaluation
        return EpochFinished(
            epoch,
            self.batch,
            seconds / per_epoch,
            len(self.train) / seconds,
            _peak_memory_mb(self.device),
            evaluation,
            chosen,
            self.network,
        )

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
