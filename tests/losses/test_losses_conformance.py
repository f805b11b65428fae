"""What every loss keeps. A new one is added to loss_cases.py."""

import dataclasses
from typing import get_args

import pytest
import torch
from features import PARTS, changed, features, generator, one_stage, with_gradients
from loss_cases import BATCH_SSOT, CASES, ON_PAIRS

from rdpp.config import ConfigError, decode, encode
from rdpp.losses import LOSSES

ALIVE = [case for case in CASES if case is not BATCH_SSOT]

every = pytest.mark.parametrize("case", CASES, ids=str)
alive = pytest.mark.parametrize("case", ALIVE, ids=str)


def test_every_registered_loss_is_here():
    kinds = {(name, kind) for name, loss in LOSSES.items() for kind in get_args(loss) or (loss,)}
    assert {(case.registered, type(case.loss)) for case in CASES} == kinds


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_finite_scalar_of_the_features_dtype_with_finite_gradients(case, dtype):
    values = with_gradients(features(dtype=dtype))
    value = case.loss(values, generator())
    value.backward()
    assert (value.shape, value.dtype) == ((), dtype)
    assert value.isfinite()
    for name in case.trains:
        assert all(stage.grad.isfinite().all() for stage in getattr(values, name))


@every
@pytest.mark.parametrize("change", [torch.zeros_like, torch.ones_like, lambda stage: 1e4 * stage])
def test_extreme_features_have_finite_values_and_gradients(case, change):
    values = with_gradients(changed(features(dtype=torch.float32), change, *PARTS))
    value = case.loss(values, generator())
    value.backward()
    assert value.isfinite()
    for name in case.trains:
        assert all(stage.grad.isfinite().all() for stage in getattr(values, name))


@alive
def test_every_stage_that_is_to_be_trained_gets_a_gradient(case):
    values = with_gradients(features())
    case.loss(values, generator()).backward()
    for name in case.trains:
        assert all(stage.grad.abs().max() > 1e-5 for stage in getattr(values, name)), name


@every
def test_only_the_parts_it_is_about_are_read(case):
    others = [name for name in PARTS if name not in case.reads]
    values = features()
    spoilt = changed(values, lambda stage: torch.full_like(stage, torch.nan), *others)
    assert torch.equal(case.loss(spoilt, generator()), case.loss(values, generator()))


@alive
def test_every_part_it_is_about_is_read(case):
    for name in case.reads:
        other = dataclasses.replace(features(), **{name: getattr(features(seed=1), name)})
        assert not torch.isclose(case.loss(other, generator()), case.loss(features(), generator()))


@pytest.mark.parametrize("case", [c for c in ALIVE if c.registered != "sliced_wasserstein"], ids=str)
def test_stages_are_summed(case):  # but for the one that draws other directions for each stage
    loss = dataclasses.replace(case.loss, positions=1000) if case in ON_PAIRS else case.loss
    whole = loss(features(), generator())
    parts = [loss(one_stage(features(), k), generator()) for k in range(3)]
    torch.testing.assert_close(whole, sum(parts))


@pytest.mark.parametrize("case", [case for case in CASES if case.scale], ids=str)
def test_only_directions_count(case):
    values = features()
    for name in case.reads:
        larger = changed(values, lambda stage: 7.5 * stage, name)
        torch.testing.assert_close(case.loss(larger, generator()), case.loss(values, generator()))


@every
def test_the_generator_is_the_only_randomness(case):
    torch.manual_seed(1)
    first = case.loss(features(), generator())
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = case.loss(features(), generator())
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_generator_moves_on_where_it_is_used(case):
    source = generator()
    before = source.get_state()
    case.loss(features(), source)
    assert torch.equal(source.get_state(), before) != case.own_generator


@every
def test_configuration_round_trip(case):
    kind = LOSSES[case.registered]
    assert decode(kind, encode(case.loss)) == case.loss
    with pytest.raises(ConfigError, match="unknown key 'wieght', did you mean 'weight'"):
        decode(kind, encode(case.loss) | {"wieght": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        case.loss.weight = 2


@every
@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_negative_weights(case, weight):
    with pytest.raises(ConfigError, match=f"weight must be at least 0, got {weight}"):
        dataclasses.replace(case.loss, weight=weight)
