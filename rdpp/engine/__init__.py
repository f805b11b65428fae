"""Training and evaluation of one run. Knows nothing of trials and trackers."""

from rdpp.engine.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    check_teacher,
    load_network,
    put_thresholds,
    read_checkpoint,
)
from rdpp.engine.code import code_digest, digest_of_code
from rdpp.engine.cross_fitting import cross_fitted
from rdpp.engine.device import device_name, resolve_device
from rdpp.engine.evaluation import evaluate
from rdpp.engine.events import (
    BatchFinished,
    EpochFinished,
    Event,
    GivenUp,
    ImagesRead,
    Observer,
    RunFinished,
    RunStarted,
)
from rdpp.engine.inspection import TermInspection
from rdpp.engine.machine import machine_digest, machine_parts
from rdpp.engine.preparing import prepare, prepare_all
from rdpp.engine.resolving import resolve
from rdpp.engine.results import Evaluation, Result
from rdpp.engine.setup import planned_epochs
from rdpp.engine.spec import Identity, RunSpec, grid, grids
from rdpp.engine.state import Resumable, SavedState, put_state, remove_state, saved_state
from rdpp.engine.stored import (
    Evaluated,
    evaluate_again,
    evaluate_checkpoint,
    evaluate_official,
    official_checkpoints,
)
from rdpp.engine.thresholds import RATES, Threshold, Thresholds, images_needed, rate_name
from rdpp.engine.training import Pause, train

__all__ = [
    "RATES",
    "BatchFinished",
    "Checkpoint",
    "CheckpointWriter",
    "EpochFinished",
    "Evaluated",
    "Evaluation",
    "Event",
    "GivenUp",
    "Identity",
    "ImagesRead",
    "Observer",
    "Pause",
    "Result",
    "Resumable",
    "RunFinished",
    "RunSpec",
    "RunStarted",
    "SavedState",
    "TermInspection",
    "Threshold",
    "Thresholds",
    "check_teacher",
    "code_digest",
    "cross_fitted",
    "device_name",
    "digest_of_code",
    "evaluate",
    "evaluate_again",
    "evaluate_checkpoint",
    "evaluate_official",
    "grid",
    "grids",
    "images_needed",
    "load_network",
    "machine_digest",
    "machine_parts",
    "official_checkpoints",
    "planned_epochs",
    "prepare",
    "prepare_all",
    "put_state",
    "put_thresholds",
    "rate_name",
    "read_checkpoint",
    "remove_state",
    "resolve",
    "resolve_device",
    "saved_state",
    "train",
]
