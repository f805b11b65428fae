"""Any tree of folders, by globs that say where the good and the defective images and the masks lie.

    data:
      reader: folder
      folder: {good: ok, defective: nok, masks: labels}

A glob is relative to the root; one that names a folder stands for all images below it. Where the folder `CATEGORY`
stands in the globs (`CATEGORY/ok`), each folder in its place is a category. Otherwise the root is the only one.
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from rdpp.config import ConfigError, require
from rdpp.data.files import printable
from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in, images_in
from rdpp.data.readers.mask_names import masks_by_image, masks_by_name
from rdpp.data.readers.reader import Reader

_CATEGORY = "CATEGORY"
_DEFECTIVE = "defective"
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class Folder(Reader):
    """These keys say where the images lie; for `reader: folder` alone."""

    good: str | tuple[str, ...] = "good"
    """Glob of the good images, or several."""
    defective: str | tuple[str, ...] = _DEFECTIVE
    """Glob of the defective images, or several; a folder in it is a defect type."""
    masks: str | tuple[str, ...] = ()
    """Glob of the masks, or several. They have their images' names, as everywhere: NAME_mask, NAME or NAME_GT. Empty:
    there are none."""
    test_share: float = 0.2
    """Share of the good images that is not trained on, but tested on; at least one, unless 0."""
    seed: int = 0
    """Decides which good images are tested on."""

    title: ClassVar[str] = "folder"
    layout: ClassVar[str] = "what the globs of data.folder name: good, defective, masks"

    def __post_init__(self) -> None:
        require(0 <= self.test_share < 1, f"test_share must be at least 0 and below 1, got {self.test_share}")
        for name in ("good", "defective", "masks"):
            for pattern in self._globs(name):
                _check(name, pattern)
        parts = [_CATEGORY in PurePosixPath(p).parts for n in ("good", "defective", "masks") for p in self._globs(n)]
        require(len(set(parts)) == 1, f"either all globs of data.folder have the folder {_CATEGORY}, or none has")
        require(bool(self._globs("good")), "good must name at least one glob")

    def categories(self, root: Path) -> list[str]:
        """The folders in the place of CATEGORY that have good images; without it the root's own name."""
        names = {root.absolute().name or "data"}
        if self._by_category:
            names = {path.name for pattern in self._globs("good") for path in folders_in(root / _before(pattern))}
        return sorted(name for name in names if self._matching(root, name, "good"))

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images but the share for testing."""
        good, tested = self._good(root, category)
        return tuple(Item(path.relative_to(root), GOOD, False) for path in good if path not in tested)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The defective images, then the share of the good ones.

        Raises:
            ConfigError: an image is good and defective, or there are masks and none fits an image.
        """
        good, tested = self._good(root, category)
        defective = self._defective(root, category)
        both = sorted(set(good) & set(defective))
        if both:
            raise ConfigError(
                f"{len(both)} images are both good and defective by data.folder, first {printable(both[0])}; narrow "
                "its globs"
            )
        masks = self._masks_of(defective, root, category)
        items = [
            Item(
                path.relative_to(root),
                kind,
                True,
                None if path not in masks else tuple(mask.relative_to(root) for mask in masks[path]),
            )
            for path, kind in defective.items()
        ]
        return (*items, *(Item(path.relative_to(root), GOOD, False) for path in good if path in tested))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there are defective images, or good ones to test on."""
        return bool(self._defective(root, category) or self._good(root, category)[1])

    def folder(self, root: Path, category: str) -> Path:
        """The category's folder by the first glob of good images."""
        return root / _before(self._globs("good")[0]) / category if self._by_category else root

    def _good(self, root: Path, category: str) -> tuple[list[Path], set[Path]]:
        """All, and those to test on: the first by a digest of seed and name."""
        masks = set(self._matching(root, category, "masks"))
        good = [path for path in self._matching(root, category, "good") if path not in masks]
        count = min(max(1, round(self.test_share * len(good))), len(good) - 1) if self.test_share else 0

        def rank(path: Path) -> bytes:
            return hashlib.sha256(f"{self.seed} ".encode() + os.fsencode(path.relative_to(root).as_posix())).digest()

        return good, set(sorted(good, key=rank)[: max(0, count)])

    def _defective(self, root: Path, category: str) -> dict[Path, str]:
        """With the defect type of each: its folder below the fixed part of the glob."""
        masks, found = set(self._matching(root, category, "masks")), {}
        for pattern in self._globs("defective"):
            top = _fixed(root, self._of(pattern, category))
            for path in _matching(root, [self._of(pattern, category)]):
                kind = path.parent.relative_to(top).as_posix() if path.is_relative_to(top) else "."
                kind = {".": _DEFECTIVE, GOOD: f"{_DEFECTIVE}/{GOOD}"}.get(kind, kind)
                if path not in masks:
                    found.setdefault(path, printable(kind))
        return {path: found[path] for path in sorted(found)}

    def _masks_of(self, images: Iterable[Path], root: Path, category: str) -> Mapping[Path, tuple[Path, ...]]:
        images, files = list(images), self._matching(root, category, "masks")
        if not self._globs("masks"):
            return {}
        if len({path.stem for path in images}) == len(images):
            found = masks_by_name(images, files)
        else:
            (top, *_), (place, *_) = (
                [_fixed(root, self._of(pattern, category)) for pattern in self._globs(name)]
                for name in ("defective", "masks")
            )
            found = masks_by_image([path for path in images if path.is_relative_to(top)], top, place, files)
        if images and not found:
            raise ConfigError(
                f"none of the {len(files)} masks that data.folder.masks finds in {printable(root)} has the name of a "
                "defective image (NAME_mask, NAME or NAME_GT); mend the glob, or leave it out for image metrics alone"
            )
        return found

    @property
    def _by_category(self) -> bool:
        return _CATEGORY in PurePosixPath(self._globs("good")[0]).parts

    def _globs(self, name: str) -> tuple[str, ...]:
        value = getattr(self, name)
        return (value,) if isinstance(value, str) else tuple(value)

    def _of(self, pattern: str, category: str) -> str:
        parts = PurePosixPath(pattern).parts
        return "/".join(glob.escape(category) if part == _CATEGORY else part for part in parts)

    def _matching(self, root: Path, category: str, name: str) -> list[Path]:
        return _matching(root, [self._of(pattern, category) for pattern in self._globs(name)])


