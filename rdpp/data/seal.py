"""Digests of files, kept beside them: what is damaged later is found, and never read as if it were whole."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

_SEAL = "digests.json"
_BLOCKS = 64
_BLOCK = 4096
"""Bytes: a page of memory, the least that a disk reads."""


def seal(folder: Path) -> None:
    """Record the size and the digests of every file in a folder."""
    recorded = {path.name: _measured(path, whole=True) for path in sorted(folder.iterdir())}
    (folder / _SEAL).write_text(json.dumps(recorded, indent=1))


def flaw(folder: Path, *, whole: bool = False) -> str | None:
    """What is wrong with the files of a sealed folder; None where nothing is.

    Args:
        folder: that `seal` was called on.
        whole: read every byte. Else sizes and 64 blocks of 4 KiB a file, evenly spaced, are looked at: milliseconds, in
            which a file that was cut, zeroed or exchanged is found, but not a single byte.

    Raises:
        PermissionError: a file that this user may not read.
    """
    try:
        recorded = json.loads((folder / _SEAL).read_bytes())
        for name, expected in recorded.items():
            found = _measured(folder / name, whole=whole)
            if found["bytes"] != expected["bytes"]:
                return f"{name} has {found['bytes']} bytes, not {expected['bytes']}"
            if any(found[kind] != expected[kind] for kind in found):
                return f"{name} is not what was written"
    except PermissionError:
        raise
    except OSError as error:  # missing, or on a broken disk
        return f"{Path(error.filename or _SEAL).name} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{_SEAL} is not what was written"
    return None


def _measured(path: Path, *, whole: bool) -> dict[str, Any]:
    with path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        blocks = hashlib.sha256()
        for start in np.linspace(0, max(0, size - _BLOCK), _BLOCKS).astype(int):
            file.seek(int(start))
            blocks.update(file.read(_BLOCK))
        measured = {"bytes": size, "blocks": blocks.hexdigest()}
        if whole:
            file.seek(0)
            measured["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return measured
