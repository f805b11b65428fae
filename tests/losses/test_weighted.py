import pytest
import torch
from features import features, generator, with_gradients

from rdpp.losses import Weighted
from rdpp.losses.contrast import Contrast
from rdpp.losses.distillation import Distillation
from rdpp.losses.reconstruction import Reconstruction
from rdpp.losses.sliced_wasserstein import SlicedWasserstein
from rdpp.losses.ssot import ImagesSsot

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
    """Each term goes on where the one before it stopped."""
    first, second = SlicedWasserstein(positions=4), ImagesSsot(positions=4)
    drawn = generator()
    expected = [float(term(features(), drawn)) for term in (first, second)]
    values = Weighted({"sliced_wasserstein": first, "ssot": second})(features(), generator())
    assert [float(value) for value in values.raw.values()] == expected
    assert float(second(features(), generator())) != expected[1]
