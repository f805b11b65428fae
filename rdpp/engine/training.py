"""The training of one run: one category, one seed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rdpp.config import ConfigError
from rdpp.data import shuffled
from rdpp.engine.epoch_networks import EpochNetworks
from rdpp.engine.events import BatchFinished, EpochFinished, Event, Observer, RunFinished
from rdpp.engine.inspection import TermInspection
from rdpp.engine.loader import DataLoader
from rdpp.engine.machine import machine_digest
from rdpp.engine.results import Result
from rdpp.engine.seeding import streams
from rdpp.engine.selection import is_chosen
from rdpp.engine.setup import Setup, peak_memory_mb, test_images_now
from rdpp.engine.spec import RunSpec
from rdpp.engine.state import RunState, read_state, write_state
from rdpp.engine.step import Stepper
from rdpp.models import Network


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A run between two batches, as `after_batch` gets it."""

    state: RunState
    save: Callable[[Path], None]
    """Write the state, and what the run's observers have collected, to a folder; see `write_state`."""


def train(
    spec: RunSpec,
    *,
    observers: Sequence[Observer] = (),
    resume: Path | None = None,
    after_batch: Callable[[Pause], None] | None = None,
) -> Result:
    """Train and evaluate one run.

    The result depends on the configuration, the images and the seed alone: on the CPU two runs agree to the
    last digit. Sets torch's number of threads to the configured one.

    Args:
        spec: which run.
        observers: are told what happens; what they raise ends the run.
        resume: folder of a state that `Pause.save` wrote; the run goes on from there.
        after_batch: called between batches; what it raises ends the run.

    Raises:
        ConfigError: data, weights or a state that cannot be used. Observers' own errors pass through.
    """
    setup = Setup.of(spec)
    if setup.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setup.device)
    with EpochNetworks() as kept:
        run = _begin(setup, kept, observers)
        run.tell(setup.started())
        if resume is not None:
            key, watched = spec.identity.training, setup.watched.split
            read_state(run.state, resume, key=key, watched=watched, observers=observers)
        while not run.state.ended:
            seconds = _train_epoch(run, after_batch)
            _finish_epoch(run, seconds)
        result = _conclude(run)
    run.tell(RunFinished(result=result))
    return result


