"""Polished terrazzo: stone chips of a few kinds and many sizes in a pale binder."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from rdpp.data.drawing import (
    Array,
    Defect,
    Generator,
    blob,
    clouds,
    light,
    mix,
    position,
    softened,
    stroke,
)

CHIPS = 300
CORNERS = 7
BINDER = np.array([0.66, 0.64, 0.60], np.float32)
PALETTE = np.array(
    [[0.36, 0.35, 0.35], [0.82, 0.80, 0.76], [0.55, 0.46, 0.38], [0.52, 0.54, 0.55], [0.74, 0.68, 0.60]],
    np.float32,
)
FOREIGN = np.array([[0.62, 0.22, 0.16], [0.20, 0.36, 0.50], [0.24, 0.42, 0.26], [0.10, 0.10, 0.12]], np.float32)


@dataclass(frozen=True)
class Speckle:
    """The chips, later ones on top, and the binder's texture."""

    outlines: Array
    """(chips, CORNERS, 2) in (-0.6, 0.6)."""
    colours: Array
    """(chips, 3)."""
    grain: Array
    """(size, size, 1) factor around 1."""
    light: Array

    def draw(self) -> Array:
        size = len(self.grain)
        canvas = Image.new("RGB", (2 * size, 2 * size), tuple((BINDER * 255).astype(int).tolist()))
        draw = ImageDraw.Draw(canvas)
        corners = ((self.outlines + 0.5) * 2 * size).reshape(len(self.outlines), -1).tolist()
        colours = (np.clip(self.colours, 0, 1) * 255).astype(int).tolist()
        for corner, colour in zip(corners, colours, strict=True):
            draw.polygon(corner, fill=tuple(colour))
        picture = np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32) / 255
        return picture * self.grain * self.light


def sample(rng: Generator, size: int) -> Speckle:
    """A slab: chips, tones and light differ."""
    centres = rng.uniform(-0.56, 0.56, (CHIPS, 2))
    radii = np.clip(0.012 * rng.random(CHIPS) ** (-1 / 2.2), 0, 0.045)
    colours = PALETTE[rng.integers(len(PALETTE), size=CHIPS)] * (1 + 0.07 * rng.standard_normal((CHIPS, 1)))
    return Speckle(
        outlines=_polygons(rng, centres, radii),
        colours=colours,
        grain=(1 + 0.025 * clouds(rng, size, (60, 60)) + 0.02 * clouds(rng, size, (9, 9)))[..., None],
        light=light(rng, size),
    )


def _polygons(rng: Generator, centres: Array, radii: Array) -> Array:
    """(chips, CORNERS, 2) irregular convex-looking outlines."""
    count = len(centres)
    angles = (np.arange(CORNERS) + rng.uniform(-0.3, 0.3, (count, CORNERS))) * (2 * np.pi / CORNERS)
    reach = radii[:, None] * rng.uniform(0.75, 1.25, (count, CORNERS))
    shape = np.stack([reach * np.cos(angles), reach * np.sin(angles) * rng.uniform(0.5, 1, (count, 1))], 2)
    turn = rng.uniform(0, 2 * np.pi, count)
    rotation = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], 1).reshape(count, 2, 2)
    return centres[:, None] + np.einsum("nij,nkj->nki", rotation, shape)


def _crack(rng: Generator, scene: Speckle, strength: float) -> Array:
    picture = scene.draw()
    line = stroke(rng, len(picture), position(rng, 0.25), rng.uniform(0.25, 0.6), 0.013, 0.35)
    return picture * (1 - strength * line[..., None])


def _foreign_chip(rng: Generator, scene: Speckle, strength: float) -> Array:
    outline = _polygons(rng, position(rng)[None], np.array([rng.uniform(0.03, 0.06)]))
    usual = PALETTE[rng.integers(len(PALETTE))]
    colour = usual + strength * (FOREIGN[rng.integers(len(FOREIGN))] - usual)
    return replace(
        scene,
        outlines=np.concatenate([scene.outlines, outline]),
        colours=np.concatenate([scene.colours, colour[None]]),
    ).draw()


def _bare_patch(rng: Generator, scene: Speckle, strength: float) -> Array:
    centre = position(rng)
    offset = (scene.outlines.mean(1) - centre) * [1, rng.uniform(1, 1.5)]
    kept = np.hypot(offset[:, 0], offset[:, 1]) > strength
    return replace(scene, outlines=scene.outlines[kept], colours=scene.colours[kept]).draw()


def _stain(rng: Generator, scene: Speckle, strength: float) -> Array:
    picture = scene.draw()
    patch = blob(rng, len(picture), position(rng), rng.uniform(0.07, 0.15), 0.06)
    return picture * (1 - strength * patch[..., None] * np.array([0.9, 1.0, 1.15], np.float32))


def _haze(rng: Generator, scene: Speckle, strength: float) -> Array:
    picture = scene.draw()
    patch = blob(rng, len(picture), position(rng), rng.uniform(0.10, 0.17), 0.05)
    return mix(picture, softened(picture, 0.03), patch * strength)


DEFECTS: dict[str, Defect] = {
    "crack": _crack,
    "foreign_chip": _foreign_chip,
    "bare_patch": _bare_patch,
    "stain": _stain,
    "haze": _haze,
}
