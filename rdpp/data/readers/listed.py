"""Data sets that name their images in a file."""

import csv
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rdpp.config import ConfigError
from rdpp.data.files import once_per_content, printable
from rdpp.data.item import GOOD, Item


@once_per_content
def read_json(path: Path) -> Any:
    """ConfigError: no JSON."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


@once_per_content
def read_csv(path: Path) -> tuple[dict[str, str], ...]:
    """The rows by the names of their columns. ConfigError: no text in UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return tuple({str(key): value or "" for key, value in row.items()} for row in csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from None


def entry(row: Any, key: str, path: Path) -> str:
    """A text that a file must have; ConfigError where it lacks it."""
    try:
        value = row[key]
    except (KeyError, TypeError, IndexError):
        raise ConfigError(
            f"{printable(path)} lacks '{key}' in {str(row)[:80]}; fetch the data set's own file"
        ) from None
    return str(value)


def below(base: Path, name: str, source: Path) -> Path:
    """The file or folder that an entry names; ConfigError where that is not below the base."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(f"{printable(source)} names '{printable(name)}', which is not below {printable(base)}")
    return base / name


def listed_item(root: Path, image: Path, defect_type: str, mask: Path | None) -> Item:
    """An item of paths below the root; `mask` counts for a defective image alone."""
    path = image.relative_to(root)
    if defect_type == GOOD:
        return Item(path, GOOD, False)
    return Item(path, defect_type, True, None if mask is None else (mask.relative_to(root),))


def present(root: Path, items: Iterable[Item], source: Path) -> tuple[Item, ...]:
    """The items by path, if their files are there; none if no image is.

    Raises:
        ConfigError: some files are there, and some are missing, or one is named twice.
    """
    items = sorted(items, key=lambda item: item.path)
    if not any((root / item.path).is_file() for item in items):
        return ()
    files = [path for item in items for path in item.files]
    missing = [path for path in files if not (root / path).is_file()]
    if missing:
        raise ConfigError(
            f"{len(missing)} of {len(files)} files that {printable(source)} names are missing, first "
            f"{printable(root / missing[0])}; fetch them, or take their entries out of that file"
        )
    twice = [one.path for one, other in itertools.pairwise(items) if one.path == other.path]
    if twice:
        raise ConfigError(f"{printable(source)} names {printable(twice[0])} twice; take one entry out")
    return tuple(items)


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"cannot read {printable(path)} ({str(error).splitlines()[0][:100]}); fetch it again")
