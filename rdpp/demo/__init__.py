"""Synthetic categories in the MVTec AD layout, drawn from a seed: for demonstrations, tests and timing.

Every image has its own generator, so other counts or fewer categories leave its bytes as they are. A
defective image is drawn twice from the same scene, with and without its defect: the mask is where the two
differ.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image
from scipy import ndimage

from rdpp.config import ConfigError, choose, require
from rdpp.data.drawing import Array, Generator
from rdpp.data.item import GOOD
from rdpp.data.readers.mvtec_ad import mask_path, test_folder, train_folder
from rdpp.demo import bolt, speckle, weave
from rdpp.demo.strengths import STRENGTHS
from rdpp.folders import ensure_writable

SCENES: dict[str, ModuleType] = {"weave": weave, "speckle": speckle, "bolt": bolt}
"""Each has sample(generator, size) -> Scene and DEFECTS."""
CATEGORIES = tuple(SCENES)
VERSION = 1
"""Of the drawing: raise it when the same recipe gives other bytes."""
VISIBLE = 0.03
"""Smallest change of a colour channel (of 1) that counts as defect: below it, sensor noise hides it."""
SMALLEST = 6
"""Pixels: connected specks of fewer are no defect."""
NOISE = 0.010
"""Standard deviation of the sensor's noise."""


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes of a category."""

    seed: int
    size: int
    train_good: int
    test_good: int
    per_defect: int
    version: int = VERSION


def make_categories(
    root: Path,
    *,
    categories: Sequence[str] = CATEGORIES,
    seed: int = 0,
    size: int = 128,
    train_good: int = 40,
    test_good: int = 32,
    per_defect: int = 8,
) -> None:
    """Write the training images, test images and masks of each category, in the MVTec AD layout.

    What the same recipe made before is left as it is.

    Args:
        root: made when missing; root/<category>/recipe.json keeps the arguments.
        categories: of CATEGORIES.
        seed: of everything; not negative.
        size: side of the square images, in pixels, at least 64.
        train_good: images, likewise test_good; per_defect: images a defect type.

    Raises:
        ConfigError: unknown category, argument out of range, or a folder that holds something else.
    """
    require(seed >= 0, f"seed must be 0 or more, got {seed}")
    require(size >= 64, f"size must be at least 64 pixels, got {size}")
    require(min(train_good, test_good, per_defect) > 0, "train_good, test_good and per_defect must be 1 or more")
    recipe = Recipe(seed, size, train_good, test_good, per_defect)
    for category in categories:
        choose(category, CATEGORIES, "category")
    for category in categories:
        _make_category(Path(root) / category, category, recipe)


def draw_image(category: str, defect: str | None, rng: Generator, size: int) -> tuple[Array, Array]:
    """One photograph and its mask: (size, size, 3) uint8 and (size, size) uint8 of 0 and 255."""
    scenes = SCENES[category]
    scene = scenes.sample(rng, size)
    exposure = rng.normal(1, 0.02)
    noise = NOISE * rng.standard_normal((size, size, 3), np.float32)
    picture = scene.draw()
    mask = np.zeros((size, size), bool)
    if defect is not None:
        picture, mask = _damage(rng, category, defect, scene, picture)
    picture = picture * exposure + noise
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), mask.astype(np.uint8) * 255


def _damage(rng: Generator, category: str, defect: str, scene: object, picture: Array) -> tuple[Array, Array]:
    """The picture changed within the mask alone. Drawn anew while the change is too faint to be seen."""
    for _ in range(100):
        strength = rng.uniform(*STRENGTHS[category][defect])
        changed = SCENES[category].DEFECTS[defect](rng, scene, strength)
        mask = _visible(changed, picture)
        if mask.any():
            return np.where(mask[..., None], changed, picture), mask
    raise AssertionError(f"{category}/{defect} is never visible; raise its entry in STRENGTHS")


def _visible(changed: Array, picture: Array) -> Array:
    """(size, size) bool: where the two differ visibly, pinholes closed, specks dropped."""
    mask = np.abs(changed - picture).max(2) > VISIBLE
    mask |= ndimage.binary_closing(mask, np.ones((3, 3)), iterations=2)
    labels = np.empty(mask.shape, np.int32)
    ndimage.label(mask, np.ones((3, 3)), output=labels)
    large = np.bincount(labels.ravel()) >= SMALLEST
    large[0] = False
    return large[labels]


def _make_category(folder: Path, category: str, recipe: Recipe) -> None:
    note, text = folder / "recipe.json", json.dumps(asdict(recipe), indent=1) + "\n"
    if note.is_file() and note.read_text() == text:
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} is not empty and was not made by this recipe ({recipe}); "
            "delete it, or give another folder for the synthetic categories"
        )
    ensure_writable(folder.parent, "give another folder for the synthetic categories")
    part = Path(tempfile.mkdtemp(prefix=f".{category}-", dir=folder.parent))
    try:
        _draw_category(part, category, recipe)
        (part / note.name).write_text(text)
        part.chmod(0o755)  # mkdtemp's are for their owner alone
        os.replace(part, folder)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        made_elsewhere = isinstance(error, OSError) and note.is_file() and note.read_text() == text
        if not made_elsewhere:  # else another process was quicker
            raise


def _draw_category(folder: Path, category: str, recipe: Recipe) -> None:
    number = CATEGORIES.index(category)
    splits: list[tuple[Path, str | None, int]] = [
        (train_folder(folder), None, recipe.train_good),
        (test_folder(folder, GOOD), None, recipe.test_good),
        *((test_folder(folder, defect), defect, recipe.per_defect) for defect in SCENES[category].DEFECTS),
    ]
    for split, (place, defect, count) in enumerate(splits):
        for index in range(count):
            rng = np.random.default_rng([recipe.seed, number, split, index])
            image, mask = draw_image(category, defect, rng, recipe.size)
            path = place / f"{index:03d}.png"
            _save(image, path)
            if defect is not None:
                _save(mask, mask_path(folder, defect, path.name))


def _save(pixels: Array, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
