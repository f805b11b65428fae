"""MVTec AD 2 (Heckler-Kram et al., 2025): one public test set, and two whose labels are not public.

can/train/good/000_regular.png
can/validation/good/000_regular.png                      left out
can/test_public/{good,bad}/000_regular.png
can/test_public/ground_truth/bad/000_regular_mask.png
can/test_private/000_regular.png                         left out, label not known
can/test_private_mixed/000_mixed.png                     left out, label not known
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in, images_in
from rdpp.data.readers.mvtec_ad import defective_items, good_items, train_folder
from rdpp.data.readers.reader import Reader

_PUBLIC, _PRIVATE, _MASKS = "test_public", ("test_private", "test_private_mixed"), "ground_truth"


@dataclass(frozen=True)
class MvtecAd2(Reader):
    """The layout of MVTec AD 2. The public test set is tested on."""

    title: ClassVar[str] = "MVTec AD 2"
    layout: ClassVar[str] = (
        "CATEGORY/train/good, CATEGORY/test_public/{good,bad} and CATEGORY/test_public/ground_truth/bad/NAME_mask.png"
    )
    not_computed: ClassVar[str] = (
        "the set's own evaluation is on its private test sets (at benchmark.mvtec.com), with AU-PRO up to a false "
        "positive rate of 0.05 and SegF1; these are not computed, and the numbers here are of test_public"
    )

    def categories(self, root: Path) -> list[str]:
        """The folders with training images and one of the three test sets."""
        tests = (_PUBLIC, *_PRIVATE)
        return [
            folder.name
            for folder in folders_in(root)
            if (folder / "train").is_dir() and any((folder / test).is_dir() for test in tests)
        ]

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of train/good."""
        return good_items(root, train_folder(root / category))

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of test_public, by defect type and name."""
        test = root / category / _PUBLIC
        names = [folder.name for folder in folders_in(test) if folder.name not in (GOOD, _MASKS)]
        defective = [item for name in names for item in defective_items(root, test, name, test / _MASKS)]
        return (*defective, *good_items(root, test / GOOD))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `test_public`."""
        return (root / category / _PUBLIC).is_dir()

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """The images of validation/good, and those of the private test sets."""
        folder = root / category
        private = [path for name in _PRIVATE for path in images_in(folder / name)]
        found = {
            "validation image": good_items(root, folder / "validation" / GOOD),
            "label not public": tuple(Item(path.relative_to(root), "unknown", None, None) for path in private),
        }
        return {why: items for why, items in found.items() if items}
