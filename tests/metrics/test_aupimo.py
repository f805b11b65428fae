"""AUPIMO against its definition, threshold by threshold."""

import math

import numpy as np
import pytest

from rdpp.metrics import aupimo_of_each_image, evaluate


def data(seed=0, side=64, good=30, defective=6, ties=False):
    rng = np.random.default_rng(seed)
    maps = rng.gamma(2.0, 1.0, (good + defective, side, side)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    for index in range(good, good + defective):
        top, left = rng.integers(0, side - 12, 2)
        masks[index, top : top + 12, left : left + 10] = True
        maps[index][masks[index]] += rng.uniform(2, 14)
    if ties:
        maps = np.round(maps * 2) / 2
    return maps, masks, np.arange(len(maps)) >= good


def by_definition(maps, masks, labels, bounds, steps=4000):
    """The integral by its definition: at each of many rates z, the lowest threshold whose rate is z or less."""
    normal = maps[~labels]
    count = int(bounds[1] * normal.size) + 2  # rates rise: no score further down is chosen
    scores = np.unique(normal)[::-1][:count]
    rates = np.array([np.mean([(image > score).mean() for image in normal]) for score in scores])  # rising
    grid = np.exp(math.log(bounds[0]) + (np.arange(steps) + 0.5) / steps * math.log(bounds[1] / bounds[0]))
    chosen = [scores[rates <= z][-1] for z in grid]
    values = [
        np.mean([(image[mask] > score).mean() for score in chosen])
        for image, mask in zip(maps[labels], masks[labels], strict=True)
    ]
    return np.array(values)


@pytest.mark.parametrize("bounds", [(1e-5, 1e-4), (1e-4, 1e-2)])
@pytest.mark.parametrize("ties", [False, True])
def test_the_definition(bounds, ties):
    maps, masks, labels = data(ties=ties)
    found = aupimo_of_each_image(maps, masks, labels, bounds)
    assert np.isnan(found[~labels]).all()
    np.testing.assert_allclose(found[labels], by_definition(maps, masks, labels, bounds), atol=2e-3)
    assert np.ptp(found[labels]) > 0.1


def test_dense_thresholds_and_the_trapezoid_come_close():
    """As the authors' code computes it: evenly spaced thresholds, interpolation in the logarithm of the rate."""
    maps, masks, labels = data(side=128, good=60)
    thresholds = np.linspace(maps.min(), maps.max(), 20000)
    normal = np.sort(maps[~labels].ravel())
    rates = 1 - np.searchsorted(normal, thresholds, side="left") / normal.size
    kept = (rates >= 1e-5) & (rates <= 1e-4)
    for index in np.flatnonzero(labels):
        scores = np.sort(maps[index][masks[index]])
        overlap = 1 - np.searchsorted(scores, thresholds, side="left") / scores.size
        x, y = np.log(rates[kept][::-1]), overlap[kept][::-1]
        area = np.trapezoid(y, x) / (x[-1] - x[0])
        assert aupimo_of_each_image(maps, masks, labels)[index] == pytest.approx(area, abs=0.03)


def test_best_and_worst():
    maps, masks, labels = data()
    assert np.nanmin(
        aupimo_of_each_image(np.where(masks, 1e3, maps).astype(np.float32), masks, labels)
    ) == pytest.approx(1)
    assert np.nanmax(aupimo_of_each_image(np.where(masks, -1.0, maps).astype(np.float32), masks, labels)) == 0
    assert np.nanmax(aupimo_of_each_image(np.zeros_like(maps), masks, labels)) == 0  # a tie finds nothing


def test_what_is_normal_in_a_defective_image_does_not_count():
    maps, masks, labels = data()
    other = np.where(labels[:, None, None] & ~masks, 1e3, maps).astype(np.float32)
    np.testing.assert_array_equal(aupimo_of_each_image(other, masks, labels), aupimo_of_each_image(maps, masks, labels))


def test_undefined_with_too_few_normal_pixels_and_without_a_mask():
    maps, masks, labels = data(good=24)  # 24 * 64 * 64 < 100000
    assert np.isnan(aupimo_of_each_image(maps, masks, labels)).all()
    maps, masks, labels = data(good=25)
    masks[-1] = False
    found = aupimo_of_each_image(maps, masks, labels)
    assert np.isnan(found[-1])
    assert not np.isnan(found[25:-1]).any()


def test_it_is_among_the_metrics_over_all_and_by_type():
    maps, masks, labels = data()
    types = np.where(labels, "hole", "good").astype("U8")
    types[-2:] = "crack"
    own = aupimo_of_each_image(maps, masks, labels)
    found = evaluate(maps, masks, maps.max((1, 2)), labels, types)
    assert found["pixel_aupimo"] == pytest.approx(np.nanmean(own))
    assert found["pixel_aupimo/defect_type/crack"] == pytest.approx(own[-2:].mean())
    assert found["pixel_aupimo/defect_type/hole"] == pytest.approx(own[30:-2].mean())


@pytest.mark.parametrize("bounds", [(0.0, 1e-4), (1e-4, 1e-5), (1e-5, 2.0)])
def test_bounds_out_of_range(bounds):
    with pytest.raises(ValueError, match=r"bounds must be 0 < L < U <= 1"):
        aupimo_of_each_image(*data(), bounds)
