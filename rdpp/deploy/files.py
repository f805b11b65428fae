"""Which images are asked about, and what the files made of them are called."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rdpp.config import ConfigError
from rdpp.data.listing import images_in

LISTED = "-"
"""Stands for paths on standard input, one a line."""
MAPS = "maps"
"""The folder of maps within that of a prediction."""


def images_of(given: Sequence[str], lines: Iterable[str], out: Path) -> list[Path]:
    """The images that arguments name, each once, in order.

    Args:
        given: files, folders (all images below them), globs, or `-`.
        lines: what `-` stands for. A path among them need not be there: that is told when its turn comes.
        out: the folder of an earlier prediction, whose maps are none of the images where a folder or glob holds them.

    Raises:
        ConfigError: an argument that names no image.
    """
    maps = os.path.abspath(out / MAPS) + os.sep
    found: dict[str, Path] = {}
    for argument in given:
        named = list(_named(argument, lines))
        if argument != LISTED and not Path(argument).is_file():
            named = [path for path in named if not os.path.abspath(path).startswith(maps)]
        if not named:
            raise ConfigError(_nothing(argument))
        for path in named:
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def _named(argument: str, lines: Iterable[str]) -> Iterator[Path]:
    path = Path(argument)
    if argument == LISTED:
        yield from (Path(line) for line in map(str.strip, lines) if line)
    elif path.is_dir():
        yield from images_in(path)
    elif path.exists():
        yield path
    else:
        for match in map(Path, sorted(glob.glob(argument, recursive=True))):
            yield from images_in(match) if match.is_dir() else [match]


def _nothing(argument: str) -> str:
    if argument == LISTED:
        return "no image on standard input; give one path a line"
    if Path(argument).is_dir():
        return f"no image below the folder {argument}; name files, folders with images, or globs"
    return f"no image at {argument}; name files, folders with images, or globs in quotes"


def own_names(images: Sequence[Path]) -> list[Path]:
    """A relative path for each image, no two alike: its place below the folder that all of them lie in.

    >>> [name.as_posix() for name in own_names([Path("/a/x/1.png"), Path("/a/y/1.png")])]
    ['x/1.png', 'y/1.png']
    """
    absolute = [os.path.abspath(path) for path in images]
    common = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(os.path.relpath(path, common)) for path in absolute]
