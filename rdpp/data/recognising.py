"""Which layout a data set has, by the names of its folders and files."""

import shlex
from pathlib import Path

from rdpp.config import ConfigError, choose
from rdpp.data.files import printable
from rdpp.data.readers import AUTO, READERS, Reader

_GENERAL = "mvtec_ad"
"""It takes every folder with a folder `train`, and so gives way to all other layouts."""
_NAMED_ONLY = "folder"
_SYNTHETIC = "synthetic"
"""Name of the folder that the demonstrations read."""


def reader_at(root: Path, reader: str | Reader) -> Reader:
    """The reader of a data set.

    Args:
        root: of the data set.
        reader: a name in READERS, `auto`, or a reader with its settings.

    Raises:
        ConfigError: an unknown name; for `auto` no folder, or one that fits no layout, or several.
    """
    if not isinstance(reader, str):
        return reader
    choose(reader, (AUTO, *READERS), "reader")
    return READERS[_recognise(root) if reader == AUTO else reader]()


def name_of(reader: Reader) -> str:
    """In READERS."""
    return next(name for name, kind in READERS.items() if type(reader) is kind)


def described(reader: Reader) -> str:
    """`MVTec AD (data.reader: mvtec_ad)`, and what of the data set's own evaluation is not computed."""
    return "; ".join(filter(None, (f"{reader.title} (data.reader: {name_of(reader)})", reader.not_computed)))


def no_folder(root: Path, layout: str = "") -> ConfigError:
    """The error for a data set that is not there, with how to get one. `layout`: such as ` in the BTAD layout`."""
    if root.name == _SYNTHETIC:
        return ConfigError(f"no data in {printable(root)}; run: rdpp data synth {shlex.quote(str(root))}")
    return ConfigError(
        f"no data folder at {printable(root)}; give one{layout} with --data DIR, or get one by rdpp data download "
        "or rdpp data synth"
    )


def advice(root: Path, categories: list[str]) -> str:
    """What to do about a folder without categories, given the names of those in the folder above it."""
    root = root.absolute()
    if root.name in categories:
        return f"it is a category itself: give the folder above it with --data {printable(root.parent)}"
    return "give another folder with --data DIR"


def _recognise(root: Path) -> str:
    if not root.is_dir():
        raise no_folder(root)
    found = _claims(root)
    if not found:
        above = [name for names in _claims(root.absolute().parent).values() for name in names]
        raise ConfigError(
            f"{printable(root)} has no layout that is recognised, such as MVTec AD's "
            f"({READERS[_GENERAL].layout}); {advice(root, above)}, or name its layout in data.reader: "
            f"{', '.join(READERS)} (folder takes any tree, by globs)"
        )
    if len(found) > 1:
        fitting = "; ".join(f"{name} ({', '.join(map(printable, names[:3]))})" for name, names in found.items())
        raise ConfigError(
            f"{printable(root)} fits several layouts: {fitting}; name one in data.reader, or lay the data sets in "
            "folders of their own"
        )
    return next(iter(found))


def _claims(root: Path) -> dict[str, list[str]]:
    """The categories of each layout that has some."""
    names = {name: kind().categories(root) for name, kind in READERS.items() if name != _NAMED_ONLY}
    special = {category for name in names if name != _GENERAL for category in names[name]}
    names[_GENERAL] = [category for category in names[_GENERAL] if category not in special]
    return {name: categories for name, categories in names.items() if categories}
