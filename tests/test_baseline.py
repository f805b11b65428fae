"""The benchmarks' yardstick computes what rdpp does."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rdpp.kernels import convolution, winograd
from rdpp.metrics import evaluate


@pytest.fixture
def script(monkeypatch):
    """Imports a script."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts" / "bench")
    before = set(sys.modules)
    yield importlib.import_module
    for name in ("baseline", "baseline_metrics"):
        if name not in before:
            sys.modules.pop(name, None)


@pytest.mark.parametrize("decimals", [2, 8])  # with ties and without
def test_metrics_are_those_of_rdpp(script, decimals):
    rng = np.random.default_rng(3)
    masks = np.zeros((6, 24, 20), dtype=bool)
    masks[1:5, 3:8, 2:9] = masks[2:4, 8:12, 9:11] = masks[3, 20, 15:19] = True  # the second touches at a corner
    maps = np.round(rng.random(masks.shape) + 0.4 * masks, decimals).astype(np.float32)
    labels = masks.any((1, 2))
    expected = evaluate(maps, masks, maps.max((1, 2)), labels, ["any"] * 6)
    found = script("baseline_metrics").metrics(maps, masks)
    assert set(found) == {"image_auroc", "pixel_auroc", "pixel_aupro_per_image"}
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-6)


def test_it_trains_and_judges_by_nothing_of_rdpps_that_is_fast(script, monkeypatch):
    def never(*_):
        raise AssertionError

    for module, name in ((convolution, "is_faster"), (winograd, "convolve"), (winograd, "weight_gradient")):
        monkeypatch.setattr(module, name, never)
    training = script("baseline").PlainTraining("resnet18", accumulate=1)
    before = [parameter.clone() for parameter in training.network.parameters()]
    clean, noisy = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert 0 < training.step(clean, noisy) < 6
    assert not any(torch.equal(p, q) for p, q in zip(before, training.network.parameters(), strict=True))
    assert training.anomaly_maps(clean).shape == (2, 64, 64)
