"""BTAD, the beanTech anomaly detection set (Mishra et al., ISIE 2021): MVTec AD's layout with other names.

01/train/ok/0000.bmp
01/test/ok/0000.bmp
01/test/ko/0000.bmp
01/ground_truth/ko/0000.png        (.bmp in 03)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.data.item import Item
from rdpp.data.listing import folders_in
from rdpp.data.readers.mvtec_ad import defective_items, good_items
from rdpp.data.readers.reader import Reader

_GOOD = "ok"


@dataclass(frozen=True)
class Btad(Reader):
    """The layout of BTAD."""

    title: ClassVar[str] = "BTAD"
    layout: ClassVar[str] = "CATEGORY/train/ok, CATEGORY/test/{ok,ko} and CATEGORY/ground_truth/ko/NAME.png"

    def categories(self, root: Path) -> list[str]:
        """The folders that have a train/ok."""
        return [folder.name for folder in folders_in(root) if (folder / "train" / _GOOD).is_dir()]

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of train/ok."""
        return good_items(root, root / category / "train" / _GOOD)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of test/ko and test/ok; the defect type is `ko`."""
        test, masks = root / category / "test", root / category / "ground_truth"
        names = [folder.name for folder in folders_in(test) if folder.name != _GOOD]
        defective = [item for name in names for item in defective_items(root, test, name, masks)]
        return (*defective, *good_items(root, test / _GOOD))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `test`."""
        return (root / category / "test").is_dir()
