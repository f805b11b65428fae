"""Images and masks from their files' size to the network's.

Resizing follows the official code: images as float, bilinear without antialiasing; masks with Pillow's
antialiased bilinear filter, then > 0.5. Resizing as 8-bit numbers would err by 2e-3. What files mean before they are
resized is said in `decoding.py` and `masks.py`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from rdpp.data.decoding import BY_TYPE, Fit, Reading, decode
from rdpp.data.facts import Box
from rdpp.data.masks import decode_mask


def read_image(path: Path, size: tuple[int, int], reading: Reading = BY_TYPE) -> np.ndarray:
    """(3, H, W) float32 in [0, 1], RGB, resized as float.

    Raises:
        ConfigError: not an image, or one whose numbers have no known meaning.
    """
    pixels, _ = decode(path, reading)
    return fitted(pixels, size, placed(pixels.shape[:2], size, reading.fit))


def read_mask(paths: Path | Sequence[Path], size: tuple[int, int], reading: Reading = BY_TYPE) -> np.ndarray:
    """(H, W) bool, True where any of an image's masks is. They are joined first and resized then, as one would be.

    Args:
        paths: of one mask or several, all of the image's size.
        size: (H, W).
        reading: how files are read.

    Raises:
        ConfigError: not an image.
    """
    paths = [paths] if isinstance(paths, Path) else paths
    mask = np.logical_or.reduce([decode_mask(path, reading) for path in paths])
    return fitted_mask(mask, size, placed(mask.shape, size, reading.fit))


def joined(paths: Sequence[Path], shape: tuple[int, ...], reading: Reading) -> np.ndarray:
    """(height, width) bool, True where any of an image's masks is; of a good image, which has none, all False."""
    return np.logical_or.reduce([np.zeros(shape, bool), *(decode_mask(path, reading) for path in paths)])


def placed(shape: tuple[int, ...], size: tuple[int, int], fit: Fit) -> Box:
    """Where a picture (height, width) lies in its resized image (H, W): all over it, or in its middle with its aspect
    kept."""
    if fit == "stretch":
        return 0, 0, *size
    scale = min(size[0] / shape[0], size[1] / shape[1])
    height, width = (max(1, min(most, round(scale * side))) for side, most in zip(shape, size, strict=True))
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def fitted(pixels: np.ndarray, size: tuple[int, int], box: Box) -> np.ndarray:
    """(height, width, 3) to (3, H, W), resized as float into its box; the rest repeats the picture's border."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    resized = interpolate(tensor, size=box[2:], mode="bilinear", align_corners=False)[0].numpy()
    return np.pad(resized, ((0, 0), *margins(size, box)), mode="edge")


def fitted_mask(mask: np.ndarray, size: tuple[int, int], box: Box) -> np.ndarray:
    """(height, width) bool to (H, W) bool, antialiased and cut above a half; False around its box."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    resized = picture.resize((box[3], box[2]), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(resized, dtype=np.float32) / 255 > 0.5, margins(size, box))


def margins(size: tuple[int, ...], box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    """What a box leaves of (H, W): above and below, left and right, as np.pad wants it."""
    top, left, height, width = box
    return (top, size[0] - top - height), (left, size[1] - left - width)
