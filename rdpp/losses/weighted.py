"""The sum of the loss terms that a run trains with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Generator, Tensor

from rdpp.types import Features


class Loss(Protocol):
    """One term: a frozen dataclass whose fields are its YAML keys."""

    needs: ClassVar[tuple[str, ...]]
    """Parts of the method without which the term means nothing: `projection`, `noise`, or `noisy_student` (what the
    student makes of the noisy features). Noise, and what the student makes of it, are computed only if a term that
    trains names them."""

    @property
    def weight(self) -> float:
        """The factor with which the term enters the total; 0 leaves it out."""
        ...

    def __call__(self, features: Features, generator: Generator) -> Tensor:
        """The raw value, a scalar with its graph."""
        ...


@dataclass(frozen=True)
class LossValues:
    """One step's losses, scalars. The names are the metrics' names."""

    total: Tensor
    raw: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]


@dataclass(frozen=True)
class Weighted:
    """total = sum of weight * term."""

    terms: Mapping[str, Loss]

    def __call__(self, features: Features, generator: Generator) -> LossValues:
        raw = {name: term(features, generator) for name, term in self.terms.items()}
        weighted = {name: self.terms[name].weight * value for name, value in raw.items()}
        return LossValues(torch.stack(list(weighted.values())).sum(), raw, weighted)