def fit(setup: Setup, epochs: int, observers: Sequence[Observer] = ()) -> Network:
    """Train as `train` does, for so many epochs, and evaluate nothing.

    Args:
        setup: what to train, and on what.
        epochs: of which the last may be cut short, by the setup's own number of batches.
        observers: are told of batches alone.
    """
    with EpochNetworks() as kept:
        run = _begin(setup, kept, observers)
        while run.state.epoch < epochs and run.state.batch < setup.steps:
            _train_epoch(run, None)
            run.state.end_epoch()
    return run.state.learning.judged


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What the functions below share: `state` changes, the rest does not."""

    setup: Setup
    state: RunState
    stepper: Stepper
    observers: Sequence[Observer]
    began: float
    """time.perf_counter() at the beginning, or when it was resumed."""

    def tell(self, event: Event) -> None:
        """Every observer, in order."""
        for observer in self.observers:
            observer(event)

    @property
    def seconds(self) -> float:
        """Spent on the run so far."""
        return self.state.seconds + time.perf_counter() - self.began

    def save(self, folder: Path) -> None:
        """See `Pause.save`."""
        key, machine = self.setup.spec.identity.training, machine_digest(self.setup.experiment)
        write_state(self.state, folder, key=key, machine=machine, seconds=self.seconds, observers=self.observers)


def _begin(setup: Setup, kept: EpochNetworks, observers: Sequence[Observer]) -> _Run:
    generators = streams(setup.spec.seed)
    stepper = Stepper(setup.experiment, setup.teacher, setup.network(generators), generators)
    state = RunState(learning=stepper.learning, kept=kept)
    return _Run(setup=setup, state=state, stepper=stepper, observers=observers, began=time.perf_counter())


def _train_epoch(run: _Run, after_batch: Callable[[Pause], None] | None) -> float:
    """Train on every image once, or on as many as are left of the planned batches; or on what is left of an epoch.

    Returns:
        Seconds that the epoch's batches took.
    """
    setup, state = run.setup, run.state
    if not state.order:
        batch_size, order = setup.experiment.training.batch_size, state.learning.streams.order
        state.order = shuffled(len(setup.train), batch_size, order)[: setup.steps - state.batch]
    started, before = time.perf_counter(), state.epoch_seconds
    for batch in setup.train.batches(state.order[state.position :]):
        losses, inspections = run.stepper.step(batch, inspect=state.position == 0)
        state.batch += 1
        state.position += 1
        state.epoch_seconds = before + time.perf_counter() - started
        run.tell(BatchFinished(batch=state.batch, losses=losses, inspections=inspections))
        if inspections is not None:
            _note_dead(run, inspections)
        if after_batch is not None:
            after_batch(Pause(state=state, save=run.save))
    run.stepper.update()
    if setup.device.type == "cuda":
        torch.cuda.synchronize(setup.device)
    return before + time.perf_counter() - started


def _note_dead(run: _Run, inspections: Mapping[str, TermInspection]) -> None:
    """A term is dead as long as every inspection has found no gradient beyond rounding."""
    dead = frozenset(name for name, inspection in inspections.items() if inspection.dead)
    run.state.dead = dead if run.state.dead is None else run.state.dead & dead
    if run.setup.experiment.strict and run.state.dead:
        names = ", ".join(f"losses.{name}" for name in sorted(run.state.dead))
        raise ConfigError(
            f"no gradient beyond rounding: {names} (strict); change the term, set it to null, or strict: false"
        )


def _finish_epoch(run: _Run, seconds: float) -> None:
    """Evaluate where it is time to, choose, and decide whether training ends."""
    setup, state = run.setup, run.state
    config, order = setup.experiment.evaluation, state.order
    state.end_epoch()
    final = state.epoch == setup.epochs
    evaluation, chosen = None, False
    if final or state.epoch % config.every == 0:
        evaluation = setup.evaluate(state.learning.judged, setup.watched)
        chosen = is_chosen(config, evaluation.metrics, state.best and state.best.metrics, final=final)
        state.waited = 0 if chosen else state.waited + 1
        if chosen:
            state.best_epoch, state.best = state.epoch, evaluation
        if config.audit or (chosen and config.watched == "held_out"):
            state.kept.keep(state.epoch, state.learning.judged, alone=not config.audit)
    state.ended = final or state.waited == config.patience
    run.tell(
        EpochFinished(
            epoch=state.epoch,
            batch=state.batch,
            seconds_per_batch=seconds / len(order),
            images_per_second=sum(map(len, order)) / seconds,
            peak_memory_mb=peak_memory_mb(setup.device),
            evaluation=evaluation,
            chosen=chosen,
            last=state.ended,
            network=state.learning.judged,
        )
    )


def _conclude(run: _Run) -> Result:
    """The choice is made; now, where held-out images were watched, the test images are looked at."""
    setup, state, network = run.setup, run.state, run.state.learning.judged
    assert state.best is not None
    spec, evaluation, held_out, test = setup.spec, state.best, None, setup.watched
    if setup.experiment.evaluation.watched == "held_out":
        spec, split = test_images_now(spec)
        test = DataLoader(split, setup.device)
        state.kept.restore(state.best_epoch, network)
        held_out, evaluation = evaluation, setup.evaluate(network, test)
    audit = {}
    for epoch in state.kept.epochs if setup.experiment.evaluation.audit else ():
        state.kept.restore(epoch, network)
        audit[epoch] = setup.evaluate(network, test).metrics
    return Result(
        spec=spec,
        epoch=state.best_epoch,
        evaluation=evaluation,
        held_out=held_out,
        audit=audit,
        dead_terms=tuple(sorted(state.dead or ())),
        epochs=state.epoch,
        steps=state.batch,
        seconds=run.seconds,
    )
