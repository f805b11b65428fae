"""Procedurally made images for training the built-in teacher: no photograph, all from a numpy Generator.

A picture is one to three layers (dead leaves, or a scalar field through a palette) joined by masks, then
lit, blurred, jittered and given sensor noise, so that edges, textures and gradients occur at many scales,
orientations and colours. About 12 ms an image of 160 x 160 on one core.

    python scripts/teacher/procedural.py sheet.png     # a contact sheet, to look at
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from procedural_fields import Array, Generator, any_field, blobs, noise, scribble


def make_image(rng: Generator, size: int) -> Array:
    """One picture, (size, size, 3) uint8."""
    picture = _layer(rng, size)
    for _ in range(rng.integers(0, 3)):
        mask = _mask(rng, size)[..., None]
        picture = picture * (1 - mask) + _layer(rng, size) * mask
    if rng.random() < 0.6:
        picture = picture * _light(rng, size)[..., None]
    return _camera(rng, picture)


def _layer(rng: Generator, size: int) -> Array:
    """(size, size, 3) float32, mostly in [0, 1]."""
    if rng.random() < 0.4:
        return _dead_leaves(rng, size)
    layer = _paint(rng, any_field(rng, size))
    if rng.random() < 0.5:
        layer = layer + rng.uniform(0.1, 0.6) * (any_field(rng, size)[..., None] - 0.5)
    if rng.random() < 0.3:
        layer = _marks(rng, layer)
    return layer


def _colour(rng: Generator, spread: float = 1.0) -> Array:
    """Mostly muted colours: a grey level plus a little hue."""
    return np.clip(rng.random() + spread * rng.choice([0.03, 0.15, 0.4]) * rng.standard_normal(3), 0, 1)


def _paint(rng: Generator, field: Array) -> Array:
    """A field through a palette of 2 to 4 colours."""
    stops = np.linspace(0, 1, int(rng.integers(2, 5)))
    palette = np.stack([_colour(rng) for _ in stops])
    if rng.random() < 0.5:  # one material: one hue, several lightnesses
        palette = palette[:1] + (palette.mean(1, keepdims=True) - palette[:1].mean()) * rng.uniform(0.1, 1)
    table = np.stack([np.interp(np.linspace(0, 1, 256), stops, palette[:, c]) for c in range(3)], 1)
    return table.astype(np.float32)[(np.clip(field, 0, 1) * 255).astype(np.uint8)]


def _dead_leaves(rng: Generator, size: int) -> Array:
    """Overlapping shapes, each with its colour, gradient and texture; drawn large for smooth edges."""
    count = int(np.exp(rng.uniform(np.log(3), np.log(300))))
    canvas = Image.new("I", (2 * size, 2 * size), 0)
    scribble(rng, ImageDraw.Draw(canvas), 2 * size, count, index=True)
    leaf = np.asarray(canvas)
    textures = np.stack([any_field(rng, size) for _ in range(2)]) - 0.5
    colours = np.stack([_colour(rng) for _ in range(count)]).astype(np.float32)
    slopes = (rng.standard_normal((count, 2)) * rng.choice([0, 0.3])).astype(np.float32)
    amounts = (rng.uniform(0, 0.7, (count, 2)) * (rng.random((count, 2)) < 0.5)).astype(np.float32)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    out = np.zeros((size, size, 3), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            of = leaf[dy::2, dx::2]
            shade = slopes[of, 0] * ramp[:, None] + slopes[of, 1] * ramp
            shade += amounts[of, 0] * textures[0] + amounts[of, 1] * textures[1]
            out += (colours[of] + shade[..., None]) / 4
    return out


def _marks(rng: Generator, layer: Array) -> Array:
    """Scratches, curves and printed characters on top."""
    size = len(layer)
    canvas = Image.new("L", (2 * size, 2 * size), 0)
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(1, 8)):
        start = rng.uniform(0, 2 * size, 2)
        steps = rng.normal(0, size / 12, (int(rng.integers(2, 9)), 2)) + rng.normal(0, size / 8, 2)
        path = [tuple(p) for p in start + np.cumsum(steps, 0)]
        draw.line(path, fill=int(rng.integers(100, 256)), width=int(rng.integers(1, 8)), joint="curve")
    for _ in range(rng.integers(0, 3)):
        letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTXYZ0123456789-+#%/"), int(rng.integers(1, 8))))
        font = ImageFont.load_default(int(rng.integers(12, 90)))
        draw.text(tuple(rng.uniform(0, 1.5 * size, 2)), letters, fill=255, font=font)
    mask = np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32)[..., None] / 255
    return layer * (1 - mask) + mask * _colour(rng).astype(np.float32)


# ---- masks, light, camera ----


def _mask(rng: Generator, size: int) -> Array:
    """(size, size) in [0, 1]: an object before a background, or patches."""
    if rng.random() < 0.5:
        canvas = Image.new("L", (2 * size, 2 * size), 0)
        middle, radius = rng.uniform(0.7, 1.3, 2) * size, rng.uniform(0.2, 0.9) * size
        teeth, depth, corner = rng.integers(3, 24), rng.choice([0, 0.1, 0.3]), rng.choice([0.3, 1, 3])
        angles = np.linspace(0, 2 * np.pi, 200)
        bumps = np.clip(corner * np.sin(teeth * angles + rng.uniform(0, 6)), -1, 1)
        radii = radius * (1 + depth * bumps)
        outline = middle[:, None] + radii * np.stack([np.cos(angles), rng.uniform(0.4, 1) * np.sin(angles)])
        draw = ImageDraw.Draw(canvas)
        draw.polygon([tuple(p) for p in outline.T], fill=255)
        if rng.random() < 0.5:
            hole = radius * rng.uniform(0.1, 0.5)
            draw.ellipse((*(middle - hole), *(middle + hole)), fill=0)
        return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32) / 255
    field = noise(rng, size) if rng.random() < 0.3 else blobs(rng, size)
    return np.clip((field - rng.uniform(0.3, 0.7)) * np.exp(rng.uniform(0, 4)) + 0.5, 0, 1).astype(np.float32)


def _light(rng: Generator, size: int) -> Array:
    """A factor around 1 for each pixel: uneven illumination, or a relief lit from one side."""
    if rng.random() < 0.5:
        return 1 + rng.uniform(0.1, 0.9) * (blobs(rng, size) - 0.5)
    height = any_field(rng, size)
    dy, dx = np.gradient(height)
    angle = rng.uniform(0, 2 * np.pi)
    return np.clip(1 + rng.uniform(1, 8) * (np.cos(angle) * dx + np.sin(angle) * dy), 0.2, 2)


def _camera(rng: Generator, picture: Array) -> Array:
    """Contrast, brightness, grey-scale, blur and sensor noise; to uint8."""
    if rng.random() < 0.35:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    mean, spread = picture.mean(), picture.std() + 0.02
    target = np.exp(rng.uniform(np.log(0.04), np.log(0.3)))
    picture = (picture - mean) * (target / spread) + rng.uniform(0.15, 0.85)
    if rng.random() < 0.4:
        image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(float(np.exp(rng.uniform(-0.9, 1.1)))))
        picture = np.asarray(image, np.float32) / 255
    if rng.random() < 0.6:
        grain = rng.standard_normal((*picture.shape[:2], int(rng.choice([1, 3]))), np.float32)
        picture = picture + rng.uniform(0.003, 0.05) * grain
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


if __name__ == "__main__":
    made = [make_image(np.random.default_rng([0, i]), 160) for i in range(48)]
    rows = [np.concatenate(made[i : i + 8], 1) for i in range(0, 48, 8)]
    Image.fromarray(np.concatenate(rows)).save(sys.argv[1])
