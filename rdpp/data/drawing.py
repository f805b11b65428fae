"""What synthetic categories and held-out defects share: noise, light, shapes.

A category is a module with `sample(generator, size) -> scene` and DEFECTS. A scene is one specimen before
the camera: `scene.draw()` gives the same (size, size, 3) float32 picture each time, in about [0, 1],
without sensor noise. Lengths are shares of the image's side.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

Array = np.ndarray
Generator = np.random.Generator


Defect = Callable[[Generator, Any, float], Array]
"""(generator, a scene of its category, strength) -> the picture of that scene with the defect in it."""


def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres as (x, y), each (size, size) in (-0.5, 0.5)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return np.broadcast_to(axis, (size, size)), np.broadcast_to(axis[:, None], (size, size))


def turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along axes turned by an angle in radians."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def clouds(rng: Generator, size: int, cells: tuple[int, int]) -> Array:
    """(size, size) smooth noise of mean 0 and standard deviation 1; `cells` (down, across) bumps a side."""
    coarse = rng.standard_normal((cells[0] + 1, cells[1] + 1), np.float32)
    fine = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return (fine - fine.mean()) / (fine.std() + 1e-6)


def light(rng: Generator, size: int) -> Array:
    """(size, size, 1) factor around 1: a lamp from one side, not quite even."""
    x, _ = turned(*grid(size), rng.uniform(0, 2 * np.pi))
    return (1 + rng.uniform(0, 0.12) * x + 0.015 * clouds(rng, size, (2, 2)))[..., None]


def position(rng: Generator, reach: float = 0.36) -> Array:
    """(2,) a point (x, y) in the inner part of the image."""
    return rng.uniform(-reach, reach, 2)


def blob(rng: Generator, size: int, centre: Array, radius: float, soft: float) -> Array:
    """(size, size) in [0, 1]: an irregular patch whose edge fades over `soft`."""
    x, y = grid(size)
    x, y = turned(x - centre[0], y - centre[1], rng.uniform(0, np.pi))
    angle = np.arctan2(y, x)
    bumps = sum(rng.normal(0, 0.16 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5, 7))
    distance = np.hypot(x, y * rng.uniform(1, 1.6))
    return np.clip((radius * (1 + bumps) - distance) / soft + 0.5, 0, 1).astype(np.float32)


def stroke(rng: Generator, size: int, start: Array, length: float, width: float, wobble: float) -> Array:
    """(size, size) in [0, 1]: an antialiased line that strays by `wobble` radians a step."""
    fine = 4 * size
    headings = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, wobble, 16))
    steps = length / 16 * np.stack([np.cos(headings), np.sin(headings)], 1)
    points = (start + np.cumsum(steps, 0) - steps.sum(0) / 2 + 0.5) * fine
    canvas = Image.new("L", (fine, fine))
    line = [(float(px), float(py)) for px, py in points]
    ImageDraw.Draw(canvas).line(line, fill=255, width=max(1, round(width * fine)), joint="curve")
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32) / 255


def mix(picture: Array, colour: Array, alpha: Array) -> Array:
    """The picture with a colour (3,), or another picture, laid over it by alpha (size, size)."""
    return picture + (colour - picture) * alpha[..., None]


def softened(picture: Array, sigma: float) -> Array:
    """Gaussian blur, sigma as a share of the side."""
    return ndimage.gaussian_filter(picture, (sigma * len(picture), sigma * len(picture), 0))
