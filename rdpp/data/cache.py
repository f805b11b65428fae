"""Images decoded and resized once: float32 on disk, memory-mapped, shared by all runs and processes.

An entry is a folder: images, masks and facts, with their digests beside them (see `seal`). Each opening looks whether
they are whole; what is damaged is made anew. One process at a time makes an entry, in a folder that is moved into place
when it is complete; others wait for it.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout

from rdpp.config import ConfigError
from rdpp.data.arrays import array_file, is_full
from rdpp.data.category import Category
from rdpp.data.decoding import BY_TYPE, Reading, decode
from rdpp.data.facts import Facts
from rdpp.data.files import printable
from rdpp.data.item import Item
from rdpp.data.resizing import fitted, fitted_mask, joined, placed
from rdpp.data.seal import flaw, seal
from rdpp.data.split import Split
from rdpp.folders import unwritable

Half = Literal["train", "test"]
Size = tuple[int, int]

_NAME_BYTES = 80  # of a category in a folder's name, which has at most 255
_IMAGES, _MASKS, _FACTS = "images.npy", "masks.npy", "facts.json"
_FORMAT = "2"  # raise it when decoding or resizing changes
_PATIENCE = 5.0
"""Seconds without another process's images, before the waiting is told."""
_BEGUN = ".begun"
"""The cache's folder of entries that are being made, each beside a lock that its maker holds."""


class _Damaged(ConfigError):
    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the decoded images in {folder} are damaged ({reason}); delete that folder, and the next run makes it anew"
        )
        self.reason = reason


def load_train(category: Category, size: Size, cache: Path, reading: Reading = BY_TYPE) -> Split:
    """The good training images of a category, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded, or a cache that cannot be read or written, such as on a full disk.
    """
    return _load(category, "train", size, cache, reading)


def load_test(category: Category, size: Size, cache: Path, reading: Reading = BY_TYPE) -> Split:
    """The test images of a category with their masks, at size (H, W).

    Raises:
        ConfigError: an image that cannot be decoded, or whose label is not known; or a cache as in `load_train`.
    """
    for item in category.test:
        if item.label is None:
            raise ConfigError(
                f"the data set does not say whether {printable(category.root / item.path)} is defective, "
                "which every evaluation needs; leave it out of the test images"
            )
    return _load(category, "test", size, cache, reading)


def damage(category: Category, half: Half, size: Size, cache: Path, reading: Reading = BY_TYPE) -> str | None:
    """What is wrong with what is cached of a half, of which every byte is read, and what to do.

    Returns:
        An empty text where it is whole; None where nothing is cached.
    """
    folder = _folder(category, half, size, cache, reading)
    if not folder.is_dir():
        return None
    reason = _flaw(folder, whole=True)
    return "" if reason is None else str(_Damaged(folder, reason))


def _load(category: Category, half: Half, size: Size, cache: Path, reading: Reading) -> Split:
    folder = _folder(category, half, size, cache, reading)
    items = _items(category, half)
    try:
        images, masks, facts = _ready(category.root, items, size, folder, reading)
    except ConfigError:
        raise
    except OSError as error:
        raise _unusable(folder, error, len(items), size) from None
    boxes = facts.boxes if reading.fit == "pad" else None
    return Split(items, images, masks, folder.name, category.root, facts, boxes)


def _items(category: Category, half: Half) -> tuple[Item, ...]:
    return category.train if half == "train" else category.test


def _folder(category: Category, half: Half, size: Size, cache: Path, reading: Reading) -> Path:
    name = os.fsdecode(os.fsencode(category.name)[:_NAME_BYTES])  # for people; the key tells folders apart
    manifest = category.train_manifest if half == "train" else category.test_manifest
    return cache / f"{name}-{size[0]}x{size[1]}-{_key(_items(category, half), manifest, reading)}"


def _key(items: Sequence[Item], manifest: Mapping[str, str], reading: Reading) -> str:
    """Of the contents of images and masks, of which masks belong to which image, and of how they are read."""
    how = f"{_FORMAT} {reading.white} {reading.mask_threshold} {reading.fit}"
    digest = hashlib.sha256(how.encode())
    for item in items:
        for path in item.files:
            role, name = "image" if path == item.path else "mask", path.as_posix()
            digest.update(os.fsencode(f"\n{role} {manifest[name]} {name}"))
    return digest.hexdigest()[:24]


