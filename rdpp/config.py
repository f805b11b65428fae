"""Mappings to frozen dataclasses and back, strictly: every key is known, every value has its declared type.

A field's type is the schema: numbers, strings, booleans, None, Literal, tuple[T, ...], Mapping[str, T],
dataclasses, and unions of dataclasses told apart by their Literal fields (``kind: Literal["float"]``). Where the choice
is open to new classes, the field names their registry: ``Annotated[Noise, Registered(NOISES)]``; see `Registered`.
Ranges are checked in the dataclass's own ``__post_init__`` with `require`.
"""

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that a user can mend. The message names the value, the choices and the remedy."""


@dataclass(frozen=True, eq=False)  # by identity: a type that it annotates must be hashable
class Registered:
    """The registry that a field's value is built from, as the metadata of an `Annotated` type.

    A field of one value, such as a noise, is a mapping whose `name` says which entry of the registry the other keys are
    for; without a `name` it is the first. A field of several values, such as the losses, maps the names of entries to
    their settings; null leaves an entry out. Values come in the registry's order, whatever order the file has.
    """

    registry: Mapping[str, Any]
    """By name: a dataclass, or a union of dataclasses."""


def require(condition: bool, message: str) -> None:
    """Raise ConfigError(message) unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def choose(value: str, choices: Iterable[str], what: str, *, none: str = "") -> str:
    """Return value if it is one of the choices, else raise ConfigError with the nearest one; where there are no
    choices, with what to do then (`none`).

    >>> choose("simplx", ["simplex", "gaussian"], "noise")
    Traceback (most recent call last):
    rdpp.config.ConfigError: unknown noise 'simplx', did you mean 'simplex'? choices: gaussian, simplex
    """
    names = sorted(choices)
    if value in names:
        return value
    if not names:
        raise ConfigError(f"unknown {what} '{value}': there is none yet{none and '; '}{none}")
    near = difflib.get_close_matches(value, names, 1)
    hint = f", did you mean '{near[0]}'?" if near else ";"
    raise ConfigError(f"unknown {what} '{value}'{hint} choices: {', '.join(names)}")


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits of a value that JSON can write; the order of a mapping's keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def decode(kind: Any, value: Any, path: str = "") -> Any:
    """Build a value of type `kind` from plain YAML data.

    Args:
        kind: a type as it stands in a dataclass field.
        value: what YAML gives for it.
        path: the dotted path of the value, for messages.

    Raises:
        ConfigError: unknown key, wrong type, value out of range.
    """
    if dataclasses.is_dataclass(kind) and isinstance(value, kind):  # type: ignore[arg-type]
        return value
    if kind is Any:
        return value
    origin = get_origin(kind)
    if origin is Annotated:
        (marker,) = (m for m in get_args(kind)[1:] if isinstance(m, Registered))
        return _decode_registered(get_args(kind)[0], marker.registry, value, path)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value, path)
    if origin is Literal:
        return _decode_literal(get_args(kind), value, path)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong_type(path, "a list", value)
        return tuple(decode(get_args(kind)[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if _is_mapping(kind):
        return {k: decode(get_args(kind)[1], v, join(path, k)) for k, v in _mapping(value, path).items()}
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, _mapping(value, path), path)
    return _decode_scalar(kind, value, path)


def encode(value: Any) -> Any:
    """The plain YAML data that `decode` turns into an equal value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {k: encode(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [encode(v) for v in value]
    return value


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted path.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    flat: dict[str, Any] = {}
    for key, value in data.items():
        path = join(prefix, key)
        flat |= flatten(value, path) if isinstance(value, Mapping) else {path: value}
    return flat


def join(path: str, key: object) -> str:
    """A dotted path one step longer."""
    return f"{path}.{key}" if path else str(key)


def _decode_dataclass(kind: Any, mapping: Mapping[str, Any], path: str) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in mapping:
        choose(str(key), fields, f"key in {path}" if path else "key")
    values = {k: decode(hints[k], v, join(path, k)) for k, v in mapping.items()}
    for name, field in fields.items():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        require(
            name in values or not no_default,
            f"{join(path, name)} is missing; add it ({_describe(hints[name])})",
        )
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


def _decode_registered(kind: Any, registry: Mapping[str, Any], value: Any, path: str) -> Any:
    if value is None and types.NoneType in get_args(kind):
        return None
    if dataclasses.is_dataclass(value):
        return value
    mapping = _mapping(value, path)
    if _is_mapping(kind):
        for name in mapping:
            choose(str(name), registry, f"key in {path}")
        given = {name: entry for name, entry in registry.items() if mapping.get(name) is not None}
        return {name: decode(entry, mapping[name], join(path, name)) for name, entry in given.items()}
    name = choose(str(mapping.get("name", next(iter(registry)))), registry, join(path, "name"))
    return decode(registry[name], mapping, path)


def _decode_union(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    kinds = tuple(k for k in kinds if k is not types.NoneType)
    if dataclasses.is_dataclass(value) and isinstance(value, tuple(k for k in kinds if isinstance(k, type))):
        return value
    if len(kinds) == 1:
        return decode(kinds[0], value, path)
    if all(dataclasses.is_dataclass(k) for k in kinds):
        return _decode_tagged(kinds, _mapping(value, path), path)
    errors = []
    for kind in kinds:
        try:
            return decode(kind, value, path)
        except ConfigError as error:
            errors.append(error)
    raise _wrong_type(path, " or ".join(_describe(k) for k in kinds), value)


def _decode_tagged(kinds: tuple[Any, ...], mapping: Mapping[str, Any], path: str) -> Any:
    tag = next(f.name for f in dataclasses.fields(kinds[0]) if get_origin(f.type) is Literal)
    by_name = {get_args(typing.get_type_hints(k)[tag])[0]: k for k in kinds}
    default = next(f.default for f in dataclasses.fields(kinds[0]) if f.name == tag)
    name = choose(str(mapping.get(tag, default)), by_name, join(path, tag))
    return decode(by_name[name], mapping, path)


def _decode_literal(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if isinstance(value, bool) and ("on" if value else "off") in choices:  # YAML 1.1 reads these words as booleans
        return "on" if value else "off"
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    choose(str(value), [str(c) for c in choices], f"value for {path}")
    raise _wrong_type(path, " or ".join(map(repr, choices)), value)


def _decode_scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as a string
        try:
            value = float(value)
        except ValueError:
            raise _wrong_type(path, "a number", value) from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _wrong_type(path, _describe(kind), value)
    return value


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong_type(path, "a mapping of keys to values", value)
    return value


def _wrong_type(path: str, wanted: str, value: Any) -> ConfigError:
    quotes = "; put it in quotes" if wanted == "text" and isinstance(value, int | float) else ""
    return ConfigError(f"{path or 'value'} must be {wanted}, got {value!r}{quotes}")


def _describe(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"a list of {_describe(get_args(kind)[0])}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))
