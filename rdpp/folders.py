"""Folders that can be written, or one line that says which setting names another."""

import errno
import os
import tempfile
from pathlib import Path

from rdpp.config import ConfigError

_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES})
"""A full or read-only disk, or a folder of another user: no fault of the code."""


def is_of_the_machine(error: OSError) -> bool:
    """Whether the disk or its rights are to be seen to, and not the code."""
    return error.errno in _OF_THE_MACHINE


def disk_problem(error: OSError) -> str:
    """Such an error in one line."""
    return f"{error.filename or 'a file'} cannot be used ({error.strerror}); see to the disk"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that others find whole or not at all, also after the machine has lost power. One process at a time
    writes a path; an earlier file is replaced."""
    begun = path.with_name(f".{path.name}")
    with begun.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(begun, path)


def make_writable(folder: Path) -> None:
    """Make a folder where it is missing, and see that files can be made in it; OSError where they cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def ensure_writable(folder: Path, remedy: str) -> None:
    """See `make_writable`.

    Args:
        folder: to be written into.
        remedy: which setting or flag names another, for the message.

    Raises:
        ConfigError: files cannot be made in it.
    """
    try:
        make_writable(folder)
    except OSError as error:
        raise unwritable(folder, error, remedy) from None


def ensure_writable_file(file: Path, remedy: str) -> None:
    """See that a file can be written at a path, whose folder is made where it is missing.

    Args:
        file: to be written.
        remedy: which setting or flag names another, for the message.

    Raises:
        ConfigError: it cannot.
    """
    if file.is_dir():
        raise ConfigError(f"{file} is a folder; {remedy}")
    ensure_writable(file.parent, remedy)


def unwritable(path: Path, error: OSError, remedy: str) -> ConfigError:
    """The error for a file or folder that cannot be written."""
    return ConfigError(f"{path} cannot be written ({error.strerror or error}); {remedy}")


def home_expanded(path: str, setting: str) -> Path:
    """An absolute path, `~` being the user's home.

    Raises:
        ConfigError: a user without one.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"{setting} is {path}, and this user has no home; set {setting} to another folder") from None
