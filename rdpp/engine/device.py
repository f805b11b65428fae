"""The device that a run computes on, and how it computes there."""

import ctypes
import re
import sys
from functools import cache
from typing import Literal, TypeVar

import torch
from torch import nn

from rdpp.config import ConfigError
from rdpp.types import Precision

_WORTH_COMPILING = 2000
"""Batches. Compiling takes minutes: on a GPU some hundreds of batches."""

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def resolve_device(name: str) -> torch.device:
    """The device of `auto | cpu | cuda | cuda:N`; auto is the first GPU, or the CPU where there is none.

    Raises:
        ConfigError: another name, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ConfigError(f"unknown device '{name}'; choices: auto, cpu, cuda, cuda:N")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise ConfigError(
                f"device '{name}' was asked for, but torch sees {count} GPUs here; use --device cpu or auto"
            )
    return device if device.type == "cpu" or device.index is not None else torch.device("cuda:0")


def to_device(module: ModuleT, device: torch.device | str) -> ModuleT:
    """Move the module to the device, with its convolutions in the layout that is fastest there and on a CPU."""
    return module.to(device).to(memory_format=torch.channels_last)


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which teacher and network compute: for bf16 their convolutions take and give bfloat16."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def compiles(choice: Literal["auto", "on", "off"], device: torch.device, batches: int) -> bool:
    """Whether a run of so many batches is worth torch's compiler; see `ExperimentConfig.compile`."""
    return choice == "on" or (choice == "auto" and device.type == "cuda" and batches >= _WORTH_COMPILING)


def device_name(device: torch.device) -> str:
    """The GPU's product name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@cache
def keep_freed_memory() -> None:
    """Let this process keep what it frees, where the C library is glibc.

    glibc returns every freed block above 32 MB to the kernel, which clears each page anew at the next step: about a
    twentieth of a step on a CPU.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_threshold = -1, -3
        libc.mallopt(mmap_threshold, 2**30)
        libc.mallopt(trim_threshold, 2**31 - 1)
