"""One batch: forward, losses, backward, and an update when enough gradients are summed."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter

from rdpp.engine.device import autocast
from rdpp.engine.inspection import TermInspection, inspect_term
from rdpp.engine.learning import Learning
from rdpp.engine.seeding import Streams
from rdpp.experiment import ExperimentConfig
from rdpp.losses import LossValues, Weighted
from rdpp.models import Network, Teacher
from rdpp.types import Batch, Features, Precision


class Stepper:
    """Trains a network in place."""

    def __init__(self, experiment: ExperimentConfig, teacher: Teacher, network: Network, streams: Streams) -> None:
        self.teacher, self.network, self.streams = teacher, network, streams
        self.learning = Learning.start(network, streams, experiment)
        self.noise = experiment.noise if experiment.needs("noise") else None
        self.restore_noisy = experiment.needs("noisy_student")
        self.losses = Weighted(experiment.terms)
        self.training = experiment.training
        self.precision: Precision = experiment.precision
        self.groups = {
            "projection": network.projection_parameters(),
            "restoration": network.restoration_parameters(),
        }

    def step(self, batch: Batch, *, inspect: bool = False) -> tuple[LossValues, dict[str, TermInspection] | None]:
        """Take one batch, whose images get noise written into them. With `inspect`, also look into each weighted term.

        Returns:
            The losses, detached, and what the terms do by name (None without `inspect`).
        """
        features = self.features(batch)
        state = self.streams.losses.get_state()
        values = self.losses(features, self.streams.losses)
        inspections = None
        if inspect:
            inspections = self._inspect(features, state, self._backward_by_term(values.weighted))
        else:
            values.total.backward()
        self.learning.gathered += 1
        if self.learning.gathered == self.training.accumulate:
            self.update()
        return _detached(values), inspections

    def features(self, batch: Batch) -> Features:
        """The batch's features, clean and (where a loss wants them) noisy: then noise is written into its images."""
        with autocast(self.teacher.mean.device, self.precision):
            clean = batch.teacher or self.teacher(batch.images)
            if self.noise is None:
                return self.network(clean).float()
            noisy, changed = self.noise(batch.images, self.streams.noise, inplace=True)
            teacher_noisy = self.teacher.near(noisy, changed, clean)
            return self.network(clean, teacher_noisy, restore_noisy=self.restore_noisy).float()

    def update(self) -> None:
        """Update with the gradients gathered so far, their sum or their mean; nothing where there are none."""
        if not self.learning.gathered:
            return
        if self.training.reduction == "mean":
            for parameter in (p for group in self.groups.values() for p in group):
                if parameter.grad is not None:
                    parameter.grad /= self.learning.gathered
        self.learning.update()

    def _backward_by_term(self, weighted: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
        """Backward through each term alone; the sum is the total's gradient. Norms by term and group."""
        parameters = [p for group in self.groups.values() for p in group]
        norms: dict[str, dict[str, float]] = {}
        for name, value in weighted.items():
            gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            start, norms[name] = 0, {}
            for group, members in self.groups.items():
                if members:
                    norms[name][group] = _norm(gradients[start : start + len(members)])
                start += len(members)
            _add(parameters, gradients)
        return norms

    def _inspect(
        self, features: Features, state: Tensor, norms: Mapping[str, Mapping[str, float]]
    ) -> dict[str, TermInspection]:
        """`state`: of the losses' generator before the first term drew from it."""
        generator = torch.Generator()
        generator.set_state(state)
        inspections = {}
        for name, term in self.losses.terms.items():
            inspections[name] = TermInspection(norms[name], *inspect_term(term, features, generator))
        return inspections


def _add(parameters: list[Parameter], gradients: tuple[Tensor | None, ...]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _norm(gradients: tuple[Tensor | None, ...]) -> float:
    reached = [g for g in gradients if g is not None]
    return float(torch.nn.utils.get_total_norm(reached)) if reached else 0.0


def _detached(values: LossValues) -> LossValues:
    return LossValues(
        values.total.detach(),
        {name: value.detach() for name, value in values.raw.items()},
        {name: value.detach() for name, value in values.weighted.items()},
    )
