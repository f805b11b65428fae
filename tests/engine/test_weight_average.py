"""A moving average of the weights: what it is, and that it alone is judged."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from rdpp.config import ConfigError
from rdpp.engine import RunSpec, train
from rdpp.engine.weight_average import WeightAverage


def test_it_is_the_weighted_mean_of_what_it_followed():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).double()
    average, expected = WeightAverage(network, 0.3), copy.deepcopy(network.state_dict())
    for updates in (1, 2, 3, 4, 5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += torch.randn_like(parameter)
        network(torch.randn(4, 2, dtype=torch.float64))  # moves the running statistics
        decay = min(0.3, (1 + updates) / (10 + updates))
        for name, value in network.state_dict().items():
            mean = decay * expected[name] + (1 - decay) * value
            expected[name] = mean if value.is_floating_point() else value.clone()
        average.follow(network)
    found = average.network.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)
    assert found["1.num_batches_tracked"] == 5
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_average_is_judged_and_the_training_is_the_same(baseline, record, tiny):
    found = record(tiny.with_overrides({"training.average": 0.5}))
    assert found.losses == baseline.losses
    for one, other in zip(found.networks, baseline.networks, strict=True):
        assert one.keys() == other.keys()
        assert any(not torch.equal(one[name], other[name]) for name in one)
    maps = (run.result.evaluation.prediction.anomaly_maps for run in (found, baseline))
    assert not np.allclose(*maps)


def test_a_run_with_an_average_goes_on_to_the_same_digit(held_out, tmp_path):
    spec = RunSpec.of(held_out.with_overrides({"training.average": 0.5}), "bolt", 1)

    def save(pause):
        if pause.state.batch == 2:
            pause.save(tmp_path / "state")

    whole = train(spec, after_batch=save)
    found = train(spec, resume=tmp_path / "state")
    np.testing.assert_equal(found.held_out.metrics, whole.held_out.metrics)
    np.testing.assert_equal(found.evaluation.prediction.anomaly_maps, whole.evaluation.prediction.anomaly_maps)


def test_runs_without_one_keep_the_key_that_they_had(tiny):
    assert "average" not in tiny.essence()["training"]
    averaged = tiny.with_overrides({"training.average": 0.5})
    assert averaged.essence()["training"]["average"] == 0.5
    keys = {RunSpec.of(experiment, "bolt", 1).identity.training for experiment in (tiny, averaged)}
    assert len(keys) == 2


@pytest.mark.parametrize("decay", [0, 1, -0.1])
def test_a_decay_that_averages_nothing(tiny, decay):
    with pytest.raises(ConfigError, match=f"average must be above 0 and below 1, or null, got {decay}"):
        tiny.with_overrides({"training.average": decay})
