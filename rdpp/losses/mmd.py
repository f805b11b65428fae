"""Maximum mean discrepancy between pairs of images."""

from dataclasses import dataclass

from geomloss import SamplesLoss
from torch import Generator, Tensor

from rdpp.config import require
from rdpp.losses.pairs import PairLoss, largest_distance


@dataclass(frozen=True)
class Mmd(PairLoss):
    """E k(x, x') / 2 + E k(y, y') / 2 - E k(x, y), k(x, y) = exp(-|x - y|^2 / (2 blur^2)): geomloss's Gaussian MMD.

    Source: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, equation 3 (theirs is twice this). The blur is
    relative to the largest distance between two points of a pair.
    """

    relative_blur: float = 0.5
    """The kernel's standard deviation, as a share of the largest distance between two points of a pair."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.relative_blur > 0, f"blur must be above 0, got {self.relative_blur}")

    def divergence(self, first: Tensor, second: Tensor, generator: Generator) -> Tensor:
        """(B,) halves of squared discrepancies."""
        blur = self.relative_blur * largest_distance(first, second)
        return SamplesLoss("gaussian", blur=blur, backend="tensorized")(first, second)
