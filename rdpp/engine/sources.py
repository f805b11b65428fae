"""Evaluation of what lies on disk: a checkpoint of ours, or a folder of official ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rdpp import kernels
from rdpp.config import ConfigError
from rdpp.data import load_test, scan
from rdpp.detector import Detector
from rdpp.engine.checkpoint import load_network, read_checkpoint
from rdpp.engine.device import place, resolve
from rdpp.engine.evaluate import evaluate
from rdpp.engine.events import Evaluation
from rdpp.engine.feed import Feed
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, Teacher, load_teacher
from rdpp.models.official import load_official


@dataclass(frozen=True)
class Evaluated:
    """One network's evaluation; seed and epoch are None where the file does not tell."""

    category: str
    seed: int | None
    epoch: int | None
    evaluation: Evaluation


def evaluate_checkpoint(path: Path, changes: Mapping[str, Any]) -> Evaluated:
    """Evaluate a checkpoint of ours on its category, with the configuration it was trained with.

    Args:
        path: its folder, .safetensors or .json file.
        changes: overrides by dotted path, such as {"data.root": ...}.

    Raises:
        ConfigError: no checkpoint, another teacher, or images that cannot be used.
    """
    checkpoint = read_checkpoint(path)
    wanted = changes.get("data.categories")
    if wanted and checkpoint.category not in wanted:
        raise ConfigError(f"{checkpoint.tensors} was trained on '{checkpoint.category}', not on {', '.join(wanted)}")
    experiment = checkpoint.experiment.with_overrides({"device": "auto", **changes})
    experiment = resolve(experiment.with_overrides({"data.categories": [checkpoint.category]}))
    teacher = place(load_teacher(experiment.teacher, checkpoint.seed), experiment.device)
    network = load_network(checkpoint, teacher)
    evaluation = evaluate_network(experiment, checkpoint.category, teacher, network)
    return Evaluated(checkpoint.category, checkpoint.seed, checkpoint.epoch, evaluation)


def official_checkpoints(folder: Path) -> dict[str, Path]:
    """By category: `<folder>/<category>/wres50_<category>.pth`, or with another prefix."""
    found = {}
    for path in sorted(folder.glob("*/*.pth")):
        if path.stem.endswith(f"_{path.parent.name}"):
            found[path.parent.name] = path
    return found


def evaluate_official(folder: Path, experiment: ExperimentConfig) -> Iterator[Evaluated]:
    """Evaluate official checkpoints on the experiment's categories (by default all that have one).

    Raises:
        ConfigError: no checkpoint for a category, or one of another architecture.
    """
    found = official_checkpoints(folder)
    if not found:
        raise ConfigError(f"no official checkpoint in {folder}; expected {folder / 'CATEGORY/wres50_CATEGORY.pth'}")
    wanted = experiment.data.categories or tuple(found)
    experiment = resolve(experiment.with_overrides({"data.categories": list(wanted)}))
    for category in wanted:
        if category not in found:
            raise ConfigError(
                f"no official checkpoint of '{category}' in {folder}; found: {', '.join(found) or 'none'}; "
                f"expected {folder / category / f'wres50_{category}.pth'}"
            )
    teacher = place(load_teacher(experiment.teacher), experiment.device)
    for category in wanted:
        network = Network(ARCHITECTURES[experiment.teacher.name])
        load_official(network, found[category])
        place(network, experiment.device).eval()
        yield Evaluated(category, None, None, evaluate_network(experiment, category, teacher, network))


def evaluate_network(experiment: ExperimentConfig, category: str, teacher: Teacher, network: Network) -> Evaluation:
    """Evaluate a network on a category of a resolved experiment."""
    assert experiment.threads is not None
    torch.set_num_threads(experiment.threads)
    kernels.use(experiment.kernels)
    data = experiment.data
    test = load_test(scan(Path(data.root), category), data.size, Path(data.cache))
    sigma, precision = experiment.evaluation.sigma, experiment.precision
    detector = Detector(teacher, network, data.size, sigma=sigma, precision=precision)
    return evaluate(detector, Feed(test, teacher.mean.device), batch_size=experiment.training.batch_size)
