"""What every pseudo-anomaly keeps. A new one is added to CASES, once for each of its ways to work."""

import dataclasses

import pytest
import torch

from rdpp.config import ConfigError, decode, encode
from rdpp.noise import NOISES, CutPaste, Gaussian, Perlin, Simplex, Texture

CASES = [Simplex(), Simplex(field="sample"), Gaussian(), Perlin(), CutPaste(), Texture()]

pytestmark = pytest.mark.parametrize("noise", CASES, ids=lambda noise: noise.name)

no_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, no_cuda])]


def images(count=5, height=48, width=64, dtype=torch.float32, device="cpu"):
    uniform = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(9), dtype=dtype)
    return uniform.to(device)


def generator(seed=3):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_dtype_and_device(noise, dtype, device):
    clean = images(dtype=dtype, device=device)
    noisy, mask = noise(clean, generator())
    assert (noisy.shape, noisy.dtype, noisy.device) == (clean.shape, dtype, clean.device)
    assert (mask.shape, mask.dtype, mask.device) == ((5, 1, 48, 64), torch.bool, clean.device)


def test_the_mask_is_where_the_image_changed(noise):
    clean = images()
    noisy, mask = noise(clean, generator())
    assert torch.equal((noisy != clean).any(1, keepdim=True), mask)
    assert mask.flatten(1).any(1).all()
    assert not mask.flatten(1).all(1).any()


def test_the_input_is_left_alone(noise):
    clean = images()
    before = clean.clone()
    noisy, _ = noise(clean, generator())
    assert torch.equal(clean, before)
    assert noisy.data_ptr() != clean.data_ptr()


def test_in_place_the_images_become_the_noisy_ones(noise):
    given, (expected, where) = images(), noise(images(), generator())
    noisy, mask = noise(given, generator(), inplace=True)
    assert noisy.data_ptr() == given.data_ptr()
    assert torch.equal(given, expected)
    assert torch.equal(mask, where)


def test_changing_the_result_does_not_change_the_next(noise):
    first, _ = noise(images(), generator())
    kept = first.clone()
    first.zero_()
    assert torch.equal(noise(images(), generator())[0], kept)


def test_the_generator_decides_everything(noise):
    torch.manual_seed(1)
    first, first_mask = noise(images(), generator())
    torch.manual_seed(2)
    second, second_mask = noise(images(), generator())
    assert torch.equal(first, second)
    assert torch.equal(first_mask, second_mask)
    other, other_mask = noise(images(), generator(4))
    assert not torch.equal(first, other)
    assert not torch.equal(first_mask, other_mask)


def test_the_global_generator_is_left_alone(noise):
    before = torch.get_rng_state()
    noise(images(), generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generator_moves_on(noise):
    source = generator()
    assert not torch.equal(noise(images(), source)[1], noise(images(), source)[1])


def test_a_restored_generator_continues_identically(noise):
    source = generator()
    noise(images(), source)
    state = source.get_state()
    expected = [noise(images(), source) for _ in range(2)]
    restored = torch.Generator()
    restored.set_state(state)
    for noisy, mask in expected:
        again, again_mask = noise(images(), restored)
        assert torch.equal(again, noisy)
        assert torch.equal(again_mask, mask)


def test_an_equal_noise_does_the_same(noise):
    twin = decode(NOISES[noise.name], encode(noise))
    assert twin == noise
    assert torch.equal(twin(images(), generator())[0], noise(images(), generator())[0])


def test_frozen(noise):
    with pytest.raises(dataclasses.FrozenInstanceError):
        noise.name = "other"


def test_unknown_keys_are_errors(noise):
    with pytest.raises(ConfigError, match="unknown key 'strenght'"):
        decode(type(noise), {"name": noise.name, "strenght": 1.0})


def test_every_registered_noise_is_here(noise):
    assert {case.name for case in CASES} == set(NOISES)
    assert NOISES[noise.name] is type(noise)
