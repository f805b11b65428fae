"""The state of a run in its middle: one object, and one folder that it is written to and read from.

A run that is stopped after any batch, written, read in another process and continued gives the same metrics to the last
digit as one that was never stopped (on the same machine, threads and libraries).
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import safetensors.torch
import torch
from torch import Tensor

from rdpp.config import ConfigError
from rdpp.data import Split
from rdpp.engine.code import code_digest
from rdpp.engine.epoch_networks import EpochNetworks
from rdpp.engine.learning import Learning
from rdpp.engine.results import Evaluation
from rdpp.types import Prediction

_FORMAT = 2
_REMEDY = "delete the folder and start the run anew"
_TENSORS, _JSON, _KEPT, _OBSERVERS = "tensors.safetensors", "state.json", "kept", "observers"


@dataclass
class RunState:
    """Everything that a run in its middle consists of."""

    learning: Learning
    """Network, optimiser, generators, gathered gradients."""
    kept: EpochNetworks
    """Networks of earlier epochs that may yet be chosen."""
    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches over the whole run."""
    order: tuple[Tensor, ...] = ()
    """The batches of the epoch in work, each the indices of its images; empty between epochs."""
    position: int = 0
    """Batches of `order` that are done."""
    epoch_seconds: float = 0.0
    """Spent on the batches of the epoch in work."""
    seconds: float = 0.0
    """Spent on the run by earlier processes."""
    best_epoch: int = 0
    best: Evaluation | None = None
    """Of the best epoch, on the watched images."""
    waited: int = 0
    """Evaluations since the best one."""
    dead: frozenset[str] | None = None
    """Loss terms without a gradient in every inspection so far; None before the first."""
    ended: bool = False
    """Whether the last epoch is over."""

    def end_epoch(self) -> None:
        """Its last batch is done."""
        self.epoch += 1
        self.order, self.position, self.epoch_seconds = (), 0, 0.0


@runtime_checkable
class Resumable(Protocol):
    """An observer with a state of its own, which is saved and loaded with the run's."""

    name: str
    """Its subfolder's name; no two observers of a run may share it."""

    def save(self, folder: Path) -> None:
        """Write what was collected so far to a folder, which is made before."""
        ...

    def load(self, folder: Path) -> None:
        """Take what `save` wrote; called after `RunStarted`."""
        ...


@dataclass(frozen=True)
class SavedState:
    """What a saved state says of itself."""

    key: str
    """`Identity.training` of its run."""
    code: str
    """`code_digest` of the code that wrote it."""
    machine: str
    """`machine_digest` of where it was written: going on elsewhere may change last digits."""
    batch: int
    """Batches that are done."""


_PLAIN = ("epoch", "batch", "position", "epoch_seconds", "best_epoch", "waited", "ended")


