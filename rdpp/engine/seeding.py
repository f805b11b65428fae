"""Generators of a run: one for each use, so that an extra draw in one place changes nothing elsewhere."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from torch import Generator


@dataclass(frozen=True)
class Streams:
    """CPU generators seeded from (seed, use) alone: a run's result does not depend on what ran before."""

    weights: Generator
    order: Generator
    noise: Generator
    losses: Generator


def streams(seed: int) -> Streams:
    """The generators of a run with this seed (at least 0)."""
    return Streams(*(_generator(seed, use) for use in ("weights", "order", "noise", "losses")))


def _generator(seed: int, use: str) -> Generator:
    entropy = np.random.SeedSequence([seed, crc32(use.encode())])
    return Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1)))
