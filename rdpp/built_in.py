"""The experiments, sweeps and ablations that come with the package, and how a command finds its file."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdpp.config import ConfigError
from rdpp.folders import unwritable

Kind = Literal["experiment", "sweep", "ablation"]

FILES: Mapping[Kind, Mapping[str, str]] = {
    "experiment": {
        "demo": "experiments/demo.yaml",
        "rd": "experiments/rd.yaml",
        "rdpp": "experiments/rdpp.yaml",
        "recommended": "experiments/recommended.yaml",
    },
    "sweep": {
        "demo": "sweeps/demo.yaml",
        "search": "sweeps/photographs_search.yaml",
        "search-rdpp": "sweeps/photographs_search_rdpp.yaml",
    },
    "ablation": {
        "demo": "sweeps/ablation.yaml",
        "mvtec": "sweeps/ablation_mvtec.yaml",
        "photographs": "sweeps/photographs.yaml",
        "photographs-600": "sweeps/photographs_600.yaml",
        "hard": "sweeps/photographs_hard.yaml",
        "noises": "sweeps/photographs_noises.yaml",
        "judged": "sweeps/photographs_judged.yaml",
    },
}
"""By kind and name."""
_PACKAGE = Path(__file__).parent
HOME = _PACKAGE if (_PACKAGE / "experiments").is_dir() else _PACKAGE.parent
"""Folder that they are in: a wheel has them within the package, a checkout beside it."""
_SAID: Mapping[Kind, tuple[str, str]] = {
    "experiment": ("an experiment", "rdpp train"),
    "sweep": ("a sweep", "rdpp sweep"),
    "ablation": ("an ablation", "rdpp ablate"),
}
_NAME = re.compile(r"[\w-]+")


def find_file(kind: Kind, given: Path, beside: Path = Path()) -> Path:
    """The file of this path, else the built-in one of this name.

    Args:
        kind: of the file.
        given: a path, or a name, which has neither a folder nor a suffix.
        beside: where a relative path starts.

    Raises:
        ConfigError: neither.
    """
    path = beside / given
    if path.is_file():
        return path
    names = FILES[kind]
    if str(given) in names:
        return HOME / names[str(given)]
    if _NAME.fullmatch(str(given)):
        raise ConfigError(f"no {kind} '{given}', neither a file nor built in; built-in: {', '.join(names)}")
    raise ConfigError(f"no {kind} file {path}; built-in: {', '.join(names)}; rdpp init writes them as files")


def check_kind(kind: Kind, data: Mapping[str, Any], path: Path) -> None:
    """See that a file is of the kind that a command reads.

    Args:
        kind: that is wanted.
        data: what the file holds.
        path: of the file, for the message.

    Raises:
        ConfigError: it is of another one.
    """
    found = kind_of(data)
    if found is None or found == kind:
        return
    what, command = _SAID[found]
    raise ConfigError(f"{path} is {what}, not {_SAID[kind][0]}; use {command} {path}")


def kind_of(data: Mapping[str, Any]) -> Kind | None:
    """Of a file, by the key that only one kind has; None where no such key is there.

    >>> kind_of({"name": "demo", "experiment": "demo.yaml", "space": {}})
    'sweep'
    """
    keys: Mapping[str, Kind] = {"space": "sweep", "variants": "ablation", "data": "experiment"}
    return next((kind for key, kind in keys.items() if key in data), None)


@dataclass(frozen=True)
class Written:
    """What `write_files` did; paths relative to the folder."""

    new: tuple[str, ...]
    kept: tuple[str, ...]
    """Were there already, and were left as they are."""


def write_files(folder: Path, *, replace: bool = False) -> Written:
    """Write the built-in files, with their comments, into `experiments/` and `sweeps/` of a folder.

    Args:
        folder: made where it is missing.
        replace: write over files that are there.

    Raises:
        ConfigError: it cannot be written.
    """
    new, kept = [], []
    for name in sorted({name for names in FILES.values() for name in names.values()}):
        path = folder / name
        if path.exists() and not replace:
            kept.append(name)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HOME / name, path)
        except OSError as error:
            raise unwritable(path, error, "give another folder") from None
        new.append(name)
    return Written(tuple(new), tuple(kept))
