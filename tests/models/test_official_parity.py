"""Features, anomaly map and losses against numbers from the official code."""

import numpy as np
import pytest
import torch
from reference import images, official_network, official_teacher, statistics

from rdpp.detector import AnomalyMap, image_score
from rdpp.losses import LOSSES

CASES = [("resnet18", 256, 2), ("wide_resnet50_2", 128, 1)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0])
def case(request, golden):
    """(golden numbers, our features, our bottleneck's embedding, image side)."""
    name, side, count = request.param
    teacher, network = official_teacher(name), official_network(name).eval()
    clean = images("clean", (count, 3, side, side))
    noisy = clean + 0.2 * images("noise", (count, 3, side, side))
    with torch.no_grad():
        features = network(teacher(clean), teacher(noisy))
        embedding = network.bottleneck(features.projected)
    return golden(f"official_{name}_{side}.npz"), features, embedding, side


@pytest.mark.parametrize("part", ["teacher", "teacher_noisy", "projected", "projected_noisy", "student"])
def test_statistics_of_every_stage(case, part):
    expected, features, *_ = case
    found = [statistics(stage) for stage in getattr(features, part)]
    np.testing.assert_allclose(found, expected[part], rtol=1e-4)


def test_statistics_of_the_embedding(case):
    expected, _, embedding, _ = case
    np.testing.assert_allclose([statistics(embedding)], expected["bottleneck"], rtol=1e-4)


def test_anomaly_map_and_image_score(case):
    expected, features, _, side = case
    stages = [(stage.shape[2], stage.shape[3]) for stage in features.teacher]
    found = AnomalyMap((side, side), stages).float()(features.teacher, features.student)
    np.testing.assert_allclose(found[:, 0], expected["anomaly_map"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(image_score(found), expected["image_score"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["distillation", "reconstruction", "contrast"])
def test_losses(case, name):
    expected, features, *_ = case
    assert float(LOSSES[name]()(features, torch.Generator())) == pytest.approx(float(expected[name]), rel=1e-5)


def test_the_effective_weights_make_up_the_projections_term(case):
    expected, features, *_ = case  # its optimal transport is 0
    terms = [LOSSES[name]() for name in ("reconstruction", "contrast")]
    total = sum(term.weight * float(term(features, torch.Generator())) for term in terms)
    assert total / 0.2 == pytest.approx(float(expected["projection_total"]), rel=1e-5)
