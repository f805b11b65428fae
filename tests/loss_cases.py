"""Every loss, once for each of its ways to work. The conformance suite and the inspection of terms read this list."""

from dataclasses import dataclass

from rdpp.losses.contrast import Contrast
from rdpp.losses.denoising import Denoising
from rdpp.losses.distillation import Distillation
from rdpp.losses.energy import Energy
from rdpp.losses.hard_distillation import HardDistillation
from rdpp.losses.mmd import Mmd
from rdpp.losses.reconstruction import Reconstruction
from rdpp.losses.sliced_wasserstein import SlicedWasserstein
from rdpp.losses.ssot import BatchSsot, ImagesSsot


@dataclass(frozen=True)
class Case:
    """One loss and what holds for it."""

    registered: str
    loss: object
    reads: tuple[str, ...]
    """Parts of the features that the value depends on."""
    trains: tuple[str, ...]
    """Those of them that need a gradient."""
    scale: bool = True
    """Whether only the directions of features count."""
    own_generator: bool = False
    """Whether it draws."""
    dead: bool = False
    """Whether its gradient is nothing but rounding on a real teacher's features, as that of two released terms is."""

    def __str__(self):
        return f"{self.registered}-{getattr(self.loss, 'pairing', '')}".strip("-")


BATCH_SSOT = Case(
    "ssot", BatchSsot(scaling=0.5), ("projected",), ("projected",), scale=False, own_generator=True, dead=True
)
ON_PAIRS = [
    Case("ssot", ImagesSsot(positions=4), ("projected",), ("projected",), own_generator=True),
    Case("sliced_wasserstein", SlicedWasserstein(positions=4), ("projected",), ("projected",), own_generator=True),
    Case("energy", Energy(positions=4), ("projected",), ("projected",), own_generator=True),
    Case("mmd", Mmd(positions=4), ("projected",), ("projected",), own_generator=True),
]
CASES = [
    Case("distillation", Distillation(), ("teacher", "student"), ("student",)),
    Case("hard_distillation", HardDistillation(), ("teacher", "student"), ("student",)),
    BATCH_SSOT,
    *ON_PAIRS,
    Case("reconstruction", Reconstruction(), ("projected", "projected_noisy"), ("projected", "projected_noisy")),
    Case("contrast", Contrast(), ("teacher_noisy", "projected"), ("projected",), dead=True),
    Case("contrast", Contrast(margin=0.0), ("teacher_noisy", "projected"), ("projected",)),
    Case("denoising", Denoising(), ("teacher", "student_noisy"), ("student_noisy",)),
]
