"""Image files by their meaning: whatever its depth and kind, a file becomes numbers from 0, black, to 1, white.

| file                                   | white                                                            |
|----------------------------------------|------------------------------------------------------------------|
| 1 to 8 bits, palette, CMYK             | 255 (as Pillow spreads fewer bits)                               |
| 16 bits, grey or colour                | 65535                                                            |
| 12 bits (TIFF), PGM of another maximum | what the file states                                             |
| 32-bit integers                        | 65535: what is kept in them comes from 16 bits                   |
| floating point                         | 1                                                                |

`Reading.white` sets another white for what is deeper than 8 bits. A value beyond black and white is refused: no rule
looks at the content of one image to guess a scale, since images would then differ in scale.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL.ImageFile import ImageFile

from rdpp.config import ConfigError
from rdpp.data.files import ORIENTATION, open_any_size, undecodable

MAX_MEGAPIXELS = 179.0  # Pillow's own limit
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error)
"""What Pillow raises for files that are no images, or broken ones."""
_TOLERANCE = 1e-3
"""By which a floating point value may lie beyond black or white, from resampling; it is cut off."""
_PHOTOMETRIC = 262  # of TIFF's tags
_USUAL_WHITES = (255, 1023, 4095, 16383, 65535)

Fit = Literal["stretch", "pad"]


@dataclass(frozen=True)
class Reading:
    """How files are read; see `DataConfig` for the keys."""

    white: float | None = None
    mask_threshold: float | None = None
    fit: Fit = "stretch"
    max_megapixels: float = MAX_MEGAPIXELS


BY_TYPE = Reading()
"""The default: what a file's type says."""


@dataclass(frozen=True)
class Raw:
    """A decoded file in its own numbers, upright."""

    values: np.ndarray
    """(H, W) where it is grey, (H, W, 3) where it has colours."""
    alpha: np.ndarray | None
    """(H, W) in the same numbers; None where everything is opaque."""
    white: float
    kind: str
    """Depth and colours, for people: `16-bit grey`; and of how many pages the first is read."""

    @property
    def deep(self) -> bool:
        """More than 8 bits."""
        return not self.kind.startswith("8-bit")


