"""Devices by name, and a configuration with nothing left open."""

import pytest
import torch

from rdpp.config import ConfigError
from rdpp.engine import device_name, resolve, resolve_device


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that torch sees so many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


def test_devices_of_a_machine_without_gpu(gpus):
    gpus(0)
    assert [resolve_device(name) for name in ("auto", "cpu")] == [torch.device("cpu")] * 2


def test_devices_of_a_machine_with_two_gpus(gpus):
    gpus(2)
    names = {"auto": "cuda:0", "cpu": "cpu", "cuda": "cuda:0", "cuda:0": "cuda:0", "cuda:1": "cuda:1"}
    assert {name: str(resolve_device(name)) for name in names} == names


@pytest.mark.parametrize(("count", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_gpu_that_is_not_there(gpus, count, name):
    gpus(count)
    with pytest.raises(
        ConfigError, match=f"device '{name}' was asked for, but torch sees {count} GPUs .* --device cpu"
    ):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "mps", ""])
def test_another_name(name):
    with pytest.raises(ConfigError, match=f"unknown device '{name}'; choices: auto, cpu, cuda, cuda:N"):
        resolve_device(name)


def test_device_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
    assert device_name(torch.device("cpu")) == "cpu"
    assert device_name(torch.device("cuda:1")) == "GPU cuda:1"


def test_resolving_fills_in_everything_left_open(tiny, tiny_data, monkeypatch, gpus):
    gpus(0)
    monkeypatch.chdir(tiny_data.parent)
    monkeypatch.setenv("HOME", "/home/someone")
    open_ends = {
        "data": {"root": tiny_data.name, "categories": [], "cache": "~/cache"},
        "teacher.weights": "weights.pth",
        "device": "auto",
        "threads": None,
    }
    resolved = resolve(tiny.with_overrides(open_ends))
    assert resolved.data.root == str(tiny_data)
    assert resolved.data.categories == ("bolt", "speckle", "weave")
    assert resolved.data.cache == "/home/someone/cache"
    assert resolved.teacher.weights == str(tiny_data.parent / "weights.pth")
    assert (resolved.device, resolved.threads) == ("cpu", torch.get_num_threads())
    assert resolve(resolved) == resolved


@pytest.mark.parametrize("weights", ["default", "random"])
def test_resolving_keeps_the_words_for_weights(tiny, weights):
    assert resolve(tiny.with_overrides({"teacher.weights": weights})).teacher.weights == weights


def test_resolving_checks_categories_and_folder(tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown category \(in .*\) 'bold', did you mean 'bolt'"):
        resolve(tiny.with_overrides({"data.categories": ["weave", "bold"]}))
    with pytest.raises(ConfigError, match=r"no data folder at .*nowhere"):
        resolve(tiny.with_overrides({"data.root": str(tmp_path / "nowhere")}))
