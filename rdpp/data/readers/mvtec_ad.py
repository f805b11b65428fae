"""MVTec AD: a folder a category, in it a folder a defect type, and masks in folders of their own.

    bolt/train/good/000.png
    bolt/test/good/000.png
    bolt/test/scratch/000.png
    bolt/ground_truth/scratch/000_mask.png      (or 000.png)

The functions below are the layout, for whoever writes it. Each takes the category's folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.config import ConfigError
from rdpp.data.files import images_in
from rdpp.data.item import GOOD, Item

_TRAIN, _TEST = "train", "test"


def train_folder(category: Path) -> Path:
    """Of the good images to train on."""
    return category / _TRAIN / GOOD


def test_folder(category: Path, defect_type: str) -> Path:
    """Of the test images of a defect type; `good` is one."""
    return category / _TEST / defect_type


def mask_path(category: Path, defect_type: str, image: str) -> Path:
    """Of the mask of a defective test image, given the image's file name."""
    return _mask_paths(category, defect_type, image)[0]


def _mask_paths(category: Path, defect_type: str, image: str) -> list[Path]:
    """Where a mask may lie: the first that exists counts."""
    folder = category / "ground_truth" / defect_type
    return [folder / f"{Path(image).stem}{tail}" for tail in ("_mask.png", ".png")]


@dataclass(frozen=True)
class MvtecAd:
    """The layout of MVTec AD. Every defective image has one mask."""

    title: ClassVar[str] = "MVTec AD"
    layout: ClassVar[str] = (
        "CATEGORY/train/good, CATEGORY/test/good, CATEGORY/test/DEFECT_TYPE and CATEGORY/ground_truth/DEFECT_TYPE"
    )

    def categories(self, root: Path) -> list[str]:
        """The folders that have training images, or a place for them."""
        return sorted(path.parent.name for path in root.glob(f"*/{_TRAIN}") if path.is_dir())

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of train/good, by name."""
        images = images_in(train_folder(root / category))
        return tuple(Item(path.relative_to(root), GOOD, False) for path in images)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of test/good and test/DEFECT_TYPE, by defect type and name.

        Raises:
            ConfigError: a defective image without its mask.
        """
        return tuple(_test_items(root, category))

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there is a folder `test`."""
        return (root / category / _TEST).is_dir()


def _test_items(root: Path, category: str) -> Iterator[Item]:
    for folder in sorted(path for path in (root / category / _TEST).glob("*") if path.is_dir()):
        for path in images_in(folder):
            masks = () if folder.name == GOOD else (_mask(root, category, path).relative_to(root),)
            yield Item(path.relative_to(root), folder.name, folder.name != GOOD, masks)


def _mask(root: Path, category: str, image: Path) -> Path:
    candidates = _mask_paths(root / category, image.parent.name, image.name)
    mask = next((path for path in candidates if path.is_file()), None)
    if mask is None:
        raise ConfigError(f"the defective image {image} has no mask; expected {candidates[0]}")
    return mask