def write_state(
    state: RunState, folder: Path, *, key: str, machine: str, seconds: float, observers: Sequence[object] = ()
) -> None:
    """Write a state as a folder of tensors and JSON, with checksums; renamed into place, so never half of it.

    Args:
        state: between two batches.
        folder: replaced if it exists.
        key: `Identity.training` of the run.
        machine: `machine_digest` of the run here.
        seconds: that the run took so far.
        observers: those that are `Resumable` are saved too.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        safetensors.torch.save_file(_tensors(state), scratch / _TENSORS)
        state.kept.save(scratch / _KEPT)
        for observer in observers:
            if isinstance(observer, Resumable):
                own = scratch / _OBSERVERS / observer.name
                own.mkdir(parents=True)
                observer.save(own)
        content = {
            **{name: getattr(state, name) for name in _PLAIN},
            "seconds": seconds,
            "gathered": state.learning.gathered,
            "dead": None if state.dead is None else sorted(state.dead),
            "batch_sizes": [len(indices) for indices in state.order],
            "metrics": None if state.best is None else dict(state.best.metrics),
        }
        origin = {"format": _FORMAT, "key": key, "code": code_digest(), "machine": machine}
        description = {**origin, "state": content, "files": _checksums(scratch)}
        (scratch / _JSON).write_text(json.dumps({**description, "sha256": _digest(description)}, indent=1))
        _flush(scratch)
        put_state(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_state(state: RunState, folder: Path, *, key: str, watched: Split, observers: Sequence[object] = ()) -> None:
    """Fill the state of a run that has just begun with what `write_state` wrote.

    Values are copied into the existing tensors. This keeps their memory layout, which affects rounding.

    Args:
        state: at the run's beginning.
        folder: that `write_state` wrote.
        key: `Identity.training` of the run.
        watched: the images that epochs are evaluated on.
        observers: those that are `Resumable` are loaded too.

    Raises:
        ConfigError: no state there, a damaged one, or one of another run or format.
    """
    try:
        folder = _found(folder)
    except FileNotFoundError:
        raise ConfigError(f"no state of a run in {folder}; start the run anew") from None
    content = _checked(folder, key)
    tensors = safetensors.torch.load_file(folder / _TENSORS)
    state.learning.load(tensors)
    state.learning.gathered = content["gathered"]
    for name in (*_PLAIN, "seconds"):
        setattr(state, name, content[name])
    state.dead = None if content["dead"] is None else frozenset(content["dead"])
    state.order = tensors["order"].split(content["batch_sizes"]) if content["batch_sizes"] else ()
    if content["metrics"] is not None:
        prediction = Prediction(tensors["best/anomaly_maps"].numpy(), tensors["best/image_scores"].numpy())
        state.best = Evaluation(metrics=content["metrics"], prediction=prediction, split=watched)
    state.kept.load(folder / _KEPT)
    for observer in observers:
        if isinstance(observer, Resumable):
            own = folder / _OBSERVERS / observer.name
            own.mkdir(parents=True, exist_ok=True)  # artifact stores keep no empty folders
            observer.load(own)


def saved_state(folder: Path, *, whole: bool = True) -> SavedState | None:
    """The state in a folder, None where there is none.

    Args:
        folder: that `write_state` wrote.
        whole: compare the checksum of every file, which reads them all; else that of the description alone.

    Raises:
        ConfigError: it is damaged, or of another format.
    """
    try:
        found = _found(folder)
    except FileNotFoundError:
        return None
    data = _whole(found) if whole else _described(found)
    return SavedState(data["key"], data["code"], data["machine"], data["state"]["batch"])


def remove_state(folder: Path) -> None:
    """Remove a state, and the one of before if it still stands aside."""
    for path in (_aside(folder), folder):
        shutil.rmtree(path, ignore_errors=True)


def _tensors(state: RunState) -> dict[str, Tensor]:
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.learning.tensors().items()}
    if state.order:
        tensors["order"] = torch.cat(state.order)
    if state.best is not None:
        prediction = state.best.prediction
        tensors["best/anomaly_maps"] = torch.from_numpy(prediction.anomaly_maps)
        tensors["best/image_scores"] = torch.from_numpy(prediction.image_scores)
    return tensors


def _checksums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _JSON)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _digest(description: Any) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def put_state(scratch: Path, folder: Path) -> None:
    """Move a written state to its place. An old one stands aside until the new one is there: one of the two can be
    read at every moment."""
    aside = _aside(folder)
    if folder.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
    os.rename(scratch, folder)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.before"


def _flush(folder: Path) -> None:
    """Have everything in a folder on the disk, so that a machine that loses power has it whole or not at all."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _found(folder: Path) -> Path:
    """FileNotFoundError: no state is there."""
    for path in (folder, _aside(folder)):
        if (path / _JSON).is_file():
            return path
    raise FileNotFoundError


def _described(folder: Path) -> dict[str, Any]:
    """The description, whole and of this format."""
    try:
        data = json.loads((folder / _JSON).read_text())
        whole = data.pop("sha256") == _digest(data)
    except (ValueError, KeyError, AttributeError):
        whole, data = False, {}
    if not whole:
        raise _damaged(folder)
    if data["format"] != _FORMAT:
        raise ConfigError(f"the state of a run in {folder} has format {data['format']}, not {_FORMAT}; {_REMEDY}")
    return data


def _whole(folder: Path) -> dict[str, Any]:
    """The description, after every checksum was compared."""
    data = _described(folder)
    if data["files"] != _checksums(folder):
        raise _damaged(folder)
    return data


def _checked(folder: Path, key: str) -> dict[str, Any]:
    """The state's plain values."""
    data = _whole(folder)
    if data["key"] != key:
        raise ConfigError(f"the state in {folder} is of another run (key {data['key']}, not {key}); {_REMEDY}")
    return data["state"]


def _damaged(folder: Path) -> ConfigError:
    return ConfigError(f"the state of a run in {folder} is damaged; {_REMEDY}")
