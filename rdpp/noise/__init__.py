"""Pseudo-anomalies. A new one is a file here, a line in NOISES and a line in the conformance test's list."""

from collections.abc import Mapping

from rdpp.noise.cutpaste import CutPaste
from rdpp.noise.gaussian import Gaussian
from rdpp.noise.noise import Noise
from rdpp.noise.perlin import Perlin
from rdpp.noise.simplex import Simplex
from rdpp.noise.texture import Texture

NOISES: Mapping[str, type[Noise]] = {
    "simplex": Simplex,
    "gaussian": Gaussian,
    "perlin": Perlin,
    "cutpaste": CutPaste,
    "texture": Texture,
}
"""By the `name` in a configuration."""

__all__ = ["NOISES", "CutPaste", "Gaussian", "Noise", "Perlin", "Simplex", "Texture"]
