"""Where the MLflow store is; needs no MLflow."""

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.folders import make_writable
from rdpp.runs.work_folder import WorkFolder

DEFAULT_FOLDER = Path("runs")
WORK_FOLDER_VARIABLE = "RDPP_WORK_FOLDER"
"""A variable of the environment: a machine's own work folder."""
_SQLITE = "sqlite:///"
_SPECIAL = frozenset("%?#")
"""Characters that mean something in an address."""


def tracking_uri(given: str | None) -> str:
    """The flag, else MLFLOW_TRACKING_URI, else an sqlite file in ./runs."""
    return given or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url((DEFAULT_FOLDER / "mlflow.db").absolute())


def storage_url(given: str | None) -> str:
    """Of Optuna: the flag, else RDPP_STORAGE, else an sqlite file in ./runs."""
    return given or os.environ.get("RDPP_STORAGE") or sqlite_url((DEFAULT_FOLDER / "optuna.db").absolute())


def work_folder(uri: str) -> WorkFolder:
    """Where what is not finished lies: RDPP_WORK_FOLDER, else beside an sqlite file, else in ./runs.

    Raises:
        ConfigError: it is a folder with other things, among which rdpp must not remove what it no longer needs.
    """
    given, file = os.environ.get(WORK_FOLDER_VARIABLE), sqlite_file(uri)
    beside = DEFAULT_FOLDER if file is None else file.parent
    folder = WorkFolder(Path(given).absolute() if given else beside.absolute() / "work")
    if others := folder.foreign():
        raise ConfigError(
            f"the work folder {folder.root} holds other things: {', '.join(others[:3])}{', ...' * (len(others) > 3)}; "
            f"name an empty or a new folder in {WORK_FOLDER_VARIABLE}"
        )
    return folder


def sqlite_url(file: Path) -> str:
    """The address of an sqlite file, for MLflow and Optuna.

    >>> sqlite_url(Path("/data/50% off/a.db"))
    'sqlite:////data/50%25 off/a.db'
    """
    if not _SPECIAL & set(str(file)):
        return f"{_SQLITE}{file}"
    from sqlalchemy import URL  # not imported where the plain address will do, for speed

    return URL.create("sqlite", database=str(file)).render_as_string()


def sqlite_file(uri: str) -> Path | None:
    """The file of an sqlite store; None for another kind of store."""
    if not uri.startswith(_SQLITE):
        return None
    if not _SPECIAL & set(uri):
        return Path(uri.removeprefix(_SQLITE))
    from sqlalchemy import make_url

    return Path(str(make_url(uri).database))


def create_sqlite(file: Path, make: Callable[[str], object]) -> None:
    """Make an sqlite file that does not exist yet: beside its place, and moved there when it is complete.

    A process that is killed in the middle leaves no half of it, and of several at once one makes it.

    Args:
        file: to be made.
        make: fills the file at the address that it is given.
    """
    if file.exists():
        return
    with FileLock(f"{file}.lock"):
        if file.exists():
            return
        begun = f".{file.name}-new"
        for left in file.parent.glob(f"{begun}*"):  # by a process that was killed; its journal too
            left.unlink()
        make(sqlite_url(file.with_name(begun).absolute()))
        os.replace(file.with_name(begun), file)


def check_location(uri: str) -> None:
    """Make the folder of an sqlite store that does not exist yet, and see that files can be made in it.

    Raises:
        ConfigError: they cannot.
    """
    file = sqlite_file(uri)
    if file is None:
        return
    try:
        make_writable(file.parent)
    except OSError as error:
        raise unusable(uri, error) from None


def unusable(uri: str, error: Exception) -> ConfigError:
    """The error for a store that cannot be reached or created."""
    reason = " ".join(shown(error).split())[:200]
    return ConfigError(
        f"the MLflow store {shown(uri)} cannot be used ({reason}); give another with --tracking-uri or "
        "MLFLOW_TRACKING_URI"
    )


def is_empty(uri: str) -> bool:
    """Whether nothing can be in the store, because its file does not exist yet."""
    file = sqlite_file(uri)
    return file is not None and not file.exists()