def _ready(
    root: Path, items: Sequence[Item], size: Size, folder: Path, reading: Reading
) -> tuple[np.ndarray, np.ndarray, Facts]:
    """Open an entry; make it where it is missing or damaged."""
    with suppress(_Damaged):
        return _opened(folder)
    with _alone(folder) as scratch:
        try:
            return _opened(folder)  # another process was faster
        except _Damaged as damaged:
            if folder.exists():
                what = f"the decoded images in {folder} were damaged ({damaged.reason})"
                print(f"rdpp: {what}, and are made anew", file=sys.stderr)
                shutil.rmtree(folder)
        _make(root, items, size, scratch, reading)
        os.rename(scratch, folder)
    return _opened(folder)


def _opened(folder: Path) -> tuple[np.ndarray, np.ndarray, Facts]:
    """Images, masks and facts.

    Raises:
        _Damaged: they are not what was written.
    """
    if reason := _flaw(folder):
        raise _Damaged(folder, reason)
    # copy-on-write: torch wants writable memory, and nothing written may reach the file
    images = np.load(folder / _IMAGES, mmap_mode="c", allow_pickle=False)
    masks = np.load(folder / _MASKS, allow_pickle=False)
    facts = Facts.read(folder / _FACTS)
    if np.count_nonzero(masks) != sum(facts.resized_mask_pixels):  # masks are mostly zeros: blocks may miss their loss
        raise _Damaged(folder, f"{_MASKS} is not what was written")
    return images, masks, facts


def _flaw(folder: Path, *, whole: bool = False) -> str | None:
    try:
        return flaw(folder, whole=whole)
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename} cannot be read ({error.strerror}); set data.cache to a folder of your own"
        ) from None


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """A new scratch folder for an entry that this process alone makes. What killed processes left is removed."""
    begun = folder.parent / _BEGUN
    begun.mkdir(parents=True, exist_ok=True)
    for lock in begun.glob("*.lock"):
        with suppress(Timeout, PermissionError), FileLock(lock, timeout=0):  # else it is being made, or another user's
            _remove(lock.with_suffix(""))
    with _acquired(FileLock(begun / f"{folder.name}.lock"), folder):
        scratch = begun / folder.name
        _remove(scratch)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            _remove(scratch)


def _acquired(lock: BaseFileLock, folder: Path) -> AbstractContextManager[object]:
    try:
        return lock.acquire(timeout=_PATIENCE)
    except Timeout:
        print(f"rdpp: waiting for another process that decodes images into {folder}", file=sys.stderr)
        return lock.acquire()


def _remove(scratch: Path) -> None:
    if scratch.exists():
        shutil.rmtree(scratch)


def _make(root: Path, items: Sequence[Item], size: Size, scratch: Path, reading: Reading) -> None:
    kinds, highest, mask_pixels, resized, boxes = [], [], [], [], []
    with (
        array_file(scratch / _IMAGES, (len(items), 3, *size), np.float32) as append_image,
        array_file(scratch / _MASKS, (len(items), *size), bool) as append_mask,
    ):
        for item in items:
            pixels, raw = decode(root / item.path, reading)
            box = placed(pixels.shape[:2], size, reading.fit)
            append_image(fitted(pixels, size, box))
            mask = joined([root / path for path in item.masks or ()], pixels.shape[:2], reading)
            small = fitted_mask(mask, size, box)
            append_mask(small)
            kinds.append(raw.kind)
            highest.append(float(raw.values.max()) / raw.white)
            mask_pixels.append(int(mask.sum()))
            resized.append(int(small.sum()))
            boxes.append(box)
    Facts(tuple(kinds), tuple(highest), tuple(mask_pixels), tuple(resized), tuple(boxes)).write(scratch / _FACTS)
    seal(scratch)


def _unusable(folder: Path, error: OSError, images: int, size: Size) -> ConfigError:
    if not is_full(error):
        return unwritable(folder.parent, error, "set data.cache to a folder for decoded images")
    needed = images * size[0] * size[1] * (3 * 4 + 1)  # three colours of float32, and a mask
    return ConfigError(
        f"{folder.parent} has no room for the decoded images of {folder.name} ({error.strerror}): {needed} bytes are "
        f"needed, {shutil.disk_usage(folder.parent).free} are free; free some, or set data.cache to a folder elsewhere"
    )
