import pytest
import torch
from features import features, generator, with_gradients

from rdpp.losses import Weighted
from rdpp.losses.contrast import Contrast
from rdpp.losses.distillation import Distillation
from rdpp.losses.reconstruction import Reconstruction

TERMS = {
    "distillation": Distillation(weight=2.0),
    "reconstruction": Reconstruction(weight=0.5),
    "contrast": Contrast(weight=0.25, margin=0.0),
}


def test_the_total_is_the_weighted_sum_of_the_named_terms():
    values = Weighted(TERMS)(features(), generator())
    assert list(values.raw) == list(values.weighted) == list(TERMS)
    for name, term in TERMS.items():
        assert torch.equal(values.raw[name], term(features(), generator()))
        assert float(values.weighted[name]) == pytest.approx(term.weight * float(values.raw[name]))
    assert float(values.total) == pytest.approx(sum(float(value) for value in values.weighted.values()))


def test_gradients_flow_through_the_total():
    whole, alone = with_gradients(features()), with_gradients(features())
    Weighted(TERMS)(whole, generator()).total.backward()
    (2.0 * Distillation()(alone, generator())).backward()
    for one, other in zip(whole.student, alone.student, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_terms_draw_from_the_generator_in_their_order():
    first = Weighted({"distillation": Distillation()})(features(), generator())
    assert float(first.total) == float(first.raw["distillation"])
