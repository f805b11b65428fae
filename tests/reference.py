"""Tensors filled from their names, as the golden files were made (see golden files' own recipe)."""

from zlib import crc32

import numpy as np
import torch
from torch import Tensor


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float32 numbers that depend on the name alone."""
    return np.random.Generator(np.random.PCG64(crc32(name.encode()))).standard_normal(shape).astype(np.float32)


def images(name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(normal(name, shape))


def fill(prefix: str, key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of an official tensor `prefix.key` (prefix: encoder, bn, decoder, proj)."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    x = normal(f"{prefix}.{key}", shape)
    if len(shape) >= 2:
        x = x * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    elif key.endswith("running_var"):
        x = np.abs(x) * 0.5 + 0.75
    elif key.endswith(("running_mean", "bias")):
        x = x * 0.1
    else:
        x = 1 + 0.1 * x
    return torch.from_numpy(x.astype(np.float32))


def statistics(x: Tensor) -> tuple[float, float, float]:
    """(mean, std, sum of every 997th element), in float64."""
    x = x.detach().double().flatten()
    return float(x.mean()), float(x.std()), float(x[::997].sum())
