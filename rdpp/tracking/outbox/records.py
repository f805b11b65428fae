"""What is to be written of a run: a plain record, and the file in which it waits to be sent.

A file is safetensors: arrays are its tensors, and everything else is JSON in its metadata. Nothing is unpickled.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

Kind = Literal[
    "open",
    "tags",
    "params",
    "series",
    "text",
    "json",
    "table",
    "dataset",
    "maps",
    "pictures",
    "folder",
    "state",
    "take_over",
    "forget",
    "view",
    "close",
]
_ARRAY = "array in this file"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One thing to write."""

    node: str
    """`Node.id`; MLflow has another for the run."""
    kind: Kind
    payload: Mapping[str, Any]
    """Numbers, text, lists and mappings of them, numpy arrays; the arguments of the kind's function in
    `rdpp.tracking.sink`."""
    time: int
    """When it was put, in milliseconds since 1970."""
    folder: Path
    """Of the node, for files that lie there."""


def write_record(path: Path, kind: Kind, payload: Mapping[str, Any], time: int, scratch: Path) -> None:
    """Write a record to a file, which is whole or not there.

    Args:
        path: of the file; replaced if it exists.
        kind, payload, time: see `Record`.
        scratch: a folder for the file while it is written.

    Raises:
        FileNotFoundError: one of the two folders is not there.
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps({"kind": kind, "time": time, "payload": _without_arrays(payload, arrays)})
    begun = scratch / f".{uuid.uuid4().hex}"
    try:
        with begun.open("wb") as file:
            file.write(save(arrays, {"record": text}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(begun, path)
    finally:
        begun.unlink(missing_ok=True)


def read_record(path: Path, node: str, folder: Path) -> Record:
    """Read what `write_record` wrote. Tuples have become lists."""
    with safe_open(path, "numpy") as file:
        content = json.loads(file.metadata()["record"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    payload = _with_arrays(content["payload"], arrays)
    return Record(node=node, kind=content["kind"], payload=payload, time=content["time"], folder=folder)


def _without_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value with a name in the place of each array. Equal arrays are stored once: pictures share many."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        name = hashlib.sha256(repr((array.dtype, array.shape)).encode() + array.tobytes()).hexdigest()
        arrays[name] = array
        return {_ARRAY: name}
    if isinstance(value, Mapping):
        return {key: _without_arrays(inner, arrays) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(inner, arrays) for inner in value]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_with_arrays(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_ARRAY}:
        return arrays[value[_ARRAY]]
    return {key: _with_arrays(inner, arrays) for key, inner in value.items()}
