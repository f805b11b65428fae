"""Terms that do nothing are seen, on a real teacher's features of real photographs; terms that live are not."""

from pathlib import Path

import pytest
import torch
from loss_cases import CASES

from rdpp.config import ConfigError
from rdpp.data import load_train, scan
from rdpp.engine import BatchFinished, RunSpec, train
from rdpp.engine.inspection import TermInspection, inspect_term
from rdpp.losses.energy import Energy
from rdpp.losses.ssot import ImagesSsot
from rdpp.models import ARCHITECTURES, Network, TeacherConfig, load_teacher
from rdpp.noise import Simplex


@pytest.fixture(scope="module")
def real_features(real_data, resnet18_weights, tmp_path_factory):
    """Of eight photographs of screws, by ResNet18 and a new network, in float32."""
    split = load_train(scan(real_data, "screw"), (128, 128), tmp_path_factory.mktemp("cache"))
    images = torch.from_numpy(split.images[:8].copy())
    noisy, _ = Simplex()(images, torch.Generator().manual_seed(0))
    teacher = load_teacher(TeacherConfig("resnet18", str(Path(resnet18_weights))))
    network = Network(ARCHITECTURES["resnet18"])
    network.initialise(torch.Generator().manual_seed(1))
    return network.train()(teacher(images), teacher(noisy), restore_noisy=True)


def rounding(term, features):
    return inspect_term(term, features, torch.Generator().manual_seed(0))[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_released_terms_are_dead_and_the_others_are_not(case, real_features):
    error = rounding(case.loss, real_features)
    assert TermInspection({}, error, 0.0).dead == case.dead
    assert case.dead or error < 0.1


def test_the_weight_does_not_matter(real_features):
    assert rounding(Energy(weight=1e-9), real_features) == pytest.approx(rounding(Energy(), real_features), rel=0.5)


def test_nothing_is_touched(real_features):
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    kept = [stage.clone() for stage in real_features.projected]
    _, seconds = inspect_term(ImagesSsot(), real_features, generator)
    assert seconds > 0
    assert torch.equal(generator.get_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(kept, real_features.projected, strict=True))
    assert all(stage.grad is None for stage in real_features.projected if stage.is_leaf)


@pytest.mark.parametrize(("error", "dead"), [(0.0, False), (0.99, False), (1.0, True), (9.0, True)])
def test_a_gradient_no_larger_than_its_error_is_dead(error, dead):
    assert TermInspection({}, error, 0.0).dead == dead
    assert TermInspection({}, float("nan"), 0.0).dead


RELEASED = {"losses": {"ssot": {"pairing": "batch"}, "contrast": {"margin": 0.5}}}


def test_a_run_names_its_dead_terms(record, tiny):
    run = record(tiny.with_overrides(RELEASED))
    assert run.result.dead_terms == ("contrast", "ssot")
    inspections = run.of(BatchFinished)[0].inspections
    assert inspections["contrast"].norms == {"projection": 0.0, "restoration": 0.0}
    assert all(inspection.seconds > 0 for inspection in inspections.values())


def test_inspecting_changes_nothing_that_is_learnt(monkeypatch, baseline, record, tiny):
    monkeypatch.setattr("rdpp.engine.step.inspect_term", lambda *arguments: (0.0, 0.0))
    assert record(tiny).losses == baseline.losses


def test_strict_stops_the_run(tiny):
    told = []
    with pytest.raises(ConfigError, match=r"no gradient beyond rounding: losses.contrast, losses.ssot \(strict\)"):
        train(RunSpec.of(tiny.with_overrides({**RELEASED, "strict": True}), "bolt", 1), observers=[told.append])
    assert isinstance(told[-1], BatchFinished)


def test_strict_lets_living_terms_pass(baseline, record, tiny):
    assert record(tiny.with_overrides({"strict": True})).losses == baseline.losses
