"""The loss terms. A new one is a file here, a line in LOSSES and a line in the conformance test's list."""

from collections.abc import Mapping
from typing import Any

from rdpp.losses.contrast import Contrast
from rdpp.losses.denoising import Denoising
from rdpp.losses.distillation import Distillation
from rdpp.losses.energy import Energy
from rdpp.losses.hard_distillation import HardDistillation
from rdpp.losses.mmd import Mmd
from rdpp.losses.reconstruction import Reconstruction
from rdpp.losses.sliced_wasserstein import SlicedWasserstein
from rdpp.losses.ssot import Ssot
from rdpp.losses.weighted import Loss, LossValues, Weighted

LOSSES: Mapping[str, Any] = {
    "distillation": Distillation,
    "hard_distillation": HardDistillation,
    "ssot": Ssot,
    "sliced_wasserstein": SlicedWasserstein,
    "energy": Energy,
    "mmd": Mmd,
    "reconstruction": Reconstruction,
    "contrast": Contrast,
    "denoising": Denoising,
}
"""By name: a loss's class, or the union of its classes where it can work in several ways."""

__all__ = ["LOSSES", "Distillation", "Loss", "LossValues", "Weighted"]
