"""Folded BatchNorms compute the same."""

import pytest
import torch
from reference import official_network, official_teacher
from torch import nn

from rdpp.models import ARCHITECTURES
from rdpp.models.backbone import Backbone
from rdpp.models.folding import fold_batch_norms


def norms(module):
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", ["resnet18", pytest.param("wide_resnet50_2", marks=pytest.mark.slow)])
def test_a_folded_network_computes_the_same(name):
    network = official_network(name, torch.float64).eval()
    teacher = official_teacher(name, torch.float64)
    stages = teacher(torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        expected = network(stages).student
        assert norms(network)
        fold_batch_norms(network)
        found = network(stages).student
    assert not norms(network)
    assert not norms(teacher)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_the_teacher_is_the_backbone_it_was_made_of():
    torch.manual_seed(0)
    backbone = Backbone(ARCHITECTURES["resnet18"]).double().eval()
    for norm in norms(backbone):
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias)
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = backbone(images)
        fold_batch_norms(backbone)
        for found, wanted in zip(backbone(images), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
