"""Devices, threads and memory are divided among workers."""

import pytest
import torch

import rdpp.workers.member as member
from rdpp.config import ConfigError
from rdpp.engine import RunSpec, resolve
from rdpp.workers import members


@pytest.fixture(scope="module")
def experiment(tiny):
    return resolve(tiny.with_overrides({"threads": 8, "feature_cache_gb": 4.0}))


@pytest.fixture
def gpus(monkeypatch):
    """A machine with three of them."""
    monkeypatch.setattr(member, "resolve_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


def shares(crew):
    return [(one.number, one.device, one.threads, one.feature_cache_gb) for one in crew]


def test_one_worker_has_all(experiment):
    assert shares(members(experiment)) == [(1, "cpu", 8, 4.0)]


def test_threads_and_memory_are_divided(experiment):
    assert shares(members(experiment, workers=3)) == [(n, "cpu", 2, pytest.approx(4 / 3)) for n in (1, 2, 3)]
    assert [one.threads for one in members(experiment, workers=20)] == [1] * 20


@pytest.mark.usefixtures("gpus")
def test_devices_are_dealt_out_in_turn(experiment):
    crew = members(experiment, workers=3, devices=["cuda:0", "cuda:1"])
    assert shares(crew) == [(n, f"cuda:{(n - 1) % 2}", 2, pytest.approx(4 / 3)) for n in (1, 2, 3)]
    assert [one.device for one in members(experiment, devices=["cuda:1", "cpu"])] == ["cuda:1", "cpu"]


@pytest.mark.usefixtures("gpus")
def test_several_on_each_device(experiment):
    crew = members(experiment, devices=["cuda:0", "cuda:2"], per_device=2)
    assert [one.device for one in crew] == ["cuda:0", "cuda:2", "cuda:0", "cuda:2"]
    assert {one.threads for one in crew} == {2}
    assert [one.device for one in members(experiment, per_device=2)] == ["cpu", "cpu"]


@pytest.mark.usefixtures("gpus")
def test_several_workers_use_every_gpu(experiment):
    import dataclasses

    on_gpu = dataclasses.replace(experiment, device="cuda:0")
    assert [one.device for one in members(on_gpu, workers=4)] == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert [one.device for one in members(on_gpu)] == ["cuda:0"]
    chosen = dataclasses.replace(experiment, device="cuda:1")
    assert [one.device for one in members(chosen, workers=2)] == ["cuda:1", "cuda:1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "--workers must be at least 1, got 0"),
        ({"per_device": 0}, "--workers-per-device must be at least 1, got 0"),
        ({"workers": 2, "per_device": 2}, "--workers 2 and --workers-per-device 2 both say how many"),
        ({"devices": ["cpu", "cpu"]}, "--devices names a device twice: cpu, cpu"),
        ({"devices": ["cuda:7"]}, "device 'cuda:7' was asked for, but torch sees"),
        ({"devices": ["tpu"]}, "unknown device 'tpu'"),
    ],
)
def test_what_is_refused(experiment, options, message):
    with pytest.raises(ConfigError, match=message):
        members(experiment, **options)


def test_a_worker_changes_nothing_that_decides_a_result(experiment):
    spec = RunSpec.of(experiment, "bolt", 1)
    first, second = (one.fit_spec(spec) for one in members(experiment, workers=2))
    assert first.identity.key == spec.identity.key
    assert (second.experiment.threads, second.experiment.feature_cache_gb) == (4, 2.0)
