"""The detector: what the network gives in eval mode, from floats or bytes, in either precision."""

import pytest
import torch

from rdpp.engine.inference import Detector
from rdpp.models import ARCHITECTURES, Network
from rdpp.scoring import anomaly_map


@pytest.fixture
def trained(baseline):
    """Teacher, network, three images and the maps that the network in eval mode gives of them."""
    network = Network(ARCHITECTURES["builtin"])
    network.load_state_dict(baseline.networks[-1])
    teacher = baseline.teacher
    images = torch.from_numpy(baseline.result.evaluation.split.images[:3].copy())
    with torch.no_grad():
        features = network.eval()(teacher(images))
    return teacher, network, images, anomaly_map(features.teacher, features.student, (64, 64), 4.0)


def test_folded_it_gives_what_the_network_gives(trained):
    teacher, network, images, expected = trained
    maps, scores = Detector(teacher, network.train())(images)
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5)
    assert torch.equal(scores, maps.amax((1, 2, 3)))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in Detector(teacher, network).network.modules())


def test_the_network_stays_as_it_is(trained):
    teacher, network, images, _ = trained
    before = {name: tensor.clone() for name, tensor in network.train().state_dict().items()}
    Detector(teacher, network)(images)
    assert {module.training for module in network.modules()} == {True}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_known_features_are_used(trained):
    teacher, network, images, expected = trained
    maps, _ = Detector(teacher, network)(torch.zeros_like(images), teacher(images))
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5)


def test_bytes_are_divided_by_255(trained):
    teacher, network, images, _ = trained
    pixels = (images * 255).round().to(torch.uint8)
    detector = Detector(teacher, network)
    torch.testing.assert_close(detector(pixels)[0], detector(pixels.float() / 255)[0])


def test_bf16_is_near_fp32_and_gives_float32(trained):
    teacher, network, images, expected = trained
    maps, scores = Detector(teacher, network, precision="bf16")(images)
    assert maps.dtype == scores.dtype == torch.float32
    assert 0 < float((maps - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_plain_reverse_distillation(trained):
    teacher, _, images, _ = trained
    network = Network(ARCHITECTURES["builtin"], projection=False)
    with torch.no_grad():
        features = network.eval()(teacher(images))
    expected = anomaly_map(features.teacher, features.student, (64, 64), 0.0)
    torch.testing.assert_close(Detector(teacher, network, sigma=0.0)(images)[0], expected, rtol=0, atol=1e-5)
