"""One category of a data set: its files as a reader lists them, checked, and known by their contents."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rdpp.config import ConfigError, choose, digest
from rdpp.data.files import file_digest, image_size, printable
from rdpp.data.item import Item
from rdpp.data.listing import list_images
from rdpp.data.readers import AUTO, DEFAULT_READER, READERS, Reader
from rdpp.data.recognising import advice, no_folder, reader_at

_DESCRIPTIONS = frozenset({"", ".txt", ".md", ".json", ".csv", ".yaml", ".yml", ".pdf"})
"""Suffixes of files about a category; nobody takes them for images."""


@dataclass(frozen=True)
class Category:
    """The files of one category: good images to train on, good and defective ones to test on.

    Both halves are looked up when they are first asked for, and raise ConfigError then: training must not need the
    test images before it is over. An object keeps what it has found; `scan` again to see what has changed since.
    """

    name: str
    root: Path
    """Of the data set. All other paths are relative to it."""
    reader: Reader

    @cached_property
    def train(self) -> tuple[Item, ...]:
        """Good images. ConfigError: there are none."""
        return self._some(self.reader.train(self.root, self.name), "good training images")

    @cached_property
    def test(self) -> tuple[Item, ...]:
        """Good and defective images. ConfigError: there are none, some masks are missing (not all of them, which may
        be so), or a mask is of another size."""
        items = self._some(self.reader.test(self.root, self.name), "test images")
        self._check_masks(items)
        for item in items:
            for mask in item.masks or ():
                _check_size(self.root / mask, self.root / item.path)
        return items

    @property
    def passed_over(self) -> dict[str, tuple[Path, ...]]:
        """What lies in the category's folder and is not used; see `beside`."""
        return self.beside((*self.train, *(self.test if self.has_test else ())))

    def beside(self, used: Iterable[Item]) -> dict[str, tuple[Path, ...]]:
        """What lies in the category's folder but for these images and their masks, by the reason why it is passed over;
        a folder stands for all in it. Images that the layout leaves out come first, without their masks. Texts directly
        in the folder, such as a licence, are not listed."""
        folder = self.reader.folder(self.root, self.name)
        left_out = self.reader.left_out(self.root, self.name)
        known = {
            path for item in itertools.chain(used, *left_out.values()) for path in (*item.files, *item.empty_masks)
        }
        listing = list_images(folder)
        found = {why: tuple(item.path for item in items) for why, items in left_out.items()}
        for why, paths in listing.passed_over.items():
            told = [path for path in paths if not self._is_text_of_the_set(path, folder)]
            found[why] = tuple(path.relative_to(self.root) for path in told)
        unused = (path.relative_to(self.root) for path in listing.images)
        found["no part of the layout"] = tuple(path for path in unused if path not in known)
        return {why: paths for why, paths in found.items() if paths}

    @property
    def has_test(self) -> bool:
        """Whether there are test images yet."""
        return self.reader.has_test(self.root, self.name)

    @cached_property
    def train_manifest(self) -> dict[str, str]:
        """SHA-256 of every training file's content, by path relative to the root, sorted."""
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
    def train_fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any training file's content or name."""
        return _fingerprint(self.train_manifest)

    @property
    def test_fingerprint(self) -> str:
        """The same of the test images and masks."""
        return _fingerprint(self.test_manifest)

    @property
    def fingerprint(self) -> str:
        """The same of all files."""
        return _fingerprint(self.manifest)

    def with_test_files_of_now(self) -> "Category":
        """The same training files, which a network was trained on, and the test files as they are now."""
        now = Category(self.name, self.root, self.reader)
        vars(now).update(train=self.train, train_manifest=self.train_manifest)
        return now

    def _is_text_of_the_set(self, path: Path, folder: Path) -> bool:
        return path.name in self.reader.label_files or (path.parent == folder and path.suffix.lower() in _DESCRIPTIONS)

    def _some(self, items: tuple[Item, ...], what: str) -> tuple[Item, ...]:
        if not items:
            raise ConfigError(
                f"no {what} in {self.root} for category '{self.name}' (png, jpg, bmp, tif, webp, pgm, ppm, jp2); "
                f"the {self.reader.title} layout has {self.reader.layout}"
            )
        return items

    def _check_masks(self, items: tuple[Item, ...]) -> None:
        defective = [item for item in items if item.label]
        missing = [item for item in defective if item.masks is None]
        if missing and len(missing) < len(defective):
            raise ConfigError(
                f"{len(missing)} of {len(defective)} defective images of '{self.name}' have no mask, first "
                f"{printable(self.root / missing[0].path)}; the {self.reader.title} layout has {self.reader.layout}. "
                "Add the masks, or take all away to have image metrics alone"
            )

    def _digests(self, items: Iterable[Item]) -> dict[str, str]:
        files = sorted({path for item in items for path in item.files})
        return {path.as_posix(): file_digest(self.root / path) for path in files}


def list_categories(root: Path, reader: str | Reader = DEFAULT_READER) -> list[str]:
    """Names of the categories under a folder, sorted.

    Args:
        root: of the data set.
        reader: its layout: a name in READERS, `auto`, or a reader with its settings.

    Raises:
        ConfigError: an unknown reader, no such folder, no category in it, or a layout that is not recognised.
    """
    return _categories(root, reader_at(root, reader))


def scan(root: Path, name: str, reader: str | Reader = DEFAULT_READER, *, test: bool = True) -> Category:
    """List the files of one category and check that they belong together.

    Args:
        root: of the data set.
        name: of a category.
        reader: its layout: a name in READERS, `auto`, or a reader with its settings.
        test: False leaves the test images for later.

    Raises:
        ConfigError: unknown reader or category, no good training images, no test images, a defective image without
            its mask or with one of another size, a file that is no image.
    """
    layout = reader_at(root, reader)
    choose(name, _categories(root, layout), f"category (in {root})")
    category = Category(name, root, layout)
    halves = (category.train, category.test) if test else (category.train,)
    assert all(halves)
    return category


def _categories(root: Path, reader: Reader) -> list[str]:
    if not root.is_dir():
        raise no_folder(root, f" in the {reader.title} layout")
    names = reader.categories(root)
    if not names:
        raise ConfigError(
            f"{root} holds no category in the {reader.title} layout, which has {reader.layout}; "
            f"{advice(root, reader.categories(root.absolute().parent))}, or name its layout in data.reader: "
            f"{', '.join((AUTO, *READERS))}"
        )
    return names


def _check_size(mask: Path, image: Path) -> None:
    if image_size(mask) != image_size(image):
        raise ConfigError(
            f"the mask {printable(mask)} is {image_size(mask)} pixels, its image {image_size(image)}; they must agree "
            "(each as it is seen, turned upright by EXIF)"
        )


def _fingerprint(manifest: Mapping[str, str]) -> str:
    return digest(list(manifest.items()))
