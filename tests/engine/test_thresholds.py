"""Thresholds: what share of good images lies above them, and how sure that is."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from rdpp.config import ConfigError
from rdpp.engine import CheckpointWriter, EpochFinished, RunStarted, Thresholds, images_needed, read_checkpoint
from rdpp.engine.thresholds import RATES, image_threshold, pixel_thresholds, real_rates, take_thresholds


@pytest.fixture(scope="module")
def honest(record, held_out):
    return record(held_out)


@pytest.mark.parametrize("rate", RATES)
def test_an_image_threshold_needs_so_many_images(rate):
    needed = images_needed(rate)
    assert image_threshold(np.arange(needed - 1.0), rate) is None
    assert image_threshold(np.arange(needed * 1.0), rate).value == needed - 1  # the highest of them


@pytest.mark.parametrize(("count", "rate", "rank"), [(40, 0.05, 39), (39, 0.05, 38), (200, 0.01, 199), (99, 0.05, 95)])
def test_the_image_threshold_is_the_conformal_quantile(count, rate, rank):
    scores = np.random.default_rng(0).permutation(count) + 1.0
    found = image_threshold(scores, rate)
    assert rank == int(np.ceil(round((count + 1) * (1 - rate), 9)))
    assert found.value == rank
    assert found.expected == pytest.approx((count + 1 - rank) / (count + 1))
    real = stats.beta(count + 1 - rank, rank)
    assert (found.low, found.high) == pytest.approx((real.ppf(0.05), real.ppf(0.95)))


def test_the_interval_holds_the_real_rate_nine_times_in_ten():
    rng = np.random.default_rng(0)
    found = [image_threshold(rng.uniform(size=60), 0.05) for _ in range(2000)]
    real = np.array([1 - one.value for one in found])
    assert real.mean() == pytest.approx(3 / 61, abs=0.002)
    inside = np.mean([one.low <= rate <= one.high for one, rate in zip(found, real, strict=True)])
    assert inside == pytest.approx(0.9, abs=0.02)


def plain_pixel_threshold(maps, rate):
    """With at most `rate` of the pixels above it, by sorting all of them."""
    pixels = np.sort(maps[np.isfinite(maps)])[::-1]
    return pixels[int(round(rate * len(pixels), 9))]


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_pixel_thresholds_and_their_rates_image_by_image(padded, ties):
    rng = np.random.default_rng(1)
    maps = (rng.gamma(2, size=(9, 32, 32)) * rng.uniform(0.5, 2, (9, 1, 1))).astype(np.float32)
    if ties:
        maps = np.round(maps, 1)
    if padded:
        maps[::2, :5] = -np.inf
    for rate, found in zip(RATES, pixel_thresholds(maps, RATES), strict=True):
        assert found.rate == rate
        assert found.value == plain_pixel_threshold(maps, rate)
        own = []
        for i in range(len(maps)):
            mine = maps[i][np.isfinite(maps[i])]
            own.append(np.mean(mine > plain_pixel_threshold(np.delete(maps, i, 0), rate)))
        assert found.expected == pytest.approx(np.mean(own))
        low, high = stats.t.interval(0.9, 8, np.mean(own), stats.sem(own))
        assert (found.low, found.high) == pytest.approx((max(0, low), high))


def test_one_image_gives_no_pixel_threshold():
    assert pixel_thresholds(np.zeros((1, 8, 8), np.float32), RATES) == ()


def test_thresholds_as_json():
    rng = np.random.default_rng(2)
    found = take_thresholds(rng.uniform(size=25), rng.uniform(size=(25, 8, 8)), "held-out images")
    assert [one.rate for one in found.image] == [0.05]
    assert [one.rate for one in found.pixel] == list(RATES)
    assert found.image_at(0.01) is None
    assert found.image_at(0.05) is found.image[0]
    assert found.pixel_at(0.01) is found.pixel[1]
    assert Thresholds.from_mapping(json.loads(json.dumps(found.to_mapping())), "a file") == found
    with pytest.raises(ConfigError, match=r"a file: thresholds.images must be a whole number, got 'many'"):
        Thresholds.from_mapping({**found.to_mapping(), "images": "many"}, "a file")


def test_real_rates():
    threshold = image_threshold(np.arange(19.0), 0.05)  # 18
    found = dataclasses.replace(
        take_thresholds(np.arange(19.0), np.zeros((19, 2, 2)), "here"),
        pixel=(dataclasses.replace(threshold, value=1.0),),
    )
    maps = np.zeros((4, 2, 2))
    maps[0, 0, 0] = 2
    maps[1, 0] = -np.inf
    maps[3] = 9
    labels = np.array([False, False, True, True])
    rates = real_rates(found, np.array([18.0, 19.0, 18.5, 1.0]), maps, labels)
    assert rates == {
        "false_alarm_rate/image_5_percent": 0.5,
        "detection_rate/image_5_percent": 0.5,
        "false_alarm_rate/pixel_5_percent": 1 / 6,
    }
    assert np.isnan(real_rates(found, np.zeros(2), maps[2:], labels[2:])["false_alarm_rate/image_5_percent"])


def test_a_run_takes_them_from_good_held_out_images_alone(honest):
    """8 are held out; the 24 copies with drawn defects, which have higher scores, do not count."""
    held = honest.result.held_out
    found = honest.result.thresholds
    assert (found.origin, found.images, found.image) == ("held-out images", 8, ())
    maps = held.prediction.anomaly_maps[:8]
    assert [one.value for one in found.pixel] == [plain_pixel_threshold(maps, rate) for rate in RATES]
    test = honest.result.evaluation
    normal = test.prediction.anomaly_maps[~test.split.labels]
    real = honest.result.real_rates["false_alarm_rate/pixel_5_percent"]
    assert real == np.mean(normal > found.pixel_at(0.05).value)


def test_a_run_without_held_out_images_has_none(baseline):
    assert baseline.result.thresholds is None
    assert baseline.result.real_rates == {}


@pytest.mark.parametrize("keep", ["chosen", "last"])
def test_a_checkpoint_has_the_thresholds_of_its_own_network(honest, tmp_path, keep):
    """The first epoch is the chosen one, and the second the last one: both are evaluated on the held-out images."""
    first, second = honest.of(EpochFinished)
    (started,) = honest.of(RunStarted)
    experiment = dataclasses.replace(started.spec.experiment, keep=keep)
    started = dataclasses.replace(started, spec=dataclasses.replace(started.spec, experiment=experiment))
    writer = CheckpointWriter(tmp_path)
    for event in (started, dataclasses.replace(first, chosen=True), dataclasses.replace(second, chosen=False)):
        writer(event)
    kept = {"chosen": first, "last": second}[keep]
    assert read_checkpoint(tmp_path).thresholds == kept.evaluation.thresholds
    assert first.evaluation.thresholds != second.evaluation.thresholds


def test_a_checkpoint_without_held_out_images_has_none(baseline, tmp_path):
    writer = CheckpointWriter(tmp_path)
    for event in baseline.events:
        writer(event)
    assert read_checkpoint(tmp_path).thresholds is None
    (description,) = tmp_path.glob("*.json")
    data = json.loads(description.read_text())
    del data["thresholds"]  # as it was before there were any
    description.write_text(json.dumps(data))
    assert read_checkpoint(tmp_path).thresholds is None
