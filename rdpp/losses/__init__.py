"""The loss terms. A new one is a file here, a line in LOSSES and a line in the conformance test's list."""

from rdpp.losses.contrast import Contrast
from rdpp.losses.distillation import Distillation
from rdpp.losses.energy import Energy
from rdpp.losses.mmd import Mmd
from rdpp.losses.reconstruction import Reconstruction
from rdpp.losses.sliced_wasserstein import SlicedWasserstein
from rdpp.losses.ssot import Ssot
from rdpp.losses.weighted import Loss, LossValues, Weighted

LOSSES = {
    "distillation": Distillation,
    "ssot": Ssot,
    "sliced_wasserstein": SlicedWasserstein,
    "energy": Energy,
    "mmd": Mmd,
    "reconstruction": Reconstruction,
    "contrast": Contrast,
}

__all__ = ["LOSSES", "Loss", "LossValues", "Weighted"]
