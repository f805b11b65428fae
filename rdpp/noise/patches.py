"""What the pseudo-anomalies that add noise in a rectangle share: its size, its place, and the adding."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rdpp.config import require
from rdpp.noise.device import to_device_of


@dataclass(frozen=True)
class PatchNoise:
    """Noise added to one rectangle of each image, of random size and place.

    The authors' patch never touches the image's border, this one may.
    """

    scale: float = 0.2  # RD++ code
    """Factor of the noise; images are in [0, 1]."""
    min_size: int = 10  # RD++ code: height and width by numpy's randint(10, 256 // 8), which excludes 32
    """Least height and width of the patch in pixels."""
    max_size: int = 31  # RD++ code, as min_size
    """Largest height and width of the patch in pixels."""

    def __post_init__(self) -> None:
        require(self.scale > 0, f"noise scale must be above 0, got {self.scale}")
        sizes = f"got min_size {self.min_size}, max_size {self.max_size}"
        require(1 <= self.min_size <= self.max_size, f"noise needs 1 <= min_size <= max_size, {sizes}")

    def patches(self, sizes: list[tuple[int, int]], channels: int, generator: torch.Generator) -> list[Tensor]:
        """One (C, h, w) float32 patch of scaled noise a size (h, w)."""
        raise NotImplementedError

    def __call__(self, images: Tensor, generator: torch.Generator, *, inplace: bool = False) -> tuple[Tensor, Tensor]:
        """Add one patch to each image.

        The generator is the only source of randomness: a batch draws torch.rand(B, 4) for the rectangles, then
        what the patches need.

        Args:
            images: (B, C, H, W) floating point, in [0, 1], on any device.
            generator: on the CPU.
            inplace: write into the images instead of a copy of them.

        Returns:
            noisy: like images; not clipped, so it may leave [0, 1].
            mask: (B, 1, H, W) bool, True inside the patch.

        Raises:
            ConfigError: the images are smaller than the largest patch.
        """
        batch, channels, height, width = images.shape
        boxes = self._boxes(batch, height, width, generator)
        patches = self.patches([(h, w) for h, w, _, _ in boxes], channels, generator)
        drawn = to_device_of(torch.cat([patch.flatten() for patch in patches]), images)
        pieces = drawn.split([patch.numel() for patch in patches])
        noisy, mask = images if inplace else images.clone(), torch.zeros_like(images[:, :1], dtype=torch.bool)
        for image, hole, piece, (h, w, top, left) in zip(noisy, mask, pieces, boxes, strict=True):
            image[:, top : top + h, left : left + w].add_(piece.view(channels, h, w))
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


def check_octaves(octaves: int, persistence: float, frequency: float) -> None:
    """Raise ConfigError unless these make a sum over octaves."""
    require(1 <= octaves <= 16, f"noise octaves must be in 1..16, got {octaves}")
    require(persistence > 0, f"noise persistence must be above 0, got {persistence}")
    require(frequency > 0, f"noise frequency must be above 0 (pixels), got {frequency}")


def seeds(count: int, generator: torch.Generator) -> list[int]:
    """Seeds of so many fields, over all 64-bit numbers."""
    return torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator).tolist()
