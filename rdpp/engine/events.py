"""What the engine tells its observers. An observer is a callable that takes an event; what it raises ends the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from rdpp.data import Category, Split
from rdpp.experiment import ExperimentConfig
from rdpp.losses import LossValues
from rdpp.models import Network, Teacher
from rdpp.types import Prediction


@dataclass(frozen=True)
class RunStarted:
    """Everything is loaded; training begins."""

    experiment: ExperimentConfig
    """Resolved."""
    category: Category
    seed: int
    epochs: int
    steps_per_epoch: int
    """Batches an epoch (an update takes `accumulate` of them)."""
    teacher: Teacher
    train: Split
    test: Split


@dataclass(frozen=True)
class BatchFinished:
    """One batch went forward and backward."""

    batch: int
    """Counted over the whole run, from 1."""
    losses: LossValues
    """Detached scalars on the run's device; reading them waits for it."""
    gradient_norms: Mapping[str, Tensor] | None
    """`projection/TERM` and `restoration/TERM`: 2-norms of each weighted term's own gradient; only for an
    epoch's first batch."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics (0 to 1) and the prediction they come from."""

    metrics: Mapping[str, float]
    prediction: Prediction


@dataclass(frozen=True)
class EpochFinished:
    """One epoch is over, evaluated or not."""

    epoch: int
    batch: int
    seconds_per_batch: float
    images_per_second: float
    peak_memory_mb: float
    """CUDA's peak of the run, or the process's."""
    evaluation: Evaluation | None
    chosen: bool
    """Whether this epoch is, so far, the one that counts."""
    network: Network


@dataclass(frozen=True)
class Result:
    """What a run comes to: the chosen epoch."""

    category: str
    seed: int
    epoch: int
    evaluation: Evaluation
    seconds: float


@dataclass(frozen=True)
class RunFinished:
    """Training is over."""

    result: Result


Event = RunStarted | BatchFinished | EpochFinished | RunFinished
Observer = Callable[[Event], None]
