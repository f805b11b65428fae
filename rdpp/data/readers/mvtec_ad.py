"""MVTec AD: a folder a category, in it a folder a defect type, and masks in folders of their own.

    bolt/train/good/000.png
    bolt/test/good/000.png
    bolt/test/scratch/000.png
    bolt/ground_truth/scratch/000_mask.png      (or 000.png, 000_GT.png)

Folders may have folders: `test/scratch/day1` is the defect type `scratch/day1`, whose masks lie in
`ground_truth/scratch/day1` or in `ground_truth/scratch`.

MPDD has this layout too. The functions below are the layout, for whoever writes it. Each takes the category's folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.data.files import printable
from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in, images_in
from rdpp.data.readers.mask_names import masks_by_image
from rdpp.data.readers.reader import Reader

_TRAIN, _TEST, _MASKS = "train", "test", "ground_truth"


def train_folder(category: Path) -> Path:
    """Of the good images to train on."""
    return category / _TRAIN / GOOD


def test_folder(category: Path, defect_type: str) -> Path:
    """Of the test images of a defect type; `good` is one."""
    return category / _TEST / defect_type


def mask_path(category: Path, defect_type: str, image: str) -> Path:
    """Of the mask of a defective test image, given the image's file name."""
    return category / _MASKS / defect_type / f"{Path(image).stem}_mask.png"


@dataclass(frozen=True)
class MvtecAd(Reader):
    """The layout of MVTec AD. Every defective image has a mask, or several, or none of them has."""

    title: ClassVar[str] = "MVTec AD"
    layout: ClassVar[str] = (
        "CATEGORY/train/good, CATEGORY/test/good, CATEGORY/test/DEFECT_TYPE and "
        "CATEGORY/ground_truth/DEFECT_TYPE/NAME_mask.png"
    )

    def categories(self, root: Path) -> list[str]:
        """The folders that have training images, or a place for them."""
        return [folder.name for folder in folders_in(root) if (folder / _TRAIN).is_dir()]

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of train/good, by name."""
        return good_items(root, train_folder(root / category))

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of test/good and test/DEFECT_TYPE, by defect type and name."""
        return tuple(_test_items(root, category))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `test`."""
        return (root / category / _TEST).is_dir()


def good_items(root: Path, folder: Path) -> tuple[Item, ...]:
    """All images below a folder, as good ones."""
    return tuple(Item(path.relative_to(root), GOOD, False) for path in images_in(folder))


def defective_items(root: Path, test: Path, name: str, ground_truth: Path) -> Iterator[Item]:
    """The images of the folder `name` in `test`, with the masks of the folder `name` in `ground_truth`."""
    top = test / name
    images = images_in(top)
    masks = masks_by_image(images, top, ground_truth / name)
    for path in images:
        defect_type = printable(path.parent.relative_to(test).as_posix())
        own = masks.get(path)
        yield Item(path.relative_to(root), defect_type, True, own and tuple(mask.relative_to(root) for mask in own))


def _test_items(root: Path, category: str) -> Iterator[Item]:
    test = root / category / _TEST
    for top in folders_in(test):
        if top.name == GOOD:
            yield from good_items(root, top)
        else:
            yield from defective_items(root, test, top.name, root / category / _MASKS)
