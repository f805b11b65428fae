"""Pseudo-anomalies: each a frozen dataclass, called with (images, generator), that returns (noisy, mask)."""

from rdpp.noise.cutpaste import CutPaste
from rdpp.noise.gaussian import Gaussian
from rdpp.noise.perlin import Perlin
from rdpp.noise.simplex import Simplex
from rdpp.noise.texture import Texture

NOISES = {"simplex": Simplex, "gaussian": Gaussian, "perlin": Perlin, "cutpaste": CutPaste, "texture": Texture}

Noise = Simplex | Gaussian | Perlin | CutPaste | Texture
"""The type of a `noise` field in a configuration: the union of all the classes in NOISES."""

__all__ = ["NOISES", "CutPaste", "Gaussian", "Noise", "Perlin", "Simplex", "Texture"]
