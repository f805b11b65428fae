"""What the sides of a benchmark work on: drawn images, maps and masks, the same for both."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

SIZE, BATCH = 256, 16


def draw_images(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of noise as images."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, BATCH, 3, SIZE, SIZE, generator=generator).to(device)
    return first, second


def draw_pixels(batch: int) -> torch.Tensor:
    """(batch, 3, SIZE, SIZE) uint8, as a decoder gives them."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


def draw_maps(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth float32 maps (count, SIZE, SIZE) that find well, but not perfectly, what their masks mark.

    A third of the images is good. Each other one has up to three ellipses, some of them joined, that
    take 0.2 to 3 % of it together; its map is noise, and the masks blurred, faint in some images, bright in others.
    """
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((count, 1, 16, 16), np.float32))
    maps = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")[:, 0].numpy()
    masks = np.zeros(maps.shape, dtype=bool)
    for index in range(count):
        if index % 3:
            masks[index] = _blobs(rng)
            maps[index] += np.float32(rng.uniform(0.2, 1.3)) * gaussian_filter(masks[index].astype(np.float32), 4)
    return maps, masks


def _blobs(rng: np.random.Generator) -> np.ndarray:
    """(SIZE, SIZE) bool, one to three ellipses."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    mask, number = np.zeros((SIZE, SIZE), dtype=bool), int(rng.integers(1, 4))
    radius = SIZE * np.sqrt(rng.uniform(0.002, 0.03) / number / np.pi)
    for _ in range(number):
        (y, x), angle, stretch = rng.uniform(radius, SIZE - radius, 2), rng.uniform(0, np.pi), rng.uniform(1, 1.7)
        along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        mask |= (along / stretch) ** 2 + (across * stretch) ** 2 <= radius**2
    return mask
