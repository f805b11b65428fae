"""Training and evaluation of one run. Knows nothing of trials and trackers."""

from rdpp.engine.checkpoint import CheckpointWriter, load_network, read_checkpoint
from rdpp.engine.device import device_name, resolve, resolve_device
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
from rdpp.engine.inspection import TermInspection
from rdpp.engine.sources import Evaluated, evaluate_checkpoint, evaluate_official, official_checkpoints
from rdpp.engine.train import planned_epochs, prepare, train

__all__ = [
    "BatchFinished",
    "CheckpointWriter",
    "EpochFinished",
    "Evaluated",
    "Evaluation",
    "Event",
    "Observer",
    "Result",
    "RunFinished",
    "RunStarted",
    "TermInspection",
    "device_name",
    "evaluate",
    "evaluate_checkpoint",
    "evaluate_official",
    "load_network",
    "official_checkpoints",
    "planned_epochs",
    "prepare",
    "read_checkpoint",
    "resolve",
    "resolve_device",
    "train",
]
