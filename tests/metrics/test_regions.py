"""Regions of a stack of masks are those of each mask alone."""

import numpy as np
import pytest
from scipy import ndimage

from rdpp.metrics.pixels import Pixels
from rdpp.metrics.regions import Regions


def labelled(masks):
    """(P,) region of each anomalous pixel, image by image."""
    found, before = [], 0
    for mask in masks:
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        found.append(labels[mask] + before)
        before += count
    return np.concatenate(found)


def spiral(side):
    """Two arms that wind into one another and meet in the last row only."""
    mask = np.zeros((side, side), dtype=bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    return mask


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(6, 17, 13), (3, 1, 9), (3, 9, 1), (4, 1, 1), (2, 2, 2)])
def test_equal_to_scipy(shape, share):
    masks = np.random.default_rng(7).random(shape) < share
    masks[0, 0, 0] = masks[-1, -1, -1] = True
    region = Regions.of(masks).labels
    pairs = set(zip(region.tolist(), labelled(masks).tolist(), strict=True))
    assert len(pairs) == len({own for own, _ in pairs}) == len({other for _, other in pairs})


def test_a_region_that_winds():
    mask = spiral(21)
    region = Regions.of(mask[None]).labels
    assert len(set(region.tolist())) == labelled(mask[None]).max() == 1


@pytest.mark.parametrize("bridge", [True, False])
def test_columns_that_meet_below(bridge):
    mask = np.zeros((5, 7), dtype=bool)
    mask[:4, ::2] = True
    mask[4, 1:6] = bridge
    region = Regions.of(mask[None]).labels
    assert len(set(region.tolist())) == (1 if bridge else 4)


def test_neither_row_ends_nor_images_touch():
    masks = np.zeros((2, 3, 4), dtype=bool)
    masks[0, 0, 3] = masks[0, 1, 0] = True  # neighbours in memory
    masks[0, 2, 3] = masks[1, 0, 0] = masks[1, 0, 3] = True
    region = Regions.of(masks).labels
    assert len(set(region.tolist())) == 5


def test_pixels_have_their_image_and_one_over_their_area():
    masks = np.zeros((4, 6, 6), dtype=bool)
    masks[1, :2, :2] = masks[1, 5, 5] = masks[3, 2, 1:4] = True
    maps = np.arange(masks.size, dtype=np.float32).reshape(masks.shape)
    pixels = Pixels.of(maps, masks)
    again = Pixels.of(maps, Regions.of(masks))
    assert all(np.array_equal(a, b) for a, b in zip(vars(pixels).values(), vars(again).values(), strict=True))
    assert pixels.regions.tolist() == [0, 2, 0, 1]
    assert pixels.defects.tolist() == [1, 3]
    for index in range(4):
        scores, weights = pixels.anomalous(index)
        np.testing.assert_array_equal(scores, maps[index][masks[index]])
        assert weights.tolist() == {1: [0.25] * 4 + [1.0], 3: [1 / 3] * 3}.get(index, [])


def test_no_anomalous_pixel():
    assert Regions.of(np.zeros((2, 3, 3), bool)).of_each_image.tolist() == [0, 0]
