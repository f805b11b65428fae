"""Filling in the values that a configuration leaves open."""

import dataclasses

import torch

from rdpp.config import choose
from rdpp.data import Folder, list_categories, name_of, reader_at
from rdpp.engine.device import resolve_device
from rdpp.experiment import ExperimentConfig
from rdpp.folders import home_expanded


def resolve(experiment: ExperimentConfig) -> ExperimentConfig:
    """The same experiment with every `auto`, default and relative path filled in; resolving it again changes nothing.

    Raises:
        ConfigError: a missing data folder, a layout that is not recognised, an unknown category or device.
    """
    root = home_expanded(experiment.data.root, "data.root")
    reader = reader_at(root, experiment.data.layout)
    found = list_categories(root, reader)
    for name in experiment.data.categories:
        choose(name, found, f"category (in {root})")
    data = dataclasses.replace(
        experiment.data,
        root=str(root),
        reader=name_of(reader),
        folder=reader if isinstance(reader, Folder) else None,
        categories=experiment.data.categories or tuple(found),
        cache=str(home_expanded(experiment.data.cache, "data.cache")),
    )
    teacher = experiment.teacher
    if teacher.weights not in ("default", "random"):
        teacher = dataclasses.replace(teacher, weights=str(home_expanded(teacher.weights, "teacher.weights")))
    evaluation = dataclasses.replace(experiment.evaluation, hold_out=experiment.evaluation.held_out_share)
    return dataclasses.replace(
        experiment,
        data=data,
        evaluation=evaluation,
        teacher=teacher,
        device=str(resolve_device(experiment.device)),
        threads=experiment.threads or torch.get_num_threads(),
    )
