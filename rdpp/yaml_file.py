"""YAML files, each complete or the difference from one named `base` beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rdpp.config import ConfigError, require


def read_yaml(path: Path, _above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, laid over that of its `base`, whose path is relative to the file.

    Raises:
        ConfigError: no such file, not a mapping, or a file that is its own base.
    """
    require(path.resolve() not in _above, f"{path} is its own base; take the line `base` out of one of the files")
    if not path.is_file():
        raise ConfigError(f"no file {path}; give the path of a YAML file")
    data = parse_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of keys to values")
    base = data.pop("base", None)
    return data if base is None else merge(read_yaml(path.parent / str(base), (*_above, path.resolve())), data)


def parse_yaml(path: Path) -> Any:
    """What a file holds, whatever its kind.

    Raises:
        ConfigError: no UTF-8, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))  # with the mark of some Windows editors or without
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}); save it as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over base, mapping by mapping.

    Where a change names another kind (`name`, `pairing`), the old kind's settings go, but for a loss's weight.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    >>> merge({"noise": {"name": "simplex", "octaves": 6}}, {"noise": {"name": "gaussian"}})
    {'noise': {'name': 'gaussian'}}
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(_same_kind(old, value), value)
        else:
            merged[key] = value
    return merged


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    if all(new.get(tag, old.get(tag)) == old.get(tag) for tag in ("name", "pairing")):
        return old
    return {"weight": old["weight"]} if "weight" in old else {}
