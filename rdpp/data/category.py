"""One category of a data set: its files as a reader lists them, checked, and known by their contents."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rdpp.config import ConfigError, choose, digest
from rdpp.data.files import file_digest, image_size, printable
from rdpp.data.item import Item
from rdpp.data.listing import list_images
from rdpp.data.readers import DEFAULT_READER, READERS, Reader

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
        """What lies in the category's folder and is neither image nor mask of it; see `beside`."""
        return self.beside(
            {path for item in (*self.train, *(self.test if self.has_test else ())) for path in item.files}
        )

    def beside(self, used: Collection[Path]) -> dict[str, tuple[Path, ...]]:
        """What lies in the category's folder but for these files, by the reason why it is passed over; a folder stands
        for all in it. Texts directly in the folder, such as a licence, are not listed.
        Nothing where the reader keeps categories in another way than a folder of that name."""
        folder = self.root / self.name
        listing = list_images(folder)
        unused = [path for path in listing.images if path.relative_to(self.root) not in used]
        found = {
            why: [path for path in paths if not (path.parent == folder and path.suffix.lower() in _DESCRIPTIONS)]
            for why, paths in listing.passed_over.items()
        }
        found["no part of the layout"] = unused
        return {why: tuple(path.relative_to(self.root) for path in paths) for why, paths in found.items() if paths}

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


def list_categories(root: Path, reader: str = DEFAULT_READER) -> list[str]:
    """Names of the categories under a folder, sorted.

    Args:
        root: of the data set.
        reader: of READERS: the data set's layout.

    Raises:
        ConfigError: an unknown reader, no such folder, or no category in it.
    """
    return _categories(root, _reader(reader))


def scan(root: Path, name: str, reader: str = DEFAULT_READER, *, test: bool = True) -> Category:
    """List the files of one category and check that they belong together.

    Args:
        root: of the data set.
        name: of a category.
        reader: of READERS: the data set's layout.
        test: False leaves the test images for later.

    Raises:
        ConfigError: unknown reader or category, no good training images, no test images, a defective image without
            its mask or with one of another size, a file that is no image.
    """
    layout = _reader(reader)
    choose(name, _categories(root, layout), f"category (in {root})")
    category = Category(name, root, layout)
    halves = (category.train, category.test) if test else (category.train,)
    assert all(halves)
    return category


def _reader(name: str) -> Reader:
    return READERS[choose(name, READERS, "reader")]()


def _categories(root: Path, reader: Reader) -> list[str]:
    if not root.is_dir():
        raise ConfigError(f"no data folder at {root}; give one in the {reader.title} layout with --data DIR")
    names = reader.categories(root)
    if not names:
        raise ConfigError(
            f"{root} holds no category in the {reader.title} layout, which has {reader.layout}; "
            f"{_remedy(root, reader)}, or name its layout in data.reader: {', '.join(READERS)}"
        )
    return names


def _remedy(root: Path, reader: Reader) -> str:
    root = root.absolute()
    if root.name in reader.categories(root.parent):
        return f"it is a category itself: give the folder above it with --data {printable(root.parent)}"
    return "give another folder with --data DIR"


def _check_size(mask: Path, image: Path) -> None:
    if image_size(mask) != image_size(image):
        raise ConfigError(
            f"the mask {printable(mask)} is {image_size(mask)} pixels, its image {image_size(image)}; they must agree "
            "(each as it is seen, turned upright by EXIF)"
        )


def _fingerprint(manifest: Mapping[str, str]) -> str:
    return digest(list(manifest.items()))
