"""Tensors and models filled from their names, as the golden files were made."""

import json
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from rdpp.models import ARCHITECTURES, Network, Teacher
from rdpp.models.backbone import Backbone
from rdpp.models.official import our_name


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


@cache
def official_keys(name: str) -> dict[str, dict[str, list[int]]]:
    """Names and shapes in the official checkpoint of an architecture, by part."""
    return json.loads((Path(__file__).parent / "golden" / f"official_keys_{name}.json").read_text())


def unused(part: str, key: str) -> bool:
    """Whether the official code saves this tensor and never uses it."""
    return part == "bn" and key.startswith(("conv4.", "bn4."))


def official_teacher(name: str, dtype: torch.dtype = torch.float32) -> Teacher:
    """The teacher of the golden files, fed with images as they are."""
    backbone = Backbone(ARCHITECTURES[name])
    backbone.load_state_dict({k: fill("encoder", k, tuple(v.shape)) for k, v in backbone.state_dict().items()})
    teacher = Teacher(backbone.to(dtype))
    teacher.mean.zero_()
    teacher.std.fill_(1)
    return teacher.to(dtype)


def official_network(name: str, dtype: torch.dtype = torch.float32) -> Network:
    """The network of the golden files."""
    with torch.device("meta"):
        network = Network(ARCHITECTURES[name])
    network.load_state_dict(
        {
            our_name(part, key): fill(part, key, tuple(shape))
            for part, shapes in official_keys(name).items()
            for key, shape in shapes.items()
            if not unused(part, key)
        },
        assign=True,
    )
    return network.to(dtype)
