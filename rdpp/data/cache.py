"""Images decoded and resized once: float32 on disk, memory-mapped, shared by all runs and processes."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpp.config import ConfigError
from rdpp.data.category import Category
from rdpp.data.decoding import BY_TYPE, Reading, decode
from rdpp.data.facts import Box, Facts
from rdpp.data.files import printable
from rdpp.data.item import Item
from rdpp.data.resizing import fitted, fitted_mask, joined, placed
from rdpp.data.resizing import read_image as read_image
from rdpp.data.resizing import read_mask as read_mask
from rdpp.folders import unwritable

_NAME_BYTES = 80  # of a category in a folder's name, which has at most 255
_FACTS = "facts.json"
_FORMAT = "2"  # raise it when decoding or resizing changes


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
    facts: Facts | None = None
    """What its files were; None where they were made, not read."""
    boxes: tuple[Box, ...] | None = None
    """Where each picture lies in its image, the rest of which is padding; None where pictures fill their images."""

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

    @property
    def padding(self) -> np.ndarray:
        """(N, H, W) bool, True outside of the pictures."""
        outside = np.full(self.masks.shape, self.boxes is not None)
        for i, (top, left, height, width) in enumerate(self.boxes or ()):
            outside[i, top : top + height, left : left + width] = False
        return outside

    @property
    def has_masks(self) -> bool:
        """Whether it is known where the defects are; else the masks are empty, and no pixel can be judged."""
        return self.facts is None or all(item.masks is not None for item in self.items if item.label)

    @property
    def empty(self) -> np.ndarray:
        """Indices of defective images whose masks are empty as files."""
        return self._without_pixels(lambda pixels: pixels == 0)

    @property
    def vanished(self) -> np.ndarray:
        """Indices of defective images whose masks are not empty as files, but at this size."""
        return self._without_pixels(lambda pixels: pixels > 0)

    def _without_pixels(self, in_files: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        if self.facts is None or not self.has_masks:
            return np.array([], int)
        gone = self.labels & ~self.masks.any((1, 2))
        return np.flatnonzero(gone & in_files(np.array(self.facts.mask_pixels)))


def load_train(category: Category, size: tuple[int, int], cache: Path, reading: Reading = BY_TYPE) -> Split:
    """The good training images of a category, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded.
    """
    return _load(category, category.train, category.train_manifest, size, cache, reading)


def load_test(category: Category, size: tuple[int, int], cache: Path, reading: Reading = BY_TYPE) -> Split:
    """The test images of a category with their masks, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded, or whose label is not known.
    """
    for item in category.test:
        if item.label is None:
            raise ConfigError(
                f"the data set does not say whether {printable(category.root / item.path)} is defective, "
                "which every evaluation needs; leave it out of the test images"
            )
    return _load(category, category.test, category.test_manifest, size, cache, reading)


def _load(
    category: Category,
    items: tuple[Item, ...],
    manifest: Mapping[str, str],
    size: tuple[int, int],
    cache: Path,
    reading: Reading,
) -> Split:
    name = os.fsdecode(os.fsencode(category.name)[:_NAME_BYTES])  # for people; the key tells folders apart
    folder = cache / f"{name}-{size[0]}x{size[1]}-{_key(items, manifest, reading)}"
    if not folder.is_dir():
        _build(category.root, items, size, folder, reading)
    # copy-on-write: torch wants writable memory, and nothing written may reach the file
    images = np.load(folder / "images.npy", mmap_mode="c", allow_pickle=False)
    masks = np.load(folder / "masks.npy", allow_pickle=False)
    facts = Facts.read(folder / _FACTS)
    boxes = facts.boxes if reading.fit == "pad" else None
    return Split(items, images, masks, folder.name, category.root, facts, boxes)


def _key(items: Sequence[Item], manifest: Mapping[str, str], reading: Reading) -> str:
    """Of the contents of images and masks, of which masks belong to which image, and of how they are read."""
    how = f"{_FORMAT} {reading.white} {reading.mask_threshold} {reading.fit}"
    digest = hashlib.sha256(how.encode())
    for item in items:
        for path in item.files:
            role, name = "image" if path == item.path else "mask", path.as_posix()
            digest.update(os.fsencode(f"\n{role} {manifest[name]} {name}"))
    return digest.hexdigest()[:24]


def _build(root: Path, items: Sequence[Item], size: tuple[int, int], folder: Path, reading: Reading) -> None:
    """Fill a folder of its own, then move it into place, so that a reader never sees half of it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise unwritable(folder.parent, error, "set data.cache to a folder for decoded images") from None
    try:
        images = np.lib.format.open_memmap(
            scratch / "images.npy", mode="w+", dtype=np.float32, shape=(len(items), 3, *size)
        )
        masks = np.zeros((len(items), *size), dtype=bool)
        kinds, highest, mask_pixels, boxes = [], [], [], []
        for i, item in enumerate(items):
            pixels, raw = decode(root / item.path, reading)
            box = placed(pixels.shape[:2], size, reading.fit)
            images[i] = fitted(pixels, size, box)
            mask = joined([root / path for path in item.masks or ()], pixels.shape[:2], reading)
            masks[i] = fitted_mask(mask, size, box)
            kinds.append(raw.kind)
            highest.append(float(raw.values.max()) / raw.white)
            mask_pixels.append(int(mask.sum()))
            boxes.append(box)
        images.flush()
        np.save(scratch / "masks.npy", masks)
        Facts(tuple(kinds), tuple(highest), tuple(mask_pixels), tuple(boxes)).write(scratch / _FACTS)
        try:
            os.rename(scratch, folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
