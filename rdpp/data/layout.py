"""Where the images of a category lie: the MVTec AD layout, scanned into a manifest."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rdpp.config import ConfigError, choose

GOOD = "good"
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Item:
    """One image of a category."""

    path: Path
    defect_type: str
    """Name of its folder; `good` where there is no defect."""
    mask: Path | None = None

    @property
    def label(self) -> bool:
        """True where defective."""
        return self.defect_type != GOOD


@dataclass(frozen=True)
class Category:
    """The files of one category: good images to train on, good and defective ones to test on."""

    name: str
    folder: Path
    train: tuple[Item, ...]
    test: tuple[Item, ...]

    @cached_property
    def manifest(self) -> dict[str, str]:
        """SHA-256 of every file's content, by path relative to the folder, sorted."""
        items = (*self.train, *self.test)
        files = sorted({p for item in items for p in (item.path, item.mask) if p is not None})
        return {p.relative_to(self.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any file's content or name."""
        lines = "\n".join(f"{digest}  {path}" for path, digest in self.manifest.items())
        return hashlib.sha256(lines.encode()).hexdigest()[:16]


def list_categories(root: Path) -> list[str]:
    """Names of the folders of `root` that hold a category.

    Raises:
        ConfigError: no such folder, or none in it.
    """
    if not root.is_dir():
        raise ConfigError(f"no data folder at {root}; give one in the MVTec AD layout with --data DIR")
    names = sorted(p.parent.name for p in root.glob("*/train") if p.is_dir())
    if not names:
        raise ConfigError(f"{root} holds no category; expected {root}/CATEGORY/train/good and CATEGORY/test")
    return names


def scan(root: Path, name: str) -> Category:
    """List the files of one category and check that they belong together.

    Raises:
        ConfigError: unknown category, no good training images, no test images, a defective image without
            its mask or with one of another size, a file that is no image.
    """
    choose(name, list_categories(root), f"category (in {root})")
    folder = root / name
    train = tuple(Item(path, GOOD) for path in _images(folder / "train" / GOOD))
    if not train:
        raise ConfigError(
            f"no good training images in {folder / 'train' / GOOD}; training needs some (png, jpg, bmp, tif)"
        )
    test = tuple(_test_items(folder))
    if not test:
        raise ConfigError(f"no test images in {folder / 'test'}; expected {GOOD}/ and one folder a defect type")
    return Category(name, folder, train, test)


def _test_items(folder: Path) -> Iterator[Item]:
    for kind in sorted(p for p in (folder / "test").glob("*") if p.is_dir()):
        for path in _images(kind):
            mask = None if kind.name == GOOD else _mask(folder / "ground_truth" / kind.name, path)
            yield Item(path, kind.name, mask)


def _mask(folder: Path, image: Path) -> Path:
    candidates = [folder / f"{image.stem}{tail}" for tail in ("_mask.png", ".png")]
    mask = next((c for c in candidates if c.is_file()), None)
    if mask is None:
        raise ConfigError(f"the defective image {image} has no mask; expected {candidates[0]}")
    if image_size(mask) != image_size(image):
        raise ConfigError(
            f"the mask {mask} is {image_size(mask)} pixels, its image {image_size(image)}; they must agree"
        )
    return mask


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels, from the file's header.

    Raises:
        ConfigError: not an image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (UnidentifiedImageError, OSError):
        raise undecodable(path) from None


def undecodable(path: Path) -> ConfigError:
    """The error for a file that is no image, or a broken one."""
    return ConfigError(f"cannot decode the image {path}; repair it or take it (and its mask) out of the folder")


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in _SUFFIXES)