def _matching(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Sorted images that a pattern names, itself or by a folder above."""
    found: set[Path] = set()
    for pattern in patterns:
        named = set(root.glob(pattern))
        found.update(i for i in images_in(_fixed(root, pattern)) if i in named or not named.isdisjoint(i.parents))
    return sorted(found)


def _fixed(root: Path, pattern: str) -> Path:
    """The folder above all that a pattern can name."""
    parts = PurePosixPath(pattern).parts
    wild = next((i for i, part in enumerate(parts) if _WILD & set(part.replace("[[]", ""))), len(parts))
    place = root.joinpath(*(part.replace("[[]", "[") for part in parts[:wild]))
    return place if place.is_dir() else place.parent


def _before(pattern: str) -> str:
    parts = PurePosixPath(pattern).parts
    return "/".join(parts[: parts.index(_CATEGORY)])


def _check(name: str, pattern: str) -> None:
    parts = PurePosixPath(pattern).parts
    good = bool(parts) and not pattern.startswith("/") and ".." not in parts
    good = good and all(part == "**" or "**" not in part for part in parts)
    require(
        good,
        f"{name} must be a glob below the root, such as ok, ok/*.png or */ok/**, got '{pattern}'",
    )
    before = parts[: parts.index(_CATEGORY)] if _CATEGORY in parts else ()
    require(
        parts.count(_CATEGORY) <= 1 and not any(_WILD & set(part) for part in before),
        f"{name} must have the folder {_CATEGORY} once, and no wildcard before it, got '{pattern}'",
    )
