"""Energy distance between pairs of images."""

from dataclasses import dataclass

from geomloss import SamplesLoss
from torch import Generator, Tensor

from rdpp.losses.pairs import PairLoss


@dataclass(frozen=True)
class Energy(PairLoss):
    """E|x - y| - E|x - x'| / 2 - E|y - y'| / 2: geomloss's energy distance, the kernel norm for -|x - y|.

    Source: Székely and Rizzo, "Energy statistics", 2013 (theirs is twice this). It is the limit of Sinkhorn
    divergences for p = 1 and an infinite blur (Feydy et al., AISTATS 2019, theorem 1): no transport plan, no parameter.
    """

    def divergence(self, first: Tensor, second: Tensor, generator: Generator) -> Tensor:
        """(B,) energy distances."""
        return SamplesLoss("energy", backend="tensorized")(first, second)
