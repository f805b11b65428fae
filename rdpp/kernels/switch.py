"""The one switch that all kernels ask."""

from typing import Literal, get_args

import torch

Choice = Literal["auto", "off"]

_chosen: Choice = "auto"


def use(choice: Choice) -> None:
    """Let this process compute by its kernels where they serve (`auto`, as at its start), or by plain forms (`off`).

    Raises:
        ValueError: another word.
    """
    global _chosen
    if choice not in get_args(Choice):
        raise ValueError(f"unknown choice of kernels '{choice}'; choices: {', '.join(get_args(Choice))}")
    _chosen = choice


def are_on() -> bool:
    """Whether kernels may run now. What torch's compiler or exporter traces must be made of torch's operators."""
    return _chosen == "auto" and not torch.compiler.is_compiling()
