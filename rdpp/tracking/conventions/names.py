"""Names of categories, defect types and files as MLflow takes them, and back.

MLflow's keys hold letters and digits of any script, `_`, `-`, `.`, space and `/`. Every other character is written by
its number, such as `scratch _x28_deep_x29_` for `scratch (deep)`. Its values and artifacts hold any text that UTF-8 can
express; bytes of a file's name that are no UTF-8 are shown as such (`\\xe9`).
"""

import hashlib
import re
from typing import Any

from rdpp.data import printable as printable_name

LONGEST = 250
"""Characters of a key."""
_LONGEST_PICTURE = 120  # its key becomes part of a file's name, which has 255 bytes
_ODD = re.compile(r"[^/\w.\- ]|_(?=x[0-9a-f]+_)")  # and what could be taken for a number of ours
_ODD_IN_PICTURES = re.compile(_ODD.pattern, re.ASCII)
_NUMBER = re.compile(r"_x([0-9a-f]+)_")
_DOTS = re.compile(r"(?<![^/])\.{1,2}(?![^/])")  # parts of a path that mean another folder


def to_key(name: str) -> str:
    """A key of MLflow's for a metric, parameter or tag.

    `from_key` gives the name back, but for keys of more than LONGEST characters: their end is a digest.

    >>> to_key("image_auroc/defect_type/scratch (deep)")
    'image_auroc/defect_type/scratch _x28_deep_x29_'
    """
    return _key(name, _ODD, LONGEST)


def to_picture_key(name: str) -> str:
    """The same for a picture, whose key is shorter and has no letters but ASCII's.

    >>> to_picture_key("miss/1_Kratzer_ä")
    'miss/1_Kratzer__xe4_'
    """
    return _key(name, _ODD_IN_PICTURES, _LONGEST_PICTURE)


def from_key(key: str) -> str:
    """The name that `to_key` was given.

    >>> from_key("image_auroc/defect_type/scratch _x28_deep_x29_")
    'image_auroc/defect_type/scratch (deep)'
    """
    return _NUMBER.sub(lambda match: chr(int(match.group(1), 16)), key)


def printable(data: Any) -> Any:
    """Plain data with every text in it such that UTF-8 can express it."""
    if isinstance(data, str):
        return printable_name(data)
    if isinstance(data, dict):
        return {printable(key): printable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(printable(value) for value in data)
    return data


def _key(name: str, odd: re.Pattern[str], longest: int) -> str:
    key = _DOTS.sub(lambda match: _numbered(match.group()), odd.sub(lambda match: _numbered(match.group()), name))
    if len(key) <= longest:
        return key
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{key[: longest - 17]}_{digest}"


def _numbered(text: str) -> str:
    return "".join(f"_x{ord(character):x}_" for character in text)
