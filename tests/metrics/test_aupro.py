"""AU-PRO against a loop over every threshold, and the official formula against its literal form."""

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import auc

from rdpp.metrics import aupro_of_each_image, pixel_aupro, pixel_aupro_per_image


def regions_of(mask):
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [labels == k for k in range(1, count + 1)]


def brute_force(maps, masks, limit):
    """Every distinct threshold, one by one."""
    regions = [(m, r) for m, mask in zip(maps, masks, strict=True) for r in regions_of(mask)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        fpr = float((maps[~masks] >= threshold).mean())
        points.append((fpr, float(np.mean([(m[r] >= threshold).mean() for m, r in regions]))))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x1 > limit:
            return (area + (limit - x0) * (2 * y0 + (y1 - y0) * (limit - x0) / (x1 - x0)) / 2) / limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def official(image, mask):
    """One image by the formula of the official code, 200 passes."""
    points, low, high = [], image.min(), image.max()
    for threshold in np.arange(low, high, (high - low) / 200):
        found = image > threshold
        points.append((found[~mask].mean(), np.mean([found[r].mean() for r in regions_of(mask)])))
    fpr, pro = np.array([p for p in points if p[0] < 0.3]).T
    return auc(fpr / fpr.max(), pro)


def random_case(seed, shape=(5, 12, 11)):
    """Maps with ties (even seeds) or without; the last image is good."""
    rng = np.random.default_rng(seed)
    masks = ndimage.uniform_filter(rng.random(shape), (0, 3, 3)) > 0.6
    masks[-1] = False
    maps = (rng.random(shape) + masks * rng.uniform(0, 1)).astype(np.float32)
    return (maps if seed % 2 else np.round(maps, 1)), masks


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_equal_to_every_threshold(seed, limit):
    maps, masks = random_case(seed)
    assert masks.any()
    assert pixel_aupro(maps, masks, limit) == pytest.approx(brute_force(maps, masks, limit), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(12))
def test_each_image_is_official(seed, dtype):
    maps, masks = random_case(seed, (4, 24, 25))
    maps = maps.astype(dtype)
    values = aupro_of_each_image(maps, masks)
    expected = [official(m, k) if k.any() else math.nan for m, k in zip(maps, masks, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
    assert pixel_aupro_per_image(maps, masks) == pytest.approx(np.nanmean(expected), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_each_image_is_official_where_pixels_lie_on_the_thresholds(seed):
    _, masks = random_case(seed, (3, 24, 25))
    maps = np.random.default_rng(seed).integers(0, 201, masks.shape).astype(np.float32)
    maps[:, 0, :2] = 0, 200  # so that the thresholds are 0, 1, 2, ...
    expected = [official(m, k) for m, k in zip(maps[:2], masks[:2], strict=True)]
    np.testing.assert_allclose(aupro_of_each_image(maps, masks)[:2], expected, rtol=0, atol=1e-12)


def test_a_point_at_the_official_limit_is_not_kept():
    masks = np.zeros((1, 1, 12), dtype=bool)
    masks[0, 0, [1, 4]] = True
    maps = np.arange(12, 0, -1, dtype=np.float32).reshape(1, 1, 12)  # normal 12, anomalous 11, normal 10, 9, ...
    # found at FPR 0.1: none, then one; at 0.2: one; at 0.3 (not kept): one, then both
    assert pixel_aupro_per_image(maps, masks) == pytest.approx(0.25)


def test_golden(golden):
    reference = golden("metrics_reference.npz")
    maps, masks = reference["maps"], reference["masks"]
    assert pixel_aupro(maps, masks) == pytest.approx(float(reference["pixel_aupro_030"]), abs=1e-9)
    assert pixel_aupro(maps, masks, 0.05) == pytest.approx(float(reference["pixel_aupro_005"]), abs=1e-9)
    official = float(reference["pixel_aupro_per_image_official"])
    assert pixel_aupro_per_image(maps, masks) == pytest.approx(official, abs=1e-9)


def one_image(rows):
    return np.array([rows], dtype=np.float32)


def test_pixels_that_touch_at_a_corner_are_one_region():
    masks = one_image([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]) == 1
    maps = one_image([[9, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    # the region of two is half found at once, the other not at all; from there on a straight line to (1, 1)
    assert pixel_aupro(maps, masks, 1.0) == pytest.approx((0.25 + 1) / 2)


def test_regions_do_not_reach_into_the_next_image():
    masks = np.zeros((2, 3, 3), dtype=bool)
    masks[0, :2, 0] = masks[1, :1, 0] = True
    maps = np.zeros((2, 3, 3), dtype=np.float32)
    maps[1, 0, 0] = 1.0
    assert pixel_aupro(maps, masks, 1.0) == pytest.approx((0.5 + 1) / 2)  # 2/3 if the three pixels were one


def test_small_regions_weigh_as_much_as_large_ones():
    masks = np.zeros((1, 8, 8), dtype=bool)
    masks[0, :4, :4] = masks[0, 7, 7] = True
    maps = np.where(masks, 1.0, 0.0).astype(np.float32)
    maps[0, 7, 7] = 0.0
    assert pixel_aupro(maps, masks, 1.0) == pytest.approx((0.5 + 1) / 2)


def test_a_perfect_map_is_1():
    _, masks = random_case(0)
    perfect = masks.astype(np.float32)
    assert pixel_aupro(perfect, masks) == pytest.approx(1.0)
    np.testing.assert_allclose(aupro_of_each_image(perfect, masks)[:-1], 1.0)


def test_a_constant_map():
    _, masks = random_case(0)
    flat = np.full(masks.shape, 0.5, dtype=np.float32)
    assert pixel_aupro(flat, masks) == pytest.approx(0.15)  # the diagonal
    assert pixel_aupro_per_image(flat, masks) == 0.0  # it finds nothing


def test_an_inverted_map_keeps_no_point_of_the_official_formula():
    masks = np.zeros((1, 4, 4), dtype=bool)
    masks[0, 0, 0] = True
    assert pixel_aupro_per_image((~masks).astype(np.float32), masks) == 0.0


def test_one_kept_point_with_false_positives_has_no_area():
    masks = np.zeros((1, 4, 4), dtype=bool)
    masks[0, 0, :2] = True
    maps = masks.astype(np.float32)
    maps[0, 3, :2] = 1.0
    found = aupro_of_each_image(maps, masks)  # every threshold finds the same 2 of 14 normal pixels
    np.testing.assert_array_equal(found, [0.0])


@pytest.mark.parametrize("metric", [pixel_aupro, pixel_aupro_per_image])
@pytest.mark.parametrize("anomalous", [True, False])
def test_masks_all_alike_are_undefined(metric, anomalous):
    maps = np.random.default_rng(0).random((2, 5, 5), dtype=np.float32)
    assert math.isnan(metric(maps, np.full(maps.shape, anomalous)))


def test_images_without_regions_stay_out_of_the_mean():
    maps, masks = random_case(3)
    assert np.isnan(aupro_of_each_image(maps, masks)).tolist() == [False] * 4 + [True]
    assert pixel_aupro_per_image(maps, masks) == pixel_aupro_per_image(maps[:-1], masks[:-1])


@pytest.mark.parametrize("metric", [pixel_aupro, pixel_aupro_per_image])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(metric, value):
    maps, masks = random_case(1)
    maps[-1, 0, 0] = value
    with pytest.raises(ValueError, match="1 of 660 pixels of the maps are not finite"):
        metric(maps, masks)


@pytest.mark.parametrize("metric", [pixel_aupro, pixel_aupro_per_image])
def test_map_and_mask_shapes(metric):
    maps, masks = random_case(1)
    with pytest.raises(ValueError, match=r"must both be \(N, H, W\), got \(5, 12, 11\) and \(4, 12, 11\)"):
        metric(maps, masks[:-1])
    with pytest.raises(ValueError, match=r"must both be \(N, H, W\), got \(12, 11\) and \(12, 11\)"):
        metric(maps[0], masks[0])


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, math.nan])
def test_limit_out_of_range(limit):
    with pytest.raises(ValueError, match=r"fpr_limit must be in \(0, 1\], got"):
        pixel_aupro(*random_case(1), limit)


def test_each_image_is_official_in_half_precision():
    maps, masks = random_case(1, (3, 24, 25))
    maps = maps.astype(np.float16)
    expected = [official(m, k) for m, k in zip(maps[:2], masks[:2], strict=True)]
    np.testing.assert_allclose(aupro_of_each_image(maps, masks)[:2], expected, rtol=0, atol=1e-12)


def test_each_image_is_official_with_one_pixel_far_from_the_others():
    maps, masks = random_case(3, (3, 24, 25))
    maps[:, 5, 5] = 20
    expected = [official(m, k) for m, k in zip(maps[:2], masks[:2], strict=True)]
    np.testing.assert_allclose(aupro_of_each_image(maps, masks)[:2], expected, rtol=0, atol=1e-12)


def test_images_of_one_pixel():
    maps, masks = np.array([[[0.3]], [[0.5]], [[0.4]]], np.float32), np.array([[[True]], [[False]], [[True]]])
    assert np.isnan(aupro_of_each_image(maps, masks)).all()
    assert pixel_aupro(maps, masks, 1.0) == 0.0
