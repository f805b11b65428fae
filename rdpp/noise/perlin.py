"""A rectangular patch of Perlin noise: simplex noise's elder, with a grid that shows."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rdpp.noise.gradient_noise import perlin_patch
from rdpp.noise.opensimplex import permutation
from rdpp.noise.patches import PatchNoise, check_octaves, seeds


@dataclass(frozen=True)
class Perlin(PatchNoise):
    """One patch of fractal Perlin noise an image, from a field and a place of its own.

    Source of the noise: Perlin, "Improving noise", SIGGRAPH 2002. The image's channels are its third axis. Octaves as
    `Simplex` has them, so that the two differ in nothing but the kind of noise.
    """

    name: Literal["perlin"] = "perlin"
    """The kind of noise."""
    octaves: int = 6
    """Number of noise fields of falling wavelength that are added up."""
    persistence: float = 0.6
    """Amplitude of an octave over that of the octave before it."""
    frequency: float = 32.0
    """Wavelength of the first octave in pixels; each further octave has half the wavelength before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_octaves(self.octaves, self.persistence, self.frequency)

    def patches(self, sizes: list[tuple[int, int]], channels: int, generator: torch.Generator) -> list[Tensor]:
        """One (C, h, w) patch a size."""
        drawn = seeds(len(sizes), generator)
        origins = 256 * torch.rand((len(sizes), 3), generator=generator, dtype=torch.float64)
        fractal = (self.octaves, self.persistence, self.frequency)
        patches = (
            perlin_patch(permutation(seed), origin.numpy(), channels, h, w, *fractal)
            for seed, origin, (h, w) in zip(drawn, origins, sizes, strict=True)
        )
        return [torch.from_numpy(patch).mul_(self.scale) for patch in patches]
