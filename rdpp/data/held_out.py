"""Choosing without the test set: some good training images are held out, and defects are drawn on copies of them.

The defects come from one fixed generator that is none of the noises a network can be trained with (rectangles of
noise, pasted pieces, blended textures), so that no variant is judged by what it was shown in training:

- stain: an irregular patch of another brightness or colour,
- scratch: a thin line that strays,
- warp: a disc in which the image is turned about the disc's centre.

Which images are held out, and what is drawn on them, depends on their number and place in the split alone: it is the
same for every variant, every seed and every machine.
"""

from collections.abc import Callable, Mapping
from zlib import crc32

import numpy as np
from scipy import ndimage

from rdpp.config import require
from rdpp.data.drawing import blob, grid, stroke
from rdpp.data.facts import Box
from rdpp.data.item import GOOD, Item
from rdpp.data.resizing import margins
from rdpp.data.split import Split

LEAST = 8
"""Good images held out, whatever the share."""
DEFECTIVE = 24
"""Defective images made, at least: with fewer images held out than this, each serves more than once."""

Array = np.ndarray
_Draw = Callable[[np.random.Generator, Array], tuple[Array, Array]]


def hold_out(split: Split, share: float) -> tuple[Split, Split]:
    """Part a split of good images.

    Args:
        split: N good images.
        share: of them to hold out, at least LEAST.

    Returns:
        What is left to train on, and the held-out images: each as it is, then DEFECTIVE or more copies with a
        stain, a scratch or a warp in turn. An item of a copy has the path of the good image, the kind of defect as
        its type, the label True, and None for masks: what was drawn lies in the split's masks, and in no file.

    Raises:
        ConfigError: too few images for it.
    """
    left, held = held_out_rows(split, share)
    return split.part(left, f"without {len(held)}"), _with_defects(split.part(held, f"{len(held)} held out"))


def held_out_rows(split: Split, share: float) -> tuple[Array, Array]:
    """Indices of the images left to train on and of those held out. ConfigError: too few images for it."""
    count = max(LEAST, round(share * len(split)))
    folder = split.root / split.items[0].path.parent
    require(
        len(split) >= 2 * count,
        f"{len(split)} good training images in {folder} are too few to hold out {count} of them; "
        f"have at least {2 * count}, or set evaluation.selection: last",
    )
    order = np.random.default_rng(crc32(b"held out")).permutation(len(split))
    return np.sort(order[count:]), np.sort(order[:count])


def _with_defects(good: Split) -> Split:
    copies = -(-DEFECTIVE // len(good))
    items, images, masks = list(good.items), list(good.images), list(good.masks)
    boxes = list(good.boxes or ())
    kinds = list(DRAW)
    for number in range(copies * len(good)):
        row, kind = number % len(good), kinds[number % len(kinds)]
        rng = np.random.default_rng([crc32(b"defects"), number])
        box = (0, 0, *good.masks.shape[1:]) if good.boxes is None else good.boxes[row]
        picture, mask = _drawn(kind, rng, good.images[row].transpose(1, 2, 0), box)
        items.append(Item(good.items[row].path, kind, True, None))
        images.append(picture.transpose(2, 0, 1).clip(0, 1).astype(np.float32))
        masks.append(mask)
        boxes.append(box)
    assert all(item.defect_type == GOOD for item in good.items)
    placed = None if good.boxes is None else tuple(boxes)
    return Split(tuple(items), np.stack(images), np.stack(masks), good.key, good.root, boxes=placed)


def _drawn(kind: str, rng: np.random.Generator, image: Array, box: Box) -> tuple[Array, Array]:
    """(H, W, 3) with a defect drawn on what is no padding, and the defect's mask (H, W)."""
    top, left, height, width = box
    picture, mask = DRAW[kind](rng, image[top : top + height, left : left + width])
    around = margins(image.shape[:2], box)
    return np.pad(picture, (*around, (0, 0)), mode="edge"), np.pad(mask, around)


def _stain(rng: np.random.Generator, picture: Array) -> tuple[Array, Array]:
    alpha = _cropped(blob(rng, max(picture.shape[:2]), _place(rng, picture), rng.uniform(0.02, 0.06), 0.01), picture)
    shift = rng.choice([-1, 1]) * rng.uniform(0.08, 0.3) + rng.normal(0, 0.04, 3)
    return picture + shift * alpha[..., None], alpha > 0.5


def _scratch(rng: np.random.Generator, picture: Array) -> tuple[Array, Array]:
    side = max(picture.shape[:2])
    line = stroke(rng, side, _place(rng, picture), rng.uniform(0.1, 0.3), rng.uniform(0.006, 0.016), 0.15)
    alpha = _cropped(line, picture)
    shift = rng.choice([-1, 1]) * rng.uniform(0.1, 0.4)
    return picture + shift * alpha[..., None], alpha > 0.3


def _warp(rng: np.random.Generator, picture: Array) -> tuple[Array, Array]:
    height, width = picture.shape[:2]
    side = max(height, width)
    centre, radius = _place(rng, picture), rng.uniform(0.05, 0.12)
    x, y = (_cropped(axis, picture) for axis in grid(side))
    dx, dy = x - centre[0], y - centre[1]
    distance = np.hypot(dx, dy) / radius
    angle = rng.choice([-1, 1]) * rng.uniform(0.8, 2.0) * np.clip(1 - distance**2, 0, 1) ** 2
    down = (centre[1] + np.sin(angle) * dx + np.cos(angle) * dy - y) * side + np.arange(height)[:, None]
    across = (centre[0] + np.cos(angle) * dx - np.sin(angle) * dy - x) * side + np.arange(width)
    channels = [ndimage.map_coordinates(picture[..., c], (down, across), order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, -1), distance < 0.8


def _place(rng: np.random.Generator, picture: Array) -> Array:
    """(x, y) as shares of the longer side, from the middle: of six random points the one with the most structure
    around it, so that defects meet the object rather than an empty background."""
    height, width = picture.shape[:2]
    side = max(height, width)
    reach = 0.4 * np.array([width, height]) / side
    points = rng.uniform(-reach, reach, (6, 2))
    return max(points, key=lambda point: _structure(picture, point, side))


def _structure(picture: Array, point: Array, side: int) -> float:
    column, row = (point * side + np.array(picture.shape[1::-1]) / 2).astype(int)
    half = max(2, side // 16)
    around = picture[max(0, row - half) : row + half, max(0, column - half) : column + half]
    return float(around.std((0, 1)).mean())


def _cropped(square: Array, picture: Array) -> Array:
    """The middle of a drawing on a square, at the picture's height and width."""
    top, left = ((len(square) - side) // 2 for side in picture.shape[:2])
    return square[top : top + picture.shape[0], left : left + picture.shape[1]]


DRAW: Mapping[str, _Draw] = {"stain": _stain, "scratch": _scratch, "warp": _warp}
