"""The anomaly map against its parts: cosine distance, torch's enlargement, scipy's Gaussian."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn.functional import cosine_similarity, interpolate

from rdpp.scoring import anomaly_map, image_score


def stages(seed, shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, 5, *shape, dtype=dtype, generator=generator) for shape in shapes)


def step_by_step(teacher, student, size, sigma):
    total = np.zeros((2, *size))
    for first, second in zip(teacher, student, strict=True):
        distance = 1 - cosine_similarity(first, second)[:, None]
        total += interpolate(distance, size=size, mode="bilinear", align_corners=True)[:, 0].numpy()
    return np.stack([gaussian_filter(image, sigma) for image in total]) if sigma else total


@pytest.mark.parametrize("sigma", [4.0, 1.3, 0.0])
@pytest.mark.parametrize(
    ("size", "shapes"),
    [
        ((64, 64), [(16, 16), (8, 8), (4, 4)]),
        ((32, 96), [(8, 24), (4, 12), (2, 6)]),
        ((96, 32), [(24, 8), (12, 4), (6, 2)]),
        ((7, 5), [(7, 5), (3, 2), (1, 1)]),  # smaller than the Gaussian
    ],
)
def test_the_map_is_enlarged_and_smoothed_step_by_step(size, shapes, sigma):
    teacher, student = stages(1, shapes), stages(2, shapes)
    found = anomaly_map(teacher, student, size, sigma)
    assert found.shape == (2, 1, *size)
    np.testing.assert_allclose(found[:, 0], step_by_step(teacher, student, size, sigma), rtol=0, atol=1e-12)


def test_sigma_is_4_by_default():
    teacher, student = stages(1, [(8, 8)]), stages(2, [(8, 8)])
    assert torch.equal(anomaly_map(teacher, student, (32, 32)), anomaly_map(teacher, student, (32, 32), 4.0))


def test_float32_stays_close_and_keeps_its_dtype():
    shapes = [(16, 16), (8, 8), (4, 4)]
    teacher, student = stages(1, shapes), stages(2, shapes)
    found = anomaly_map(*(tuple(s.float() for s in part) for part in (teacher, student)), (64, 64))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0], step_by_step(teacher, student, (64, 64), 4.0), rtol=0, atol=1e-5)


def test_parallel_features_are_normal_and_opposite_ones_as_anomalous_as_can_be():
    teacher = stages(1, [(8, 8), (4, 4)])
    parallel = anomaly_map(teacher, tuple(3 * stage for stage in teacher), (32, 32))
    opposite = anomaly_map(teacher, tuple(-stage for stage in teacher), (32, 32))
    torch.testing.assert_close(parallel, torch.zeros_like(parallel))
    torch.testing.assert_close(opposite, torch.full_like(opposite, 4.0))


def test_the_image_score_is_the_maximum_of_each_map():
    maps = torch.zeros(2, 1, 4, 5)
    maps[0, 0, 3, 1], maps[1, 0, 0, 4] = 2.0, 0.5
    maps[1, 0, 1, 1] = -3.0
    assert image_score(maps).tolist() == [2.0, 0.5]
