"""Batches of a split, in a random or in the given order."""

from collections.abc import Iterator

import torch
from torch import Generator

from rdpp.data.cache import Split
from rdpp.types import Batch


def shuffled_batches(split: Split, batch_size: int, generator: Generator) -> Iterator[Batch]:
    """Every image once, in a new random order; the last batch may be smaller."""
    return _batches(split, torch.randperm(len(split), generator=generator), batch_size)


def ordered_batches(split: Split, batch_size: int) -> Iterator[Batch]:
    """Every image once, in the split's own order; the last batch may be smaller."""
    return _batches(split, torch.arange(len(split)), batch_size)


def _batches(split: Split, order: torch.Tensor, batch_size: int) -> Iterator[Batch]:
    for indices in order.split(batch_size):
        yield Batch(torch.from_numpy(split.images[indices.numpy()]), indices)
