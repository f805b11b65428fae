"""Real-IAD (Wang et al., CVPR 2024): each part is seen from five sides (C1 to C5), each view is an image of its own.

    realiad_jsons/audiojack.json              or realiad_jsons/realiad_jsons/audiojack.json
    realiad_1024/audiojack/OK/S0001/audiojack_0001_OK_C1_20231021.jpg
    realiad_1024/audiojack/NG/BX/S0001/audiojack_0001_NG_BX_C1_20231021.jpg
    realiad_1024/audiojack/NG/BX/S0001/audiojack_0001_NG_BX_C1_20231021_mask.png

The JSON has `meta` (`normal_class`, `prefix`) and the lists `train` and `test` of `category`, `anomaly_class`,
`image_path` and `mask_path`, both below `prefix`. A defective part's view on which the defect cannot be seen is listed
as normal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rdpp.config import ConfigError
from rdpp.data.files import printable
from rdpp.data.item import GOOD, Item
from rdpp.data.listing import folders_in
from rdpp.data.readers.listed import below, entry, listed_item, present, read_json
from rdpp.data.readers.reader import Reader, defective_in_training

_LISTS = ("realiad_jsons/realiad_jsons", "realiad_jsons")
_IMAGES = "realiad_"


@dataclass(frozen=True)
class RealIad(Reader):
    """The layout of Real-IAD, with images of one size."""

    title: ClassVar[str] = "Real-IAD"
    layout: ClassVar[str] = "realiad_jsons/CATEGORY.json, which names images in realiad_1024/CATEGORY (or another size)"
    not_computed: ClassVar[str] = (
        "the set's own image AUROC of a part, over its five views together, is not computed; each view counts as an "
        "image"
    )

    def categories(self, root: Path) -> list[str]:
        """The lists whose images have a folder."""
        return sorted(path.stem for path in _lists(root) if _image_folders(root, path.stem))

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images of the list `train`."""
        return tuple(item for item in _listed(root, category, "train") if not item.label)

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The images of the list `test`; the defect type is `anomaly_class`, such as `BX`."""
        return _listed(root, category, "test")

    def has_test(self, root: Path, category: str) -> bool:
        """Whether one of the test images is there."""
        return any((root / item.path).is_file() for item in _items(root, category, "test"))

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """Defective images of the list `train`, as in its lists with noise (fuiad)."""
        return defective_in_training(_listed(root, category, "train"))

    def folder(self, root: Path, category: str) -> Path:
        """Of the category's images."""
        return next(iter(_image_folders(root, category)), root / category)


def _lists(root: Path) -> list[Path]:
    return next((found for place in _LISTS if (found := sorted((root / place).glob("*.json")))), [])


def _image_folders(root: Path, category: str) -> list[Path]:
    sizes = [folder for folder in folders_in(root) if folder.name.startswith(_IMAGES) and folder.name not in _LISTS]
    return [folder / category for folder in sizes if (folder / category).is_dir()]


def _list_of(root: Path, category: str) -> Path | None:
    return next((path for path in _lists(root) if path.stem == category), None)


def _listed(root: Path, category: str, half: str) -> tuple[Item, ...]:
    source = _list_of(root, category)
    return () if source is None else present(root, _items(root, category, half), source)


def _items(root: Path, category: str, half: str) -> Iterator[Item]:
    source = _list_of(root, category)
    folders = _image_folders(root, category)
    if source is None or not folders:
        return
    if len(folders) > 1:
        raise ConfigError(
            f"'{printable(category)}' is in {root} in several sizes, {', '.join(f.parent.name for f in folders)}; give "
            "a folder that holds (or links) realiad_jsons and one of them"
        )
    listed: Any = read_json(source)
    meta = listed.get("meta") if isinstance(listed, dict) else None
    normal, prefix = entry(meta, "normal_class", source), entry(meta, "prefix", source)
    rows = listed.get(half, [])
    base = below(folders[0].parent, prefix, source)
    for row in rows if isinstance(rows, list) else [rows]:
        kind, mask = entry(row, "anomaly_class", source), row.get("mask_path")
        image = below(base, entry(row, "image_path", source), source)
        masked = below(base, str(mask), source) if mask else None
        yield listed_item(root, image, GOOD if kind == normal else kind, masked)
