"""DAGM 2007 (Wieler and Hahn): ten textures, with defects in the training images too.

    Class1/Train/0576.PNG
    Class1/Train/Label/Labels.txt             number, 1 where defective, image, 0, mask or 0
    Class1/Train/Label/0576_label.PNG         an ellipse round the defect
    Class1/Test/...                           the same

Defective training images are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.config import ConfigError
from rdpp.data.files import printable
from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in, images_in
from rdpp.data.readers.reader import Reader, defective_in_training

_TRAIN, _TEST, _LABEL, _LABELS = "Train", "Test", "Label", "Labels.txt"


@dataclass(frozen=True)
class Dagm(Reader):
    """The layout of DAGM 2007."""

    title: ClassVar[str] = "DAGM"
    layout: ClassVar[str] = (
        "CATEGORY/{Train,Test}/NAME.PNG, and in each of both Label/NAME_label.PNG and Label/Labels.txt"
    )
    label_files: ClassVar[tuple[str, ...]] = (_LABELS,)
    not_computed: ClassVar[str] = (
        "the competition's cost of wrong decisions is not computed; the masks are ellipses round the defects, so pixel "
        "metrics are coarse"
    )

    def categories(self, root: Path) -> list[str]:
        """The folders with a folder `Train` that has a folder `Label`."""
        return [
            folder.name
            for folder in folders_in(root)
            if any(half.name == _TRAIN and (half / _LABEL).is_dir() for half in folders_in(folder))
        ]

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images of Train."""
        return tuple(item for item in _items(root, root / category / _TRAIN) if not item.label)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """All images of Test; the defect type is `defect`."""
        return tuple(_items(root, root / category / _TEST))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `Test`."""
        return (root / category / _TEST).is_dir()

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """The defective images of Train."""
        return defective_in_training(_items(root, root / category / _TRAIN))


def _items(root: Path, half: Path) -> Iterator[Item]:
    masks = {mask.stem: mask for mask in images_in(half / _LABEL)}
    defective = _named_defective(half / _LABEL / _LABELS)
    for path in images_in(half):
        if path.parent != half:
            continue
        mask = masks.get(f"{path.stem}_label")
        if defective is not None and (path.name in defective) != (mask is not None):
            raise ConfigError(
                f"{printable(half / _LABEL / _LABELS)} and the masks beside it do not agree on {printable(path.name)}: "
                f"it {'has a' if mask else 'lacks its'} mask; fetch both again"
            )
        if mask is None:
            yield Item(path.relative_to(root), GOOD, False)
        else:
            yield Item(path.relative_to(root), "defect", True, (mask.relative_to(root),))


def _named_defective(labels: Path) -> frozenset[str] | None:
    """The images with a 1; None without the file, as in a copy of the images and masks alone. A first row names the
    class."""
    if not labels.is_file():
        return None
    rows = [line.split() for line in labels.read_text("utf-8", "replace").splitlines()]
    return frozenset(row[2] for row in rows if len(row) >= 3 and row[1] == "1")
