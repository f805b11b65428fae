"""bf16, torch's compiler, kernels: how a run computes, not what."""

from collections import OrderedDict

import pytest
import torch

from rdpp import kernels
from rdpp.config import ConfigError
from rdpp.engine import teachers
from rdpp.engine.device import compiles


def test_bf16_trains_nearly_the_same(baseline, record, tiny):
    low = record(tiny.with_overrides({"precision": "bf16"}))
    for found, expected in zip(low.losses, baseline.losses, strict=True):
        assert found != expected
        assert found["distillation"] == pytest.approx(expected["distillation"], rel=0.05)
        assert found["reconstruction"] == pytest.approx(expected["reconstruction"], rel=0.2)
    assert all(tensor.dtype != torch.bfloat16 for tensor in low.networks[-1].values())
    assert low.result.evaluation.prediction.anomaly_maps.dtype == "float32"
    assert low.result.dead_terms == ()


def test_bf16_does_not_take_features_kept_for_fp32(baseline, record, tiny):
    kept = record(tiny.with_overrides({"precision": "bf16", "training.epochs": 1}))
    fresh = record(tiny.with_overrides({"precision": "bf16", "training.epochs": 1, "feature_cache_gb": 0}))
    for found, expected in zip(kept.losses, fresh.losses, strict=True):
        assert found["distillation"] == pytest.approx(expected["distillation"], rel=0.02)


@pytest.mark.parametrize("tracing", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_compiled_run_is_the_same_run(baseline, record, tiny, monkeypatch, tracing):
    """As far as torch's tracing goes; making machine code of it takes minutes. Without it: what would be compiled."""
    compile_module, traced = torch.nn.Module.compile, []

    def trace(module, **settings):
        traced.append(type(module).__name__)
        if tracing:
            compile_module(module, backend="aot_eager", **settings)

    monkeypatch.setattr(torch.nn.Module, "compile", trace)
    monkeypatch.setattr(teachers, "_loaded", OrderedDict())
    compiled = record(tiny.with_overrides({"compile": "on"}))
    for found, expected in zip(compiled.losses[:2], baseline.losses, strict=False):
        assert found == pytest.approx(expected, rel=1e-3)
    assert sorted(traced) == ["Network", "Teacher"]
    assert compiled.networks[-1].keys() == baseline.networks[-1].keys()
    found, expected = (run.result.evaluation.prediction.anomaly_maps for run in (compiled, baseline))
    assert abs(found - expected).max() < 0.1 * expected.max()


@pytest.mark.parametrize(
    ("choice", "device", "batches", "expected"),
    [
        ("on", "cpu", 1, True),
        ("off", "cuda", 10**6, False),
        ("auto", "cpu", 10**6, False),
        ("auto", "cuda", 1999, False),
        ("auto", "cuda", 2000, True),
    ],
)
def test_what_is_compiled(choice, device, batches, expected):
    assert compiles(choice, torch.device(device), batches) is expected


def test_a_run_without_kernels_is_the_same_run(baseline, record, tiny):
    plain = tiny.with_overrides({"kernels": "off"})
    assert plain.essence() == tiny.essence()
    try:
        found = record(plain)
        assert not kernels.are_on()
    finally:
        kernels.use("auto")
    for one, other in zip(found.losses[:2], baseline.losses, strict=False):
        assert one == pytest.approx(other, rel=1e-4)
        assert one != other


@pytest.mark.parametrize("field", ["precision", "compile", "kernels"])
def test_choices(tiny, field):
    with pytest.raises(ConfigError, match=f"{field}.*'fast'"):
        tiny.with_overrides({field: "fast"})


@pytest.mark.cuda
def test_no_step_waits_for_the_device(tiny):
    from rdpp.engine import BatchFinished, RunSpec, train

    seen = []

    def strict(event):
        if isinstance(event, BatchFinished):  # an epoch's first batch is inspected, which waits
            seen.append(event.batch)
            torch.cuda.set_sync_debug_mode("error" if len(seen) % 2 else "default")

    released = {"losses.ssot": {"pairing": "batch"}, "device": "cuda", "training.batch_size": 3}
    try:
        train(RunSpec.of(tiny.with_overrides(released), "bolt", 1), observers=[strict])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(seen) == 4
