"""Mutations of rdpp/noise."""

from mutations.mutation import Mutation

_NOISES = "tests/noise/test_patch_noises.py"

MUTATIONS = [
    Mutation(
        "simplex: octaves' amplitude",
        "rdpp/noise/opensimplex.py",
        "amplitude *= persistence",
        "amplitude *= 0.5",
        "tests/noise/test_opensimplex.py -k octave",
    ),
    Mutation(
        "simplex: order of axes",
        "rdpp/noise/opensimplex.py",
        "x / period, y / period, z / period)",
        "z / period, y / period, x / period)",
        "tests/noise/test_opensimplex.py -k octave",
    ),
    Mutation(
        "simplex: ties",
        "rdpp/noise/opensimplex.py",
        "int(x >= z)",
        "int(x > z)",
        "tests/noise/test_opensimplex.py -k ties",
    ),
    Mutation(
        "noise: largest size left out",
        "rdpp/noise/patches.py",
        "- self.min_size + 1)",
        "- self.min_size)",
        "tests/noise/test_simplex.py -k uniform",
    ),
    Mutation(
        "noise: clipped",
        "rdpp/noise/patches.py",
        "return noisy, mask",
        "return noisy.clamp(0, 1), mask",
        "tests/noise/test_simplex.py",
    ),
    Mutation(
        "perlin: linear fade",
        "rdpp/noise/gradient_noise.py",
        "return t * t * t * (t * (t * 6 - 15) + 10)",
        "return t",
        _NOISES,
    ),
    Mutation(
        "cutpaste: in place",
        "rdpp/noise/cutpaste.py",
        "piece = images[index, :, top : top + h, left : left + w]",
        "piece = images[index, :, new_top : new_top + h, new_left : new_left + w]",
        _NOISES,
    ),
    Mutation(
        "texture: always opaque",
        "rdpp/noise/texture.py",
        "torch.lerp(images, to_device_of(textures, images), to_device_of(opacity, images))",
        "to_device_of(textures, images)",
        _NOISES,
    ),
]
