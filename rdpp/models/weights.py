"""Tensors from files: safetensors, or torch files that hold plain tensors only. Nothing is unpickled."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rdpp.config import ConfigError


def read_tensors(path: Path) -> Any:
    """What a .safetensors or torch file holds, on the CPU.

    Raises:
        ConfigError: no such file, not a file of tensors, or a pickle with more than tensors in it.
    """
    if not path.is_file():
        raise ConfigError(f"no weights file at {path}; give the path of a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{path} is not a file of plain tensors and is not loaded ({reason[:160]}); "
            "save a state dict with torch.save or as safetensors"
        ) from None


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], source: str, ignore: tuple[str, ...] = ()) -> None:
    """Copy tensors into the module: every name and shape must fit, but for the prefixes to ignore.

    Raises:
        ConfigError: the first names or shapes that do not fit.
    """
    if not isinstance(tensors, Mapping) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise ConfigError(f"{source} holds no mapping of names to tensors; save a state dict")
    wanted = module.state_dict()
    given = {k: v for k, v in tensors.items() if not k.startswith(ignore)} if ignore else dict(tensors)
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}  # absent from torchvision's older files
    missing, unknown = wanted.keys() - given.keys() - counters, given.keys() - wanted.keys()
    wrong = [k for k in wanted.keys() & given.keys() if wanted[k].shape != given[k].shape]
    for what, names in (("lacks", missing), ("has unexpected", unknown), ("has another shape of", wrong)):
        if names:
            first = min(names)
            shape = f" {tuple(given[first].shape)}, wanted {tuple(wanted[first].shape)}" if what.endswith("of") else ""
            raise ConfigError(
                f"{source} {what} {len(names)} tensors, the first is {first}{shape}; is it another model?"
            )
    module.load_state_dict(given, strict=False)


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that tell one set of tensors from another."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
