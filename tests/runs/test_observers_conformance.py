"""What every observer keeps: it changes no training, and goes on from what it saved as if it had seen all of it.

A new observer is a class here that makes one, and tells what came of it.
"""

import io

import pytest
import torch
from rich.console import Console

from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Terminal
from rdpp.engine import BatchFinished, CheckpointWriter, EpochFinished, RunSpec, RunStarted, train
from rdpp.sweep.gates import Gate
from rdpp.sweep.halving import GateObserver
from rdpp.tracking.observer import RunObserver

MEASURED = (
    "time_share",
    *(f"training/{name}" for name in ("seconds", "images_per_second", "peak_memory_mb")),
    "system",
)
"""Beginnings of the names of what differs from one training to the next."""


class Tracked:
    """The tracking observer, and the records it put."""

    def __init__(self, folder):
        self.records = []
        self.observer = RunObserver(lambda kind, payload: self.records.append((kind, payload)))

    def outcome(self):
        points = [point for kind, payload in self.records if kind == "series" for point in payload["points"]]
        latest = {(name, step): value for name, value, step in points if not name.startswith(MEASURED)}
        return [kind for kind, _ in self.records][-3:], dict(list(latest.items())[-20:])


class Checkpointed:
    """The writer of checkpoints, and the tensors it kept."""

    def __init__(self, folder):
        self.folder = folder / "checkpoint"
        self.observer = CheckpointWriter(self.folder)

    def outcome(self):
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


class Asked:
    """The observer of gates, and what it asked at the last one of a trial that is never given up."""

    def __init__(self, folder):
        gates = [(place, Gate(0, place + 1, False, place + 1)) for place in range(2)]
        self.observer = GateObserver(gates, lambda metrics: metrics["image_auroc"], self._pass_gate)
        self.asked = []

    def _pass_gate(self, place, value, batches):
        self.asked.append((place, value, batches))
        return True

    def outcome(self):
        return self.asked[-1]


class Shown:
    """What a person sees, in a console that is no terminal."""

    def __init__(self, folder):
        self.text = io.StringIO()
        self.observer = ConsoleObserver(Terminal(1, Console(file=self.text, width=200)))

    def outcome(self):
        return [line.rpartition("  (")[0] for line in self.text.getvalue().splitlines()]  # without the seconds


ALL = [Tracked, Checkpointed, Asked, Shown]
STATEFUL = [Tracked, Checkpointed, Asked]


@pytest.fixture(scope="module")
def spec(held_out):
    return RunSpec.of(held_out.with_overrides({"training.epochs": 3, "heatmaps": 1, "keep": "chosen"}), "bolt", 1)


def values(events):
    losses = [{name: float(v) for name, v in e.losses.raw.items()} for e in events if isinstance(e, BatchFinished)]
    metrics = [e.evaluation.metrics for e in events if isinstance(e, EpochFinished) and e.evaluation]
    return repr((losses, metrics))  # NaN is equal to itself there


@pytest.fixture(scope="module")
def events(spec):
    """Of a training that nothing else watches. The network in them is the one at the end."""
    seen = []
    train(spec, observers=[seen.append])
    return seen


def test_no_observer_changes_a_training(spec, events, tmp_path):
    seen = []
    observers = [case(tmp_path).observer for case in ALL]
    train(spec, observers=[*observers, lambda event: (seen.append(event), torch.rand(3))])
    assert values(seen) == values(events)


@pytest.mark.parametrize("case", ALL)
def test_it_takes_one_run_after_another(case, events, tmp_path):
    once, twice = case(tmp_path / "once"), case(tmp_path / "twice")
    for event in events:
        once.observer(event)
    for event in [*events, *events]:
        twice.observer(event)
    assert once.outcome()
    repeated = once.outcome() * 2 if case is Shown else once.outcome()
    assert twice.outcome() == repeated


@pytest.mark.parametrize("case", STATEFUL)
@pytest.mark.parametrize("batches", [1, 2, 3, 4])
def test_loaded_from_what_was_saved_it_goes_on_as_if_it_had_seen_all(case, batches, events, tmp_path):
    """Saved after a batch: in an epoch's middle, and at its end before the epoch is told."""
    whole, first, second = (case(tmp_path / name) for name in ("whole", "first", "second"))
    for event in events:
        whole.observer(event)
    cut = next(i for i, e in enumerate(events) if isinstance(e, BatchFinished) and e.batch == batches) + 1
    for event in events[:cut]:
        first.observer(event)
    state = tmp_path / "state"
    state.mkdir()
    first.observer.save(state)
    second.observer(next(e for e in events if isinstance(e, RunStarted)))
    second.observer.load(state)
    for event in events[cut:]:
        second.observer(event)
    assert second.outcome() == whole.outcome()
