"""Evaluation of what lies on disk: a checkpoint of ours, or a folder of official ones."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpp.config import ConfigError
from rdpp.data import Split, load_test, scan
from rdpp.engine.checkpoint import load_network, read_checkpoint
from rdpp.engine.device import to_device
from rdpp.engine.evaluation import evaluate_with
from rdpp.engine.events import EpochFinished, Observer, RunFinished, RunStarted
from rdpp.engine.loader import DataLoader
from rdpp.engine.resolving import resolve
from rdpp.engine.results import Evaluation, Result
from rdpp.engine.setup import planned_epochs, test_images_now, training_images, use_machine
from rdpp.engine.spec import RunSpec
from rdpp.engine.teachers import shared_teacher
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, Teacher
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
    teacher = shared_teacher(experiment.teacher, checkpoint.seed, experiment.device)
    network = load_network(checkpoint, teacher)
    evaluation = evaluate_network(experiment, checkpoint.category, teacher, network)
    return Evaluated(checkpoint.category, checkpoint.seed, checkpoint.epoch, evaluation)


def evaluate_again(
    spec: RunSpec,
    path: Path,
    *,
    dead_terms: tuple[str, ...],
    epochs: int,
    steps: int,
    observers: Sequence[Observer] = (),
) -> Result:
    """Evaluate a trained network again, because the test files of its run have changed.

    Args:
        spec: the run with the test files of now.
        path: folder of the checkpoint of its chosen epoch.
        dead_terms, epochs, steps: what its training came to; see `Result`.
        observers: are told that it started, of its chosen epoch as if that were its last, and of the result.

    Raises:
        ConfigError: no checkpoint, another teacher, or images that cannot be used.
    """
    began = time.perf_counter()
    checkpoint, experiment = read_checkpoint(path), spec.experiment
    use_machine(experiment)
    teacher = shared_teacher(experiment.teacher, spec.seed, experiment.device)
    network = load_network(checkpoint, teacher)
    train, held_out = training_images(spec)
    current, test = test_images_now(spec)
    splits = [test, held_out] if experiment.evaluation.watched == "held_out" else [test]
    loaders = [DataLoader(split, teacher.mean.device) for split in splits if split is not None]
    evaluation, *on_held_out = (evaluate_with(experiment, teacher, network, loader) for loader in loaders)
    result = Result(
        spec=current,
        epoch=checkpoint.epoch,
        evaluation=evaluation,
        held_out=on_held_out[0] if on_held_out else None,
        audit={},
        dead_terms=dead_terms,
        epochs=epochs,
        steps=steps,
        seconds=time.perf_counter() - began,
    )
    for event in (_started(current, train, held_out), _chosen(result, network), RunFinished(result=result)):
        for observer in observers:
            observer(event)
    return result


def _started(spec: RunSpec, train: Split, held_out: Split | None) -> RunStarted:
    experiment = spec.experiment
    per_epoch = -(-len(train) // experiment.training.batch_size)
    return RunStarted(
        spec=spec,
        epochs=planned_epochs(spec),
        steps=experiment.training.steps_of(spec.category.name, per_epoch),
        train=train,
        held_out=held_out,
        watched=experiment.evaluation.watched,
    )


def _chosen(result: Result, network: Network) -> EpochFinished:
    """The chosen epoch of a run that was trained earlier, told as its last; nothing was timed."""
    return EpochFinished(
        epoch=result.epoch,
        batch=result.steps,
        seconds_per_batch=math.nan,
        images_per_second=math.nan,
        peak_memory_mb=math.nan,
        evaluation=result.deciding,
        chosen=True,
        last=True,
        network=network,
    )


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
    teacher = shared_teacher(experiment.teacher, 0, experiment.device)
    for category in wanted:
        network = Network(ARCHITECTURES[experiment.teacher.name])
        load_official(network, found[category])
        to_device(network, experiment.device).eval()
        yield Evaluated(category, None, None, evaluate_network(experiment, category, teacher, network))


def evaluate_network(experiment: ExperimentConfig, category: str, teacher: Teacher, network: Network) -> Evaluation:
    """Evaluate a network on a category of a resolved experiment."""
    use_machine(experiment)
    data = experiment.data
    test = load_test(scan(Path(data.root), category, data.layout), data.size, Path(data.cache), data.reading)
    return evaluate_with(experiment, teacher, network, DataLoader(test, teacher.mean.device))
