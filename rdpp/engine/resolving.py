"""A configuration with nothing left open."""

import dataclasses
from pathlib import Path

import torch

from rdpp.config import choose
from rdpp.data import list_categories
from rdpp.engine.device import resolve_device
from rdpp.experiment import ExperimentConfig


def resolve(experiment: ExperimentConfig) -> ExperimentConfig:
    """The same experiment with every `auto`, default and relative path filled in; resolving it again changes nothing.

    Raises:
        ConfigError: a missing data folder, an unknown category or device.
    """
    root = Path(experiment.data.root).expanduser().absolute()
    found = list_categories(root, experiment.data.reader)
    for name in experiment.data.categories:
        choose(name, found, f"category (in {root})")
    data = dataclasses.replace(
        experiment.data,
        root=str(root),
        categories=experiment.data.categories or tuple(found),
        cache=str(Path(experiment.data.cache).expanduser().absolute()),
    )
    teacher = experiment.teacher
    if teacher.weights not in ("default", "random"):
        teacher = dataclasses.replace(teacher, weights=str(Path(teacher.weights).expanduser().absolute()))
    evaluation = dataclasses.replace(experiment.evaluation, hold_out=experiment.evaluation.held_out_share)
    return dataclasses.replace(
        experiment,
        data=data,
        evaluation=evaluation,
        teacher=teacher,
        device=str(resolve_device(experiment.device)),
        threads=experiment.threads or torch.get_num_threads(),
    )
