"""Checkpoints of the official RD++ code, in and out: a torch file with the state dicts `proj`, `decoder`, `bn`."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from rdpp.config import ConfigError
from rdpp.models.network import Network
from rdpp.models.weights import load_exactly, read_tensors

_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "proj": (
        (r"proj_a\.proj\.", "stages.0."),
        (r"proj_b\.proj\.", "stages.1."),
        (r"proj_c\.proj\.", "stages.2."),
    ),
    "decoder": ((r"\.upsample\.", ".downsample."),),
    "bn": (
        (r"bn_layer\.", "residual."),
        (r"^conv1\.", "first.0."),
        (r"^bn1\.", "first.1."),
        (r"^conv2\.", "first.3."),
        (r"^bn2\.", "first.4."),
        (r"^conv3\.", "second.0."),
        (r"^bn3\.", "second.1."),
    ),
}
_PARTS = {"proj": "projection", "decoder": "student", "bn": "bottleneck"}
_UNUSED = re.compile(r"^(conv4|bn4)\.")  # in every official bottleneck, used by none


def our_name(part: str, key: str) -> str:
    """An official tensor's name in `Network`.

    >>> our_name("bn", "conv3.weight")
    'bottleneck.second.0.weight'
    """
    for pattern, replacement in _RULES[part]:
        renamed = re.sub(pattern, replacement, key, count=1)
        if renamed != key:
            return f"{_PARTS[part]}.{renamed}"
    return f"{_PARTS[part]}.{key}"


def load_official(network: Network, path: Path) -> None:
    """Fill the network from an official checkpoint such as `wres50_carpet.pth`.

    Raises:
        ConfigError: not such a file, or one of another architecture.
    """
    parts = read_tensors(path)
    if not isinstance(parts, Mapping) or set(parts) != set(_PARTS):
        raise ConfigError(f"{path} is no official checkpoint: it must hold exactly {', '.join(_PARTS)}")
    tensors = {
        our_name(part, key): value
        for part, state in parts.items()
        for key, value in state.items()
        if not (part == "bn" and _UNUSED.match(key))
    }
    load_exactly(network, tensors, str(path))


def save_official(network: Network, path: Path) -> None:
    """Write the network as the official code reads it; its unused bottleneck tensors are zeros."""
    state = network.state_dict()
    third = state["bottleneck.second.0.weight"].shape[0]
    wide = state["bottleneck.residual.0.downsample.0.weight"].shape[0]
    unused = {"conv4.weight": torch.zeros(wide, 4 * third, 1, 1), "bn4.num_batches_tracked": torch.tensor(0)}
    unused |= {f"bn4.{name}": torch.zeros(wide) for name in ("weight", "bias", "running_mean", "running_var")}
    parts: dict[str, dict[str, Tensor]] = {"proj": {}, "decoder": {}, "bn": unused}
    for name, value in state.items():
        part = next(p for p, ours in _PARTS.items() if name.startswith(ours + "."))
        parts[part][_official_name(part, name.partition(".")[2])] = value.cpu()
    torch.save(parts, path)


def _official_name(part: str, name: str) -> str:
    for pattern, replacement in _RULES[part]:
        official = pattern.replace("\\.", ".").removeprefix("^")
        if replacement in name and (name.startswith(replacement) or part == "decoder"):
            return name.replace(replacement, official, 1)
    return name
