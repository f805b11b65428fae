"""`evaluate` is the single metrics, over all images and by defect type."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from rdpp.metrics import (
    METRICS,
    auroc,
    average_precision,
    evaluate,
    f1_max,
    pixel_aupro,
    pixel_aupro_per_image,
)

TYPES = ["good", "scratch", "dent", "scratch", "good", "dent", "scratch", "good"]


@pytest.fixture
def split():
    """Maps with ties, masks, image scores, image labels and defect types of 8 images, mixed up."""
    rng = np.random.default_rng(2)
    masks = np.zeros((8, 20, 18), dtype=bool)
    for index, kind in enumerate(TYPES):
        if kind != "good":
            masks[index, index : index + 4, 3:9] = masks[index, 15:17, index:12] = True
    maps = np.round(rng.random(masks.shape) + 0.4 * masks, 2).astype(np.float32)
    return maps, masks, rng.random(8), masks.any((1, 2)), TYPES


def one_by_one(maps, masks, scores, labels):
    return {
        "image_auroc": auroc(scores, labels),
        "image_ap": average_precision(scores, labels),
        "image_f1_max": f1_max(scores, labels),
        "pixel_auroc": auroc(maps.ravel(), masks.ravel()),
        "pixel_ap": average_precision(maps.ravel(), masks.ravel()),
        "pixel_aupro": pixel_aupro(maps, masks),
        "pixel_aupro_per_image": pixel_aupro_per_image(maps, masks),
    }


def test_golden(golden):
    reference = golden("metrics_reference.npz")
    maps, masks = reference["maps"], reference["masks"] == 1
    labels = masks.any((1, 2))
    found = evaluate(maps, masks, maps.max((1, 2)), labels, ["any"] * len(maps))
    for name in ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap"):
        assert found[name] == pytest.approx(float(reference[name]), abs=1e-9)
    assert found["pixel_aupro"] == pytest.approx(float(reference["pixel_aupro_030"]), abs=1e-9)
    official = float(reference["pixel_aupro_per_image_official"])
    assert found["pixel_aupro_per_image"] == pytest.approx(official, abs=1e-9)


def test_the_names_are_fixed(split):
    assert set(evaluate(*split, by_type=False)) == set(METRICS)
    by_type = {f"{name}/defect_type/{kind}" for name in METRICS for kind in ("dent", "scratch")}
    assert set(evaluate(*split)) == set(METRICS) | by_type


@pytest.mark.parametrize("by_type", [True, False])
def test_over_all_images(split, by_type):
    found = evaluate(*split, by_type=by_type)
    for name, value in one_by_one(*split[:4]).items():
        assert found[name] == pytest.approx(value, abs=1e-12)
        assert type(found[name]) is float


@pytest.mark.parametrize("kind", ["dent", "scratch"])
def test_one_type_against_all_good_images(split, kind):
    rows = [index for index, other in enumerate(TYPES) if other in (kind, "good")]
    found = evaluate(*split)
    for name, value in one_by_one(*(array[rows] for array in split[:4])).items():
        assert found[f"{name}/defect_type/{kind}"] == pytest.approx(value, abs=1e-12)
        assert found[f"{name}/defect_type/{kind}"] != pytest.approx(found[name], abs=1e-6)


UNDEFINED_WITHOUT_GOOD = {"image_auroc", "image_ap", "image_f1_max", "pixel_aupimo"}


def test_some_metrics_alone_have_the_same_values(split):
    names = [name for name in METRICS if name != "pixel_aupro_per_image"]
    full, some = evaluate(*split), evaluate(*split, metrics=names)
    np.testing.assert_equal(some, {name: value for name, value in full.items() if "per_image" not in name})


def test_an_unknown_metric(split):
    with pytest.raises(ValueError, match="unknown metric 'image_aurocc', did you mean 'image_auroc'"):
        evaluate(*split, metrics=["image_aurocc"])


def test_equal_to_scikit_learn(split):
    maps, masks, scores, labels, _ = split
    found = evaluate(*split, by_type=False)
    assert found["image_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-12)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(masks.ravel(), maps.ravel()), abs=1e-12)


def test_the_types_of_good_images_are_not_looked_at(split):
    odd = ["" if kind == "good" else kind for kind in TYPES]
    np.testing.assert_equal(evaluate(*split[:4], odd), evaluate(*split))


def test_arguments_are_left_alone(split):
    before = [np.copy(array) for array in split[:4]]
    evaluate(*split)
    for array, copy in zip(split, before, strict=False):
        np.testing.assert_array_equal(array, copy)


def test_no_good_image_leaves_the_image_metrics_undefined(split):
    rows = [index for index, kind in enumerate(TYPES) if kind != "good"]
    found = evaluate(*(array[rows] for array in split[:4]), [TYPES[index] for index in rows])
    assert {name for name in METRICS if math.isnan(found[name])} == UNDEFINED_WITHOUT_GOOD


def test_no_defective_image_leaves_everything_undefined(split):
    rows = [index for index, kind in enumerate(TYPES) if kind == "good"]
    found = evaluate(*(array[rows] for array in split[:4]), ["good"] * len(rows))
    assert set(found) == set(METRICS)
    assert all(math.isnan(value) for value in found.values())


def test_a_defect_without_mask_counts_as_an_image_only(split):
    maps, masks, scores, labels, _ = split
    masks[1] = False
    found = evaluate(*split, by_type=False)
    for name, value in one_by_one(maps, masks, scores, labels).items():
        assert found[name] == pytest.approx(value, abs=1e-12)


def test_lengths(split):
    with pytest.raises(ValueError, match=r"differ in length: \[8, 8, 8, 7\]"):
        evaluate(*split[:4], TYPES[:-1])


def test_a_good_image_with_a_mask(split):
    split[1][4, 0, 0] = True
    with pytest.raises(ValueError, match=r"images \[4\] are labelled good"):
        evaluate(*split)


def test_values_without_rank(split):
    maps, masks, scores, labels, types = split
    with pytest.raises(ValueError, match="1 of 8 scores are NaN"):
        evaluate(maps, masks, np.where(np.arange(8) == 2, np.nan, scores), labels, types)
    maps[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 2880 pixels of the maps are not finite"):
        evaluate(*split)


def test_torch_keeps_its_number_of_threads():
    """On which results depend to the last digit. In a process of its own, since threads are started once."""
    code = """
import numpy as np, torch
from rdpp.metrics import evaluate
torch.set_num_threads(1)
assert torch.get_num_threads() == 1  # from here on torch's number is OpenMP's
rng = np.random.default_rng(0)
masks = rng.random((4, 8, 8)) > 0.8
masks[0] = False
evaluate(rng.random(masks.shape, np.float32), masks, np.arange(4.0), masks.any((1, 2)), ["any"] * 4)
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""
    several = {**os.environ, "OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=several)