@contextmanager
def opened(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[ImageFile]:
    """An image file, opened; what goes wrong with it in the block is told in one line.

    Raises:
        ConfigError: no image, a broken one, or one of more than max_megapixels.
    """
    if not path.is_file():  # such as a named pipe, which would never be read to its end
        raise undecodable(path)
    try:
        with open_any_size(path) as image:
            megapixels = image.width * image.height / 1e6
            if megapixels > max_megapixels:
                raise ConfigError(
                    f"the image {path} has {megapixels:.0f} megapixels, more than data.max_megapixels "
                    f"({max_megapixels:g}); set that key to {np.ceil(megapixels):.0f} or more if the file is right, "
                    "or take it out of the folder"
                )
            yield image
    except ConfigError:
        raise
    except _BROKEN:
        raise undecodable(path) from None


def decode(path: Path, reading: Reading = BY_TYPE) -> tuple[np.ndarray, Raw]:
    """An image as the network's input, not yet resized.

    Alpha is left out, as in the released code: colours count as they are stored, whether they are visible or not.

    Returns:
        (H, W, 3) float32 in [0, 1], RGB; and what lay in the file.

    Raises:
        ConfigError: no image, too large a one, or values beyond black and white.
    """
    with opened(path, reading.max_megapixels) as image:
        raw = raw_pixels(image, reading)
    return scaled(path, raw), raw


def scaled(name: object, raw: Raw) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1], RGB.

    Raises:
        ConfigError: values beyond black and white; it names the image.
    """
    check_range(name, raw)
    values = raw.values.astype(np.float32) / np.float32(raw.white)
    if raw.kind.startswith("float"):
        values = values.clip(0, 1)
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, 2)


def check_range(path: object, raw: Raw) -> None:
    """ConfigError where a value lies beyond black or white, or is none."""
    if not raw.deep:
        return
    if not np.isfinite(raw.values).all():
        raise ConfigError(f"the image {path} holds values that are not finite; repair it or take it out of the folder")
    low, high = float(raw.values.min()), float(raw.values.max())
    slack = _TOLERANCE * raw.white if raw.kind.startswith("float") else 0
    if low < -slack:
        raise ConfigError(
            f"the image {path} ({raw.kind}) holds values from {low:g} to {high:g}; none may lie below 0, black: "
            "shift and scale the files"
        )
    if high > raw.white + slack:
        usual = next((white for white in _USUAL_WHITES if white >= high), high)
        raise ConfigError(
            f"the image {path} ({raw.kind}) holds values up to {high:g}, but white is {raw.white:g}; say in data.white "
            f"which value is white, such as {usual:g}"
        )


def raw_pixels(image: ImageFile, reading: Reading) -> Raw:
    """The pixels of an opened image that is not loaded yet."""
    stored, codec = _raw_mode(image), image.tile[0][0] if image.tile else ""
    alpha = None
    if image.mode.startswith("I;16"):
        white, kind = (4095.0, "12-bit grey") if stored == "I;12" else (65535.0, "16-bit grey")
        values = np.asarray(image).astype(np.uint16)
    elif image.mode == "I":
        white, kind = (32767.0, "signed 16-bit grey") if stored == "I;16S" else (65535.0, "32-bit integer grey")
        kind = "16-bit grey" if image.format == "PPM" else kind
        values = np.asarray(image)
    elif image.mode == "F":
        values, white, kind = np.asarray(image), 1.0, "floating point grey"
    elif stored.startswith(("RGB;16", "RGBA;16", "LA;16")):
        values, alpha = _sixteen_bits(image, stored)
        white, kind = 65535.0, "16-bit grey" if values.ndim == 2 else "16-bit colour"
    else:
        values, alpha = _eight_bits(image)
        white, kind = 255.0, "8-bit grey" if image.mode in ("1", "L", "LA") else "8-bit colour"
    deep, states_its_white = not kind.startswith("8-bit"), codec == "ppm" or stored == "I;12"
    if reading.white is not None and deep and not states_its_white:
        white = reading.white
    if deep and image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:  # type: ignore[attr-defined]
        values = white - values.astype(np.float64)  # zero is white; of 8 bits Pillow takes care
    if image.format == "TIFF" and (pages := image.n_frames) > 1:  # type: ignore[attr-defined]
        kind = f"{kind}, first of {pages} pages"
    turn = upright(image)
    return Raw(turn(values), None if alpha is None else turn(alpha), white, kind)


def _raw_mode(image: ImageFile) -> str:
    """How the file stores its pixels: `RGB;16B` is told from `RGB` nowhere else."""
    arguments = image.tile[0][3] if image.tile else ""
    first = arguments if isinstance(arguments, str) else (arguments or ("",))[0]
    return first if isinstance(first, str) else ""


def _eight_bits(image: ImageFile) -> tuple[np.ndarray, np.ndarray | None]:
    if "A" in image.getbands() or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        return pixels[..., :3], pixels[..., 3]
    return np.asarray(image.convert("RGB")), None


def _sixteen_bits(image: ImageFile, stored: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours of 16 bits, of which Pillow keeps the high bytes. Read in the other order of bytes, it keeps the low."""
    if stored.startswith("LA;16"):  # four bytes a pixel: as such they are kept
        image.tile = [image.tile[0]._replace(args="RGBA")]
        high_first = np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)
        return high_first[..., 0], high_first[..., 1]
    tiles, path = image.tile, image.filename
    high = np.asarray(image).astype(np.uint16)
    with open_any_size(path) as again:
        again.tile = [tile._replace(args=_swapped(tile.args)) for tile in tiles]
        low = np.asarray(again)
    values = 256 * high + low
    return values[..., :3], values[..., 3] if values.shape[2] == 4 else None


def _swapped(arguments: object) -> object:
    """Decoder arguments with the other order of bytes; `N`, the machine's own, is little-endian wherever torch runs."""
    if isinstance(arguments, tuple):
        return tuple(_swapped(part) for part in arguments)
    if not isinstance(arguments, str) or ";16" not in arguments:
        return arguments
    return arguments[:-1] + ("L" if arguments.endswith("B") else "B")


def upright(image: ImageFile) -> Callable[[np.ndarray], np.ndarray]:
    """What turns the pixels of an image upright, as its EXIF block says."""
    return _UPRIGHT[_orientation(image)]


def _orientation(image: ImageFile) -> int:
    """EXIF's, 1 to 8; 1, upright, where there is none or the block cannot be read, as viewers have it."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except _BROKEN:
        return 1
    return found if found in _UPRIGHT else 1


_UPRIGHT: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}
"""By orientation. TIFF's own is seen to by Pillow."""
