"""Before the first of many runs: everything they need is read, and bad input is told."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from rdpp.config import ConfigError
from rdpp.data import Split, described, held_out_rows, hold_out, load_train
from rdpp.data.notes import notes, undefined_because
from rdpp.engine.events import ImagesRead, Observer
from rdpp.engine.selection import OFFICIAL_METRICS
from rdpp.engine.setup import test_images
from rdpp.engine.spec import RunSpec
from rdpp.engine.teachers import teacher_fingerprint
from rdpp.metrics import evaluate


def prepare(
    specs: Sequence[RunSpec], observers: Sequence[Observer] = (), objective: Collection[str] = ()
) -> dict[str, ConfigError]:
    """Read what runs will need, so that bad input is told before the first of them.

    Where held-out images are watched, the test images need not be there yet; those that are there are read, so that
    what is wrong with them is told, and not used.

    Args:
        specs: the runs.
        observers: are told, once a category, what a person should know of its images.
        objective: metrics of the watched images that a choice between runs goes by.

    Returns:
        What is wrong with each category that cannot be used: its images, or a choice by a metric that is undefined on
        them. Empty where all is well.

    Raises:
        ConfigError: weights of the teacher that cannot be used.
    """
    seen: set[object] = set()
    told: set[ImagesRead] = set()
    unusable: dict[str, ConfigError] = {}
    for spec in specs:
        data, evaluation = spec.experiment.data, spec.experiment.evaluation
        what = (spec.category, data.size, data.reading, data.cache, evaluation.held_out_share, evaluation.selection)
        _ = teacher_fingerprint(spec.experiment.teacher, spec.seed, spec.experiment.device)
        if what in seen:
            continue
        seen.add(what)
        try:
            event = _read(spec, objective)
        except ConfigError as error:
            unusable.setdefault(spec.category.name, error)
            continue
        if event not in told:
            told.add(event)
            for observer in observers:
                observer(event)
    return unusable


def prepare_all(specs: Sequence[RunSpec], observers: Sequence[Observer] = (), objective: Collection[str] = ()) -> None:
    """The same where every category is needed.

    Raises:
        ConfigError: one of them cannot be used.
    """
    for error in prepare(specs, observers, objective).values():
        raise error


def _read(spec: RunSpec, objective: Collection[str]) -> ImagesRead:
    """Read and hash the images of a run."""
    data, evaluation = spec.experiment.data, spec.experiment.evaluation
    _ = spec.identity
    train = load_train(spec.category, data.size, Path(data.cache), data.reading)
    if evaluation.held_out_share > 0:
        held_out_rows(train, evaluation.held_out_share)
    test = test_images(spec) if evaluation.watched == "test" or spec.category.has_test else None
    if evaluation.selection == "official":
        assert test is not None
        _check_defined(spec, test, OFFICIAL_METRICS, "evaluation.selection: official")
    if objective:
        watched = test if evaluation.watched == "test" else hold_out(train, evaluation.held_out_share)[1]
        assert watched is not None
        _check_defined(spec, watched, objective, "the objective")
    return ImagesRead(
        category=spec.category.name,
        layout=f"read as {described(spec.category.reader)}",
        notes=notes(spec.category, train, test),
    )


def _check_defined(spec: RunSpec, watched: Split, names: Collection[str], what: str) -> None:
    """Metrics of an arbitrary prediction: whether one is defined lies in the labels and masks alone."""
    maps = np.zeros(watched.masks.shape, np.float32)
    types = ["defect"] * len(watched)
    metrics = evaluate(maps, watched.masks, maps[:, 0, 0], watched.labels, types, by_type=False, metrics=names)
    undefined = [name for name in names if np.isnan(metrics[name])]
    if undefined:
        raise ConfigError(
            f"{what} goes by {', '.join(undefined)}, which the images of '{spec.category.name}' cannot give: "
            f"{undefined_because(watched) or 'they have too few normal pixels'}; go by other metrics, choose with "
            "evaluation.selection: held_out, or add what is missing"
        )
