"""The training of one run: one category, one seed."""

import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from rdpp.config import ConfigError
from rdpp.data import Split, held_out_rows, hold_out, load_test, load_train, scan, shuffled
from rdpp.engine.device import keep_freed_memory, place, resolve
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
from rdpp.engine.feed import Feed
from rdpp.engine.inspection import TermInspection
from rdpp.engine.kept import KeptNetworks
from rdpp.engine.seeding import streams
from rdpp.engine.selection import is_chosen
from rdpp.engine.step import Stepper
from rdpp.engine.teacher_features import teacher_features
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
    """Read what a run will need, for every category, so that bad input is told before the first of many runs.

    Where held-out images are watched, the test images need not be there yet; those that are there are listed.

    Returns:
        The experiment, resolved.

    Raises:
        ConfigError: images or weights that cannot be used.
    """
    experiment = resolve(experiment)
    data = experiment.data
    load_teacher(experiment.teacher)
    for name in data.categories:
        later = experiment.evaluation.watched == "held_out" and not (Path(data.root) / name / "test").is_dir()
        category = scan(Path(data.root), name, test=not later)
        train_split = load_train(category, data.size, Path(data.cache))
        if experiment.evaluation.held_out_share > 0:
            held_out_rows(train_split, experiment.evaluation.held_out_share)
        if experiment.evaluation.watched == "test":
            load_test(category, data.size, Path(data.cache))
    return experiment


class _Run:
    def __init__(self, experiment: ExperimentConfig, category: str, seed: int, observers: Sequence[Observer]) -> None:
        self.experiment = resolve(experiment)
        self.seed, self.observers = seed, observers
        assert self.experiment.threads is not None
        torch.set_num_threads(self.experiment.threads)
        keep_freed_memory()
        self._load_data(category)
        self.device = torch.device(self.experiment.device)
        self.streams = streams(seed)
        self.teacher = place(load_teacher(self.experiment.teacher, seed), self.device)
        architecture = ARCHITECTURES[self.experiment.teacher.name]
        self.network = Network(architecture, projection=self.experiment.projection)
        self.network.initialise(self.streams.weights)
        place(self.network, self.device).train()
        splits = (self.train, self.watched)
        budget, batch_size = self.experiment.feature_cache_gb, self.experiment.training.batch_size
        features = teacher_features(self.teacher, splits, budget, batch_size)
        self.feed, self.watched_feed = (Feed(s, self.device, f) for s, f in zip(splits, features, strict=True))
        self.epochs = self.experiment.training.epochs_of(category)
        self.steps_per_epoch = -(-len(self.train) // self.experiment.training.batch_size)
        self.batch = 0
        self.best: tuple[int, Evaluation] | None = None
        self.dead: set[str] | None = None

    def _load_data(self, category: str) -> None:
        """The training images and those that epochs are watched on; the test images only where they are these."""
        data, share = self.experiment.data, self.experiment.evaluation.held_out_share
        self.watches: Literal["test", "held_out"] = self.experiment.evaluation.watched
        self.category = scan(Path(data.root), category, test=self.watches == "test")
        self.train, self.held_out = load_train(self.category, data.size, Path(data.cache)), None
        if share > 0:
            self.train, self.held_out = hold_out(self.train, share)
        held_out = self.held_out if self.watches == "held_out" else None
        self.watched = held_out or load_test(self.category, data.size, Path(data.cache))

    def go(self) -> Result:
        started = time.perf_counter()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        stepper = Stepper(self.experiment, self.teacher, self.network, self.streams)
        self._tell(
            RunStarted(
                self.experiment,
                self.category,
                self.seed,
                self.epochs,
                self.steps_per_epoch,
                self.teacher,
                self.train,
                self.held_out,
                self.watches,
            )
        )
        with KeptNetworks() as kept:
            for epoch in range(1, self.epochs + 1):
                seconds = self._train_epoch(stepper)
                self._tell(self._finish_epoch(epoch, seconds, kept))
            result = self._conclude(kept, started)
        self._tell(RunFinished(result))
        return result

    def _train_epoch(self, stepper: Stepper) -> float:
        started = time.perf_counter()
        order = shuffled(len(self.train), self.experiment.training.batch_size, self.streams.order)
        for position, batch in enumerate(self.feed.batches(order)):
            losses, inspections = stepper.step(batch, inspect=position == 0)
            self.batch += 1
            self._tell(BatchFinished(self.batch, losses, inspections))
            if inspections is not None:
                self._note_dead(inspections)
        stepper.update()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - started

    def _note_dead(self, inspections: Mapping[str, TermInspection]) -> None:
        dead = {name for name, inspection in inspections.items() if inspection.dead}
        self.dead = dead if self.dead is None else self.dead & dead
        if self.experiment.strict and self.dead:
            names = ", ".join(f"losses.{name}" for name in sorted(self.dead))
            raise ConfigError(
                f"no gradient beyond rounding: {names} (strict); change the term, set it to null, or strict: false"
            )

    def _finish_epoch(self, epoch: int, seconds: float, kept: KeptNetworks) -> EpochFinished:
        config, final = self.experiment.evaluation, epoch == self.epochs
        evaluation, chosen = None, False
        if final or epoch % config.every == 0:
            evaluation = self._evaluate(self.watched_feed)
            best = self.best[1].metrics if self.best else None
            chosen = is_chosen(config, evaluation.metrics, best, final=final)
            if chosen:
                self.best = epoch, evaluation
            if config.audit or (chosen and self.watches == "held_out"):
                kept.keep(epoch, self.network, alone=not config.audit)
        return EpochFinished(
            epoch,
            self.batch,
            seconds / self.steps_per_epoch,
            len(self.train) / seconds,
            _peak_memory_mb(self.device),
            evaluation,
            chosen,
            self.network,
        )

    def _conclude(self, kept: KeptNetworks, started: float) -> Result:
        """The choice is made; now, where held-out images were watched, the test images are looked at."""
        assert self.best is not None
        epoch, evaluation = self.best
        held_out = None
        if self.watches == "held_out":
            held_out, test = evaluation, Feed(self._load_test(), self.device)
            kept.restore(epoch, self.network)
            evaluation = self._evaluate(test)
        else:
            test = self.watched_feed
        audit = {}
        if self.experiment.evaluation.audit:
            for other in kept.epochs:
                kept.restore(other, self.network)
                audit[other] = self._evaluate(test).metrics
        seconds = time.perf_counter() - started
        dead = tuple(sorted(self.dead or ()))
        return Result(self.category.name, self.seed, epoch, evaluation, held_out, audit, dead, seconds)

    def _load_test(self) -> Split:
        data = self.experiment.data
        return load_test(scan(Path(data.root), self.category.name), data.size, Path(data.cache))

    def _evaluate(self, feed: Feed) -> Evaluation:
        return evaluate(
            self.teacher,
            self.network,
            feed,
            batch_size=self.experiment.training.batch_size,
            sigma=self.experiment.evaluation.sigma,
        )

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
