"""A hexagon bolt with a toothed flange, from above on a conveyor, each time in a slightly different pose."""

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
    softened,
    stroke,
    turned,
)

TEETH = 18
FLANGE = 0.335
"""Radius of the flange at the feet of its teeth."""
TOOTH = 0.035
HEAD = 0.185
"""Distance from the middle to a flat of the hexagon."""
MARKS = 3
STEEL = np.array([0.58, 0.60, 0.62], np.float32)
BELT = np.array([0.23, 0.25, 0.26], np.float32)


@dataclass(frozen=True)
class Bolt:
    """Pose, light and surface of one bolt, and what is wrong with its shape."""

    x: Array
    """(size, size): place in the bolt's own axes, its middle at 0."""
    y: Array
    lamp: float
    """Direction of the light in the bolt's axes, radians."""
    rings: Array
    """(256,) the lathe's marks: brightness by distance from the middle."""
    scale: Array
    """(size, size) mill scale: a faint cloudiness, around 1."""
    belt: Array
    """(size, size) the belt's texture, around 1."""
    light: Array
    teeth: Array
    """(TEETH,) height of each tooth, 1 = whole."""
    marks: Array
    """(MARKS,) depth of each grade mark, 1 = whole."""

    def draw(self) -> Array:
        size = len(self.x)
        radius, angle = np.hypot(self.x, self.y), np.arctan2(self.y, self.x)
        flange = self._flange(radius, angle)
        inside = np.clip(-flange * size + 0.5, 0, 1)
        shadow = softened(np.roll(inside, (size // 40, size // 50), (0, 1))[..., None], 0.02)[..., 0]
        picture = np.multiply.outer(self.belt * (1 - 0.55 * shadow), BELT)
        return mix(picture, self._steel(radius, angle, flange), inside) * self.light

    def _flange(self, radius: Array, angle: Array) -> Array:
        """Signed distance to the flange's outline, negative inside."""
        turns = (angle / (2 * np.pi) % 1) * TEETH
        tooth = self.teeth[np.floor(turns).astype(int) % TEETH]
        rise = np.clip(0.5 + 1.6 * np.sin(np.pi * (turns % 1)) - 1.1, 0, 1)
        return radius - FLANGE - TOOTH * rise * tooth

    def _steel(self, radius: Array, angle: Array, flange: Array) -> Array:
        size = len(self.x)
        turned_steel = 0.92 + 0.10 * np.cos(2 * (angle - self.lamp)) + self.rings[(radius * 400).astype(int) % 256]
        bevel = np.clip(1 + flange / 0.02, 0, 1)  # towards the flange's edge
        tone = turned_steel * (1 + 0.35 * bevel * np.cos(angle - self.lamp))
        head, facing = self._hexagon()
        on_head = np.clip(-head * size + 0.5, 0, 1)
        contact = np.clip(1 - head / 0.03, 0, 1)  # the head's shadow on the flange
        tone = tone * (1 - 0.35 * contact * (0.6 - 0.4 * np.cos(angle - self.lamp)))
        chamfer = np.clip(1 + head / 0.025, 0, 1)
        top = 1.12 + 0.05 * np.cos(2 * (angle - self.lamp)) + 0.5 * self.rings[(radius * 300).astype(int) % 256]
        top = top * (1 + 0.45 * chamfer * np.cos(facing - self.lamp)) - 0.3 * self._grade_marks(radius, angle)
        tone = tone + (top - tone) * on_head
        return np.multiply.outer(tone * self.scale, STEEL)

    def _hexagon(self) -> tuple[Array, Array]:
        """Signed distance to the head's outline, and which way its nearest flat faces (radians)."""
        sides = np.arange(6) * (np.pi / 3)
        distances = np.stack([self.x * np.cos(s) + self.y * np.sin(s) for s in sides]) - HEAD
        return distances.max(0).astype(np.float32), sides[distances.argmax(0)]

    def _grade_marks(self, radius: Array, angle: Array) -> Array:
        """(size, size) in [0, 1]: short radial strokes stamped into the head."""
        size = len(self.x)
        turns = (angle / (2 * np.pi) % 1) * MARKS
        sideways = np.abs((turns % 1) - 0.5) * (2 * np.pi / MARKS) * radius
        across = np.clip((0.009 - sideways) * size + 0.5, 0, 1)
        along = np.clip((0.034 - np.abs(radius - 0.115)) * size + 0.5, 0, 1)
        return across * along * self.marks[np.floor(turns).astype(int) % MARKS]


def sample(rng: Generator, size: int) -> Bolt:
    """A bolt: place, turn, size, lathe marks and light differ."""
    x, y = grid(size)
    turn, zoom = rng.normal(0, 0.06), rng.uniform(0.98, 1.02)
    x, y = turned((x - rng.normal(0, 0.012)) * zoom, (y - rng.normal(0, 0.012)) * zoom, turn)
    return Bolt(
        x=x,
        y=y,
        lamp=rng.normal(-2.2, 0.15) - turn,
        rings=0.035 * rng.standard_normal(256, np.float32),
        scale=1 + 0.025 * clouds(rng, size, (8, 8)) + 0.015 * clouds(rng, size, (50, 50)),
        belt=1 + 0.05 * clouds(rng, size, (40, 40)) + 0.04 * clouds(rng, size, (5, 5)),
        light=light(rng, size),
        teeth=np.clip(1 + 0.06 * rng.standard_normal(TEETH), 0, 1.2),
        marks=rng.uniform(0.85, 1, MARKS),
    )


def _place(rng: Generator, scene: Bolt, low: float, high: float) -> Array:
    """(2,) the image point (x, y) of a place between two distances from the bolt's middle."""
    wanted = rng.uniform(low, high) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    row, column = np.unravel_index(np.abs(scene.x + 1j * scene.y - wanted).argmin(), scene.x.shape)
    return (np.array([column, row]) + 0.5) / len(scene.x) - 0.5


def _missing_tooth(rng: Generator, scene: Bolt, strength: float) -> Array:
    teeth = scene.teeth.copy()
    teeth[rng.integers(TEETH)] *= 1 - strength
    return replace(scene, teeth=teeth).draw()


def _scratch(rng: Generator, scene: Bolt, strength: float) -> Array:
    picture = scene.draw()
    line = stroke(rng, len(picture), _place(rng, scene, 0, 0.26), rng.uniform(0.1, 0.25), 0.008, 0.08)
    return picture + strength * line[..., None]


def _rust(rng: Generator, scene: Bolt, strength: float) -> Array:
    picture = scene.draw()
    size = len(picture)
    patch = blob(rng, size, _place(rng, scene, 0.05, 0.28), rng.uniform(0.03, 0.08), 0.03)
    mottled = patch * np.clip(1 + 0.4 * clouds(rng, size, (30, 30)), 0, 1.5)
    return mix(picture, picture * np.array([0.85, 0.5, 0.25], np.float32), mottled * strength * 1.5)


def _dent(rng: Generator, scene: Bolt, strength: float) -> Array:
    picture = scene.draw()
    middle, radius = _place(rng, scene, 0, 0.28), rng.uniform(0.025, 0.045)
    x, y = grid(len(picture))
    x, y = turned(x - middle[0], y - middle[1], -2.2)
    bowl = np.exp(-((np.hypot(x, y) / radius) ** 2))
    return picture * (1 + strength * 2.3 * bowl * x / radius)[..., None]


def _missing_mark(rng: Generator, scene: Bolt, strength: float) -> Array:
    marks = scene.marks.copy()
    marks[rng.integers(MARKS)] *= 1 - strength
    return replace(scene, marks=marks).draw()


DEFECTS: dict[str, Defect] = {
    "missing_tooth": _missing_tooth,
    "scratch": _scratch,
    "rust": _rust,
    "dent": _dent,
    "missing_mark": _missing_mark,
}
