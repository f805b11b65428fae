"""RD++'s pseudo-anomaly: a rectangular patch of simplex noise, added to each image."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from rdpp.config import choose, require
from rdpp.noise.opensimplex import octave_patch, permutation


@dataclass(frozen=True)
class Simplex:
    """One patch of fractal OpenSimplex noise an image, of random size and place.

    Source: Tien et al., "Revisiting Reverse Distillation for Anomaly Detection", CVPR 2023, by its code; the
    noise itself comes from AnoDDPM (Wyatt et al., CVPR Workshops 2022). The image's channels are the noise's
    third axis. One difference: the authors' patch never touches the image's border, this one may.
    """

    name: Literal["simplex"] = "simplex"
    scale: float = 0.2  # RD++ code: times the noise, which is about in [-1, 1]; images are in [0, 1]
    octaves: int = 6  # RD++ code, as AnoDDPM
    persistence: float = 0.6  # RD++ code (AnoDDPM: 0.8); amplitude of an octave over that of the one before
    frequency: float = 32.0  # RD++ code (AnoDDPM: 64); first wavelength in pixels, halved each octave
    min_size: int = 10  # RD++ code: height and width by numpy's randint(10, 256 // 8), which excludes 32
    max_size: int = 31  # inclusive; see min_size
    field: Literal["run", "sample"] = "run"
    """run (RD++ code): one field for the whole run, each patch a crop from its corner; sample: one each."""

    def __post_init__(self) -> None:
        choose(self.field, ("run", "sample"), "noise field")
        require(self.scale > 0, f"noise scale must be above 0, got {self.scale}")
        require(1 <= self.octaves <= 16, f"noise octaves must be in 1..16, got {self.octaves}")
        require(self.persistence > 0, f"noise persistence must be above 0, got {self.persistence}")
        require(self.frequency > 0, f"noise frequency must be above 0 (pixels), got {self.frequency}")
        sizes = f"got min_size {self.min_size}, max_size {self.max_size}"
        require(1 <= self.min_size <= self.max_size, f"noise needs 1 <= min_size <= max_size, {sizes}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Add one patch to each image.

        The generator is the only source of randomness. A batch draws torch.rand(B, 4) for the boxes, and then
        for field "sample" torch.randint(B), the seeds of the fields. For "run" the seed is the generator's
        initial_seed(), which is part of its state: a resumed run keeps its field.

        Args:
            images: (B, C, H, W) floating point, in [0, 1], on any device; not modified.
            generator: on the CPU.

        Returns:
            noisy: like images; not clipped, so it may leave [0, 1].
            mask: (B, 1, H, W) bool, True inside the patch.

        Raises:
            ConfigError: the images are smaller than the largest patch.
        """
        batch, channels, height, width = images.shape
        boxes = self._boxes(batch, height, width, generator)
        patches = self._patches(boxes, channels, generator)
        noisy = images.clone()
        mask = torch.zeros_like(images[:, :1], dtype=torch.bool)
        for image, hole, patch, (h, w, top, left) in zip(noisy, mask, patches, boxes, strict=True):
            image[:, top : top + h, left : left + w] += patch.to(images)
            hole[:, top : top + h, left : left + w] = True
        return noisy, mask

    def _boxes(self, batch: int, height: int, width: int, generator: torch.Generator) -> list[list[int]]:
        """Height, width, top and left of each patch: whole numbers, uniform over all that fit."""
        require(
            self.max_size <= min(height, width),
            f"noise max_size {self.max_size} does not fit into images of {height}x{width}; "
            f"enlarge the images or lower max_size to {min(height, width)}",
        )
        uniform = torch.rand((batch, 4), generator=generator, dtype=torch.float64)
        sizes = self.min_size + (uniform[:, :2] * (self.max_size - self.min_size + 1)).long()
        room = torch.tensor([height, width]) - sizes
        corners = (uniform[:, 2:] * (room + 1)).long()
        return torch.cat([sizes, corners], dim=1).tolist()

    def _patches(self, boxes: list[list[int]], channels: int, generator: torch.Generator) -> list[Tensor]:
        """One (C, h, w) patch of scaled noise a box."""
        fractal = (self.octaves, self.persistence, self.frequency, self.scale)
        if self.field == "run":
            field = _run_field(generator.initial_seed(), (channels, self.max_size, self.max_size), *fractal)
            return [field[:, :h, :w] for h, w, _, _ in boxes]
        seeds = torch.randint(-(2**63), 2**63 - 1, (len(boxes),), generator=generator).tolist()
        return [_field(s, (channels, h, w), *fractal) for s, (h, w, _, _) in zip(seeds, boxes, strict=True)]


def _field(
    seed: int, shape: tuple[int, int, int], octaves: int, persistence: float, frequency: float, scale: float
) -> Tensor:
    """The corner of one field, of this shape, float32."""
    patch = octave_patch(permutation(seed), *shape, octaves, persistence, frequency)
    return torch.from_numpy(patch).mul_(scale)


# A run's patches all start at the corner of one field, so they are crops of its largest one.
_run_field = lru_cache(maxsize=16)(_field)
