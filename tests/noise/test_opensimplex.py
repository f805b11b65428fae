"""The field against the package `opensimplex` and against numbers from the official RD++ code."""

import numpy as np
import opensimplex
import pytest

from rdpp.noise.opensimplex import noise3, octave_patch, permutation

SEEDS = [1, 12345, -987654321]
POINTS = [(0.1, 0.2, 0.3), (-1.7, 5.5, 2.25), (100.01, -50.5, 7.125)]


@pytest.mark.parametrize("seed", SEEDS)
def test_official_permutation(golden, seed):
    expected = golden("official_simplex_noise.npz")[f"perm_{seed}"]
    np.testing.assert_array_equal(permutation(seed), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_official_points(golden, seed):
    values = [noise3(permutation(seed), *point) for point in POINTS]
    np.testing.assert_allclose(values, golden("official_simplex_noise.npz")[f"point_{seed}"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [(10, 31), (32, 32), (17, 23)])
def test_official_octave_patches(golden, seed, size):
    patch = octave_patch(permutation(seed), 3, *size, 6, 0.6, 32.0)
    expected = golden("official_simplex_noise.npz")[f"noise_{seed}_{size[0]}x{size[1]}"]
    assert patch.dtype == np.float32
    np.testing.assert_allclose(patch, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 7, -1, 2**63 - 1, -(2**63)])
def test_permutation_of_any_64_bit_seed(seed):
    oracle = opensimplex.OpenSimplex(seed)
    np.testing.assert_array_equal(permutation(seed), oracle._perm)


def test_permutation_counts_only_64_bits():
    np.testing.assert_array_equal(permutation(2**64 - 5), permutation(-5))


@pytest.mark.parametrize("step", [1 / 32, 1 / 8, 1 / 6, 1.0])
def test_regular_grids_where_ties_abound(step):
    axis = np.arange(-9, 10) * step
    expected = opensimplex.OpenSimplex(3).noise3array(axis, axis, axis)
    table = permutation(3)
    values = [[[noise3(table, x, y, z) for x in axis] for y in axis] for z in axis]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_anywhere():
    rng = np.random.default_rng(0)
    oracle, table = opensimplex.OpenSimplex(99), permutation(99)
    for point in rng.uniform(-60, 60, (5000, 3)):
        assert noise3(table, *point) == pytest.approx(oracle.noise3(*point), abs=1e-12)


def test_a_smaller_patch_is_a_crop_of_a_larger_one():
    table = permutation(5)
    whole = octave_patch(table, 3, 31, 31, 6, 0.6, 32.0)
    for height, width in [(10, 10), (10, 31), (31, 10), (22, 13), (1, 1)]:
        part = octave_patch(table, 3, height, width, 6, 0.6, 32.0)
        np.testing.assert_array_equal(part, whole[:, :height, :width])


def test_octaves_add_up():
    table = permutation(8)
    one, two = (octave_patch(table, 2, 6, 7, octaves, 0.25, 10.0) for octaves in (1, 2))
    np.testing.assert_allclose(two, one + 0.25 * octave_patch(table, 2, 6, 7, 1, 1.0, 5.0), atol=1e-6)
