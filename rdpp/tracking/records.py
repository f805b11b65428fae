"""What is to be written of a run: plain records, which could as well be written to a file and sent later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    "take_over",
    "close",
]


@dataclass(frozen=True)
class Record:
    """One thing to write."""

    run: str
    """The run's id in this process (`Node.local_id`); the store gives it another."""
    kind: Kind
    payload: Mapping[str, Any]
    """Numbers, text, lists and mappings of them, numpy arrays; the arguments of the kind's function in sink.py."""
