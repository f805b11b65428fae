"""Padding, which is -inf in anomaly maps, counts for nothing: metrics are those of the pictures alone."""

import numpy as np
import pytest

from rdpp.metrics import METRICS, aupimo_of_each_image, evaluate, pixel_aupro_per_image

LABELS = np.array([False, False, True, True, True])
TYPES = ["good", "good", "cut", "cut", "dent"]


@pytest.fixture(params=[np.float32, np.float64])
def pictures(request):
    """Maps with ties, some normal pixels the lowest of all and negative, and masks."""
    rng = np.random.default_rng(3)
    maps = np.round(rng.normal(0, 1, (5, 24, 30)), 1).astype(request.param)
    masks = np.zeros(maps.shape, bool)
    masks[2, 3:9, 4:12] = masks[3, :5, :5] = masks[3, 20:, 20:] = masks[4, 10:14, 25:] = True
    maps[masks] += 1
    return maps, masks


def padded(array, value):
    return np.pad(array, ((0, 0), (4, 4), (1, 1)), constant_values=value)


def test_metrics_are_those_of_the_pictures(pictures):
    maps, masks = pictures
    scores = maps.max((1, 2))
    expected = evaluate(maps, masks, scores, LABELS, TYPES)
    found = evaluate(padded(maps, -np.inf), padded(masks, False), scores, LABELS, TYPES)
    assert found.keys() == expected.keys() >= METRICS.keys()
    np.testing.assert_equal(found, expected)
    assert not np.isnan([expected[name] for name in METRICS if name != "pixel_aupimo"]).any()
    ordinary = evaluate(padded(maps, 0), padded(masks, False), scores, LABELS, TYPES)
    assert ordinary["pixel_auroc"] != expected["pixel_auroc"]


def test_metrics_of_each_image_too(pictures):
    maps, masks = pictures
    bounds = (1e-2, 1e-1)
    expected = aupimo_of_each_image(maps, masks, LABELS, bounds)
    found = aupimo_of_each_image(padded(maps, -np.inf), padded(masks, False), LABELS, bounds)
    np.testing.assert_array_equal(found, expected)
    assert not np.isnan(expected[LABELS]).any()
    assert pixel_aupro_per_image(padded(maps, -np.inf), padded(masks, False)) == pixel_aupro_per_image(maps, masks)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_in_the_pictures_is_refused(pictures, value):
    maps, masks = padded(pictures[0], -np.inf), padded(pictures[1], False)
    maps[1, 10, 10] = value
    with pytest.raises(ValueError, match="1 of 5120 pixels of the maps are not finite; did training diverge"):
        evaluate(maps, masks, np.zeros(5), LABELS, TYPES)


def test_a_map_of_padding_alone_is_refused(pictures):
    maps, masks = pictures
    maps[0] = -np.inf
    with pytest.raises(ValueError, match=r"a map is padding alone \(-inf\); did training diverge"):
        evaluate(maps, masks, np.zeros(5), LABELS, TYPES)


def test_masks_are_empty_in_the_padding(pictures):
    maps, masks = padded(pictures[0], -np.inf), padded(pictures[1], False)
    masks[2, 0, 0] = True
    with pytest.raises(ValueError, match="anomalous pixels in the padding"):
        evaluate(maps, masks, np.zeros(5), LABELS, TYPES)
