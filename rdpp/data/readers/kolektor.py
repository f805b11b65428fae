"""The Kolektor surface-defect sets. Every image has a mask, and is defective where that is not empty.

KolektorSDD (Tabernik et al., 2020), eight images each of 50 parts:

    kos01/Part0.jpg
    kos01/Part0_label.bmp

It has no split for training on good images alone. Here defective images are tested on, and of the good ones, in the
order of their names, the first, sixth, eleventh ...: a fifth. Other shares and seeds: `reader: folder`.

KolektorSDD2 (Bozic et al., 2021) has a split, with defects in the training images, which are left out:

    train/10301.png
    train/10301_GT.png
    test/20000.png
    test/20000_GT.png

The folder of either is the category.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.config import ConfigError
from rdpp.data.files import once_per_content, printable
from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in, images_in
from rdpp.data.masks import decode_mask
from rdpp.data.readers.reader import Reader, defective_in_training

_EVERY = 5


@dataclass(frozen=True)
class KolektorSdd(Reader):
    """The layout of KolektorSDD."""

    title: ClassVar[str] = "KolektorSDD"
    layout: ClassVar[str] = "kosNN/PartN.jpg and kosNN/PartN_label.bmp"

    def categories(self, root: Path) -> list[str]:
        """`KolektorSDD`, where there are labels in folders kos*."""
        return [self.title] if any(root.glob("kos*/Part*_label.*")) else []

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images but every fifth."""
        good = [item for item in self._items(root) if not item.label]
        return tuple(item for i, item in enumerate(good) if i % _EVERY)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The defective images, and every fifth good one; the defect type is `defect`."""
        trained = set(self.train(root, category))
        return tuple(item for item in self._items(root) if item not in trained)

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there are images."""
        return bool(self.categories(root))

    def folder(self, root: Path, category: str) -> Path:
        """The root."""
        return root

    def _items(self, root: Path) -> list[Item]:
        folders = [folder for folder in folders_in(root) if folder.name.startswith("kos")]
        return [item for folder in folders for item in _items(root, folder, "_label", self.title)]


@dataclass(frozen=True)
class KolektorSdd2(Reader):
    """The layout of KolektorSDD2."""

    title: ClassVar[str] = "KolektorSDD2"
    layout: ClassVar[str] = "{train,test}/NAME.png and {train,test}/NAME_GT.png"

    def categories(self, root: Path) -> list[str]:
        """`KolektorSDD2`, where train has masks."""
        return [self.title] if any((root / "train").glob("*_GT.*")) else []

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images of train."""
        return tuple(item for item in _items(root, root / "train", "_GT", self.title) if not item.label)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """All images of test; the defect type is `defect`."""
        return tuple(_items(root, root / "test", "_GT", self.title))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `test`."""
        return bool(self.categories(root)) and (root / "test").is_dir()

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """The defective images of train."""
        return defective_in_training(_items(root, root / "train", "_GT", self.title))

    def folder(self, root: Path, category: str) -> Path:
        """The root."""
        return root


@once_per_content
def _shows_defect(mask: Path) -> bool:
    return bool(decode_mask(mask).any())


def _items(root: Path, folder: Path, ending: str, title: str) -> Iterator[Item]:
    """The images directly in a folder, labelled by their masks.

    Raises:
        ConfigError: an image without a mask, so that nothing says whether it is defective.
    """
    files = [path for path in images_in(folder) if path.parent == folder]
    masks = {path.stem.removesuffix(ending): path for path in files if path.stem.endswith(ending)}
    for path in files:
        if path.stem.endswith(ending):
            continue
        mask = masks.get(path.stem)
        if mask is None:
            raise ConfigError(
                f"{printable(path)} has no mask {path.stem}{ending}, and in {title} the mask alone says whether an "
                "image is defective; add it, or take the image away"
            )
        where, own = path.relative_to(root), (mask.relative_to(root),)
        if _shows_defect(mask):
            yield Item(where, "defect", True, own)
        else:
            yield Item(where, GOOD, False, empty_masks=own)
