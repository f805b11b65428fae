"""Features around a changed rectangle against those of the whole image."""

import pytest
import torch
from torch import nn

from rdpp.kernels.incremental import boxes, stages_near
from rdpp.models import load_teacher
from rdpp.models.teacher import TeacherConfig

PLACES = [(0, 0), (97, 0), (0, 161), (97, 161), (40, 77), (61, 3)]  # corners, inside, at an edge


def changed_images(places, size=(31, 31), height=128, width=192):
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(len(places), 3, height, width, generator=generator)
    mask = torch.zeros(len(places), 1, height, width, dtype=torch.bool)
    for hole, (top, left) in zip(mask, places, strict=True):
        hole[:, top : top + size[0], left : left + size[1]] = True
    return clean, torch.where(mask, torch.rand(clean.shape, generator=generator), clean), mask


@pytest.mark.parametrize("name", ["builtin", "resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
@pytest.mark.parametrize("places", [[place] for place in PLACES] + [PLACES])
def test_it_is_the_whole_computation(name, places):
    teacher = load_teacher(TeacherConfig(name, "random")).double()
    clean, noisy, mask = changed_images(places)
    found = teacher.near(noisy.double(), mask, teacher(clean.double()))
    for stage, expected in zip(found, teacher(noisy.double()), strict=True):
        torch.testing.assert_close(stage, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


def test_less_is_computed():
    teacher = load_teacher(TeacherConfig("resnet18", "random"))
    clean, noisy, mask = changed_images([(100, 100)], height=256, width=256)
    known, seen = teacher(clean), []
    for layer in (teacher.backbone.conv1, teacher.backbone.layer2, teacher.backbone.layer3):
        layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2:].numel()))
    teacher.near(noisy, mask, known)
    assert seen[0] <= 0.25 * 256 * 256
    assert seen[1] < 0.8 * 64 * 64
    assert seen[2] <= 32 * 32


def test_known_features_are_left_alone():
    teacher = load_teacher(TeacherConfig("builtin"))
    clean, noisy, mask = changed_images([(40, 77)])
    known = teacher(clean)
    before = [stage.clone() for stage in known]
    teacher.near(noisy, mask, known)
    assert all(torch.equal(stage, kept) for stage, kept in zip(known, before, strict=True))


def test_boxes():
    mask = torch.zeros(3, 1, 6, 8, dtype=torch.bool)
    mask[0, :, 1:3, 2:7] = True
    mask[1, :, 5, 0] = True
    assert boxes(mask).tolist() == [[[1, 3], [2, 7]], [[5, 6], [0, 1]], [[0, 6], [0, 8]]]


class Gate(nn.Module):
    """It looks at all positions, which none of its children tells."""

    def forward(self, x):
        return x * x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize(
    "layer",
    [
        nn.AdaptiveAvgPool2d(8),
        Gate(),
        nn.InstanceNorm2d(3),
        nn.BatchNorm2d(3),  # in training, where it takes the statistics of all positions
        nn.ConvTranspose2d(3, 3, 2),
        nn.Conv2d(3, 3, 3),  # its window is not centred on its output
        nn.Conv2d(3, 3, 4, padding=2),
        nn.Conv2d(3, 3, (3, 5), padding=(1, 2)),
        nn.Conv2d(3, 3, 3, padding=2, dilation=2),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(3, 3, 3, padding="same"),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d(2),
    ],
    ids=str,
)
def test_layers_that_are_not_known_to_look_at_windows_alone(layer):
    images, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"what .* sees of an image is not known.*kernels: off"):
        stages_near([nn.Sequential(nn.Conv2d(3, 3, 1), layer)], images, mask, (images,))


def test_a_block_is_known_where_it_is_named():
    images, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    (found,) = stages_near([nn.Sequential(Gate())], images, mask, (images,), (Gate,))
    assert torch.equal(found, Gate()(images))  # all is computed where nothing is said to have changed


def test_a_stride_that_no_window_tells_is_noticed():
    images, mask = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    mask[..., :2, :2] = True
    layers = nn.Sequential(nn.Conv2d(3, 3, 1, 2), nn.ReLU())
    with torch.no_grad():
        (found,) = stages_near([layers], images, mask, (torch.zeros(1, 3, 8, 8),))
        assert torch.equal(found, layers(images))
