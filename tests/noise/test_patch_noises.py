"""What is particular to the noises other than Simplex; what every noise keeps is in test_noise_conformance.py."""

import numpy as np
import pytest
import torch

from rdpp.config import ConfigError
from rdpp.noise import CutPaste, Gaussian, Perlin, Texture
from rdpp.noise.gradient_noise import perlin3, perlin_patch
from rdpp.noise.opensimplex import permutation

EDGES = [(1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0), (1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)]
EDGES += [(0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1), (1, 1, 0), (0, -1, 1), (-1, 1, 0), (0, -1, -1)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def reference(table, point):
    """Improved noise as its paper words it, one corner after another."""
    base = np.floor(point).astype(int)
    offset = np.asarray(point) - base
    fade = 6 * offset**5 - 15 * offset**4 + 10 * offset**3
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        x, y, z = base + corner
        hashed = table[(table[(table[x % 256] + y) % 256] + z) % 256]
        weight = np.prod(np.where(corner, fade, 1 - fade))
        total += weight * np.dot(EDGES[hashed % 16], offset - corner)
    return total


def test_perlin_is_the_paper():
    table, source = permutation(5), np.random.default_rng(0)
    for point in source.uniform(-300, 300, (200, 3)):
        assert perlin3(table, *point) == pytest.approx(reference(table, point), abs=1e-12)


def test_perlin_octaves():
    table, origin = permutation(5), np.array([3.25, 9.5, 100.75])
    patch = perlin_patch(table, origin, 3, 5, 4, 3, 0.5, 8.0)
    for k, j, i in np.ndindex(3, 5, 4):
        first = origin + np.array([i, j, k]) / 8
        expected = sum(0.5**octave * reference(table, first * 2**octave) for octave in range(3))
        assert patch[k, j, i] == pytest.approx(expected, abs=1e-6)


def test_gaussian_has_its_standard_deviation_and_no_texture():
    noise = Gaussian(scale=0.3, min_size=40, max_size=40)
    noisy, _ = noise(torch.full((20, 3, 40, 40), 0.5), generator())
    added = noisy - 0.5
    assert float(added.mean()) == pytest.approx(0, abs=0.003)
    assert float(added.std()) == pytest.approx(0.3, rel=0.02)
    neighbours = (added[..., 1:] * added[..., :-1]).mean() / 0.09
    assert abs(float(neighbours)) < 0.02


@pytest.mark.parametrize("noise", [Gaussian(scale=0.5), Perlin(scale=0.5)], ids=lambda n: n.name)
def test_proportional_to_the_scale(noise):
    images = torch.zeros(3, 3, 40, 40)
    once = noise(images, generator())[0]
    twice = type(noise)(scale=1.0)(images, generator())[0]
    torch.testing.assert_close(2 * once, twice)


def test_perlin_patches_are_smooth_and_differ():
    noise = Perlin(octaves=1, min_size=31, max_size=31, scale=1.0)
    noisy, _ = noise(torch.zeros(4, 3, 31, 31), generator())
    assert len(torch.unique(noisy.flatten(1), dim=0)) == 4
    assert (noisy[..., 1:] - noisy[..., :-1]).abs().max() < 0.15
    assert noisy.abs().max() > 0.2


def test_cutpaste_pastes_what_is_elsewhere_in_the_image():
    rows = torch.arange(40.0)[:, None] * 100 + torch.arange(60.0)
    images = rows.expand(30, 1, 40, 60).contiguous()  # every pixel tells its place
    noisy, mask = CutPaste(jitter=0.0)(images, generator())
    assert sum(not torch.equal(before, after) for before, after in zip(images, noisy, strict=True)) > 25
    for before, after, hole in zip(images[:, 0], noisy[:, 0], mask[:, 0], strict=True):
        ys, xs = hole.nonzero(as_tuple=True)
        assert int(hole.sum()) == (ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1)
        shift = after[hole] - before[hole]
        assert len(shift.unique()) == 1  # one piece, moved as a whole
        assert after.min() >= 0
        assert after.max() <= 3959


def test_cutpaste_sizes():
    _, mask = CutPaste()(torch.rand(3000, 1, 64, 64), generator())
    areas = mask.flatten(1).float().mean(1)
    heights, widths = mask.any(3).sum(2).flatten(), mask.any(2).sum(2).flatten()
    assert 0.018 < areas.min() < 0.023
    assert 0.14 < areas.max() < 0.155
    ratios = heights / widths
    assert float(ratios.log().mean()) == pytest.approx(0, abs=0.05)
    assert ratios.max() == pytest.approx(3.3, rel=0.1)
    assert float(areas.mean()) == pytest.approx(0.085, rel=0.03)


def test_cutpaste_jitter_scales_each_channel():
    noisy, mask = CutPaste(jitter=0.2)(torch.ones(500, 3, 32, 32), generator())
    factors = torch.stack([image[:, hole[0]][:, 0] for image, hole in zip(noisy, mask, strict=True)])
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    assert (factors[:, 0] != factors[:, 1]).all()


def test_texture_is_mixed_in_by_its_opacity():
    noise = Texture(min_opacity=0.25, max_opacity=0.25)
    black, white = (torch.full((4, 3, 48, 64), value) for value in (0.0, 1.0))
    (on_black, mask), (on_white, same) = noise(black, generator()), noise(white, generator())
    assert torch.equal(mask, same)
    hole = mask.expand(-1, 3, -1, -1)
    torch.testing.assert_close(on_white[hole] - on_black[hole], torch.full_like(on_white[hole], 0.75))
    assert on_black.max() <= 0.25


def test_texture_blots_have_their_area():
    _, mask = Texture(min_area=0.05, max_area=0.2)(torch.rand(300, 1, 64, 64), generator())
    areas = mask.flatten(1).float().mean(1)
    assert 0.049 < areas.min() < 0.06
    assert 0.19 < areas.max() < 0.21


def test_textures_are_foreign_to_each_other():
    noisy, _ = Texture(min_area=0.4, max_area=0.4, min_opacity=1.0)(torch.zeros(6, 3, 64, 64), generator())
    means = noisy.flatten(2).amax(2)
    assert torch.cdist(means, means).fill_diagonal_(9).min() > 0.02


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Perlin, {"octaves": 0}, r"octaves must be in 1\.\.16, got 0"),
        (Perlin, {"frequency": -1.0}, "frequency must be above 0"),
        (Gaussian, {"scale": 0.0}, "scale must be above 0, got 0.0"),
        (Gaussian, {"min_size": 50}, "1 <= min_size <= max_size"),
        (CutPaste, {"min_area": 0.2}, "0 < min_area <= max_area < 0.5, got min_area 0.2"),
        (CutPaste, {"max_aspect": 0.5}, "max_aspect must be at least 1, got 0.5"),
        (CutPaste, {"jitter": 1.0}, "jitter must be at least 0 and below 1, got 1.0"),
        (Texture, {"max_area": 0.6}, "0 < min_area <= max_area < 0.5"),
        (Texture, {"max_opacity": 1.1}, "0 < min_opacity <= max_opacity <= 1"),
        (Texture, {"cells": 1}, "cells must be at least 2, got 1"),
    ],
)
def test_bad_values(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)
