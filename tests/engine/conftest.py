import pytest
import torch

from rdpp.engine import BatchFinished, EpochFinished, RunFinished, RunSpec, RunStarted, train
from rdpp.engine.teachers import shared_teacher


class Record:
    """An observer that keeps what it is told; of the network, which is trained on, a copy."""

    def __init__(self):
        self.events, self.losses, self.networks = [], [], []

    def __call__(self, event):
        self.events.append(event)
        if isinstance(event, BatchFinished):
            self.losses.append({name: float(value) for name, value in event.losses.raw.items()})
        if isinstance(event, EpochFinished):
            self.networks.append({k: v.clone() for k, v in event.network.state_dict().items()})

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def started(self):
        return self.of(RunStarted)[0]

    @property
    def teacher(self):
        spec = self.started.spec
        return shared_teacher(spec.experiment.teacher, spec.seed, spec.experiment.device)

    @property
    def result(self):
        return self.of(RunFinished)[0].result


@pytest.fixture(scope="session")
def record():
    """Train and keep all events."""

    def go(experiment, category="bolt", seed=1, observers=()):
        kept = Record()
        train(RunSpec.of(experiment, category, seed), observers=[kept, *observers])
        return kept

    return go


@pytest.fixture(scope="session")
def baseline(record, tiny):
    """The tiny experiment's run on `bolt` with seed 1."""
    torch.manual_seed(0)
    return record(tiny)
