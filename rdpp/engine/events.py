"""What the engine tells its observers. An observer is a callable that takes an event; what it raises ends the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rdpp.data import Split
from rdpp.engine.inspection import TermInspection
from rdpp.engine.results import Evaluation, Result
from rdpp.engine.spec import RunSpec
from rdpp.losses import LossValues
from rdpp.models import Network


@dataclass(frozen=True, kw_only=True)
class ImagesRead:
    """The images of a category were read, before the first run of several."""

    category: str
    layout: str
    """In which the data set was read, and what of its own evaluation is not computed: one sentence for all its
    categories."""
    notes: tuple[str, ...]
    """What a person should know of them, a sentence each; empty where nothing is out of the ordinary."""


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Everything is loaded; training begins, or goes on."""

    spec: RunSpec
    epochs: int
    """Planned: a run may stop earlier (`patience`)."""
    steps: int
    """Planned batches of the whole run; they may end within the last epoch."""
    train: Split
    held_out: Split | None
    """Good images kept from training, and copies of them with drawn defects; None where none are held out."""
    watched: Literal["test", "held_out"]
    """Which images the epochs are evaluated on. If held-out ones, the test images are first read after the last
    epoch, when the choice is made."""


@dataclass(frozen=True, kw_only=True)
class BatchFinished:
    """One batch went forward and backward."""

    batch: int
    """Counted over the whole run, from 1."""
    losses: LossValues
    """Detached scalars on the run's device; reading them waits for it."""
    inspections: Mapping[str, TermInspection] | None
    """What each weighted term does, by name; only for an epoch's first batch."""


@dataclass(frozen=True, kw_only=True)
class EpochFinished:
    """One epoch is over, evaluated or not."""

    epoch: int
    batch: int
    seconds_per_batch: float
    images_per_second: float
    peak_memory_mb: float
    """CUDA's peak of the run, or the process's."""
    evaluation: Evaluation | None
    """On the watched images; None where this epoch was not evaluated."""
    chosen: bool
    """Whether this epoch is, so far, the one that counts."""
    last: bool
    """Whether training ends here: as planned, or because no better epoch came."""
    network: Network
    """In training mode, and trained further after this event: copy what is to be kept."""


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """Training is over."""

    result: Result


class GivenUp(Exception):
    """Raised by an observer to end a run that is not worth continuing. It is not a failure."""


Event = ImagesRead | RunStarted | BatchFinished | EpochFinished | RunFinished
Observer = Callable[[Event], None]
