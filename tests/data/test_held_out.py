"""Good images held out from training, and the defects drawn on copies of them."""

from pathlib import Path

import numpy as np
import pytest

from rdpp.config import ConfigError
from rdpp.data import GOOD, Item, Split, hold_out
from rdpp.data.held_out import DEFECTIVE, DRAW, LEAST


def split(count=40, height=64, width=64, seed=0):
    """Smooth random pictures, each with a number for a name."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.2, 0.8, (count, 3, height // 8, width // 8))
    images = coarse.repeat(8, 2).repeat(8, 3).astype(np.float32)
    items = tuple(Item(Path(f"nut/train/good/{i:03d}.png"), GOOD, False) for i in range(count))
    return Split(items, images, np.zeros((count, height, width), bool), "key", Path("/data"))


@pytest.mark.parametrize(("count", "expected"), [(16, 8), (40, 8), (60, 12), (200, 40)])
def test_a_fifth_but_at_least_eight_are_held_out(count, expected):
    whole = split(count)
    left, held = hold_out(whole, 0.2)
    good = [item for item, label in zip(held.items, held.labels, strict=True) if not label]
    assert len(good) == expected
    assert len(left) == count - expected
    assert {i.path for i in left.items}.isdisjoint(i.path for i in good)
    assert {i.path for i in left.items} | {i.path for i in good} == {i.path for i in whole.items}


def test_images_stay_with_their_items():
    whole = split()
    by_path = {item.path: image for item, image in zip(whole.items, whole.images, strict=True)}
    for part in hold_out(whole, 0.2):
        for item, image, label in zip(part.items, part.images, part.labels, strict=True):
            assert np.array_equal(image, by_path[item.path]) != label


@pytest.mark.parametrize("count", [16, 40, 200])
def test_every_kind_of_defect_is_drawn_equally_often(count):
    _, held = hold_out(split(count), 0.2)
    kinds = [kind for kind in held.defect_types if kind != "good"]
    good = len(held) - len(kinds)
    assert len(kinds) >= max(DEFECTIVE, good)
    assert len(kinds) % good == 0
    assert max(map(kinds.count, DRAW)) - min(map(kinds.count, DRAW)) <= 1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (128, 64)])
def test_masks_are_where_the_copies_differ(height, width):
    whole = split(40, height, width)
    _, held = hold_out(whole, 0.2)
    good = {item.path: image for item, image in zip(whole.items, whole.images, strict=True)}
    for item, image, mask in zip(held.items, held.images, held.masks, strict=True):
        change = np.abs(image - good[item.path]).max(0)
        if item.label:
            assert 3 < mask.sum() < 0.1 * mask.size
            assert change[mask].mean() > 10 * change[~mask].mean()
        else:
            assert not mask.any()
    assert held.images.min() >= 0
    assert held.images.max() <= 1


def test_the_same_for_every_run_and_machine():
    first, second = hold_out(split(), 0.2), hold_out(split(), 0.2)
    for one, other in zip(first, second, strict=True):
        assert one.items == other.items
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.masks, other.masks)


def test_too_few_images():
    assert len(hold_out(split(2 * LEAST), 0.2)[0]) == LEAST
    with pytest.raises(ConfigError, match=r"15 good training images in /data/nut/train/good are too few to hold out 8"):
        hold_out(split(2 * LEAST - 1), 0.2)


def test_the_parts_have_keys_of_their_own():
    whole = split()
    first, second = hold_out(whole, 0.2)
    assert len({whole.key, first.key, second.key, hold_out(whole, 0.4)[0].key}) == 4
