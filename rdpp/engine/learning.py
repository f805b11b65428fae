"""What a training step changes: network, optimiser, generators, and the gradients gathered so far."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rdpp.engine.adam import Adam
from rdpp.engine.seeding import Streams
from rdpp.engine.weight_average import WeightAverage
from rdpp.experiment import ExperimentConfig
from rdpp.models import Network


@dataclass
class Learning:
    """Everything that the next step depends on, besides its batch."""

    network: Network
    optimizer: Adam
    streams: Streams
    average: WeightAverage | None = None
    gathered: int = 0
    """Batches whose gradients wait for an update."""

    @classmethod
    def start(cls, network: Network, streams: Streams, experiment: ExperimentConfig) -> "Learning":
        """Before the first step, with one learning rate for the projection and one for bottleneck and student."""
        config, decay = experiment.optimizer, experiment.training.average
        beta1, beta2 = config.betas
        optimizer = Adam((beta1, beta2))
        for parameters, rate in (
            (network.projection_parameters(), config.projection_lr),
            (network.restoration_parameters(), config.restoration_lr),
        ):
            if parameters:
                optimizer.add(parameters, rate)
        return cls(network, optimizer, streams, None if decay is None else WeightAverage(network, decay))

    @property
    def judged(self) -> Network:
        """The network that is evaluated, chosen and kept: the average where there is one."""
        return self.network if self.average is None else self.average.network

    def update(self) -> None:
        """Take the gathered gradients."""
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.gathered = 0
        if self.average is not None:
            self.average.follow(self.network)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name; a parameter without a gradient has no entry for it."""
        network = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        gradients = {f"gradient/{n}": p.grad for n, p in self.network.named_parameters() if p.grad is not None}
        moments = {f"adam/{name}": value for name, value in self.optimizer.tensors().items()}
        generators = {f"generator/{f.name}": getattr(self.streams, f.name).get_state() for f in fields(self.streams)}
        average = {} if self.average is None else self.average.tensors()
        averages = {f"average/{name}": value for name, value in average.items()}
        return {**network, **gradients, **moments, **averages, **generators}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy what `tensors` gave into the existing tensors: this keeps their memory layout, which affects digits."""
        own = self.tensors()
        for name, value in own.items():
            if name.startswith(("network/", "adam/", "average/")):
                value.copy_(tensors[name])
        for name, parameter in self.network.named_parameters():
            gradient = tensors.get(f"gradient/{name}")
            parameter.grad = None if gradient is None else torch.empty_like(parameter).copy_(gradient)
        for field in fields(self.streams):
            getattr(self.streams, field.name).set_state(tensors[f"generator/{field.name}"])
