"""MVTec LOCO AD (Bergmann et al., IJCV 2022): MVTec AD's layout with logical and structural anomalies.

    screw_bag/train/good/000.png
    screw_bag/validation/good/000.png                        left out
    screw_bag/test/{good,logical_anomalies,structural_anomalies}/000.png
    screw_bag/ground_truth/logical_anomalies/000/000.png     several masks an image
    screw_bag/defects_config.json

A mask's grey value says of which kind its defect is; every pixel that is not 0 is defective. The images of
`validation` are for what a method sets by good images, such as a threshold. They are neither trained nor tested on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rdpp.data.item import GOOD, Item
from rdpp.data.readers.mvtec_ad import MvtecAd, good_items

_CONFIG = "defects_config.json"
_TYPES = ("logical_anomalies", "structural_anomalies")


@dataclass(frozen=True)
class MvtecLoco(MvtecAd):
    """The layout of MVTec LOCO AD."""

    title: ClassVar[str] = "MVTec LOCO"
    layout: ClassVar[str] = (
        "CATEGORY/train/good, CATEGORY/test/{good,logical_anomalies,structural_anomalies}, "
        "CATEGORY/ground_truth/DEFECT_TYPE/NAME/000.png and CATEGORY/defects_config.json"
    )
    not_computed: ClassVar[str] = (
        "the set's own metric sPRO, which defects_config.json is for, is not computed; AU-PRO counts each region whole"
    )

    def categories(self, root: Path) -> list[str]:
        """The folders with training images that have a defects_config.json, or test images of one of the two types."""
        return [name for name in super().categories(root) if _is_loco(root / name)]

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """The images of validation/good."""
        found = good_items(root, root / category / "validation" / GOOD)
        return {"validation image": found} if found else {}


def _is_loco(category: Path) -> bool:
    return (category / _CONFIG).is_file() or any((category / "test" / name).is_dir() for name in _TYPES)
