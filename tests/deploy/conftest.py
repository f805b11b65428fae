from dataclasses import dataclass
from pathlib import Path

import pytest

from rdpp.deploy import Model, load
from rdpp.engine import CheckpointWriter, Result, RunSpec, train


@dataclass(frozen=True)
class Trained:
    """A checkpoint, what its run came to, and the model that it is."""

    folder: Path
    result: Result
    model: Model

    @property
    def images(self):
        """The test images."""
        split = self.result.evaluation.split
        return [split.root / item.path for item in split.items]


def trained(experiment, folder):
    result = train(RunSpec.of(experiment, "bolt", 1), observers=[CheckpointWriter(folder)])
    return Trained(folder, result, load(folder, "cpu"))


@pytest.fixture(scope="session")
def judge(held_out, tmp_path_factory):
    """Trained for an epoch, with 8 images held out."""
    return trained(held_out.with_overrides({"training.epochs": 1}), tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="session")
def plain_judge(tiny, tmp_path_factory):
    """Trained for an epoch on images that are padded to twice their width, none of them held out."""
    changes = {"training.epochs": 1, "data.fit": "pad", "data.image_size": [64, 128]}
    return trained(tiny.with_overrides(changes), tmp_path_factory.mktemp("plain"))
