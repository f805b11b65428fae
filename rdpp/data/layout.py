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
    """The files of one category: good images to train on, good and defective ones to test on.

    Both halves are looked up when they are first asked for, and raise ConfigError then: training must not need the
    test images before it is over.
    """

    name: str
    folder: Path

    @cached_property
    def train(self) -> tuple[Item, ...]:
        """Good images. ConfigError: there are none."""
        items = tuple(Item(path, GOOD) for path in _images(self.folder / "train" / GOOD))
        if not items:
            folder = self.folder / "train" / GOOD
            raise ConfigError(f"no good training images in {folder}; training needs some (png, jpg, bmp, tif)")
        return items

    @cached_property
    def test(self) -> tuple[Item, ...]:
        """Good and defective images. ConfigError: there are none, or a mask is missing or of another size."""
        items = tuple(_test_items(self.folder))
        if not items:
            folder = self.folder / "test"
            raise ConfigError(f"no test images in {folder}; expected {GOOD}/ and one folder a defect type")
        return items

    @cached_property
    def train_manifest(self) -> dict[str, str]:
        """SHA-256 of every training file's content, by path relative to the folder, sorted."""
        return self._digests(self.train)

    @cached_property
    def test_manifest(self) -> dict[str, str]:
        """The same of the test images and their masks."""
        return self._digests(self.test)

    @property
    def manifest(self) -> dict[str, str]:
        """Both together."""
        return dict(sorted({**self.train_manifest, **self.test_manifest}.items()))

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any file's content or name."""
        return _fingerprint(self.manifest)

    @property
    def train_fingerprint(self) -> str:
        """The same of the training images alone."""
        return _fingerprint(self.train_manifest)

    @property
    def test_fingerprint(self) -> str:
        """The same of the test images and masks alone."""
        return _fingerprint(self.test_manifest)

    @property
    def has_test(self) -> bool:
        """Whether there are test images yet."""
        return (self.folder / "test").is_dir()

    def _digests(self, items: tuple[Item, ...]) -> dict[str, str]:
        files = sorted({p for item in items for p in (item.path, item.mask) if p is not None})
        return {p.relative_to(self.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _fingerprint(manifest: dict[str, str]) -> str:
    lines = "\n".join(f"{digest}  {path}" for path, digest in manifest.items())
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


def scan(root: Path, name: str, *, test: bool = True) -> Category:
    """List the files of one category and check that they belong together.

    Args:
        root: folder of categories.
        name: of one of them.
        test: False leaves the test images for later.

    Raises:
        ConfigError: unknown category, no good training images, no test images, a defective image without
            its mask or with one of another size, a file that is no image.
    """
    choose(name, list_categories(root), f"category (in {root})")
    category = Category(name, root / name)
    assert category.train
    assert category.test if test else True
    return category


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
