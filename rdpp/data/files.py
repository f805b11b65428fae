"""What is found out about a file once a process: its digest, its size as an image."""

import functools
import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from rdpp.config import ConfigError

T = TypeVar("T")

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
_opening = threading.Lock()
_ON_ITS_SIDE = (5, 6, 7, 8)
_SETTLED = 50_000_000
"""Nanoseconds: a few ticks of the clock by which file systems stamp changes. Two changes in one tick look the same."""


def once_per_content(find: Callable[[Path], T]) -> Callable[[Path], T]:
    """Let a function of a file's content run again only after the file has changed.

    A change shows in the file's size, inode or time stamps. What was written a moment ago is not remembered yet, since
    its time stamps might not show the next change.

    Args:
        find: takes the path of a file; what it raises is not remembered.
    """
    known: dict[Path, tuple[tuple[int, ...], T]] = {}

    @functools.wraps(find)
    def remembered(path: Path) -> T:
        now = time.time_ns()
        try:
            found = os.stat(path)
        except OSError:
            raise undecodable(path) from None
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if path in known and known[path][0] == stamp:
            return known[path][1]
        value = find(path)
        if abs(now - found.st_mtime_ns) > _SETTLED:
            known[path] = stamp, value
        return value

    return remembered


@once_per_content
def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits; computed once a process while the file stays as it is.

    Raises:
        ConfigError: a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise undecodable(path) from None


@once_per_content
def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture, from the file's header; read once a process while the file
    stays as it is.

    Raises:
        ConfigError: not an image.
    """
    if not path.is_file():
        raise undecodable(path)
    try:
        with open_any_size(path) as image:
            turned = image.format != "TIFF" and _is_turned(image, path)
            return (image.height, image.width) if turned else image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise undecodable(path) from None


def open_any_size(path: str | bytes | Path) -> ImageFile:
    """Open an image, which reads its header, whatever its size: `data.max_megapixels` is the limit here.

    Pillow's own limit is one for the process. It is off only while a file is opened, by one thread at a time.
    """
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _is_turned(image: Image.Image, path: Path) -> bool:
    """Whether EXIF lays the picture on its side. Of a PNG, which Pillow would decode whole, only where it has EXIF."""
    if image.format == "PNG" and not ("exif" in image.info or b"eXIf" in path.read_bytes()):
        return False
    try:
        return image.getexif().get(ORIENTATION) in _ON_ITS_SIDE
    except (OSError, SyntaxError, ValueError, struct.error):
        return False  # as in `decode`: a block that cannot be read says nothing


def undecodable(path: Path) -> ConfigError:
    """The error for a file that is no image, or a broken one."""
    return ConfigError(
        f"cannot decode the image {printable(path)}; repair it or take it (and its mask) out of the folder"
    )


def printable(name: object) -> str:
    """A path or name as text that every encoding takes: bytes of a name that are not UTF-8 become `\\xff`."""
    return os.fsencode(str(name)).decode("utf-8", "backslashreplace")
