"""RD++'s pseudo-anomaly: a rectangular patch of simplex noise, added to each image."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from rdpp.config import choose
from rdpp.noise.opensimplex import octave_patch, permutation
from rdpp.noise.patches import PatchNoise, check_octaves, seeds


@dataclass(frozen=True)
class Simplex(PatchNoise):
    """One patch of fractal OpenSimplex noise an image, about in [-scale, scale].

    Source: Tien et al., "Revisiting Reverse Distillation for Anomaly Detection", CVPR 2023, by its code; the
    noise itself comes from AnoDDPM (Wyatt et al., CVPR Workshops 2022). The image's channels are the noise's
    third axis. For field "run" the seed is the generator's initial_seed(), which is part of its state: a
    resumed run keeps its field.
    """

    name: Literal["simplex"] = "simplex"
    """The kind of noise."""
    octaves: int = 6  # RD++ code, as AnoDDPM
    """Number of noise fields of falling wavelength that are added up."""
    persistence: float = 0.6  # RD++ code (AnoDDPM: 0.8)
    """Amplitude of an octave over that of the octave before it."""
    frequency: float = 32.0  # RD++ code (AnoDDPM: 64)
    """Wavelength of the first octave in pixels; each further octave has half the wavelength before."""
    field: Literal["run", "sample"] = "run"
    """`run` (RD++ code): one field for the whole run, of which each patch is a crop from the same corner; `sample`: a
    field of its own for each image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(self.field, ("run", "sample"), "noise field")
        check_octaves(self.octaves, self.persistence, self.frequency)

    def patches(self, sizes: list[tuple[int, int]], channels: int, generator: torch.Generator) -> list[Tensor]:
        """One (C, h, w) patch a size: crops of the run's field, or each from a field of its own."""
        fractal = (self.octaves, self.persistence, self.frequency, self.scale)
        if self.field == "run":
            field = _run_field(generator.initial_seed(), (channels, self.max_size, self.max_size), *fractal)
            return [field[:, :h, :w] for h, w in sizes]
        drawn = seeds(len(sizes), generator)
        return [_field(seed, (channels, h, w), *fractal) for seed, (h, w) in zip(drawn, sizes, strict=True)]


def _field(
    seed: int, shape: tuple[int, int, int], octaves: int, persistence: float, frequency: float, scale: float
) -> Tensor:
    """The corner of one field, of this shape, float32."""
    patch = octave_patch(permutation(seed), *shape, octaves, persistence, frequency)
    return torch.from_numpy(patch).mul_(scale)


# A run's patches all start at the corner of one field, so they are crops of its largest one.
_run_field = lru_cache(maxsize=16)(_field)
