"""A trained network on disk: its tensors as safetensors, and beside them a JSON file that says what they are."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch

from rdpp import __version__
from rdpp.config import ConfigError
from rdpp.engine.device import to_device
from rdpp.engine.events import EpochFinished, Event, RunStarted
from rdpp.engine.thresholds import Thresholds
from rdpp.experiment import ExperimentConfig
from rdpp.folders import write_whole
from rdpp.models import ARCHITECTURES, Network, Teacher
from rdpp.models.weights import load_exactly, read_tensors

_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What the JSON file says."""

    experiment: ExperimentConfig
    category: str
    seed: int
    epoch: int
    teacher_fingerprint: str
    data: str
    """Digest of the training images."""
    tensors: Path
    thresholds: Thresholds | None
    """None where no images were held out, and none were taken later."""

    @property
    def description(self) -> Path:
        """The JSON file."""
        return self.tensors.with_suffix(".json")


class CheckpointWriter:
    """An observer that keeps one epoch's network in a folder, as chosen.* or last.*."""

    name = "checkpoint"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run: RunStarted | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run = event
        if isinstance(event, EpochFinished) and self._run is not None:
            keep: Literal["none", "last", "chosen"] = self._run.spec.experiment.keep
            if (keep == "chosen" and event.chosen) or (keep == "last" and event.last):
                self._write(keep, self._run, event)

    def save(self, folder: Path) -> None:
        """Copy what was kept so far."""
        if self.folder.is_dir():
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    def load(self, folder: Path) -> None:
        """Take what `save` copied; a folder without any may be missing."""
        folder.mkdir(exist_ok=True)
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)

    def _write(self, name: str, run: RunStarted, event: EpochFinished) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {k: v.detach().cpu().contiguous() for k, v in event.network.state_dict().items()}
        spec = run.spec
        description = {
            "format": _FORMAT,
            "rdpp": __version__,
            "category": spec.category.name,
            "seed": spec.seed,
            "epoch": event.epoch,
            "teacher": {"name": spec.experiment.teacher.name, "fingerprint": spec.identity.teacher},
            "data": spec.identity.train_files,
            "evaluated_on": run.watched,
            "metrics": {k: v for k, v in event.evaluation.metrics.items() if v == v} if event.evaluation else None,
            "thresholds": None,
            "experiment": spec.experiment.to_mapping(),
        }
        if run.watched == "held_out" and event.evaluation is not None:
            description["thresholds"] = event.evaluation.thresholds.to_mapping()
        scratch = self.folder / f".{name}.safetensors"
        safetensors.torch.save_file(tensors, scratch)
        os.replace(scratch, self.folder / f"{name}.safetensors")
        write_whole(self.folder / f"{name}.json", json.dumps(description, indent=1))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the description of a checkpoint, given its .safetensors or .json file, or a folder with one of them.

    Raises:
        ConfigError: no checkpoint there, or not one of ours.
    """
    if path.is_dir():
        found = [path / f"{name}.json" for name in ("chosen", "last") if (path / f"{name}.json").is_file()]
        if not found:
            raise ConfigError(f"no checkpoint in {path}; expected chosen.json or last.json with its .safetensors file")
        path = found[0]
    description = path.with_suffix(".json")
    if not description.is_file():
        raise ConfigError(f"no {description} beside the checkpoint; it says what the tensors are")
    try:
        data: Any = json.loads(description.read_text())
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ConfigError(f"{description} does not describe a checkpoint of format {_FORMAT}")
    found = data.get("thresholds")
    return Checkpoint(
        ExperimentConfig.from_mapping(data["experiment"], str(description)),
        data["category"],
        data["seed"],
        data["epoch"],
        data["teacher"]["fingerprint"],
        data["data"],
        path.with_suffix(".safetensors"),
        None if found is None else Thresholds.from_mapping(found, str(description)),
    )


def put_thresholds(checkpoint: Checkpoint, thresholds: Thresholds) -> None:
    """Store thresholds with a checkpoint that is on disk, in the place of those that it had."""
    data = json.loads(checkpoint.description.read_text())
    data["thresholds"] = thresholds.to_mapping()
    write_whole(checkpoint.description, json.dumps(data, indent=1))


def check_teacher(checkpoint: Checkpoint, fingerprint: str) -> None:
    """ConfigError where a teacher with this fingerprint is not the one that the network was trained with."""
    if fingerprint != checkpoint.teacher_fingerprint:
        raise ConfigError(
            f"{checkpoint.tensors} was trained with another teacher ({checkpoint.experiment.teacher.name}, "
            f"fingerprint {checkpoint.teacher_fingerprint}, given {fingerprint}); "
            "set teacher.weights to the weights it was trained with"
        )


def load_network(checkpoint: Checkpoint, teacher: Teacher) -> Network:
    """The network of a checkpoint, in eval mode on the teacher's device.

    Raises:
        ConfigError: another teacher than the one it was trained with, or tensors that do not fit.
    """
    check_teacher(checkpoint, teacher.fingerprint)
    network = Network(ARCHITECTURES[checkpoint.experiment.teacher.name], projection=checkpoint.experiment.projection)
    load_exactly(network, read_tensors(checkpoint.tensors), str(checkpoint.tensors))
    return to_device(network, teacher.mean.device).eval()
