"""Predictions as files: maps of each image, a table (CSV) and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter

from rdpp.config import choose
from rdpp.data import printable
from rdpp.deploy.ahead import alone_if_large
from rdpp.deploy.files import MAPS
from rdpp.deploy.prediction import ImagePrediction, Unreadable
from rdpp.models import STRIDES

HIGHEST = 2.0 * len(STRIDES)
"""No anomaly map lies above: a sum over stages of 1 - cos."""
_WHITE = 65535
_STRIP = 512
"""Rows that are drawn at a time."""
_QUICK = 1
"""PNG's compression: the highest takes several times as long for files a fifth smaller."""
_OUTLINE = (0, 255, 120)
_COLUMNS = ("image", "score", "defective", "threshold", "regions")
_OF_HIGHEST = ("left", "top", "width", "height", "area", "peak_x", "peak_y")

Row = dict[str, Any]
"""What is told of one image, as JSON takes it."""


def overlay(prediction: ImagePrediction, pixels: np.ndarray) -> Image.Image:
    """The image with its map laid over it as colours, and its regions outlined.

    Colours go from 0 to twice the pixel threshold, so that images can be compared; without one, to the map's maximum.

    Args:
        prediction: of the image.
        pixels: (height, width, 3) float32 in [0, 1].
    """
    import matplotlib

    limit = prediction.pixel_threshold
    scale = np.float32(255 / (2 * limit if limit else max(prediction.score, 1e-12)))
    colours = matplotlib.colormaps["inferno"](np.arange(256), bytes=True)[:, :3] * np.float32(0.45)
    drawn = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _STRIP):  # a large image's floats are not all there at once
        rows = slice(top, top + _STRIP)
        heat = (prediction.map[rows] * scale).clip(0, 255).astype(np.uint8)
        drawn[rows] = np.float32(0.55 * 255) * pixels[rows] + colours[heat]
    if limit is not None:
        drawn[_outline(prediction.map > limit)] = _OUTLINE
    return Image.fromarray(drawn)


def _outline(inside: np.ndarray) -> np.ndarray:
    """(height, width) bool: a line around the regions, one pixel wide on small images."""
    width = max(1, max(inside.shape) // 500)
    return (maximum_filter(inside.view(np.uint8), 2 * width + 1) > 0) & ~inside


def sixteen_bits(anomaly_map: np.ndarray) -> Image.Image:
    """A map as grey of 16 bits: 0 is black, HIGHEST is white."""
    scaled = np.rint(anomaly_map.clip(0, HIGHEST) * (_WHITE / HIGHEST))
    return Image.fromarray(scaled.astype(np.uint16))


class MapWriter:
    """Writes the maps of one prediction, at the image's own size."""

    def __init__(self, out: Path, kinds: Sequence[str], pixels_of: Callable[[Path], np.ndarray]) -> None:
        """Args:
        out: folder of all that is written.
        kinds: of KINDS.
        pixels_of: reads an image file as (height, width, 3) float32 in [0, 1].
        """
        for kind in kinds:
            choose(kind, KINDS, "kind of map")
        self._out, self._kinds, self._pixels_of = out, kinds, pixels_of

    def __call__(self, entry: tuple[Path, ImagePrediction | Unreadable]) -> Row:
        """What is told of an image; its name in the output says what its files are called."""
        name, found = entry
        if isinstance(found, Unreadable):
            return {"image": found.name, "error": found.reason}
        with alone_if_large(*found.size):
            return _row(found, {kind: self._write(kind, name, found) for kind in self._kinds})

    def _write(self, kind: str, name: Path, found: ImagePrediction) -> str:
        suffix, write = KINDS[kind]
        path = self._out / MAPS / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(self, found, path)
        return printable(path.relative_to(self._out).as_posix())

    def _overlay(self, found: ImagePrediction, path: Path) -> None:
        assert found.path is not None
        overlay(found, self._pixels_of(found.path)).save(path, compress_level=_QUICK)

    def _png16(self, found: ImagePrediction, path: Path) -> None:
        sixteen_bits(found.map).save(path, compress_level=_QUICK)

    def _npy(self, found: ImagePrediction, path: Path) -> None:
        np.save(path, found.map, allow_pickle=False)


KINDS: Mapping[str, tuple[str, Callable[[MapWriter, ImagePrediction, Path], None]]] = {
    "overlay": (".overlay.png", MapWriter._overlay),
    "png16": (".map.png", MapWriter._png16),
    "npy": (".npy", MapWriter._npy),
}
"""By name: the end of the file's name, and what writes it."""


def _row(found: ImagePrediction, files: Mapping[str, str]) -> Row:
    row: Row = {"image": found.name, **found.told(), "maps": dict(files)}
    if "png16" in files:
        row["png16_scale"] = {"black": 0.0, "white": HIGHEST}
    return row


class Table:
    """predictions.csv and predictions.jsonl in a folder, written row by row."""

    def __init__(self, out: Path) -> None:
        self._files = ExitStack()
        self._csv = self._files.enter_context((out / "predictions.csv").open("w", newline="", encoding="utf-8"))
        self._json = self._files.enter_context((out / "predictions.jsonl").open("w", encoding="utf-8"))
        self._rows = csv.writer(self._csv)
        self._rows.writerow([*_COLUMNS, *_OF_HIGHEST, "error"])

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()

    def add(self, row: Row) -> None:
        """One image. In the CSV it has its highest region alone."""
        self._json.write(json.dumps(row) + "\n")
        if "error" in row:
            self._rows.writerow([row["image"], *[""] * (len(_COLUMNS) - 1 + len(_OF_HIGHEST)), row["error"]])
        else:
            self._rows.writerow([*_cells(row), *_highest(row["regions"]), ""])
        for file in (self._json, self._csv):
            file.flush()  # what is done stays, however the process ends


def _cells(row: Row) -> Iterable[object]:
    verdict = {True: "true", False: "false", None: ""}[row["defective"]]
    return row["image"], row["score"], verdict, row["threshold"], len(row["regions"])


def _highest(regions: Sequence[Mapping[str, Any]]) -> Iterable[object]:
    if not regions:
        return [""] * len(_OF_HIGHEST)
    first = regions[0]
    return [*(first[key] for key in _OF_HIGHEST[:5]), *first["peak"]]
