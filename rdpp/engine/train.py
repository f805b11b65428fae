"""The training of one run: one category, one seed."""

import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from rdpp import kernels
from rdpp.config import ConfigError
from rdpp.data import Split, held_out_rows, hold_out, load_test, load_train, scan, shuffled
from rdpp.detector import Detector
from rdpp.engine.device import compiles, computing, keep_freed_memory, place, resolve
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


def planned_epochs(experiment: ExperimentConfig, category: str) -> int:
    """Epochs of a run of a resolved experiment that does not stop early.

    Raises:
        ConfigError: where steps are set and the images cannot be counted.
    """
    epochs = experiment.training.epochs_of(category)
    if epochs is not None:
        return epochs
    data, share = experiment.data, experiment.evaluation.held_out_share
    train_split = load_train(scan(Path(data.root), category, test=False), data.size, Path(data.cache))
    images = len(held_out_rows(train_split, share)[0]) if share > 0 else len(train_split)
    per_epoch = -(-images // experiment.training.batch_size)
    return -(-experiment.training.steps_of(category, per_epoch) // per_epoch)


class _Run:
    def __init__(self, experiment: ExperimentConfig, category: str, seed: int, observers: Sequence[Observer]) -> None:
        self.experiment = resolve(experiment)
        self.seed, self.observers = seed, observers
        assert self.experiment.threads is not None
        torch.set_num_threads(self.experiment.threads)
        kernels.use(self.experiment.kernels)
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
        with computing(self.device, self.experiment.precision):
            features = teacher_features(self.teacher, splits, budget, batch_size)
        self.feed, self.watched_feed = (Feed(s, self.device, f) for s, f in zip(splits, features, strict=True))
        self.steps_per_epoch = -(-len(self.train) // batch_size)
        self.steps = self.experiment.training.steps_of(category, self.steps_per_epoch)
        self.epochs = -(-self.steps // self.steps_per_epoch)
        if compiles(self.experiment.compile, self.device, self.steps):
            self.network.compile(dynamic=False)
            self.teacher.compile(dynamic=False)
        self.batch = 0
        self.best: tuple[int, Evaluation] | None = None
        self.waited = 0
        """Evaluations since the best one."""
        self.ended = False
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
                self.steps,
                self.teacher,
                self.train,
                self.held_out,
                self.watches,
            )
        )
        with KeptNetworks() as kept:
            for epoch in range(1, self.epochs + 1):
                self._tell(self._finish_epoch(epoch, kept, *self._train_epoch(stepper)))
                if self.ended:
                    break
            result = self._conclude(kept, started)
        self._tell(RunFinished(result))
        return result

    def _train_epoch(self, stepper: Stepper) -> tuple[float, float]:
        """Train on every image once, or on as many as are left of the planned batches.

        Returns:
            Seconds a batch, images a second.
        """
        started = time.perf_counter()
        order = shuffled(len(self.train), self.experiment.training.batch_size, self.streams.order)
        order = order[: self.steps - self.batch]
        for position, batch in enumerate(self.feed.batches(order)):
            losses, inspections = stepper.step(batch, inspect=position == 0)
            self.batch += 1
            self._tell(BatchFinished(self.batch, losses, inspections))
            if inspections is not None:
                self._note_dead(inspections)
        stepper.update()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - started
        return seconds / len(order), sum(map(len, order)) / seconds

    def _note_dead(self, inspections: Mapping[str, TermInspection]) -> None:
        dead = {name for name, inspection in inspections.items() if inspection.dead}
        self.dead = dead if self.dead is None else self.dead & dead
        if self.experiment.strict and self.dead:
            names = ", ".join(f"losses.{name}" for name in sorted(self.dead))
            raise ConfigError(
                f"no gradient beyond rounding: {names} (strict); change the term, set it to null, or strict: false"
            )

    def _finish_epoch(
        self, epoch: int, kept: KeptNetworks, seconds_per_batch: float, images_per_second: float
    ) -> EpochFinished:
        config, final = self.experiment.evaluation, epoch == self.epochs
        evaluation, chosen = None, False
        if final or epoch % config.every == 0:
            evaluation = self._evaluate(self.watched_feed)
            best = self.best[1].metrics if self.best else None
            chosen = is_chosen(config, evaluation.metrics, best, final=final)
            self.waited = 0 if chosen else self.waited + 1
            if chosen:
                self.best = epoch, evaluation
            if config.audit or (chosen and self.watches == "held_out"):
                kept.keep(epoch, self.network, alone=not config.audit)
        self.ended = final or self.waited == config.patience
        return EpochFinished(
            epoch,
            self.batch,
            seconds_per_batch,
            images_per_second,
            _peak_memory_mb(self.device),
            evaluation,
            chosen,
            self.ended,
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
        trained = -(-self.batch // self.steps_per_epoch), self.batch
        return Result(self.category.name, self.seed, epoch, evaluation, held_out, audit, dead, *trained, seconds)

    def _load_test(self) -> Split:
        data = self.experiment.data
        return load_test(scan(Path(data.root), self.category.name), data.size, Path(data.cache))

    def _evaluate(self, feed: Feed) -> Evaluation:
        sigma, precision = self.experiment.evaluation.sigma, self.experiment.precision
        detector = Detector(self.teacher, self.network, self.experiment.data.size, sigma=sigma, precision=precision)
        return evaluate(detector, feed, batch_size=self.experiment.training.batch_size)

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
