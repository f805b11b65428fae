"""Pseudo-anomalies: each a frozen dataclass, called with (images, generator), that returns (noisy, mask)."""

from rdpp.noise.simplex import Simplex

NOISES = {"simplex": Simplex}

Noise = Simplex
"""The type of a `noise` field in a configuration: the union of all the classes in NOISES."""

__all__ = ["NOISES", "Noise", "Simplex"]
