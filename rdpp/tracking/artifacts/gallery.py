"""The gallery of a run: one HTML page with its heatmaps over the epochs. It needs no network."""

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from rdpp.tracking.artifacts.figures import Heatmap
from rdpp.tracking.conventions.names import printable

_SIDE = 256
"""Largest height or width of a picture, in pixels."""
_QUALITY = 75
_HELD_OUT = "held_out_"
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Frame:
    """What one epoch made of an image."""

    key: str
    """Of the picture, such as `miss/1_scratch_000`: the same at every epoch."""
    title: str
    epoch: int
    found: str
    """Score, threshold and verdict."""
    scale: str
    """What the colours mean."""
    map: str
    """Data URI."""
    image: str | None
    """The same of the image with the mask's outline; of the first epoch alone."""


def frame_of(drawn: Heatmap, key: str, image: np.ndarray | None) -> Frame:
    """What is kept of a drawn heatmap. `image`: (H, W, 3) uint8, of the first epoch alone."""
    uri = None if image is None else _uri(image)
    return Frame(key, drawn.title, drawn.epoch, drawn.found, drawn.scale, _uri(drawn.colours), uri)


def gallery_page(frames: Sequence[Frame], about: str, chosen: int | None) -> str:
    """The page: pictures in the order of their first frames.

    Args:
        frames: of all pictures.
        about: the run, in words.
        chosen: the epoch that counts; None: the last one.
    """
    pictures: dict[str, dict[str, Any]] = {}
    for frame in sorted(frames, key=lambda frame: frame.epoch):
        kind = frame.key.partition("/")[0]
        begun = {"kind": kind.removeprefix(_HELD_OUT), "held_out": kind.startswith(_HELD_OUT), "title": frame.title}
        own = pictures.setdefault(frame.key, {**begun, "image": None, "frames": []})
        own["image"] = own["image"] or frame.image
        shown = {"epoch": frame.epoch, "found": frame.found, "scale": frame.scale, "map": frame.map}
        own["frames"].append(shown)
    in_order = [pictures[key] for key in dict.fromkeys(frame.key for frame in frames)]
    last = max(frame.epoch for frame in frames)
    data = printable({"about": about, "chosen": last if chosen is None else chosen, "pictures": in_order})
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rdpp.tracking.artifacts", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("gallery.html").render(about=data["about"], data=data)


def read_gallery(page: str) -> Any:
    """The data of a page: `about`, `chosen`, and `pictures` with `kind`, `held_out`, `title`, `image` and `frames`."""
    found = _DATA.search(page)
    assert found is not None
    return json.loads(found.group(1))


def _uri(pixels: np.ndarray) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
