"""Tables of all keys of an experiment, a sweep and an ablation, read from the dataclasses that decode them.

A key's meaning is the string below its field; where its default comes from is the comment beside it.
"""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from rdpp.ablation.config import AblationConfig
from rdpp.experiment import ExperimentConfig
from rdpp.losses import LOSSES
from rdpp.noise import NOISES
from rdpp.sweep.config import SweepConfig

REGISTERED = {
    "noise": "[its own keys](#the-noises-of-an-experiment) or null",
    "losses": "[a mapping, one key a loss](#the-losses-of-an-experiment)",
}
SCALARS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def experiment() -> str:
    """All keys of an experiment file, a section for each part of it."""
    return _table(ExperimentConfig) + _parts(ExperimentConfig)


def noises() -> str:
    """The keys of each noise, a section for each."""
    return "".join(f"### noise: {name} {{ #noise-{name} }}\n\n{_kinds(noise)}" for name, noise in NOISES.items())


def losses() -> str:
    """The keys of each loss, a section for each."""
    return "".join(f"### losses.{name} {{ #losses-{name} }}\n\n{_kinds(loss)}" for name, loss in LOSSES.items())


def sweep() -> str:
    """The keys of a sweep file that are fields of SweepConfig."""
    return _table(SweepConfig) + _parts(SweepConfig, leave_out=("experiment",))


def ablation() -> str:
    """The keys of an ablation file that are fields of AblationConfig."""
    return _table(AblationConfig)


def _parts(owner: type, leave_out: tuple[str, ...] = ()) -> str:
    """A section for each field that holds dataclasses, and below it for each of their own such fields."""
    hints, text = typing.get_type_hints(owner), ""
    for field in dataclasses.fields(owner):
        inner = [] if field.name in leave_out else _dataclasses_in(hints[field.name])
        if inner:
            text += f"### {field.name} {{ #{_anchor(owner, field.name)} }}\n\n{_kinds(hints[field.name])}"
        text += "".join(_parts(one) for one in inner)
    return text


def _kinds(kind: Any) -> str:
    """One table for each dataclass of a type, each below its one-sentence description."""
    found = _dataclasses_in(kind)
    text = ""
    for one in found:
        tag = _tag(one) if len(found) > 1 else None
        title = f"**`{tag[0]}: {tag[1]}`** — " if tag else ""
        text += f"{title}{_summary(one)}\n\n{_table(one)}"
    return text


def _table(owner: type) -> str:
    """One row a field."""
    hints, texts = typing.get_type_hints(owner), field_texts(owner)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(owner):
        meaning, source = texts[field.name]
        told = f"{meaning} *Default from: {source}.*" if source else meaning
        value = _value(owner, field.name, hints[field.name])
        cells = (f"`{field.name}`", value, _default(field), told)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n\n"


def field_texts(owner: type) -> dict[str, tuple[str, str]]:
    """Meaning and source of each field of a dataclass, inherited ones too.

    Raises:
        ValueError: a field has no string below it.
    """
    texts: dict[str, tuple[str, str]] = {}
    for part in reversed(owner.__mro__):
        if dataclasses.is_dataclass(part):
            texts |= dict(_own_texts(part))
    missing = [field.name for field in dataclasses.fields(owner) if not texts[field.name][0]]
    if missing:
        raise ValueError(f"{owner.__module__}.{owner.__name__}: write a docstring below {', '.join(missing)}")
    return texts


def _own_texts(owner: type) -> Iterator[tuple[str, tuple[str, str]]]:
    lines = textwrap.dedent(inspect.getsource(owner)).splitlines()
    (tree,) = ast.parse("\n".join(lines)).body
    assert isinstance(tree, ast.ClassDef)
    for statement, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            _, _, comment = lines[(statement.end_lineno or 1) - 1].partition("  # ")
            yield statement.target.id, (_string(below), comment)


def _string(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


def _summary(owner: type) -> str:
    """The first paragraph of a class's docstring."""
    return " ".join((inspect.getdoc(owner) or "").split("\n\n")[0].split())


def _value(owner: type, name: str, kind: Any) -> str:
    """What may stand there, in words."""
    if name in REGISTERED:
        return REGISTERED[name]
    if kind is ExperimentConfig:
        return "path of a file"
    parts = _dataclasses_in(kind)
    if parts and get_origin(kind) is not None and issubclass_of(get_origin(kind), Mapping):
        inside = "what changes" if ExperimentConfig in parts else f"[a range or choices](#{_anchor(owner, name)})"
        return f"a mapping of names to {inside}"
    if parts:
        null = " or null" if types.NoneType in get_args(kind) else ""
        return f"[its own keys](#{_anchor(owner, name)}){null}"
    return _words(kind)


def _words(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is types.NoneType:
        return "null"
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inside)
    if origin in (Union, types.UnionType):
        return ", or ".join(_words(one) for one in inside)
    if origin is tuple:
        return f"list of {_plural(inside[0])}"
    if origin is not None and issubclass_of(origin, Mapping):
        return f"mapping of names to {_plural(inside[1])}"
    return SCALARS.get(kind, "plain value")


def _plural(kind: Any) -> str:
    return {int: "whole numbers", float: "numbers", str: "texts"}.get(kind, "plain values")


def _default(field: dataclasses.Field) -> str:
    if field.name == "losses":
        return "distillation alone"
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "*required*"
    if dataclasses.is_dataclass(field.default):
        return "its own defaults"
    return f"`{_yaml(field.default)}`"


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _dataclasses_in(kind: Any) -> list[type]:
    """The dataclasses that a type is made of, in order."""
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return [kind]
    return [one for part in get_args(kind) for one in _dataclasses_in(part)]


def _tag(owner: type) -> tuple[str, str] | None:
    """Name and value of the Literal field by which a union's dataclasses are told apart."""
    for name, kind in typing.get_type_hints(owner).items():
        if get_origin(kind) is Literal and len(get_args(kind)) == 1:
            return name, get_args(kind)[0]
    return None


def _anchor(owner: type, name: str) -> str:
    return f"{owner.__name__.removesuffix('Config').lower()}-{name}"


def issubclass_of(origin: Any, base: type) -> bool:
    """issubclass that says no for what is not a class."""
    return isinstance(origin, type) and issubclass(origin, base)
