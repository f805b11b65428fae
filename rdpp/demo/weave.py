"""Woven fabric from above: a plain weave of blue warp and pale weft, each thread a little different."""

from dataclasses import dataclass, replace

import numpy as np

from rdpp.data.drawing import (
    Array,
    Defect,
    Generator,
    blob,
    clouds,
    grid,
    light,
    mix,
    position,
    turned,
)

THREADS = 14
"""Threads across the image, in each direction."""
WARP = np.array([0.30, 0.37, 0.47], np.float32)
WEFT = np.array([0.70, 0.66, 0.58], np.float32)
GAP = np.array([0.10, 0.10, 0.11], np.float32)


@dataclass(frozen=True)
class Weave:
    """Fabric coordinates (in threads), the threads' own tones, and what is wrong."""

    across: Array
    """(size, size): warp thread number, with the place within it as fraction."""
    along: Array
    """(size, size): the same for the weft."""
    warp_tone: Array
    """(64,) factor of each warp thread."""
    weft_tone: Array
    fibres: tuple[Array, Array]
    """Fine texture of warp and weft, (size, size) each, mean 1."""
    light: Array
    floating: Array | float = 0.0
    """Where the warp stays above the weft, in [0, 1]."""
    lost: Array | float = 0.0
    """Where the warp thread is missing, in [0, 1]."""

    def draw(self) -> Array:
        warp, weft = np.floor(self.across), np.floor(self.along)
        warp_height = _wave(self.along + warp) * (1 - self.floating) + self.floating
        weft_height = -_wave(weft + self.across) * (1 - self.floating) - self.floating
        warp_profile = _profile(self.across - warp) * (1 - self.lost)
        weft_profile = _profile(self.along - weft)
        over = 1 / (1 + np.exp(-9 * (warp_profile + 0.8 * warp_height - weft_profile - 0.8 * weft_height)))
        over = over * (1 - self.lost)
        tone = self.warp_tone[warp.astype(int) % 64] * self.fibres[0] * _shade(warp_profile, warp_height)
        picture = np.multiply.outer(tone, WARP)
        tone = self.weft_tone[weft.astype(int) % 64] * self.fibres[1] * _shade(weft_profile, weft_height)
        picture = mix(np.multiply.outer(tone, WEFT), picture, over)
        return mix(GAP, picture, np.maximum(warp_profile * over, weft_profile * (1 - over)) ** 0.5) * self.light


def sample(rng: Generator, size: int) -> Weave:
    """A piece of fabric: phase, slant, waviness, thread tones and light differ."""
    x, y = turned(*grid(size), rng.normal(0, 0.01))
    pitch = THREADS * rng.uniform(0.99, 1.01)
    shift = 24 + 0.15 * rng.standard_normal(2)  # the camera is triggered in register with the threads
    return Weave(
        across=x * pitch + shift[0] + 0.05 * clouds(rng, size, (4, 4)),
        along=y * pitch + shift[1] + 0.05 * clouds(rng, size, (4, 4)),
        warp_tone=1 + 0.06 * rng.standard_normal(64, np.float32),
        weft_tone=1 + 0.05 * rng.standard_normal(64, np.float32),
        fibres=(1 + 0.06 * clouds(rng, size, (24, 90)), 1 + 0.06 * clouds(rng, size, (90, 24))),
        light=light(rng, size),
    )


def _wave(place: Array) -> Array:
    """1 where the thread is above, -1 where it is below: it alternates every thread."""
    return np.tanh(2.5 * np.sin(np.pi * place))


def _profile(fraction: Array) -> Array:
    """Height across one round thread, 0 in the gap beside it."""
    return np.sqrt(np.clip(1 - ((2 * fraction - 1) / 0.95) ** 2, 0, 1))


def _shade(profile: Array, height: Array) -> Array:
    return (0.55 + 0.45 * profile) * (0.88 + 0.12 * height)


def _hole(rng: Generator, scene: Weave, strength: float) -> Array:
    picture = scene.draw()
    patch = blob(rng, len(picture), position(rng), rng.uniform(0.05, 0.09), 0.02)
    return mix(picture, GAP * 0.5, patch * strength)


def _stain(rng: Generator, scene: Weave, strength: float) -> Array:
    picture = scene.draw()
    patch = blob(rng, len(picture), position(rng), rng.uniform(0.06, 0.14), 0.05)
    tint = np.array([[0.55, 0.40, 0.20], [0.25, 0.30, 0.30]], np.float32)[rng.integers(2)]
    return picture * mix(np.ones_like(picture), tint, patch * strength * 1.5)


def _missing_thread(rng: Generator, scene: Weave, strength: float) -> Array:
    centre = position(rng)
    size = len(scene.across)
    column, row = ((centre + 0.5) * size).astype(int)
    thread = np.floor(scene.across) == np.floor(scene.across[row, column])
    distance = np.abs(scene.along - scene.along[row, column])
    lost = thread * np.clip((strength * THREADS / 2 - distance) * 2 + 0.5, 0, 1)
    return replace(scene, lost=lost).draw()


def _skipped_crossings(rng: Generator, scene: Weave, strength: float) -> Array:
    patch = blob(rng, len(scene.across), position(rng), strength, 0.01)
    return replace(scene, floating=patch).draw()


def _pulled_thread(rng: Generator, scene: Weave, strength: float) -> Array:
    x, y = grid(len(scene.across))
    centre = position(rng)
    x, y = turned(x - centre[0], y - centre[1], rng.choice([0, np.pi / 2]))
    pull = strength * rng.choice([-1, 1]) * np.exp(-((x / 0.05) ** 2) - (y / 0.11) ** 2)
    return replace(scene, across=scene.across + pull, along=scene.along - 0.4 * pull).draw()


DEFECTS: dict[str, Defect] = {
    "hole": _hole,
    "stain": _stain,
    "missing_thread": _missing_thread,
    "skipped_crossings": _skipped_crossings,
    "pulled_thread": _pulled_thread,
}
