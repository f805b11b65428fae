import pytest

from rdpp.engine.selection import is_chosen, official_value
from rdpp.experiment import EvaluationConfig

OFFICIAL, LAST = EvaluationConfig(selection="official"), EvaluationConfig()


def metrics(image, pixel, pro):
    return {"image_auroc": image, "pixel_auroc": pixel, "pixel_aupro_per_image": pro, "pixel_aupro": 0.0}


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
