"""A loaded model says of an image what its run's evaluation said, and tells it in the image's own pixels."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import rdpp
from rdpp.config import ConfigError
from rdpp.deploy.prediction import regions_above
from rdpp.engine import Thresholds
from rdpp.engine.thresholds import image_threshold


def with_thresholds(model, scores=range(99), origin="held-out images", pixel=None):
    """The model with an image threshold that so many good images give."""
    image = [image_threshold(np.array(scores, float), rate) for rate in (0.001, 0.01, 0.05)]
    found = Thresholds(
        origin=origin,
        images=len(scores),
        image=tuple(one for one in image if one),
        pixel=() if pixel is None else (dataclasses.replace(image[1], value=pixel),),
    )
    return dataclasses.replace(model, thresholds=found)


@pytest.mark.parametrize("which", ["judge", "plain_judge"])
def test_the_same_image_has_the_same_score_and_map_as_in_the_runs_evaluation(which, request):
    judge = request.getfixturevalue(which)
    evaluated = judge.result.evaluation.prediction
    found = list(judge.model.predict(judge.images))
    np.testing.assert_array_equal([one.score for one in found], evaluated.image_scores)
    for one, whole in zip(found, evaluated.anomaly_maps, strict=True):
        np.testing.assert_array_equal(one.network_map.ravel(), whole[np.isfinite(whole)])
        assert one.map.shape == one.size == (64, 64)
        assert one.map.dtype == np.float32


def test_padding_is_cut_off(plain_judge):
    (found,) = plain_judge.model.predict(plain_judge.images[0])
    assert found.network_map.shape == (64, 64)  # the middle of 64 x 128
    assert np.isfinite(found.map).all()


def test_a_model_is_loaded_lazily():
    code = "import rdpp, sys; assert callable(rdpp.load); assert not {'torch', 'mlflow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_what_is_loaded(judge):
    model = rdpp.load(judge.folder, device="cpu")
    assert (model.category, model.seed, model.epoch) == ("bolt", 1, judge.result.epoch)
    assert model.thresholds == judge.result.thresholds
    assert model.experiment.data.size == (64, 64)


def test_arrays_are_what_files_are(judge):
    path = judge.images[0]
    with Image.open(path) as image:
        eight = np.asarray(image.convert("RGB"))
    deep = eight.astype(np.uint16) * 257
    alpha = np.dstack([eight, np.zeros(eight.shape[:2], np.uint8)])
    images = [path, eight, deep, (eight / np.float32(255)), alpha]
    found = list(judge.model.predict(images))
    assert [one.name for one in found] == [str(path), "1", "2", "3", "4"]
    np.testing.assert_allclose([one.score for one in found], found[0].score, rtol=0, atol=1e-6)
    grey = list(judge.model.predict([eight[..., 0], eight[..., :1]]))
    assert grey[0].score == grey[1].score


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.int64), "the image 0 is an array of int64; give uint8, uint16, float32, float64"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"an array of shape \(2, 4, 4, 3\); give \(height, width\)"),
        (np.zeros((4, 4, 2), np.uint8), r"an array of shape \(4, 4, 2\)"),
        (np.full((4, 4), 200.0), "holds values up to 200, but white is 1"),
        ("gone.png", "cannot decode the image gone.png"),
    ],
)
def test_images_that_cannot_be_read(judge, image, message):
    with pytest.raises(ConfigError, match=message):
        list(judge.model.predict(image))


def test_an_unreadable_image_leaves_the_others_as_they_are(judge, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(judge.images[0].read_bytes()[:300])
    images = [judge.images[0], broken, judge.images[1], tmp_path / "gone.png"]
    found = list(judge.model.stream(images, batch_size=2))
    assert [hasattr(one, "reason") for one in found] == [False, True, False, True]
    scores = judge.result.evaluation.prediction.image_scores
    np.testing.assert_allclose([found[0].score, found[2].score], scores[:2], rtol=0, atol=1e-6)


def test_images_of_any_size(judge, tmp_path):
    with Image.open(judge.images[0]) as image:
        image.resize((300, 97)).save(tmp_path / "wide.png")
    (found,) = judge.model.predict(tmp_path / "wide.png", threshold=0.0)
    assert found.map.shape == found.size == (97, 300)
    (region,) = found.regions  # everything lies above 0
    assert (region.left, region.top, region.width, region.height, region.area) == (0, 0, 300, 97, 97 * 300)
    assert found.map[region.peak[1], region.peak[0]] == pytest.approx(found.score, rel=0.05)


def test_the_verdict_needs_a_threshold(judge):
    rate_of = {rate: next(judge.model.predict(judge.images[:1], rate)) for rate in (0.001, 0.01, 0.05)}
    assert [one.verdict for one in rate_of.values()] == [None] * 3  # 8 images give none
    assert [one.pixel_threshold for one in rate_of.values()] == [one.value for one in judge.model.thresholds.pixel]
    why = judge.model.why_no_verdict(0.01)
    assert why.endswith(
        "an image threshold for 1 % needs 99 good images, and 8 were there (held-out images); take some from all good "
        f"training images with `rdpp thresholds {judge.model.source} --folds 5` (then --rate 5 needs 19 of them), or "
        "give --threshold VALUE"
    )


def test_without_thresholds_there_are_scores_alone(plain_judge):
    (found,) = plain_judge.model.predict(plain_judge.images[0])
    assert (found.verdict, found.threshold, found.regions) == (None, None, ())
    assert "the model has no thresholds, since its run held no images out; take some from all good" in (
        plain_judge.model.why_no_verdict(0.05)
    )


def test_verdicts(judge):
    scores = judge.result.evaluation.prediction.image_scores
    middle = float(np.sort(scores)[3])
    model = with_thresholds(judge.model, [middle] * 99)
    assert model.why_no_verdict(0.01) is None
    assert "; give --rate 1, or take some" in model.why_no_verdict(0.001)
    crossed = with_thresholds(judge.model, [middle] * 20, "cross-fitted, 5 folds")
    assert crossed.why_no_verdict(0.01).endswith("(cross-fitted, 5 folds); give --rate 5, or give --threshold VALUE")
    assert [one.verdict for one in model.predict(judge.images)] == list(scores > middle)
    by_hand = list(judge.model.predict(judge.images, threshold=middle))
    assert [one.verdict for one in by_hand] == [bool(one.regions) for one in by_hand] == list(scores > middle)


def test_another_rate_is_refused(judge):
    with pytest.raises(ConfigError, match=r"unknown rate '0.02'.* choices: 0.001, 0.01, 0.05"):
        next(judge.model.predict(judge.images, 0.02))


def test_regions_in_pixels_of_the_original():
    found = np.zeros((8, 16), np.float32)
    found[1, 2], found[2, 3] = 3, 5  # corners touch: one region
    found[6, 10:14] = 2
    found[0, 15] = 1
    first, second = regions_above(found, 1.0, (16, 64))  # twice as high, four times as wide
    assert dataclasses.astuple(first) == (8, 2, 8, 4, 16, 5.0, (14, 5))
    assert dataclasses.astuple(second) == (40, 12, 16, 2, 32, 2.0, (42, 13))
