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

from rdpp.config import ConfigError
from rdpp.data.category import Category
from rdpp.data.files import undecodable
from rdpp.data.item import Item

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
    root: Path
    """Of the data set: the items' paths are relative to it."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool, True where defective: as the data set says, not by masks that may vanish when resized."""
        assert all(item.label is not None for item in self.items)
        return np.array([item.label for item in self.items], dtype=bool)

    @property
    def defect_types(self) -> list[str]:
        """Of each image; `good` where there is no defect."""
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
        ConfigError: an image that cannot be decoded, or whose label or masks are not known.
    """
    for item in category.test:
        if item.label is None or item.masks is None:
            raise ConfigError(
                f"the data set does not say whether and where {category.root / item.path} is defective, "
                "which every evaluation needs; leave it out of the test images"
            )
    return _load(category, category.test, category.test_manifest, size, cache)


def _load(
    category: Category, items: tuple[Item, ...], manifest: Mapping[str, str], size: tuple[int, int], cache: Path
) -> Split:
    folder = cache / f"{category.name}-{size[0]}x{size[1]}-{_key(items, manifest)}"
    if not folder.is_dir():
        _build(category.root, items, size, folder)
    # copy-on-write: torch wants writable memory, and nothing written may reach the file
    images = np.load(folder / "images.npy", mmap_mode="c", allow_pickle=False)
    return Split(items, images, np.load(folder / "masks.npy", allow_pickle=False), folder.name, category.root)


def _key(items: Sequence[Item], manifest: Mapping[str, str]) -> str:
    """Of the contents of images and masks, and of which masks belong to which image."""
    digest = hashlib.sha256(_FORMAT.encode())
    for item in items:
        for path in item.files:
            role, name = "image" if path == item.path else "mask", path.as_posix()
            digest.update(f"\n{role} {manifest[name]} {name}".encode())
    return digest.hexdigest()[:24]


def _build(root: Path, items: Sequence[Item], size: tuple[int, int], folder: Path) -> None:
    """Fill a folder of its own, then move it into place, so that a reader never sees half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        images = np.lib.format.open_memmap(
            scratch / "images.npy", mode="w+", dtype=np.float32, shape=(len(items), 3, *size)
        )
        masks = np.zeros((len(items), *size), dtype=bool)
        for i, item in enumerate(items):
            images[i] = read_image(root / item.path, size)
            if item.masks:
                masks[i] = read_mask([root / path for path in item.masks], size)
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


def read_mask(paths: Sequence[Path], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool, True where any of an image's masks is. They are joined first and resized then, as one would be.

    Args:
        paths: of one mask or several, all of the image's size.
        size: (H, W).

    Raises:
        ConfigError: not an image.
    """
    height, width = size
    joined = Image.fromarray(np.maximum.reduce([_grey(path) for path in paths]))
    resized = joined.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32) / 255 > 0.5


def _grey(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise undecodable(path) from None
