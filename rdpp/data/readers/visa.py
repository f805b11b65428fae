"""VisA (Zou et al., ECCV 2022), with the one-class split that comes with it.

    split_csv/1cls.csv                        object,split,label,image,mask
    candle/Data/Images/Normal/0000.JPG
    candle/Data/Images/Anomaly/000.JPG
    candle/Data/Masks/Anomaly/000.png         labels: each kind of defect has a grey value of its own

The masks' values are small numbers (1, 2, ...): every pixel that is not 0 is defective.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.config import ConfigError
from rdpp.data.files import printable
from rdpp.data.item import GOOD, Item
from rdpp.data.readers.listed import below, entry, listed_item, present, read_csv
from rdpp.data.readers.reader import Reader

_SPLIT = Path("split_csv", "1cls.csv")
_LABELS = {"normal": GOOD, "anomaly": "anomaly"}


@dataclass(frozen=True)
class Visa(Reader):
    """The layout of VisA. Images that the split does not name are told as no part of the layout."""

    title: ClassVar[str] = "VisA"
    layout: ClassVar[str] = "split_csv/1cls.csv, which names CATEGORY/Data/Images and CATEGORY/Data/Masks"

    def categories(self, root: Path) -> list[str]:
        """The objects of the split that have a folder."""
        if not (root / _SPLIT).is_file():
            return []
        names = {entry(row, "object", root / _SPLIT) for row in read_csv(root / _SPLIT)}
        return sorted(name for name in names if (root / name).is_dir())

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of the split `train`. ConfigError: one is defective."""
        items = _items(root, category, "train")
        if any(item.label for item in items):
            raise ConfigError(f"{root / _SPLIT} has defective images in the split train; use the one-class split")
        return present(root, items, root / _SPLIT)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of the split `test`; the defect type is `anomaly`."""
        return present(root, _items(root, category, "test"), root / _SPLIT)

    def has_test(self, root: Path, category: str) -> bool:
        """Whether one of the test images is there."""
        return any((root / item.path).is_file() for item in _items(root, category, "test"))


def _items(root: Path, category: str, split: str) -> list[Item]:
    source = root / _SPLIT
    if not source.is_file():
        return []
    items = []
    for row in read_csv(source):
        if entry(row, "object", source) != category or entry(row, "split", source) != split:
            continue
        label, mask = entry(row, "label", source), entry(row, "mask", source)
        if label not in _LABELS:
            raise ConfigError(f"unknown label '{printable(label)}' in {source}; choices: {', '.join(_LABELS)}")
        image = below(root, entry(row, "image", source), source)
        items.append(listed_item(root, image, _LABELS[label], below(root, mask, source) if mask else None))
    return items
