"""Which mask files belong to which image, by their names."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rdpp.config import ConfigError
from rdpp.data.files import printable
from rdpp.data.listing import images_in

_FORMS = (
    re.compile(r"(?P<image>.+)_mask", re.IGNORECASE),
    re.compile(r"(?P<image>.+?)(?:[_-]\d+_mask|_mask[_-]?\d+)", re.IGNORECASE),
    re.compile(r"(?P<image>.+)"),
    re.compile(r"(?P<image>.+?)[_-]\d+"),
    re.compile(r"(?P<image>.+)_gt", re.IGNORECASE),
    re.compile(r"(?P<image>.+?)(?:[_-]\d+_gt|_gt[_-]?\d+)", re.IGNORECASE),
)
"""Of a mask's stem: NAME_mask, then NAME, then NAME_GT, each also numbered, as where every defect has a mask."""
_FAMILY = (0, 0, 1, 1, 2, 2)
"""Of the forms: all masks of the first family that an image has are its masks."""


def masks_by_image(
    images: Sequence[Path], top: Path, masks: Path, files: Sequence[Path] | None = None
) -> dict[Path, tuple[Path, ...]]:
    """The masks of each image that has some.

    Args:
        images: in a folder, or in folders of it.
        top: that folder.
        masks: the folder of masks that goes with it. Those of `top/day1` lie in `masks/day1`, or else in `masks`; those
            of `top/NAME.png` may also lie in a folder `NAME`.
        files: in that folder, or in folders of it; None: all that it has.

    Raises:
        ConfigError: a mask that fits images of two folders.
    """
    found, taken = {}, {}
    listed = images_in(masks) if files is None else files
    for folder in dict.fromkeys(image.parent for image in images):
        own = [image for image in images if image.parent == folder]
        place = masks / folder.relative_to(top)
        for where in (place, *place.parents):
            if not where.is_relative_to(masks):
                break
            for image, own_masks in _in_folder(own, where, listed).items():
                found.setdefault(image, own_masks)
    for image, own_masks in found.items():
        for file in own_masks:
            other = taken.setdefault(file, image)
            if other.parent != image.parent:
                raise ConfigError(
                    f"the mask {printable(file)} fits two images, {printable(other)} and {printable(image)}; lay masks "
                    "in folders of the same names as their images"
                )
    return found


def masks_by_name(images: Sequence[Path], files: Sequence[Path]) -> dict[Path, tuple[Path, ...]]:
    """The masks of each image that has some, wherever they lie; no two images have one name."""
    stems = {image.stem for image in images}
    return _by_family(images, [(mask, _place(mask.stem, stems)) for mask in files])


def _in_folder(images: Sequence[Path], folder: Path, listed: Sequence[Path]) -> Mapping[Path, tuple[Path, ...]]:
    stems = {image.stem for image in images}
    places = [(mask, _place(mask.stem, stems)) for mask in listed if mask.parent == folder]
    below = [mask for mask in listed if mask.parent.parent == folder and mask.parent.name in stems]
    return _by_family(images, [*places, *((mask, (mask.parent.name, len(_FORMS))) for mask in below)])


def _by_family(
    images: Sequence[Path], places: Sequence[tuple[Path, tuple[str, int] | None]]
) -> dict[Path, tuple[Path, ...]]:
    families: dict[str, dict[int, list[Path]]] = {}
    for mask, place in places:
        if place is not None:
            families.setdefault(place[0], {}).setdefault(place[1], []).append(mask)
    return {i: tuple(families[i.stem][min(families[i.stem])]) for i in images if i.stem in families}


def _place(stem: str, images: set[str]) -> tuple[str, int] | None:
    """The image that a mask's stem names, the one with the longest name, and the family of its form."""
    matches = [(form.fullmatch(stem), family) for form, family in zip(_FORMS, _FAMILY, strict=True)]
    fitting = [(match["image"], family) for match, family in matches if match and match["image"] in images]
    return max(fitting, key=lambda place: len(place[0]), default=None)
