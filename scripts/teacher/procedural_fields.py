"""Scalar fields for procedural images: noise, blobs, gratings, weaves, tiles, cells.

Each is a function (generator, size) -> (size, size) float32 in [0, 1].
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray
Generator = np.random.Generator
Draw = Callable[[Generator, int], Array]


def any_field(rng: Generator, size: int) -> Array:
    field = FIELDS[rng.integers(len(FIELDS))](rng, size)
    if rng.random() < 0.25:  # hard edges out of soft fields
        steepness = rng.uniform(4, 40)
        field = 1 / (1 + np.exp(-steepness * (field - rng.uniform(0.35, 0.65))))
    return field.astype(np.float32)


def _unit(field: Array) -> Array:
    low, high = np.percentile(field[::3, ::3], (1, 99))
    return np.clip((field - low) / (high - low + 1e-6), 0, 1)


def noise(rng: Generator, size: int) -> Array:
    """1/f^a noise, a in 0.3..2.5; half of the time stretched along one direction (wood, brushed metal)."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    if rng.random() < 0.5:
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 12)
        along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
        fx, fy = along * stretch, across
    radius = np.sqrt(fx**2 + fy**2 + 1e-4)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), np.float32)) * radius ** -rng.uniform(0.3, 2.5)
    return _unit(np.fft.irfft2(spectrum, (size, size)))


def blobs(rng: Generator, size: int) -> Array:
    cells = int(2 ** rng.uniform(1, 5))
    grid = Image.fromarray(rng.random((cells + 1, cells + 1), np.float32))
    return _unit(np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC)))


def _coordinates(rng: Generator, size: int) -> tuple[Array, Array]:
    """Rotated pixel coordinates, at times warped."""
    y, x = np.mgrid[:size, :size].astype(np.float32) - size / 2
    angle = rng.uniform(0, np.pi) if rng.random() < 0.7 else rng.integers(2) * np.pi / 2
    x, y = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if rng.random() < 0.4:
        x = x + rng.uniform(2, 25) * blobs(rng, size)
        y = y + rng.uniform(2, 25) * blobs(rng, size)
    return x, y


def _grating(rng: Generator, size: int) -> Array:
    x, y = _coordinates(rng, size)
    kind = rng.integers(4)
    wave = 2 * np.pi / np.exp(rng.uniform(np.log(3), np.log(50)))
    if kind == 0:
        return 0.5 + 0.5 * np.sin(x * wave)
    if kind == 1:  # rings around a point
        return 0.5 + 0.5 * np.sin(np.hypot(x - rng.uniform(-60, 60), y - rng.uniform(-60, 60)) * wave)
    if kind == 2:  # plaid
        return 0.5 + 0.25 * (np.sin(x * wave) + np.sin(y * wave * rng.choice([1, 0.5, 2, rng.uniform(0.3, 3)])))
    return np.clip(0.5 + np.sin(x * wave) * np.sin(y * wave) * rng.uniform(0.5, 3), 0, 1)  # checks


def _weave(rng: Generator, size: int) -> Array:
    x, y = _coordinates(rng, size)
    period = np.exp(rng.uniform(np.log(4), np.log(30)))
    u, v = x / period, y / period
    over = (np.floor(u) + np.floor(v) * rng.integers(1, 4)) % rng.integers(2, 4) < 1
    threads = np.where(over, np.abs(np.sin(np.pi * u)), rng.uniform(0.4, 1) * np.abs(np.sin(np.pi * v)))
    return threads ** rng.uniform(0.3, 1.5)


def _tiles(rng: Generator, size: int) -> Array:
    """One small motif repeated: printed circuits, mesh, brick, dots."""
    side = int(rng.integers(8, 48))
    motif = Image.new("L", (side * 2, side * 2), int(rng.integers(256)))
    scribble(rng, ImageDraw.Draw(motif), side * 2, int(rng.integers(1, 6)))
    tile = np.asarray(motif.resize((side, side), Image.Resampling.BOX), np.float32) / 255
    reps = -(-size // side) + 1
    if rng.random() < 0.3:
        tile = np.concatenate([tile, np.roll(tile, side // 2, 1)])
    return np.tile(tile, (reps, reps))[:size, :size]


def _cells(rng: Generator, size: int) -> Array:
    """Voronoi: grey cells, their borders, or the distance to the nearest point."""
    points = rng.uniform(-10, size + 10, (int(rng.integers(6, 70)), 2)).astype(np.float32)
    half = np.arange(0, size, 2, dtype=np.float32)
    square = (half[:, None, None] - points[:, 0]) ** 2 + (half[None, :, None] - points[:, 1]) ** 2
    kind = rng.integers(3)
    if kind == 0:
        field = rng.random(len(points), np.float32)[square.argmin(2)]
    else:
        near = np.sqrt(np.partition(square, 1, axis=2)[..., :2])
        field = _unit(near[..., 0]) if kind == 1 else np.clip((near[..., 1] - near[..., 0]) / rng.uniform(2, 8), 0, 1)
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def scribble(rng: Generator, draw: ImageDraw.ImageDraw, size: int, count: int, index: bool = False) -> None:
    """Discs, boxes, polygons and lines of power-law sizes, filled with a grey level or their own number."""
    smallest, power = size / rng.uniform(25, 80), rng.uniform(1.2, 3)
    for number in range(count):
        radius = min(smallest * rng.random() ** (-1 / power), size / 2)
        x, y = rng.uniform(0, size, 2)
        fill = number if index else int(rng.integers(256))
        kind, aspect = rng.integers(4), rng.uniform(0.4, 1)
        box = (x - radius, y - radius * aspect, x + radius, y + radius * aspect)
        if kind == 0:
            draw.ellipse(box, fill=fill)
        elif kind == 1:
            draw.rectangle(box, fill=fill)
        elif kind == 2:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
            draw.polygon([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles], fill=fill)
        else:
            a = rng.uniform(0, np.pi)
            dx, dy = 2 * radius * np.cos(a), 2 * radius * np.sin(a)
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=max(1, int(radius * 0.2)))


FIELDS: tuple[Draw, ...] = (noise, noise, blobs, _grating, _weave, _tiles, _cells)
