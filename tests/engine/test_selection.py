import pytest

from rdpp.engine.selection import is_chosen, official_value
from rdpp.experiment import EvaluationConfig

OFFICIAL, LAST = EvaluationConfig(selection="official"), EvaluationConfig()


def metrics(image, pixel, pro):
    return {"image_auroc": image, "pixel_auroc": pixel, "pixel_aupro_per_image": pro, "pixel_aupro": pro}


def test_the_official_value_is_a_mean_of_rounded_metrics():
    assert official_value(metrics(0.90004, 0.80006, 0.7)) == pytest.approx((0.9 + 0.8001 + 0.7) / 3, abs=1e-12)


@pytest.mark.parametrize("final", [True, False])
def test_official_selection_takes_the_first_epoch_and_then_only_better_ones(final):
    best = metrics(0.9, 0.8, 0.7)
    assert is_chosen(OFFICIAL, best, None, final=final)
    assert is_chosen(OFFICIAL, metrics(0.9, 0.8, 0.7002), best, final=final)
    assert not is_chosen(OFFICIAL, metrics(0.9, 0.8, 0.6998), best, final=final)
    assert not is_chosen(OFFICIAL, best, best, final=final)
    assert not is_chosen(OFFICIAL, metrics(0.9, 0.8, 0.70004), best, final=final)  # equal when rounded


def test_the_last_epoch_is_chosen_whatever_its_metrics():
    good, bad = metrics(0.9, 0.9, 0.9), metrics(0.1, 0.1, 0.1)
    assert is_chosen(LAST, bad, good, final=True)
    assert not is_chosen(LAST, good, bad, final=False)
    assert not is_chosen(LAST, good, None, final=False)


@pytest.mark.parametrize("selection", ["official", "held_out"])
def test_an_undefined_value_is_replaced_by_the_first_that_is_defined(selection):
    config, undefined = EvaluationConfig(selection=selection), metrics(float("nan"), 0.9, 0.9)
    low, high = metrics(0.1, 0.1, 0.1), metrics(0.2, 0.2, 0.2)
    assert is_chosen(config, undefined, None, final=False)
    assert not is_chosen(config, undefined, undefined, final=True)
    assert is_chosen(config, low, undefined, final=False)
    assert not is_chosen(config, undefined, low, final=False)
    assert is_chosen(config, high, low, final=False)


def test_held_out_selection_goes_by_the_pooled_aupro():
    pooled = {**metrics(0.5, 0.5, 0.1), "pixel_aupro": 0.9}
    per_image = {**metrics(0.5, 0.5, 0.9), "pixel_aupro": 0.1}
    assert is_chosen(EvaluationConfig(selection="held_out"), pooled, per_image, final=False)
    assert not is_chosen(EvaluationConfig(selection="held_out"), per_image, pooled, final=False)
