"""Which files of a folder are images, and why the others are passed over."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rdpp.config import ConfigError
from rdpp.data.files import printable

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pnm", ".jp2"}
)
"""Of images, in small letters; files may have capital ones."""
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class Listing:
    """The regular files below a folder, those in folders of it too."""

    images: tuple[Path, ...]
    """Sorted."""
    passed_over: Mapping[str, tuple[Path, ...]]
    """By reason, such as `hidden` or `suffix .txt`. A folder stands for all that lies in it."""


def list_images(folder: Path) -> Listing:
    """Look through a folder; nothing in it is opened. Links are followed, but to no folder above themselves.

    Raises:
        ConfigError: a folder that may not be read.
    """
    images: list[Path] = []
    passed: dict[str, list[Path]] = {}
    for path, reason in _walk(folder, ()):
        if reason is None:
            images.append(path)
        else:
            passed.setdefault(reason, []).append(path)
    return Listing(tuple(sorted(images)), {reason: tuple(sorted(passed[reason])) for reason in sorted(passed)})


def images_in(folder: Path) -> list[Path]:
    """The images below a folder, sorted; none where there is no such folder."""
    return list(list_images(folder).images)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder that may hold images, sorted; none where there is no such folder."""
    return [path for path in _entries(folder) if path.is_dir() and _reason(path) is None]


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Path, str | None]]:
    if not folder.is_dir():
        return
    found = folder.stat()
    here = (found.st_dev, found.st_ino)
    if here in above:
        yield folder, "link to a folder above"
        return
    for path in _entries(folder):
        reason = _reason(path)
        if reason is None and path.is_dir():
            yield from _walk(path, (*above, here))
        else:
            yield path, reason


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"cannot list the folder {printable(folder)} ({error.strerror}); allow it to be read"
        ) from None


def _reason(path: Path) -> str | None:
    """Why a file or folder is passed over; None for an image, and for a folder to look into."""
    name, suffix = path.name.lower(), path.suffix.lower()
    if name.startswith("._") or name in _OF_SYSTEMS:
        return "file of an operating system"
    if name.startswith("."):
        return "hidden"
    try:
        found = path.stat()
    except FileNotFoundError:
        return "dangling link"
    except OSError as error:
        return f"unreadable ({os.strerror(error.errno or 0)})"
    if stat.S_ISDIR(found.st_mode):
        return "folder with an image's name" if suffix in SUFFIXES else None
    if not stat.S_ISREG(found.st_mode):
        return "no regular file"
    if suffix not in SUFFIXES:
        return f"suffix {printable(suffix)}" if suffix else "no suffix"
    return None if found.st_size else "empty file"
