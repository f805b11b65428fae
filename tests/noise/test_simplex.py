"""What is particular to Simplex; what every noise keeps is in test_noise_conformance.py."""

from typing import Annotated

import numpy as np
import pytest
import torch

from rdpp.config import ConfigError, Registered, decode, encode
from rdpp.noise import NOISES, Noise, Simplex
from rdpp.noise.opensimplex import octave_patch, permutation


def boxes(mask):
    """Height, width, top and left of the one rectangle of each (1, H, W) mask."""
    found = []
    for image in mask[:, 0]:
        rows, columns = image.any(1).nonzero().flatten(), image.any(0).nonzero().flatten()
        h, w, top, left = len(rows), len(columns), int(rows[0]), int(columns[0])
        assert image[top : top + h, left : left + w].all()
        assert image.sum() == h * w
        found.append((h, w, top, left))
    return found


def patches(noise, count, seed, side=40):
    """The noise alone, one (3, h, w) patch an image."""
    noisy, mask = noise(torch.zeros(count, 3, side, side), torch.Generator().manual_seed(seed))
    cuts = zip(noisy, boxes(mask), strict=True)
    return [image[:, top : top + h, left : left + w].numpy() for image, (h, w, top, left) in cuts]


@pytest.mark.parametrize("field", ["run", "sample"])
def test_sizes_and_places_are_uniform_over_all_that_fit(field):
    noise = Simplex(field=field, min_size=2, max_size=4, octaves=1)
    _, mask = noise(torch.zeros(6000, 3, 6, 5), torch.Generator().manual_seed(0))
    found = np.array(boxes(mask))
    for column in (0, 1):
        np.testing.assert_allclose(np.bincount(found[:, column])[2:] / 6000, [1 / 3] * 3, atol=0.03)
    flat = found[(found[:, 0] == 4) & (found[:, 1] == 4)]
    np.testing.assert_allclose(np.bincount(flat[:, 2]) / len(flat), [1 / 3] * 3, atol=0.07)  # top 0, 1, 2
    np.testing.assert_allclose(np.bincount(flat[:, 3]) / len(flat), [1 / 2] * 2, atol=0.07)  # left 0, 1


def test_field_run_crops_one_field_seeded_by_the_generator():
    whole = 0.2 * octave_patch(permutation(77), 3, 31, 31, 6, 0.6, 32.0)
    shapes = set()
    for patch in patches(Simplex(), 8, seed=77):
        np.testing.assert_allclose(patch, whole[:, : patch.shape[1], : patch.shape[2]], rtol=0, atol=1e-7)
        shapes.add(patch.shape)
    assert len(shapes) > 1


def test_field_run_is_official(golden):
    noise = Simplex(min_size=32, max_size=32)
    (patch,) = patches(noise, 1, seed=12345)
    official = golden("official_simplex_noise.npz")["noise_12345_32x32"]
    np.testing.assert_allclose(patch, 0.2 * official, rtol=0, atol=1e-6)


def test_field_run_stays_over_batches_and_differs_between_seeds():
    noise, generator = Simplex(min_size=12, max_size=12), torch.Generator().manual_seed(4)
    images = torch.zeros(1, 3, 12, 12)
    first, second = noise(images, generator)[0], noise(images, generator)[0]
    assert torch.equal(first, second)
    assert not torch.equal(first, noise(images, torch.Generator().manual_seed(5))[0])


def test_field_sample_differs_between_images_and_batches():
    noise, generator = Simplex(field="sample", min_size=12, max_size=12), torch.Generator().manual_seed(4)
    images = torch.zeros(3, 3, 12, 12)
    fields = torch.cat([noise(images, generator)[0], noise(images, generator)[0]])
    assert len(torch.unique(fields.flatten(1), dim=0)) == 6


def test_not_clipped_and_proportional_to_the_scale():
    small, large = patches(Simplex(scale=0.1), 4, seed=1), patches(Simplex(scale=3.0), 4, seed=1)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(30 * a, b, rtol=1e-5, atol=1e-6)
    assert min(p.min() for p in large) < 0
    assert max(p.max() for p in large) > 1


@pytest.mark.parametrize("shape", [(2, 3, 30, 64), (2, 3, 64, 30)])
def test_images_too_small_for_the_patch(shape):
    with pytest.raises(ConfigError, match=r"max_size 31 does not fit .*; enlarge .* lower max_size to 30"):
        Simplex()(torch.zeros(shape), torch.Generator())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 0.0}, "scale must be above 0, got 0.0"),
        ({"scale": float("nan")}, "scale must be above 0, got nan"),
        ({"octaves": 0}, r"octaves must be in 1\.\.16, got 0"),
        ({"octaves": 17}, r"octaves must be in 1\.\.16, got 17"),
        ({"persistence": -0.5}, "persistence must be above 0, got -0.5"),
        ({"frequency": 0.0}, r"frequency must be above 0 \(pixels\), got 0.0"),
        ({"min_size": 0}, "1 <= min_size <= max_size, got min_size 0, max_size 31"),
        ({"min_size": 32}, "1 <= min_size <= max_size, got min_size 32, max_size 31"),
        ({"field": "runs"}, "unknown noise field 'runs', did you mean 'run'"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ConfigError, match=message):
        Simplex(**values)


def test_configuration_round_trip():
    noise = Simplex(scale=0.3, field="sample")
    assert decode(Annotated[Noise, Registered(NOISES)], encode(noise)) == noise
    assert NOISES[encode(noise)["name"]] is Simplex


def test_misspelt_key():
    with pytest.raises(ConfigError, match="did you mean 'max_size'"):
        decode(Annotated[Noise, Registered(NOISES)], {"name": "simplex", "maxsize": 3})
