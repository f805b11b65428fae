"""Looking through a data set before anything is trained on it: what is there, and what is wrong with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rdpp.config import ConfigError
from rdpp.data.cache import Half, damage
from rdpp.data.category import Category, list_categories
from rdpp.data.decoding import BY_TYPE, Reading, decode
from rdpp.data.files import file_digest, printable
from rdpp.data.item import Item
from rdpp.data.masks import decode_mask
from rdpp.data.perceptual import near_pairs, perceptual_hash
from rdpp.data.readers import DEFAULT_READER, Reader
from rdpp.data.recognising import name_of, reader_at
from rdpp.data.resizing import fitted_mask, placed


@dataclass
class CategoryCheck:
    """What was found in a category. Paths are relative to the root, as text."""

    category: str
    reader: str = ""
    """The layout in which it was read."""
    train: int = 0
    test_good: int = 0
    defective: dict[str, int] = field(default_factory=dict)
    """Test images by defect type."""
    sizes: Counter[str] = field(default_factory=Counter)
    """Images by width x height in pixels."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Images by depth and colours."""
    highest: dict[str, float] = field(default_factory=dict)
    """By depth and colours: the highest value of all images, as a share of white."""
    masks: int = 0
    """Files."""
    empty_masks: list[str] = field(default_factory=list)
    """Defective images whose masks are empty as files."""
    vanished_masks: list[str] = field(default_factory=list)
    """Defective images whose masks are empty at the image size alone."""
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    """A training and a test image with the same content."""
    near_duplicates: list[tuple[str, str, int]] = field(default_factory=list)
    """A training and a test image that look alike, and the bits by which they differ; see `perceptual.py`."""
    undecodable: list[str] = field(default_factory=list)
    """Images and masks."""
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    """By reason."""
    cached: dict[str, str] = field(default_factory=dict)
    """By half, `train` and `test`, where it lies in the cache: what is wrong there and what to do, or nothing."""
    problems: list[str] = field(default_factory=list)
    """Why a run on this category would be refused."""


def check_data(
    root: Path,
    reader: str | Reader = DEFAULT_READER,
    size: tuple[int, int] = (256, 256),
    reading: Reading = BY_TYPE,
    cache: Path | None = None,
) -> list[CategoryCheck]:
    """Read every file of a data set.

    Args:
        root: of the data set.
        reader: its layout: a name in READERS, `auto`, or a reader with its settings.
        size: (H, W) at which masks are looked at.
        reading: how files are read.
        cache: of decoded images; what lies there of them at this size, read in this way, is looked through too.

    Raises:
        ConfigError: an unknown reader, no such folder, no category in it, a layout that is not recognised, or a cache
            that cannot be read.
    """
    layout = reader_at(root, reader)
    names = list_categories(root, layout)
    return [_checked(Category(name, root, layout), size, reading, cache) for name in names]


def _checked(category: Category, size: tuple[int, int], reading: Reading, cache: Path | None) -> CategoryCheck:
    found = CategoryCheck(category.name, name_of(category.reader))
    halves: dict[Half, Sequence[Item]] = {"train": (), "test": ()}
    usable: list[Half] = []
    for half in halves:
        try:
            if half == "train" or category.has_test:
                halves[half] = getattr(category, half)
                usable.append(half)
        except ConfigError as error:
            found.problems.append(str(error))
            halves[half] = _listed(category, half)
    found.train = len(halves["train"])
    found.test_good = sum(not item.label for item in halves["test"])
    found.defective = dict(Counter(item.defect_type for item in halves["test"] if item.label))
    hashes = {half: _look(found, category.root, items, size, reading) for half, items in halves.items()}
    _compare(found, category.root, hashes["train"], hashes["test"])
    used = [item for items in halves.values() for item in items]
    found.passed_over = {why: list(map(_text, paths)) for why, paths in category.beside(used).items()}
    for half in usable:
        if cache and (wrong := damage(category, half, size, cache, reading)) is not None:
            found.cached[half] = wrong
    return found


def _listed(category: Category, half: str) -> Sequence[Item]:
    """What the reader lists, where the category refuses it."""
    try:
        return getattr(category.reader, half)(category.root, category.name)
    except ConfigError:  # it is a problem already
        return ()


def _look(
    found: CategoryCheck, root: Path, items: Sequence[Item], size: tuple[int, int], reading: Reading
) -> dict[Path, np.ndarray]:
    """Note what is in the files; returns the perceptual hash of every image that can be decoded."""
    hashes = {}
    for item in items:
        try:
            pixels, raw = decode(root / item.path, reading)
        except ConfigError as error:
            _note_broken(found, item.path, error)
            continue
        height, width = pixels.shape[:2]
        found.sizes[f"{width} x {height}"] += 1
        found.kinds[raw.kind] += 1
        share = float(raw.values.max()) / raw.white
        found.highest[raw.kind] = max(share, found.highest.get(raw.kind, 0.0))
        hashes[item.path] = perceptual_hash(pixels)
        if item.label and item.masks is not None:
            _look_at_masks(found, root, item, (height, width), size, reading)
    return hashes


def _look_at_masks(
    found: CategoryCheck, root: Path, item: Item, shape: tuple[int, int], size: tuple[int, int], reading: Reading
) -> None:
    mask = np.zeros(shape, bool)
    for path in item.masks or ():
        found.masks += 1
        try:
            own = decode_mask(root / path, reading)
        except ConfigError as error:
            _note_broken(found, path, error)
            return
        if own.shape != shape:  # a problem already
            return
        mask |= own
    if not mask.any():
        found.empty_masks.append(_text(item.path))
    elif not fitted_mask(mask, size, placed(shape, size, reading.fit)).any():
        found.vanished_masks.append(_text(item.path))


def _note_broken(found: CategoryCheck, path: Path, error: ConfigError) -> None:
    found.undecodable.append(_text(path))
    if str(error) not in found.problems:
        found.problems.append(str(error))


def _compare(
    found: CategoryCheck, root: Path, train: Mapping[Path, np.ndarray], test: Mapping[Path, np.ndarray]
) -> None:
    """Exact duplicates by content, and near ones by their looks."""
    by_digest: dict[str, Path] = {}
    for path in train:
        by_digest.setdefault(file_digest(root / path), path)
    same = {(by_digest[digest], path) for path in test if (digest := file_digest(root / path)) in by_digest}
    found.duplicates = sorted((_text(first), _text(second)) for first, second in same)
    firsts, seconds = list(train), list(test)
    pairs = near_pairs(np.array(list(train.values())), np.array(list(test.values())))
    found.near_duplicates = [
        (_text(firsts[i]), _text(seconds[j]), bits) for i, j, bits in pairs if (firsts[i], seconds[j]) not in same
    ]


def _text(path: Path) -> str:
    return printable(path.as_posix())
