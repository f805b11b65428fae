"""Which images make a batch, in a random or in the given order."""

import torch
from torch import Generator, Tensor


def shuffled(count: int, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Every index below count once, in a new random order; the last batch may be smaller."""
    return torch.randperm(count, generator=generator).split(batch_size)


def ordered(count: int, batch_size: int) -> tuple[Tensor, ...]:
    """Every index below count once, in order; the last batch may be smaller."""
    return torch.arange(count).split(batch_size)
