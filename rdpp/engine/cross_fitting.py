"""Thresholds where a run held no images out, or too few: every training image is judged by a network that has not seen
it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from rdpp.config import ConfigError
from rdpp.data import Split, load_train
from rdpp.engine.checkpoint import Checkpoint, check_teacher
from rdpp.engine.evaluation import detector_of, predict
from rdpp.engine.events import Observer
from rdpp.engine.loader import DataLoader
from rdpp.engine.resolving import resolve
from rdpp.engine.setup import Setup
from rdpp.engine.spec import RunSpec
from rdpp.engine.teachers import teacher_fingerprint
from rdpp.engine.thresholds import Thresholds, take_thresholds
from rdpp.engine.training import fit
from rdpp.types import Prediction


def cross_fitted(
    checkpoint: Checkpoint,
    folds: int,
    changes: Mapping[str, Any],
    begin: Callable[[int, Setup], Observer],
) -> Thresholds:
    """Train a network on all good training images but a fold's, for each of several folds, and let it judge the fold.

    Each is trained with the checkpoint's settings and seed for as many epochs as its network was. It has seen fewer
    images than that network, so its scores tend to be a little higher, and the thresholds with them.

    Args:
        checkpoint: of the network that the thresholds are for.
        folds: how many networks to train, at least 2.
        changes: overrides of the checkpoint's experiment by dotted path, such as {"data.root": ...}.
        begin: is called before each fold with its number, from 0, and setup; gives an observer of its batches.

    Raises:
        ConfigError: images or weights that cannot be used, other training images than the run's, or too many folds.
    """
    spec = _spec(checkpoint, changes)
    whole = _training_images(spec, checkpoint)
    parts = _parts(len(whole), folds)
    scores = np.empty(len(whole), np.float32)
    maps = np.empty((len(whole), *whole.images.shape[2:]), np.float32)
    for number, rows in enumerate(parts):
        left = np.setdiff1d(np.arange(len(whole)), rows)
        train = whole.part(left, f"without fold {number} of {folds}")  # names tell parts of one size apart
        fold = whole.part(rows, f"fold {number} of {folds}")
        setup = Setup.on(spec, train, fold, None)
        judged = _judge(setup, checkpoint.epoch, begin(number, setup))
        scores[rows], maps[rows] = judged.image_scores, judged.anomaly_maps
    return take_thresholds(scores, maps, f"cross-fitted, {folds} folds")


def _spec(checkpoint: Checkpoint, changes: Mapping[str, Any]) -> RunSpec:
    experiment = checkpoint.experiment.with_overrides({"device": "auto", **changes})
    experiment = resolve(experiment.with_overrides({"data.categories": [checkpoint.category]}))
    check_teacher(checkpoint, teacher_fingerprint(experiment.teacher, checkpoint.seed, experiment.device))
    return RunSpec.of(experiment, checkpoint.category, checkpoint.seed)


def _training_images(spec: RunSpec, checkpoint: Checkpoint) -> Split:
    data, category = spec.experiment.data, spec.category
    if category.train_fingerprint != checkpoint.data:
        raise ConfigError(
            f"the training images of '{category.name}' in {data.root} are not those of {checkpoint.tensors}; name the "
            "folder with --data, or train anew"
        )
    return load_train(category, data.size, Path(data.cache), data.reading)


def _parts(images: int, folds: int) -> list[np.ndarray]:
    """Indices of each fold, drawn at random but always the same for so many images."""
    if not 2 <= folds <= images:
        raise ConfigError(f"--folds is {folds}; give at least 2 and at most {images}, the number of training images")
    order = np.random.default_rng(crc32(b"folds")).permutation(images)
    return [np.sort(part) for part in np.array_split(order, folds)]


def _judge(setup: Setup, epochs: int, observer: Observer) -> Prediction:
    experiment = setup.experiment
    detector = detector_of(experiment, setup.teacher, fit(setup, epochs, [observer]))
    return predict(detector, DataLoader(setup.watched.split, setup.device), batch_size=experiment.training.batch_size)
