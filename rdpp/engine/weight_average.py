"""A moving average of a network over its updates."""

import copy

import torch
from torch import Tensor

from rdpp.models import Network

_EARLY = 10.0  # TensorFlow's ExponentialMovingAverage with num_updates


class WeightAverage:
    """An exponential moving average of a network's weights and of its BatchNorms' running statistics.

    Update n moves it by 1 - min(decay, (1 + n) / (10 + n)) of the way to the network: early updates move it far, so the
    drawn weights are soon forgotten. Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS
    2017, section 2 (there the network's teacher, here the network that is judged).

    Args:
        network: at its beginning; it is copied.
        decay: above 0 and below 1; 0.95 is an average over about the last 20 updates.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self._updates = torch.zeros(())

    @torch.no_grad()
    def follow(self, network: Network) -> None:
        """Take the network's weights into the average, after an update."""
        self._updates += 1
        updates = float(self._updates)
        share = 1 - min(self.decay, (1 + updates) / (_EARLY + updates))
        own, new = self.network.state_dict(), network.state_dict()
        for name, value in own.items():
            if value.is_floating_point():
                value.lerp_(new[name], share)
            else:  # a count of batches
                value.copy_(new[name])

    def tensors(self) -> dict[str, Tensor]:
        """The average itself, not a copy, and how many updates are in it."""
        return {**self.network.state_dict(), "updates": self._updates}
