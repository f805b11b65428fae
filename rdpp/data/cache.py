"""Images decoded and resized once: float32 on disk, memory-mapped, shared by all runs and processes.

Resizing follows the official code: images as float, bilinear without antialiasing; masks with Pillow's
antialiased bilinear filter, then > 0.5. Resizing as 8-bit numbers would err by 2e-3.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.nn.functional import interpolate

from rdpp.data.layout import Category, Item, undecodable

_FORMAT = "1"  # raise it when decoding or resizing changes


@dataclass(frozen=True)
class Split:
    """The images of one category's training or test half, at the configured size."""

    items: tuple[Item, ...]
    images: np.ndarray
    """(N, 3, H, W) float32 in [0, 1], memory-mapped."""
    masks: np.ndarray
    """(N, H, W) bool, True where defective; empty masks for good images."""
    key: str
    """Tells splits of other files, contents, sizes or portions apart."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool, True where defective: from the folders, not from masks that may vanish when resized."""
        return np.array([item.label for item in self.items])

    @property
    def defect_types(self) -> list[str]:
        """The folder of each image."""
        return [item.defect_type for item in self.items]


def load_train(category: Category, size: tuple[int, int], cache: Path) -> Split:
    """The good training images of a category, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded.
    """
    return _load(category, category.train, category.train_manifest, size, cache)


def load_test(category: Category, size: tuple[int, int], cache: Path) -> Split:
    """The test images of a category with their masks, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded.
    """
    return _load(category, category.test, category.test_manifest, size, cache)


def _load(
    category: Category, items: tuple[Item, ...], manifest: Mapping[str, str], size: tuple[int, int], cache: Path
) -> Split:
    folder = cache / f"{category.name}-{size[0]}x{size[1]}-{_key(category, items, manifest)}"
    if not folder.is_dir():
        _build(items, size, folder)
    # copy-on-write: torch wants writable memory, and nothing written may reach the file
    images = np.load(folder / "images.npy", mmap_mode="c", allow_pickle=False)
    return Split(items, images, np.load(folder / "masks.npy", allow_pickle=False), folder.name)


def _key(category: Category, items: Sequence[Item], manifest: Mapping[str, str]) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    for path in (p for item in items for p in (item.path, item.mask) if p is not None):
        name = path.relative_to(category.folder).as_posix()
        digest.update(f"\n{manifest[name]} {name}".encode())
    return digest.hexdigest()[:24]


def _build(items: Sequence[Item], size: tuple[int, int], folder: Path) -> None:
    """Fill a folder of its own, then move it into place, so that a reader never sees half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        images = np.lib.format.open_memmap(
            scratch / "images.npy", mode="w+", dtype=np.float32, shape=(len(items), 3, *size)
        )
        masks = np.zeros((len(items), *size), dtype=bool)
        for i, item in enumerate(items):
            images[i] = read_image(item.path, size)
            if item.mask is not None:
                masks[i] = read_mask(item.mask, size)
        images.flush()
        np.save(scratch / "masks.npy", masks)
        try:
            os.rename(scratch, folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(3, H, W) float32 in [0, 1], RGB, resized as float.

    Raises:
        ConfigError: not an image.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise undecodable(path) from None
    tensor = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    return interpolate(tensor, size=size, mode="bilinear", align_corners=False)[0].numpy()


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool, True where defective.

    Raises:
        ConfigError: not an image.
    """
    height, width = size
    try:
        with Image.open(path) as image:
            resized = image.convert("L").resize((width, height), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise undecodable(path) from None
    return np.asarray(resized, dtype=np.float32) / 255 > 0.5
